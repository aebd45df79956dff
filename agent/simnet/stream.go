package simnet

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
)

// Conn is one end of a TCP connection.
type Conn struct {
	net    *Net
	m      *machine
	local  netip.AddrPort
	remote netip.AddrPort
	peer   *Conn
	out    *half // what this end sends; peer.out is what it receives
	cond   *sync.Cond

	unread   [][]byte // arrived, not yet read
	eof      bool     // the peer has sent all it will
	fin      bool     // this end has
	err      error    // the connection was reset or timed out
	closed   bool     // this end was closed
	vanished bool     // closed by a power loss, so that the peer was not told
	read     deadline
	write    deadline
	alive    *time.Timer // keep-alive: runs while the peer cannot answer
}

// connect makes both ends of an established connection.
func (n *Net) connect(a, b *machine, from, to netip.AddrPort) (near, far *Conn) {
	end := func(m *machine, local, remote netip.AddrPort) *Conn {
		return &Conn{net: n, m: m, local: local, remote: remote, cond: sync.NewCond(&n.mu)}
	}
	near, far = end(a, from, to), end(b, to, from)
	near.peer, far.peer = far, near
	near.out, far.out = &half{net: n, src: near, dst: far}, &half{net: n, src: far, dst: near}
	n.conns[near], n.conns[far] = struct{}{}, struct{}{}
	return near, far
}

// Read returns what has arrived, io.EOF after the peer's end, ECONNRESET after
// a reset, ETIMEDOUT when the peer was out of reach for too long.
func (c *Conn) Read(b []byte) (int, error) {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	for {
		switch {
		case c.closed:
			return 0, c.fail("read", net.ErrClosed)
		case c.m.frozen:
		case c.read.passed():
			return 0, c.fail("read", os.ErrDeadlineExceeded)
		case len(b) == 0:
			return 0, nil
		case len(c.unread) > 0:
			return c.take(b), nil
		case c.err != nil:
			return 0, c.fail("read", os.NewSyscallError("read", c.err))
		case c.eof:
			return 0, io.EOF
		}
		c.cond.Wait()
	}
}

// take copies what has arrived into b and opens the peer's window.
func (c *Conn) take(b []byte) (n int) {
	for n < len(b) && len(c.unread) > 0 {
		k := copy(b[n:], c.unread[0])
		n += k
		if c.unread[0] = c.unread[0][k:]; len(c.unread[0]) == 0 {
			c.unread = c.unread[1:]
		}
	}
	from := c.peer.out
	if from.bytes -= n; from.bytes+n >= c.net.cfg.Window {
		c.peer.cond.Broadcast()
	}
	return n
}

// Write sends b. It blocks only while more than Config.Window bytes are unread.
func (c *Conn) Write(b []byte) (int, error) {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	for {
		switch {
		case c.closed:
			return 0, c.fail("write", net.ErrClosed)
		case c.write.passed():
			return 0, c.fail("write", os.ErrDeadlineExceeded)
		case c.err != nil:
			return 0, c.fail("write", os.NewSyscallError("write", c.err))
		case c.fin:
			return 0, c.fail("write", os.NewSyscallError("write", syscall.EPIPE))
		case len(b) == 0:
			return 0, nil
		case c.out.bytes < c.net.cfg.Window:
			c.out.bytes += len(b)
			c.out.push(segment{data: append([]byte(nil), b...), kind: data})
			return len(b), nil
		}
		c.cond.Wait()
	}
}

// CloseWrite ends what this end sends; reading goes on.
func (c *Conn) CloseWrite() error {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	if c.closed {
		return c.fail("close", net.ErrClosed)
	}
	c.finish()
	return nil
}

func (c *Conn) finish() {
	if !c.fin {
		c.fin = true
		c.out.push(segment{kind: fin})
	}
}

// Close ends the connection: the peer reads what was sent and then EOF, or a
// reset if this end left something unread.
func (c *Conn) Close() error {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	if c.closed {
		return c.fail("close", net.ErrClosed)
	}
	c.shut()
	return nil
}

func (c *Conn) shut() {
	if c.closed {
		return
	}
	c.closed = true
	if len(c.unread) > 0 {
		c.unread = nil
		c.out.push(segment{kind: rst})
	} else if c.err == nil {
		c.finish()
	}
	c.read.stop()
	c.write.stop()
	c.watch()
	c.cond.Broadcast()
	c.forget()
}

// forget drops a connection that neither end holds any more.
func (c *Conn) forget() {
	if c.closed && c.peer.closed && len(c.out.flight) == 0 && len(c.peer.out.flight) == 0 {
		delete(c.net.conns, c)
		delete(c.net.conns, c.peer)
	}
}

// fault ends the connection at this end with an error.
func (c *Conn) fault(err error) {
	if c.err == nil {
		c.err = err
	}
	c.out.drop()
	c.cond.Broadcast()
}

// watch runs the keep-alive while the peer cannot answer: it gives up after
// 150 s of silence, and learns within 15 s that a machine forgot it.
func (c *Conn) watch() {
	reachable := c.net.open(c.m, c.peer.m) && c.net.open(c.peer.m, c.m)
	stalled := !reachable || c.peer.vanished
	if c.closed || c.err != nil || !stalled {
		if c.alive != nil {
			c.alive.Stop()
			c.alive = nil
		}
		return
	}
	if c.alive == nil {
		c.alive = time.AfterFunc(keepAliveLimit, c.expire)
	} else if reachable {
		c.alive.Reset(keepAliveIdle)
	}
}

func (c *Conn) expire() {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	if c.closed || c.err != nil || c.alive == nil {
		return
	}
	if c.net.open(c.m, c.peer.m) {
		c.fault(syscall.ECONNRESET)
	} else {
		c.fault(syscall.ETIMEDOUT)
	}
}

// LocalAddr returns this end's *net.TCPAddr.
func (c *Conn) LocalAddr() net.Addr { return net.TCPAddrFromAddrPort(c.local) }

// RemoteAddr returns the peer's *net.TCPAddr.
func (c *Conn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.remote) }

// SetDeadline sets both deadlines; the zero time means none.
func (c *Conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetReadDeadline makes reads fail with os.ErrDeadlineExceeded from t on.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.until(&c.read, t) }

// SetWriteDeadline makes writes fail with os.ErrDeadlineExceeded from t on.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.until(&c.write, t) }

func (c *Conn) until(d *deadline, t time.Time) error {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	if c.closed {
		return c.fail("set", net.ErrClosed)
	}
	d.set(t, c.cond)
	return nil
}

func (c *Conn) fail(op string, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}
