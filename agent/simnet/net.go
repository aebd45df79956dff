package simnet

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"
)

// Config of a network. The zero value is a network without delay or loss.
type Config struct {
	// Seed decides every random delay and loss. Each direction between two
	// machines draws from its own sequence, so traffic elsewhere does not
	// disturb it.
	Seed int64

	// MinDelay and MaxDelay bound the time that a packet takes one way. With a
	// range, datagrams overtake each other; TCP stays ordered.
	MinDelay, MaxDelay time.Duration

	// Loss is the share of packets lost, 0 to 1. A lost datagram is gone, a
	// lost TCP segment comes one retransmission timeout later.
	Loss float64

	// Window is how many bytes of one direction of a connection may be sent
	// and unread before Write blocks. Zero means 16 MiB: larger than life,
	// because a write that blocks while its caller holds a mutex would stop
	// the bubble's clock.
	Window int
}

// Net is one simulated network. All methods may be called from any goroutine.
type Net struct {
	mu       sync.Mutex // never held across a wait
	cfg      Config
	machines map[netip.Addr]*machine
	cuts     map[link]bool
	dice     map[link]*rand.Rand
	conns    map[*Conn]struct{} // both ends of every connection that lives at one end at least
}

// link is one direction between two machines.
type link struct{ from, to netip.Addr }

// New makes an empty network; machines appear when they are named.
func New(cfg Config) *Net {
	if cfg.Window == 0 {
		cfg.Window = 16 << 20
	}
	return &Net{
		cfg:      cfg,
		machines: map[netip.Addr]*machine{},
		cuts:     map[link]bool{},
		dice:     map[link]*rand.Rand{},
		conns:    map[*Conn]struct{}{},
	}
}

// Host returns the network of a new process on the machine with that IP
// address. It panics when ip is not an address: that is a broken test.
func (n *Net) Host(ip string) *Host {
	n.mu.Lock()
	defer n.mu.Unlock()
	m := n.machine(ip)
	return &Host{net: n, m: m, dead: m.dying}
}

// machine is one computer: a network card, a kernel and the sockets that its
// present processes opened.
type machine struct {
	ip      netip.Addr
	powered bool
	plugged bool
	frozen  bool
	dying   chan struct{} // closed when the present processes end
	thawed  *sync.Cond    // on Net.mu
	tcp     map[netip.AddrPort]*Listener
	udp     map[netip.AddrPort]*PacketConn
	port    uint16 // the last ephemeral port given
}

func (n *Net) machine(ip string) *machine {
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		panic(fmt.Sprintf("simnet: %q is not an IP address", ip))
	}
	m := n.machines[addr]
	if m == nil {
		m = &machine{
			ip: addr, powered: true, plugged: true,
			dying:  make(chan struct{}),
			thawed: sync.NewCond(&n.mu),
			tcp:    map[netip.AddrPort]*Listener{},
			udp:    map[netip.AddrPort]*PacketConn{},
			port:   32767,
		}
		n.machines[addr] = m
	}
	return m
}

// open says whether a packet gets from one machine to the other.
func (n *Net) open(from, to *machine) bool {
	if from == to {
		return from.powered
	}
	return from.powered && to.powered && from.plugged && to.plugged &&
		!n.cuts[link{from.ip, to.ip}]
}

func (n *Net) chance(from, to *machine) *rand.Rand {
	l := link{from.ip, to.ip}
	r := n.dice[l]
	if r == nil {
		h := fnv.New64a()
		h.Write(l.from.AsSlice())
		h.Write([]byte{'>'})
		h.Write(l.to.AsSlice())
		r = rand.New(rand.NewPCG(uint64(n.cfg.Seed), h.Sum64()))
		n.dice[l] = r
	}
	return r
}

// delay draws the time that one packet takes. A machine reaches itself at once.
func (n *Net) delay(from, to *machine) time.Duration {
	if from == to || n.cfg.MaxDelay <= 0 {
		return 0
	}
	spread := n.cfg.MaxDelay - n.cfg.MinDelay
	if spread <= 0 {
		return n.cfg.MinDelay
	}
	return n.cfg.MinDelay + time.Duration(n.chance(from, to).Int64N(int64(spread)+1))
}

func (n *Net) lost(from, to *machine) bool {
	return from != to && n.cfg.Loss > 0 && n.chance(from, to).Float64() < n.cfg.Loss
}
