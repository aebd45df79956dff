package simnet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Host is the network as one process on one machine sees it. It has the shape
// of the Network interface that the agent's rooms declare.
type Host struct {
	net  *Net
	m    *machine
	dead chan struct{} // closed by Kill and Crash
}

// synRetries is Linux's tcp_syn_retries: 1+2+4+8+16+32+64 s, then ETIMEDOUT.
const synRetries = 6

// Addr returns the machine's IP address.
func (h *Host) Addr() string { return h.m.ip.String() }

// Listen opens a TCP listener. The address is "ip:port" with the machine's own
// address, a loopback address, or none (every address); port 0 picks one.
func (h *Host) Listen(addr string) (net.Listener, error) {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	fail := func(err error) (net.Listener, error) {
		return nil, &net.OpError{Op: "listen", Net: "tcp", Err: fmt.Errorf("%s: %w", addr, err)}
	}
	if h.gone() {
		return fail(net.ErrClosed)
	}
	at, err := h.local(addr, func(p netip.AddrPort) bool { return h.m.tcp[p] != nil })
	if err != nil {
		return fail(err)
	}
	l := &Listener{net: h.net, m: h.m, at: at, cond: sync.NewCond(&h.net.mu)}
	h.m.tcp[at] = l
	return l, nil
}

// ListenPacket opens a UDP socket; addresses as for Listen.
func (h *Host) ListenPacket(addr string) (net.PacketConn, error) {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	fail := func(err error) (net.PacketConn, error) {
		return nil, &net.OpError{Op: "listen", Net: "udp", Err: fmt.Errorf("%s: %w", addr, err)}
	}
	if h.gone() {
		return fail(net.ErrClosed)
	}
	at, err := h.local(addr, func(p netip.AddrPort) bool { return h.m.udp[p] != nil })
	if err != nil {
		return fail(err)
	}
	p := &PacketConn{net: h.net, m: h.m, at: at, cond: sync.NewCond(&h.net.mu)}
	h.m.udp[at] = p
	return p, nil
}

func (h *Host) gone() bool {
	select {
	case <-h.dead:
		return true
	default:
		return false
	}
}

// local resolves an address to bind to and gives it a port.
func (h *Host) local(addr string, taken func(netip.AddrPort) bool) (netip.AddrPort, error) {
	at, err := parse(addr, h.m.ip)
	if err != nil {
		return at, err
	}
	if ip := at.Addr(); ip != h.m.ip && !ip.IsLoopback() && !ip.IsUnspecified() {
		return at, os.NewSyscallError("bind", syscall.EADDRNOTAVAIL)
	}
	if at.Port() != 0 {
		if taken(at) {
			return at, os.NewSyscallError("bind", syscall.EADDRINUSE)
		}
		return at, nil
	}
	for range 1 << 16 {
		at = netip.AddrPortFrom(at.Addr(), h.m.ephemeral())
		if !taken(at) {
			return at, nil
		}
	}
	return at, os.NewSyscallError("bind", syscall.EADDRINUSE)
}

// ephemeral walks Linux's default range of local ports.
func (m *machine) ephemeral() uint16 {
	m.port++
	if m.port > 60999 || m.port < 32768 {
		m.port = 32768
	}
	return m.port
}

