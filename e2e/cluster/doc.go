// Package cluster runs real agents as real processes for the end-to-end tests
// and the published numbers: on loopback, or each on a host of its own, which is
// a network namespace that can lose its cable.
//
// What it does to them is what happens in the world: kill -9 of an agent, of a
// task, of everything on a host; a cable pulled; a process stopped; a restart.
package cluster
