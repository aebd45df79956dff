// Package client is what a node does: it says what the machine has, runs the
// allocations that the servers want on it, and tells them what became of each.
//
//	servers ── agent/nodeapi ──┬──────────────▲──────────────▲
//	                     poll  │     register │       report │ latest state of each
//	                           ▼              │              │ allocation that changed
//	                  converge: wanted       node         reporter
//	                  against what is     (fingerprint)      ▲
//	                           │                             │ publish
//	                           ▼ update, destroy             │
//	                 alloc ─ one goroutine an allocation ────┘
//	                   │  moves(tasks): which may begin, which must end      (pure)
//	                   │  offered: which services, where                     (pure)
//	                   │  health.judge: is it healthy                        (pure)
//	                   ├──▶ agent/check: are the services well ── changed ──▶ inbox
//	                   ▼
//	                 task ── machine.step(event, now, policy): one action    (pure)
//	                   │ 1. journal what it is now   2. act
//	                   │  identities: asked for before the start, renewed at half of their TTL
//	                   ▼
//	                 driver: start, restart, stop, recover ── events come back
//
// # Who owns what
//
// An allocation's goroutine owns the allocation and its tasks; others send
// functions to its inbox. What blocks, the driver's calls, runs beside it and comes
// back as an event. The Client owns the map of allocations and the jobs, under one
// lock that is never held across I/O.
//
// # Any death of the agent
//
// A change of a task is in the journal before it is acted upon. After kill -9 the
// next agent finds each task's machine where it stood, asks the driver for what is
// behind its handle, and goes on: a task that runs keeps its PID, an exit that
// happened meanwhile is an event like any other and counts once, and a start that
// was journaled but maybe not made is made again, which is safe, because drivers
// start by state directory. What must be started anew waits for the servers' word:
// they may have moved it. The servers' word is needed too for what nobody knows any
// more: it is stopped only when they have said what is to run here.
package client
