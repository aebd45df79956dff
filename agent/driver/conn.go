package driver

import (
	"encoding/json"
	"net"
)

// opUnwatch is a watching connection's end, told to the loop by its goroutine;
// it never comes over the socket.
const opUnwatch = "unwatch"

// unknownRequest begins the answer to a request that this version does not know.
const unknownRequest = "unknown request "

// accept serves each connection in a goroutine of its own, for as long as the
// process lives.
func (s *supervisor) accept(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		s.conns.Add(1)
		go func() {
			defer s.conns.Add(-1)
			defer conn.Close()
			if unix, ok := conn.(*net.UnixConn); ok {
				s.serve(unix)
			}
		}()
	}
}

// serve turns requests into calls, one after another, until the agent hangs
// up or turns the connection into a watch.
func (s *supervisor) serve(conn *net.UnixConn) {
	from := &fileReader{conn: conn}
	defer func() { closeFiles(from.take()) }()
	in, out := json.NewDecoder(from), json.NewEncoder(conn)
	for {
		c := call{reply: make(chan reply, 1), sent: make(chan struct{})}
		if err := in.Decode(&c.request); err != nil {
			return
		}
		if handlers[c.Op] == nil || c.Op == opUnwatch || c.Op == opHungUp {
			out.Encode(reply{Fault: faultOther, Err: unknownRequest + c.Op})
			continue
		}
		if c.Op == opWatch {
			s.serveWatch(c, conn, out)
			return
		}
		if c.Op == opExec {
			c.files = from.take()
			s.serveExec(c, conn, out)
			return
		}
		s.calls <- c
		err := out.Encode(<-c.reply)
		close(c.sent)
		if err != nil {
			return
		}
	}
}

// serveWatch writes every status until either side ends it.
func (s *supervisor) serveWatch(c call, conn net.Conn, out *json.Encoder) {
	c.watch = make(chan status, 16)
	s.calls <- c
	go func() {
		var one [1]byte
		conn.Read(one[:]) // the agent sends no more: this is its end, or ours
		s.calls <- call{request: request{Op: opUnwatch}, watch: c.watch}
	}()
	for st := range c.watch {
		if out.Encode(st) != nil {
			conn.Close()
			for range c.watch { // until the loop has heard of it
			}
			return
		}
	}
}
