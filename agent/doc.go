// Package agent wires the parts of one agent together, in the order in which
// they need each other, and stops them in reverse.
//
//	     people, tools            other agents
//	          │ :4646                  │ :4647            :4648
//	          ▼                        ▼                    │
//	      httpapi ◀──────────── transport (TLS) ◀─┐      gossip
//	        │   │                      │          │         │
//	reads   │   │ writes          raft framing    │         │ who is alive
//	        ▼   ▼                      ▼          │         ▼
//	      state ◀── entries ──── consensus ◀── leader ──────┘
//	                                              │
//	      client (converge, tasks) ── nodeapi ────┘ over HTTP only
//
// agent.go is the table of contents.
package agent
