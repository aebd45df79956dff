// Package command is the command line of selfheal.
//
//	arguments ──> catalogue (noun verb -> row) ──> flags (a table a verb) ──> run
//	                                                                          │
//	   job file ──> jobspec (parsed here, on this machine)                    │
//	                                                                          v
//	   terminal <── tables, diffs, progress <── api.Client ── HTTP ──> an agent
//
// A noun is a file and a verb is a function in it that returns a [verb]: what it
// is called with, its flags, and what it does. Help, completion and parsing are
// all made from that one value. Nothing here knows the inside of a cluster: a
// verb asks an agent over HTTP, through the same public client that every other
// tool of this stack uses.
//
// Four verbs are not requests. `agent` is the process that answers them, `demo`
// starts several of those on this machine and breaks one, `demo-web` is the
// small web server that the demo and the example job run, and `supervise`,
// which main dispatches before it gets here, watches one task.
//
// Results go to standard output, progress and errors to standard error. Exit
// codes are those that scripts for this stack rely on: see [Main].
package command
