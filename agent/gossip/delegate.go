package gossip

import (
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
)

// delegate is what memberlist calls. It calls under its own locks: nothing
// here blocks or calls back.
type delegate struct {
	g *Gossip
}

// self is this member's own meta, encoded; memberlist asks for it.
type self struct {
	mu      sync.Mutex
	meta    Meta
	leaving bool
	encoded []byte
}

// set changes the meta, or refuses what cannot be encoded and changes nothing.
func (s *self) set(change func(*Meta, *bool)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	meta, leaving := s.meta, s.leaving
	change(&meta, &leaving)
	if meta.ID != s.meta.ID {
		return fmt.Errorf("gossip: a member's ID cannot change while it runs")
	}
	b, err := meta.encode(leaving)
	if err != nil {
		return err
	}
	s.meta, s.leaving, s.encoded = meta, leaving, b
	return nil
}

// NodeMeta implements memberlist.Delegate.
func (d delegate) NodeMeta(int) []byte {
	d.g.self.mu.Lock()
	defer d.g.self.mu.Unlock()
	return d.g.self.encoded
}

// NotifyMsg implements memberlist.Delegate: a user broadcast has come.
func (d delegate) NotifyMsg(b []byte) { d.g.heard(b) }

// GetBroadcasts implements memberlist.Delegate.
func (d delegate) GetBroadcasts(overhead, limit int) [][]byte {
	return d.g.orders.GetBroadcasts(overhead, limit)
}

// LocalState implements memberlist.Delegate; an exchange carries no state of ours.
func (d delegate) LocalState(bool) []byte { return nil }

// MergeRemoteState implements memberlist.Delegate.
func (d delegate) MergeRemoteState([]byte, bool) {}

// NotifyJoin implements memberlist.EventDelegate.
func (d delegate) NotifyJoin(n *memberlist.Node) { d.alive(n) }

// NotifyUpdate implements memberlist.EventDelegate.
func (d delegate) NotifyUpdate(n *memberlist.Node) { d.alive(n) }

// NotifyLeave implements memberlist.EventDelegate: n is dead, or has left.
func (d delegate) NotifyLeave(n *memberlist.Node) { d.g.roster.lost(n.Name, time.Now()) }

func (d delegate) alive(n *memberlist.Node) {
	meta, leaving, err := decodeMeta(n.Meta)
	if err != nil { // NotifyAlive has refused it before
		return
	}
	d.g.roster.saw(meta, nodeAddr(n), leaving, time.Now())
}

func nodeAddr(n *memberlist.Node) netip.AddrPort {
	ip, _ := netip.AddrFromSlice(n.Addr)
	return netip.AddrPortFrom(ip.Unmap(), n.Port)
}

// NotifyAlive implements memberlist.AliveDelegate: it keeps out what is not an
// agent of ours.
func (d delegate) NotifyAlive(n *memberlist.Node) error {
	meta, _, err := decodeMeta(n.Meta)
	if err != nil {
		return err
	}
	if meta.ID != n.Name {
		return fmt.Errorf("its meta belongs to node %s", meta.ID)
	}
	return nil
}

// NotifyConflict implements memberlist.ConflictDelegate. memberlist keeps the
// one it knew.
func (d delegate) NotifyConflict(known, other *memberlist.Node) {
	d.g.log.Error("two agents use the same node ID; the second is ignored",
		"node", known.Name, "known", known.Address(), "second", other.Address())
}

// NotifyMerge implements memberlist.MergeDelegate, on both sides of a join.
func (d delegate) NotifyMerge(peers []*memberlist.Node) error {
	me := d.g.roster.self(d.g.id)
	members := make([]Member, 0, len(peers))
	for _, p := range peers {
		meta, leaving, err := decodeMeta(p.Meta)
		if err != nil {
			return err
		}
		m := Member{Meta: meta, Addr: nodeAddr(p).Addr(), Port: int(p.Port), Status: Alive}
		switch {
		case leaving || p.State == memberlist.StateLeft:
			m.Status = Left
		case p.State == memberlist.StateDead:
			m.Status = Failed
		}
		if m.ID == d.g.id && m.Status == Alive && m.GossipAddr() != me.GossipAddr() {
			return fmt.Errorf("%w: node ID %s is in use by %q at %s: give each agent its own data_dir (if this node only changed its address, it joins once the old one is seen dead)",
				ErrDuplicateID, m.ID, m.Name, m.GossipAddr())
		}
		members = append(members, m)
	}
	if d.g.cfg.AllowMerge != nil {
		return d.g.cfg.AllowMerge(members)
	}
	return nil
}
