package gossip

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/hashicorp/go-hclog"
)

// Network is what gossip needs of the network: the kernel's, or a simulated one.
type Network interface {
	// Listen opens a TCP listener on "ip:port"; port 0 picks one.
	Listen(addr string) (net.Listener, error)
	// ListenPacket opens a UDP socket on "ip:port".
	ListenPacket(addr string) (net.PacketConn, error)
	// Dial opens a TCP connection, until ctx ends.
	Dial(ctx context.Context, addr string) (net.Conn, error)
}

// DefaultPort is the gossip port, UDP and TCP, as users of this stack know it.
const DefaultPort = 4648

// Config of one member. Start from Default.
type Config struct {
	// Network carries everything. Required.
	Network Network

	// BindAddr is the IP address to listen on, "0.0.0.0" for all; Port serves
	// both UDP and TCP, 0 lets the kernel choose.
	BindAddr string
	Port     int

	// AdvertiseAddr is where others reach this member: an IP address, or
	// "ip:port". Empty means BindAddr, or the first private address of this
	// machine when that is a wildcard.
	AdvertiseAddr string

	// Meta is what the others learn about this member; Meta.ID is required.
	Meta Meta

	// Keys encrypt all traffic (AES-GCM; 16, 24 or 32 bytes each). The first
	// encrypts, all decrypt. None: plain text.
	Keys [][]byte

	// Logger is required.
	Logger hclog.Logger

	// Events, if set, is the first subscriber: it misses nothing, this
	// member's own Joined included.
	Events func(Event)

	// AllowMerge, if set, is asked before another cluster's members are taken
	// in; an error refuses the join and becomes its text.
	AllowMerge func(members []Member) error

	// ProbeInterval is the time between two probes by this member, each of the
	// next member in a shuffled round; a probe that has no answer within it
	// (direct, through IndirectChecks others, and by TCP) makes a suspect. It is
	// stretched by (1 + HealthScore) while this member itself is slow.
	//
	// Lower finds death sooner and costs more: each member sends and answers
	// 1/ProbeInterval probes a second, two packets of about 120 bytes each,
	// whatever n is: 13 packets and 1.6 kB a second each way at 150 ms.
	ProbeInterval time.Duration

	// ProbeTimeout is when the direct probe gives up and the others are asked.
	// They say so when they have no answer either, ProbeTimeout later: it must
	// stay well below ProbeInterval/2, or this member thinks itself sick whenever
	// another dies. Lower than a busy host's scheduling delay it wastes packets.
	ProbeTimeout time.Duration

	// IndirectChecks is how many others are asked to probe on one's behalf.
	// One answer clears the accused, so more of them means fewer false
	// suspicions on a lossy network: with loss p a probe fails through k others
	// with (1-(1-p)^4)^k.
	IndirectChecks int

	// SuspicionMult sets how long a suspect may clear itself before it is
	// reported Failed:
	//
	//   SuspicionMult * max(1, log10 n) * ProbeInterval
	//
	// With 2 that is 300 ms up to 10 members, 600 ms at 100, 1.2 s at 10,000. At
	// 10 % packet loss, 30 members report no or a handful of false failures in
	// five minutes; with 1 they report dozens, and a death 150 ms sooner.
	// Up to 2 the first accusation starts that clock; above, confirmations by
	// SuspicionMult-2 others are awaited, up to SuspicionMaxMult times longer.
	SuspicionMult    int
	SuspicionMaxMult int

	// GossipInterval and GossipNodes: every interval, news goes to so many
	// random members; news reaches all in about log(n)/log(GossipNodes+1)
	// intervals. Without news nothing is sent.
	GossipInterval time.Duration
	GossipNodes    int

	// PushPullInterval is the time between complete exchanges with one random
	// member over TCP, which repair what gossip lost; beyond 32 members it grows
	// with log2 n. An exchange costs about 200 bytes a member, each way.
	PushPullInterval time.Duration

	// ReconnectInterval is how often this member considers dialling a failed
	// one, with probability failed/alive: the whole cluster dials about
	// one time per failed member and interval. A healed partition merges after
	// about one interval.
	ReconnectInterval time.Duration

	// FailedTimeout and LeftTimeout are how long failed members and those that
	// left are remembered.
	FailedTimeout time.Duration
	LeftTimeout   time.Duration

	// StreamTimeout bounds a dial, and each read and write over TCP.
	StreamTimeout time.Duration
}

