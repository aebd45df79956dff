// Package leader is what the leader does, as loops over the state.
//
//	                ┌──────────── changes of the state ────────────┐
//	                ▼                                               │
//	evaluate   pending evaluations ─▶ scheduler.Schedule ─▶ one log entry
//	liveness   gossip accuses ─▶ probes ─▶ verdict ─▶ node status
//	leases     nodes outside gossip: calls to any server ─▶ node status
//	rollout    health of new allocations ─▶ promote, fail, revert, done
//	drain      nodes that must be emptied ─▶ allocations asked to move
//	rebalance  nodes that joined or came back ─▶ allocations moved, successor first
//	membership servers that come and go ─▶ raft's voters
//	periodic   schedules of periodic jobs ─▶ launches
//	keyring    root keys that are old ─▶ the next one, re-encryption
//	locks      locks of variables that nobody renews ─▶ lost
//	gc         what nobody needs any more ─▶ reap
//
// The leader is the only writer, so its snapshot is current and a plan is never
// rejected. Every loop keeps its memory in the state: timers only say when to
// look again, so a new leader goes on where the last one stopped. Each loop is
// one goroutine, owned by Run; the policies (verdict.go, brake.go, the step
// functions of rollout.go and drain.go) are pure and told the time.
package leader
