package gossip

import (
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
)

// An order is a user broadcast:
//
//	kind (1) | flags (1) | nonce (8) | node ID
//
// Everyone passes a new one on and carries it out: a failed member becomes one
// that left, with flagPrune it is forgotten. Who is alive and hears his own
// name refutes by saying that he is alive.
type order struct {
	nonce [8]byte
	prune bool
	id    string
}

// The kinds of user messages, in their first byte.
const (
	msgForceLeave = 1 // an order
	msgMeta       = 2 // the sender's meta; see tellServers
)

const (
	flagPrune   = 1
	orderHeader = 10
)

// ForceLeave tells every member that a failed one will not come back: it
// counts as Left, and with prune it is forgotten. Name is an ID,
// "<name>.<region>", or a name that one member has. A member that is alive
// stays.
func (g *Gossip) ForceLeave(name string, prune bool) error {
	found := g.roster.find(name)
	switch {
	case g.ctx.Err() != nil:
		return ErrShutdown
	case len(found) == 0:
		return fmt.Errorf("gossip: force-leave: no member is called %q", name)
	case len(found) > 1:
		return fmt.Errorf("gossip: force-leave: %d members are called %q: give the node ID", len(found), name)
	case found[0].ID == g.id:
		return errors.New("gossip: force-leave: that is this agent: stop it with `leave` instead")
	}
	o := order{prune: prune, id: found[0].ID}
	rand.Read(o.nonce[:])
	g.obey(o)
	return nil
}

func (o order) encode() []byte {
	b := make([]byte, orderHeader, orderHeader+len(o.id))
	b[0] = msgForceLeave
	if o.prune {
		b[1] = flagPrune
	}
	copy(b[2:], o.nonce[:])
	return append(b, o.id...)
}

func decodeOrder(b []byte) (o order, ok bool) {
	if len(b) <= orderHeader || b[0] != msgForceLeave {
		return order{}, false
	}
	o.prune = b[1]&flagPrune != 0
	copy(o.nonce[:], b[2:])
	o.id = string(b[orderHeader:])
	return o, true
}

func (g *Gossip) obey(o order) {
	now := time.Now()
	if !g.seen.add(o.nonce, now) {
		return
	}
	g.orders.QueueBroadcast(broadcast(o.encode()))
	if o.id != g.id {
		g.roster.dismiss(o.id, o.prune, now)
		return
	}
	g.log.Warn("another member wants this one to leave; it stays")
	select {
	case g.refutes <- struct{}{}:
	default: // already asked
	}
}

// broadcast is a queued order; each is unique, none replaces another.
type broadcast []byte

// Invalidates implements memberlist.Broadcast.
func (broadcast) Invalidates(memberlist.Broadcast) bool { return false }

// Message implements memberlist.Broadcast.
func (b broadcast) Message() []byte { return b }

// Finished implements memberlist.Broadcast.
func (broadcast) Finished() {}

// UniqueBroadcast implements memberlist.UniqueBroadcast.
func (broadcast) UniqueBroadcast() {}

// orderMemory is how long an order may wander about; it lives for seconds.
const orderMemory = 10 * time.Minute

// seen remembers which orders have been obeyed.
type seen struct {
	mu     sync.Mutex
	nonces map[[8]byte]time.Time
}

// add reports whether the nonce is new.
func (s *seen) add(nonce [8]byte, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.nonces[nonce]; known {
		return false
	}
	if s.nonces == nil {
		s.nonces = map[[8]byte]time.Time{}
	}
	for n, at := range s.nonces {
		if now.Sub(at) > orderMemory {
			delete(s.nonces, n)
		}
	}
	s.nonces[nonce] = now
	return true
}
