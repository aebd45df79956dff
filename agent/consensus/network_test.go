package consensus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// network connects servers in memory; a server can be cut off.
type network struct {
	mu        sync.Mutex
	listeners map[string]*listener
	conns     map[string][]net.Conn // by the addresses of both ends
	cut       map[string]bool
}

func newNetwork() *network {
	return &network{listeners: map[string]*listener{}, conns: map[string][]net.Conn{}, cut: map[string]bool{}}
}

type listener struct {
	n      *network
	addr   string
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (n *network) listen(addr string) *listener {
	l := &listener{n: n, addr: addr, conns: make(chan net.Conn), closed: make(chan struct{})}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.listeners[addr] = l
	return l
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Addr() net.Addr { return advertised(l.addr) }

func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (n *network) dialer(from string) func(context.Context, string) (net.Conn, error) {
	return func(ctx context.Context, to string) (net.Conn, error) {
		n.mu.Lock()
		l, cut := n.listeners[to], n.cut[from] || n.cut[to]
		n.mu.Unlock()
		if l == nil || cut {
			return nil, errors.New("connection refused")
		}
		ours, theirs := net.Pipe()
		select {
		case l.conns <- theirs:
		case <-l.closed:
			return nil, errors.New("connection refused")
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		n.mu.Lock()
		defer n.mu.Unlock()
		for _, end := range []string{from, to} {
			n.conns[end] = append(n.conns[end], ours, theirs)
		}
		return ours, nil
	}
}

// isolate breaks a server's connections and refuses new ones.
func (n *network) isolate(addr string, cut bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut[addr] = cut
	for _, c := range n.conns[addr] {
		c.Close()
	}
	n.conns[addr] = nil
}

// recorder is an FSM that keeps the entries.
type recorder struct {
	mu   sync.Mutex
	data []string
}

func (r *recorder) Apply(index uint64, data []byte) any {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.data = append(r.data, string(data))
	return fmt.Sprintf("%s at %d", data, index)
}

func (r *recorder) Snapshot() io.WriterTo {
	var b bytes.Buffer
	for _, d := range r.entries() {
		fmt.Fprintln(&b, d)
	}
	return &b
}

func (r *recorder) Restore(in io.Reader) error {
	all, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.data = nil
	for _, line := range bytes.Split(bytes.TrimSpace(all), []byte("\n")) {
		r.data = append(r.data, string(line))
	}
	return nil
}

func (r *recorder) entries() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.data...)
}

func (r *recorder) fsm() FSM {
	return FSM{Apply: r.Apply, Snapshot: r.Snapshot, Restore: r.Restore}
}

// server is one server of a test's cluster.
type server struct {
	*Consensus
	id     string
	fsm    *recorder
	stores *Stores
}

// cluster is servers that can be killed and started again with what they stored.
type cluster struct {
	t       *testing.T
	net     *network
	servers []*server
	changes func(*Config)
}

func memStores() *Stores {
	mem := raft.NewInmemStore()
	return &Stores{Log: mem, Stable: mem, Snapshots: raft.NewInmemSnapshotStore()}
}

// newCluster starts n servers and bootstraps them.
func newCluster(t *testing.T, n int, changes func(*Config)) *cluster {
	t.Helper()
	c := &cluster{t: t, net: newNetwork(), changes: changes}
	var members []Server
	for i := range n {
		s := &server{id: fmt.Sprintf("server-%d", i), stores: memStores()}
		c.servers = append(c.servers, s)
		members = append(members, Server{ID: s.id, Addr: s.id + ":4647", Voter: true})
		c.start(s)
	}
	t.Cleanup(func() {
		for _, s := range c.servers {
			c.kill(s)
		}
		time.Sleep(2 * ioTimeout) // dials in flight
	})
	if err := c.servers[0].Bootstrap(members); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *cluster) start(s *server) {
	c.t.Helper()
	addr := s.id + ":4647"
	s.fsm = &recorder{}
	cfg := Default()
	cfg.ID, cfg.Addr, cfg.FSM, cfg.Stores = s.id, addr, s.fsm.fsm(), s.stores
	cfg.Listener, cfg.Dial = c.net.listen(addr), c.net.dialer(addr)
	if c.changes != nil {
		c.changes(&cfg)
	}
	var err error
	if s.Consensus, err = New(cfg); err != nil {
		c.t.Fatal(err)
	}
}

// kill stops a server without a word to the others.
func (c *cluster) kill(s *server) {
	if s.Consensus == nil {
		return
	}
	c.net.isolate(s.id+":4647", true)
	if err := s.Shutdown(context.Background()); err != nil {
		c.t.Errorf("stop %s: %v", s.id, err)
	}
	c.net.isolate(s.id+":4647", false)
	s.Consensus = nil
}

// leader waits for a server that leads, other than those given.
func (c *cluster) leader(not ...*server) *server {
	c.t.Helper()
	for range 1000 {
		for _, s := range c.servers {
			if s.Consensus != nil && s.IsLeader() && !contains(not, s) {
				return s
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	c.t.Fatal("nobody leads after 10 s")
	return nil
}

func contains(all []*server, s *server) bool {
	for _, o := range all {
		if o == s {
			return true
		}
	}
	return false
}

func (c *cluster) apply(s *server, data string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	result, index, err := s.Apply(ctx, []byte(data))
	if err != nil {
		c.t.Fatalf("apply %s at %s: %v", data, s.id, err)
	}
	if want := fmt.Sprintf("%s at %d", data, index); result != want {
		c.t.Errorf("result %v, want %v", result, want)
	}
}
