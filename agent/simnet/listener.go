package simnet

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// maxBacklog is Linux's default net.core.somaxconn.
const maxBacklog = 4096

// Listener is a listening TCP socket.
type Listener struct {
	net     *Net
	m       *machine
	at      netip.AddrPort
	cond    *sync.Cond
	backlog []*Conn // connections that the kernel has accepted and the process has not
	closed  bool
}

// Accept waits for a connection. It returns net.ErrClosed after Close.
func (l *Listener) Accept() (net.Conn, error) {
	l.net.mu.Lock()
	defer l.net.mu.Unlock()
	for {
		switch {
		case l.closed:
			return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: l.Addr(), Err: net.ErrClosed}
		case len(l.backlog) > 0 && !l.m.frozen:
			c := l.backlog[0]
			l.backlog = l.backlog[1:]
			return c, nil
		}
		l.cond.Wait()
	}
}

// Close stops listening; connections that nobody accepted are reset.
func (l *Listener) Close() error {
	l.net.mu.Lock()
	defer l.net.mu.Unlock()
	if l.closed {
		return &net.OpError{Op: "close", Net: "tcp", Addr: l.Addr(), Err: net.ErrClosed}
	}
	l.shut()
	return nil
}

func (l *Listener) shut() {
	l.closed = true
	delete(l.m.tcp, l.at)
	for _, c := range l.backlog {
		if !c.closed {
			c.closed = true
			c.out.push(segment{kind: rst})
		}
	}
	l.backlog = nil
	l.cond.Broadcast()
}

// Addr returns the *net.TCPAddr that the listener is bound to.
func (l *Listener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.at) }

// deadline is a moment after which an operation fails; the zero value is none.
type deadline struct {
	at    time.Time
	timer *time.Timer
}

// set changes the deadline and wakes those who wait on cond when it passes.
// The caller holds cond.L.
func (d *deadline) set(t time.Time, cond *sync.Cond) {
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	d.at = t
	if !t.IsZero() && time.Until(t) > 0 {
		d.timer = time.AfterFunc(time.Until(t), func() {
			cond.L.Lock()
			defer cond.L.Unlock()
			cond.Broadcast()
		})
	}
	cond.Broadcast()
}

func (d *deadline) passed() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }

func (d *deadline) stop() {
	if d.timer != nil {
		d.timer.Stop()
	}
}
