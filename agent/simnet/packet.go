package simnet

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
)

const (
	maxDatagram = 65507  // what UDP over IPv4 carries
	receiveRoom = 212992 // Linux's default net.core.rmem_default
	perDatagram = 768    // what the kernel's bookkeeping of a datagram costs of that room
)

// PacketConn is a UDP socket.
type PacketConn struct {
	net    *Net
	m      *machine
	at     netip.AddrPort
	cond   *sync.Cond
	queue  []datagram
	room   int // bytes of queue, of receiveRoom
	closed bool
	read   deadline
}

type datagram struct {
	from netip.AddrPort
	data []byte
}

// ReadFrom returns the next datagram, cut to len(b).
func (p *PacketConn) ReadFrom(b []byte) (int, net.Addr, error) {
	p.net.mu.Lock()
	defer p.net.mu.Unlock()
	for {
		switch {
		case p.closed:
			return 0, nil, p.fail("read", net.ErrClosed)
		case p.m.frozen:
		case p.read.passed():
			return 0, nil, p.fail("read", os.ErrDeadlineExceeded)
		case len(p.queue) > 0:
			d := p.queue[0]
			p.queue = p.queue[1:]
			p.room -= len(d.data) + perDatagram
			return copy(b, d.data), net.UDPAddrFromAddrPort(d.from), nil
		}
		p.cond.Wait()
	}
}

// WriteTo sends a datagram of at most 65507 bytes; whether it arrives is not known.
func (p *PacketConn) WriteTo(b []byte, addr net.Addr) (int, error) {
	to, err := parse(addr.String(), p.m.ip)
	if err != nil {
		return 0, p.fail("write", err)
	}
	p.net.mu.Lock()
	defer p.net.mu.Unlock()
	for p.m.frozen && !p.closed {
		p.cond.Wait()
	}
	switch {
	case p.closed:
		return 0, p.fail("write", net.ErrClosed)
	case len(b) > maxDatagram:
		return 0, p.fail("write", os.NewSyscallError("sendto", syscall.EMSGSIZE))
	}
	peer := p.net.machines[to.Addr()]
	from := netip.AddrPortFrom(p.m.ip, p.at.Port())
	if to.Addr().IsLoopback() {
		peer, from = p.m, netip.AddrPortFrom(to.Addr(), p.at.Port())
	}
	if peer == nil || !p.net.open(p.m, peer) || p.net.lost(p.m, peer) {
		return len(b), nil
	}
	d := datagram{from: from, data: append([]byte(nil), b...)}
	if wait := p.net.delay(p.m, peer); wait > 0 {
		time.AfterFunc(wait, func() {
			p.net.mu.Lock()
			defer p.net.mu.Unlock()
			if p.net.open(p.m, peer) {
				peer.deliver(to, d)
			}
		})
		return len(b), nil
	}
	peer.deliver(to, d)
	return len(b), nil
}

// deliver queues a datagram at the socket it is for; a full queue drops it.
func (m *machine) deliver(to netip.AddrPort, d datagram) {
	for _, ip := range candidates(to) {
		p := m.udp[netip.AddrPortFrom(ip, to.Port())]
		if p == nil {
			continue
		}
		if p.room+len(d.data)+perDatagram <= receiveRoom {
			p.room += len(d.data) + perDatagram
			p.queue = append(p.queue, d)
			p.cond.Broadcast()
		}
		return
	}
}

// Close closes the socket.
func (p *PacketConn) Close() error {
	p.net.mu.Lock()
	defer p.net.mu.Unlock()
	if p.closed {
		return p.fail("close", net.ErrClosed)
	}
	p.shut()
	return nil
}

func (p *PacketConn) shut() {
	p.closed = true
	p.queue = nil
	p.read.stop()
	delete(p.m.udp, p.at)
	p.cond.Broadcast()
}

// LocalAddr returns the *net.UDPAddr that the socket is bound to.
func (p *PacketConn) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(p.at) }

// SetDeadline sets both deadlines; writes never wait long enough to miss one.
func (p *PacketConn) SetDeadline(t time.Time) error {
	return errors.Join(p.SetReadDeadline(t), p.SetWriteDeadline(t))
}

// SetReadDeadline makes reads fail with os.ErrDeadlineExceeded from t on.
func (p *PacketConn) SetReadDeadline(t time.Time) error {
	p.net.mu.Lock()
	defer p.net.mu.Unlock()
	if p.closed {
		return p.fail("set", net.ErrClosed)
	}
	p.read.set(t, p.cond)
	return nil
}

// SetWriteDeadline is accepted and has no effect.
func (p *PacketConn) SetWriteDeadline(time.Time) error { return nil }

func (p *PacketConn) fail(op string, err error) error {
	return &net.OpError{Op: op, Net: "udp", Source: p.LocalAddr(), Err: err}
}
