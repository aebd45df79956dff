package gossip

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/hashicorp/memberlist"
)

// heard is called by memberlist with every user message. It must not block.
func (g *Gossip) heard(b []byte) {
	switch {
	case len(b) == 0:
	case b[0] == msgForceLeave:
		if o, ok := decodeOrder(b); ok {
			g.obey(o)
		}
	case b[0] == msgMeta:
		meta, leaving, err := decodeMeta(b[1:])
		if m, ok := g.roster.get(meta.ID); err == nil && ok && m.Status == Alive && m.BootID == meta.BootID {
			g.roster.saw(meta, m.addrPort(), leaving, time.Now())
		}
	}
}

// tellServers hands this member's meta to every living server over TCP.
// Gossip would reach them too, nearly always; but a server that misses the
// announcement of a restart would take the silence that follows for a death.
func (g *Gossip) tellServers(ctx context.Context) error {
	msg := append([]byte{msgMeta}, delegate{g}.NodeMeta(0)...)
	results := make(chan error)
	waiting := 0
	for _, m := range g.roster.all() {
		if !m.Server || m.Status != Alive || m.ID == g.id {
			continue
		}
		waiting++
		to := &memberlist.Node{Name: m.ID, Addr: net.IP(m.Addr.AsSlice()), Port: uint16(m.Port)}
		go func() { // ends by itself, after StreamTimeout at the latest
			err := g.ml.SendReliable(to, msg)
			select {
			case results <- err:
			case <-ctx.Done():
			}
		}()
	}
	var failed error
	for range waiting {
		select {
		case err := <-results:
			if err != nil {
				failed = fmt.Errorf("gossip: tell the servers: %w", err)
			}
		case <-ctx.Done():
			return fmt.Errorf("gossip: tell the servers: %w", ctx.Err())
		}
	}
	return failed
}
