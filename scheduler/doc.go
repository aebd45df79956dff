// Package scheduler decides what runs where.
//
//	Request ──▶ Schedule ──▶ Plan
//	(the job, the cluster,     (what to place, stop, update,
//	 the time, the settings)    and why the rest could not be)
//
// It is a pure function: no clock, no random source, no I/O, so the same
// request always gives the same plan. The caller keeps a Cluster current change
// by change and tells every request the time.
//
// One decision, and the files that take it:
//
//	Cluster (cluster, slot, class, ports)      what is there, by node ordinal and computed class
//	   │
//	fates (fate, reschedule)                   what became of every allocation of the job
//	   │
//	reconcile (reconcile, scale, rollout)      what to keep, stop, update in place, replace, add
//	   │              system                   the same for one allocation on every node
//	wants
//	   │
//	pass (feasible, constraint, device, pin, fit)   which nodes may and can take one more
//	   │  (survey, rank, spread, bucket,
//	   │   tournament)                         which of them is best, for any number in one pass
//	   │  (preempt)                            who would have to leave, if nobody may
//	   ▼
//	Plan (place, explain)                      placements, and for what found none the reason
//
// What-if questions (trial, drainplan, resilience, losskinds, losspairs, rebalance, level,
// weigh) are decisions one after another on the cluster, all undone in the end.
//
// While it decides, Schedule takes and releases resources on the Cluster itself and
// undoes all of it at the end: a decision copies nothing, and costs what it looks at. A
// Cluster therefore belongs to one goroutine.
//
// All feasible nodes are scored, none is sampled. Ties go to the node whose ID hashes
// lowest together with the job's name, so that equal nodes are not all filled from the
// same end, and no answer depends on the order in which nodes were told.
//
// Memory counts as Resources.Memory; MemoryMax is for the node alone. The package imports the standard library and hashicorp/go-version only.
package scheduler
