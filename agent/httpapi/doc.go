// Package httpapi is the HTTP API: /v1 under Nomad's paths and shapes, and the
// private node routes.
//
//	             ┌────────────────────── one request ───────────────────────┐
//	4646 people ─┤ match ─▶ right ─▶ region ─▶ where ─▶ handler ─▶ respond │─▶ JSON, text, stream
//	4647 peers ──┤ routes.go          │         │        │                   │
//	             └────────────────────┼─────────┼────────┼───────────────────┘
//	                                  │         │        ├─ reads:  a state.Snapshot, blocking
//	                  another region ─┘         │        ├─ writes: one log command through Raft
//	       the leader, or the node that has it ─┘        └─ node:   files, logs, stats, restart
//
// routes.go is the table of everything that is answered. A row says where a
// request is answered: here, by the leader, or by the agent of a node;
// forward.go carries it there, at most a few hops. There is one file a noun.
// Everything but state, nodeapi and jobspec comes in through the interfaces of
// parts.go, filled by the agent's wiring.
package httpapi
