// Package state is what the cluster knows.
//
//	log entry ──▶ Apply ──▶ command ──▶ tx ──▶ tables (go-memdb) ──▶ Snapshot: reads, blocking reads
//	                        (fsm.go)   (tx.go)     │
//	                                               └──▶ Changes: the leader's index, the event stream
//
// Only a log entry changes it, and it reads no clock and no random source, so
// every server that applied the same entries knows the same: IDs are derived from
// the entry's index, times come with the entry.
//
// An entry is one transaction. What follows from it is part of it: evaluations of the
// jobs that it touches, blocked evaluations that freed capacity wakes, summaries
// and statuses of jobs. So no trigger is ever lost between two entries.
//
// A plan is decided on a snapshot and committed later. What happens in between is not
// lost either: an evaluation that is touched while it is decided is followed by
// another (endEvals), one that blocks although capacity was freed goes on as pending
// (storeEval), and a placement on a node that went down is refused (place).
//
// Concurrency: one goroutine applies, any number read. A Snapshot never changes, and
// rows are never changed after they are stored. Subscribers of Changes are called by
// the applying goroutine after the commit.
//
// Memory: allocations come in millions, so they are not memdb rows but pointers in
// three copy-on-write B-trees (alloctree.go), share strings, resources and metrics
// (plans.go), and pack their task states (taskstates.go): some 550 bytes for a placed
// one, 770 for a running one, indexes included.
package state