// parse reads "ip:port". An empty host means every address, "localhost" the
// loopback address of the family.
func parse(addr string, family netip.Addr) (netip.AddrPort, error) {
	host, service, err := net.SplitHostPort(addr)
	if err != nil {
		return netip.AddrPort{}, err
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("port %q is not a number up to 65535", service)
	}
	unspecified, loopback := netip.IPv4Unspecified(), netip.AddrFrom4([4]byte{127, 0, 0, 1})
	if family.Is6() {
		unspecified, loopback = netip.IPv6Unspecified(), netip.IPv6Loopback()
	}
	switch host {
	case "":
		return netip.AddrPortFrom(unspecified, uint16(port)), nil
	case "localhost":
		return netip.AddrPortFrom(loopback, uint16(port)), nil
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return netip.AddrPort{}, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return netip.AddrPortFrom(ip.Unmap(), uint16(port)), nil
}

// Dial opens a TCP connection as Linux would: refused at once when the machine
// is there and nobody listens, retried after 1, 2, 4... seconds when there is
// no answer, until ctx ends or two minutes have passed.
func (h *Host) Dial(ctx context.Context, addr string) (net.Conn, error) {
	to, err := parse(addr, h.m.ip)
	fail := func(err error) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: net.TCPAddrFromAddrPort(to), Err: err}
	}
	if err != nil {
		return fail(err)
	}
	for try := 0; ; try++ {
		rtt, err := h.wake(to)
		if err != nil {
			return fail(err)
		}
		if err := h.sleep(ctx, rtt); err != nil {
			return fail(err)
		}
		c, err := h.knock(to)
		if err != nil {
			return fail(err)
		}
		if c != nil {
			return c, nil
		}
		if try == synRetries {
			err = os.NewSyscallError("connect", syscall.ETIMEDOUT)
		}
		if err2 := h.sleep(ctx, time.Second<<try); err2 != nil {
			err = err2
		}
		if err != nil {
			return fail(err)
		}
	}
}

// wake waits while this process is frozen and draws the round trip to come.
func (h *Host) wake(to netip.AddrPort) (time.Duration, error) {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	for h.m.frozen && !h.gone() {
		h.m.thawed.Wait()
	}
	if h.gone() {
		return 0, net.ErrClosed
	}
	peer := h.target(to)
	if peer == nil {
		return 0, nil
	}
	return h.net.delay(h.m, peer) + h.net.delay(peer, h.m), nil
}

// target is the machine that an address means from here, nil if none has it.
func (h *Host) target(to netip.AddrPort) *machine {
	if ip := to.Addr(); ip.IsLoopback() || ip.IsUnspecified() {
		return h.m
	}
	return h.net.machines[to.Addr()]
}

// knock is one SYN: a connection, a refusal, or (nil, nil) when no answer came.
func (h *Host) knock(to netip.AddrPort) (*Conn, error) {
	n := h.net
	n.mu.Lock()
	defer n.mu.Unlock()
	if h.gone() {
		return nil, net.ErrClosed
	}
	peer := h.target(to)
	if peer == nil || !n.open(h.m, peer) || !n.open(peer, h.m) ||
		n.lost(h.m, peer) || n.lost(peer, h.m) {
		return nil, nil
	}
	l := peer.listener(to)
	if l == nil {
		return nil, os.NewSyscallError("connect", syscall.ECONNREFUSED)
	}
	if len(l.backlog) >= maxBacklog {
		return nil, nil
	}
	from := h.m.ip
	if to.Addr().IsLoopback() {
		from = to.Addr()
	}
	near, far := n.connect(h.m, peer, netip.AddrPortFrom(from, h.m.ephemeral()), to)
	l.backlog = append(l.backlog, far)
	l.cond.Broadcast()
	return near, nil
}

// listener finds who serves an address: exactly it, or every address.
func (m *machine) listener(at netip.AddrPort) *Listener {
	for _, ip := range candidates(at) {
		if l := m.tcp[netip.AddrPortFrom(ip, at.Port())]; l != nil {
			return l
		}
	}
	return nil
}

func candidates(at netip.AddrPort) [3]netip.Addr {
	return [3]netip.Addr{at.Addr(), netip.IPv4Unspecified(), netip.IPv6Unspecified()}
}

// sleep waits in the dial: until d has passed, ctx ends or the process dies.
func (h *Host) sleep(ctx context.Context, d time.Duration) error {
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
		case <-h.dead:
			return net.ErrClosed
		}
	}
	switch err := ctx.Err(); {
	case err == nil:
		return nil
	case errors.Is(err, context.DeadlineExceeded):
		return errDialTimeout{}
	default:
		return err
	}
}

// errDialTimeout is what net.Dialer reports when its context's deadline passes.
type errDialTimeout struct{}

func (errDialTimeout) Error() string   { return "i/o timeout" }
func (errDialTimeout) Timeout() bool   { return true }
func (errDialTimeout) Temporary() bool { return true }
func (errDialTimeout) Is(err error) bool {
	return err == context.DeadlineExceeded || err == os.ErrDeadlineExceeded
}