// Default returns the fast probes that every agent starts with. Measured over
// simnet, 7 members, 80 silent deaths: reported after 0.59 s (median), 0.75 s
// (90th percentile), 0.98 s (longest).
func Default() Config {
	return Config{
		BindAddr:          "0.0.0.0",
		Port:              DefaultPort,
		ProbeInterval:     150 * time.Millisecond,
		ProbeTimeout:      60 * time.Millisecond,
		IndirectChecks:    3,
		SuspicionMult:     2,
		SuspicionMaxMult:  4,
		GossipInterval:    50 * time.Millisecond,
		GossipNodes:       4,
		PushPullInterval:  15 * time.Second,
		ReconnectInterval: 2 * time.Second,
		FailedTimeout:     24 * time.Hour,
		LeftTimeout:       10 * time.Minute,
		StreamTimeout:     5 * time.Second,
	}
}

// Validate reports everything that is wrong, each with what to change.
func (c Config) Validate() error {
	var errs []error
	bad := func(broken bool, format string, args ...any) {
		if broken {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	bad(c.Network == nil, "gossip: set Network")
	bad(c.Logger == nil, "gossip: set Logger")
	bad(c.Meta.ID == "", "gossip: set Meta.ID, the node's ID")
	bad(c.Port < 0 || c.Port > 65535, "gossip: port %d is not between 0 and 65535", c.Port)
	if _, err := netip.ParseAddr(c.BindAddr); err != nil {
		bad(true, "gossip: bind address %q is not an IP address", c.BindAddr)
	}
	for i, k := range c.Keys {
		bad(len(k) != 16 && len(k) != 24 && len(k) != 32,
			"gossip: key %d has %d bytes: use 16, 24 or 32", i+1, len(k))
	}
	bad(c.ProbeInterval <= 0, "gossip: probe interval must be positive")
	bad(c.ProbeTimeout <= 0 || 2*c.ProbeTimeout >= c.ProbeInterval,
		"gossip: probe timeout %v must be above 0 and below half the probe interval %v", c.ProbeTimeout, c.ProbeInterval)
	bad(c.SuspicionMult < 1 || c.SuspicionMaxMult < 1, "gossip: suspicion multipliers must be at least 1")
	bad(c.GossipInterval <= 0 || c.GossipNodes < 1, "gossip: gossip interval and nodes must be positive")
	bad(c.PushPullInterval <= 0 || c.ReconnectInterval <= 0 || c.StreamTimeout <= 0 ||
		c.FailedTimeout <= 0 || c.LeftTimeout <= 0, "gossip: intervals and timeouts must be positive")
	if _, err := c.Meta.encode(false); err != nil {
		errs = append(errs, err)
	}
	if _, err := c.advertise(netip.AddrPort{}); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// advertise resolves where others reach a member that is bound to the given
// address. It returns the zero value when that is a wildcard and nothing is set.
func (c Config) advertise(bound netip.AddrPort) (netip.AddrPort, error) {
	if c.AdvertiseAddr == "" {
		if !bound.IsValid() || bound.Addr().IsUnspecified() {
			return netip.AddrPort{}, nil
		}
		return bound, nil
	}
	host, port := c.AdvertiseAddr, bound.Port()
	if h, p, err := net.SplitHostPort(c.AdvertiseAddr); err == nil {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil {
			return netip.AddrPort{}, fmt.Errorf("gossip: advertise address %q has a bad port", c.AdvertiseAddr)
		}
		host, port = h, uint16(n)
	}
	ip, err := netip.ParseAddr(host)
	if err != nil || ip.IsUnspecified() {
		return netip.AddrPort{}, fmt.Errorf("gossip: advertise address %q is not an IP address that others can reach", c.AdvertiseAddr)
	}
	return netip.AddrPortFrom(ip.Unmap(), port), nil
}
