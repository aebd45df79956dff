package simnet

import (
	"syscall"
	"time"
)

// rto is Linux's least retransmission timeout; it doubles with each loss.
const rto = 200 * time.Millisecond

// half is one direction of a connection: segments on their way, in order.
//
//	Write -> push -> flight -(delay, loss, cuts)-> arrive -> unread -> Read
type half struct {
	net    *Net
	src    *Conn
	dst    *Conn
	flight []segment
	bytes  int         // sent and not yet read
	timer  *time.Timer // fires when flight[0] is due
	held   bool        // flight[0] is due and the way is cut
}

type kind uint8

const (
	data kind = iota
	fin       // the sender has no more to say
	rst       // the receiver's segments have no connection
)

type segment struct {
	kind   kind
	data   []byte
	at     time.Time // when it arrives
	frozen bool      // written by a process that stands still: leaves after Thaw
}

func (h *half) push(s segment) {
	s.at = time.Now().Add(h.net.delay(h.src.m, h.dst.m))
	for wait := rto; h.net.lost(h.src.m, h.dst.m) && wait < time.Minute; wait *= 2 {
		s.at = s.at.Add(wait)
	}
	if k := len(h.flight); k > 0 && s.at.Before(h.flight[k-1].at) {
		s.at = h.flight[k-1].at
	}
	s.frozen = h.src.m.frozen && !h.src.closed
	h.flight = append(h.flight, s)
	if len(h.flight) == 1 {
		h.pump()
	}
}

// pump delivers what is due and sets the timer for what comes next.
func (h *half) pump() {
	for len(h.flight) > 0 {
		s := h.flight[0]
		if !h.net.open(h.src.m, h.dst.m) || s.frozen && h.src.m.frozen && !h.src.closed {
			h.held = true
			return
		}
		if wait := time.Until(s.at); wait > 0 {
			h.arm(wait)
			return
		}
		h.flight = h.flight[1:]
		h.arrive(s)
	}
	h.src.forget()
}

func (h *half) arm(wait time.Duration) {
	if h.timer != nil {
		h.timer.Reset(wait)
		return
	}
	h.timer = time.AfterFunc(wait, func() {
		h.net.mu.Lock()
		defer h.net.mu.Unlock()
		h.pump()
	})
}

// resume sends again what a cut held back: the next retransmission comes
// within one timeout.
func (h *half) resume() {
	if !h.held {
		return
	}
	h.held = false
	if len(h.flight) == 0 {
		return
	}
	at := time.Now().Add(h.net.delay(h.src.m, h.dst.m))
	if h.src.m != h.dst.m && h.net.open(h.src.m, h.dst.m) {
		at = at.Add(time.Duration(h.net.chance(h.src.m, h.dst.m).Int64N(int64(rto))))
	}
	for i := range h.flight {
		if h.flight[i].at.Before(at) {
			h.flight[i].at = at
		}
	}
	h.pump()
}

func (h *half) arrive(s segment) {
	c := h.dst
	switch {
	case c.closed && s.kind == data:
		h.bytes -= len(s.data)
		c.out.push(segment{kind: rst}) // nobody is there to read it
	case c.closed && s.kind == fin && c.vanished:
		c.out.push(segment{kind: rst})
	case c.closed:
	case s.kind == data:
		c.unread = append(c.unread, s.data)
	case s.kind == fin:
		c.eof = true
	case s.kind == rst:
		c.fault(syscall.ECONNRESET)
	}
	c.cond.Broadcast()
}

// drop forgets what is on its way.
func (h *half) drop() {
	h.flight, h.held = nil, false
	if h.timer != nil {
		h.timer.Stop()
	}
}
