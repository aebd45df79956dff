package gossip

import (
	"net"
	"net/netip"
	"strconv"
	"time"
)

// Status is a member's state, in the words that users of this stack know.
type Status string

// The statuses of a member.
const (
	Alive  Status = "alive"
	Failed Status = "failed" // it stopped answering
	Left   Status = "left"   // it said goodbye, or an operator said it for it
)

// Member is one agent as gossip sees it.
type Member struct {
	Meta
	Addr   netip.Addr
	Port   int
	Status Status
	Since  time.Time // when Status began, as this agent saw it
}

// GossipAddr returns the member's gossip address, "ip:port".
func (m Member) GossipAddr() string { return hostPort("", m.Addr, m.Port) }

func (m Member) addrPort() netip.AddrPort { return netip.AddrPortFrom(m.Addr, uint16(m.Port)) }

// HTTP returns where the member's API is reached, "host:port".
func (m Member) HTTP() string { return hostPort(m.HTTPAddr, m.Addr, m.HTTPPort) }

// RPC returns where the member's cluster port is reached, "host:port".
func (m Member) RPC() string { return hostPort(m.RPCAddr, m.Addr, m.RPCPort) }

// FullName returns "<name>.<region>", the name that commands show and take.
func (m Member) FullName() string { return m.Name + "." + m.Region }

func hostPort(override string, addr netip.Addr, port int) string {
	if _, _, err := net.SplitHostPort(override); err == nil {
		return override
	}
	if override == "" {
		override = addr.String()
	}
	return net.JoinHostPort(override, strconv.Itoa(port))
}

// EventKind says what an Event reports.
type EventKind string

// The kinds of events.
const (
	EventJoined  EventKind = "joined"  // new, or back after it failed or left
	EventUpdated EventKind = "updated" // its Meta changed: a restart announced, a new boot ID
	EventFailed  EventKind = "failed"  // it stopped answering; Meta is the last it said
	EventLeft    EventKind = "left"    // it left, or a failed member was forced to
)

// Event is one change of one member, with the member as it is after the change.
type Event struct {
	Kind   EventKind
	Member Member
}
