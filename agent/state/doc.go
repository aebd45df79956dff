// Package state is what the cluster knows.
//
//	log entry ──▶ FSM.Apply ──▶ tables (go-memdb) ──▶ Snapshot: reads, blocking reads
//	                               │
//	                               └──▶ Changes: the leader's index, the event stream
//
// Only a log entry changes it, and it reads no clock and no random source, so
// every server that applied the same entries knows the same.
package state
