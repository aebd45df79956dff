package nodeapi

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"
)

// Error is a server's refusal.
type Error struct {
	Server string // host:port of who refused
	Code   int    // HTTP status
	Text   string // its body
}

// Error names the server, the status and the server's own text.
func (e *Error) Error() string {
	return fmt.Sprintf("%s answered %d: %s", e.Server, e.Code, e.Text)
}

// Unknown: the server does not know the node (404). Register, then go on.
func (e *Error) Unknown() bool { return e.Code == http.StatusNotFound }

// Denied: the node's identity is not accepted (403).
func (e *Error) Denied() bool { return e.Code == http.StatusForbidden }

// final tells refusals of the request itself. A server that lags behind may not
// know a node yet (403, 404), one may be busy (408, 429) or without a leader (5xx).
func (e *Error) final() bool {
	switch e.Code {
	case http.StatusForbidden, http.StatusNotFound, http.StatusRequestTimeout, http.StatusTooManyRequests:
		return false
	}
	return e.Code >= 400 && e.Code < 500
}

// Backoff spaces the rounds over all servers that failed. The zero value is ready.
type Backoff struct{ rounds int }

// Limits of a Backoff: short enough that a node is back within a second of its
// servers, and that a restarted cluster is not met by all its nodes at once.
const (
	backoffBase = 50 * time.Millisecond
	backoffMax  = 2 * time.Second
)

// Next is how long to wait before the next round: 50 ms doubled with each failed
// round up to 2 s, of which a random half is taken off.
func (b *Backoff) Next() time.Duration {
	wait := min(backoffBase<<min(b.rounds, 10), backoffMax)
	b.rounds++
	return wait - time.Duration(rand.Int64N(int64(wait/2)+1))
}

// Reset begins anew, after a round that succeeded.
func (b *Backoff) Reset() { b.rounds = 0 }
