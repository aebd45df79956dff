// Package nodeapi is the private protocol between a node and the servers: the
// shapes on the wire, and the node's side of the calls. The servers' side is
// agent/httpapi. Its routes are versioned, live on the cluster port only, and
// are open only to a node's own identity.
//
//	node ── PUT  /v1/internal/node/register ──▶ leader   who I am, what I have
//	node ── POST /v1/internal/node/allocs   ──▶ any      (long poll) what changed since index N
//	node ── PUT  /v1/internal/node/status   ──▶ leader   what became of my allocations
//	node ── POST /v1/internal/node/identities ─▶ any     sign what my tasks show to others
//	node ── PUT  /v1/internal/node/goodbye  ──▶ leader   I restart: leave my tasks alone
package nodeapi
