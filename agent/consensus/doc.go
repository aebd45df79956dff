// Package consensus is how servers agree on the log: hashicorp/raft and raft-wal
// behind a small surface.
//
//	Apply(data) ──▶ leader ──▶ raft log (fsync on a majority) ──▶ FSM.Apply on every server
//	     ▲                        │
//	     └── result, index ◀──────┘            DataDir/raft/wal        the log, in segments
//	                                           DataDir/raft/snapshots  the last two snapshots
//
// It knows nothing of what is agreed on: entries are bytes, the state machine is
// three functions, and the network is a listener and a dial function.
//
// Concurrency: raft's goroutines call the FSM one call at a time. Subscribers of
// leadership are called by one goroutine of this package, in order. Everything
// exported may be called by any number of goroutines.
package consensus
