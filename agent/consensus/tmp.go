// Package consensus is a temporary stand-in.
package consensus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	wal "github.com/hashicorp/raft-wal"
)

// FSM x.
type FSM interface {
	Apply(index uint64, data []byte) any
}

// Stores x.
type Stores struct {
	Log    raft.LogStore
	Stable raft.StableStore
	Snaps  raft.SnapshotStore
}

// Config x.
type Config struct {
	ID, Addr, DataDir string
	FSM               FSM
	Listener          net.Listener
	Dial              func(ctx context.Context, addr string) (net.Conn, error)
	Logger            hclog.Logger
	Stores            *Stores
}

// Default x.
func Default() Config { return Config{} }

// Server x.
type Server struct {
	ID, Addr string
	Voter    bool
}

// ErrNotLeader x.
type ErrNotLeader struct{ LeaderAddr string }

func (e ErrNotLeader) Error() string { return "not leader" }

// ErrLeadershipLost x.
var ErrLeadershipLost = errors.New("lost")

// Consensus x.
type Consensus struct {
	r     *raft.Raft
	cfg   Config
	mu    sync.Mutex
	subs  []func(bool)
	state bool
	closers []io.Closer
	done chan struct{}
}

type layer struct {
	net.Listener
	dial func(ctx context.Context, addr string) (net.Conn, error)
}

func (l layer) Dial(a raft.ServerAddress, d time.Duration) (net.Conn, error) {
	ctx, c := context.WithTimeout(context.Background(), d)
	defer c()
	return l.dial(ctx, string(a))
}

type fsm struct{ f FSM }

func (f fsm) Apply(l *raft.Log) any               { return f.f.Apply(l.Index, l.Data) }
func (f fsm) Snapshot() (raft.FSMSnapshot, error) { return nil, errors.New("no") }
func (f fsm) Restore(io.ReadCloser) error         { return errors.New("no") }

// New x.
func New(cfg Config) (*Consensus, error) {
	c := raft.DefaultConfig()
	c.LocalID = raft.ServerID(cfg.ID)
	c.Logger = cfg.Logger.Named("raft")
	c.HeartbeatTimeout, c.ElectionTimeout, c.LeaderLeaseTimeout, c.CommitTimeout = 350*time.Millisecond, 350*time.Millisecond, 250*time.Millisecond, 20*time.Millisecond
	c.BatchApplyCh = true
	c.SnapshotThreshold = 1 << 40
	tr := raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{Stream: layer{cfg.Listener, cfg.Dial}, MaxPool: 3, Timeout: 2 * time.Second, Logger: c.Logger, ServerAddressProvider: nil})
	s := cfg.Stores
	out := &Consensus{cfg: cfg}
	if s == nil {
		mem := raft.NewInmemStore()
		s = &Stores{mem, mem, raft.NewInmemSnapshotStore()}
		if cfg.DataDir != "" {
			d := filepath.Join(cfg.DataDir, "raft")
			os.MkdirAll(d, 0o700)
			w, err := wal.Open(d, wal.WithSegmentSize(4<<20))
			if err != nil {
				return nil, err
			}
			s.Log, s.Stable = w, w
			s.Snaps, err = raft.NewFileSnapshotStore(cfg.DataDir, 2, io.Discard)
			if err != nil {
				return nil, err
			}
			out.closers = append(out.closers, w)
		}
	}
	has, err := raft.HasExistingState(s.Log, s.Stable, s.Snaps)
	if err != nil {
		return nil, err
	}
	out.state = has
	r, err := raft.NewRaft(c, fsm{cfg.FSM}, s.Log, s.Stable, s.Snaps, addrTransport{tr, raft.ServerAddress(cfg.Addr)})
	if err != nil {
		return nil, err
	}
	out.r = r
	out.closers = append(out.closers, tr)
	out.done = make(chan struct{})
	go func() {
		for {
			var l bool
			select {
			case l = <-r.LeaderCh():
			case <-out.done:
				return
			}
			out.mu.Lock()
			subs := out.subs
			out.mu.Unlock()
			for _, f := range subs {
				f(l)
			}
		}
	}()
	return out, nil
}

type addrTransport struct {
	*raft.NetworkTransport
	addr raft.ServerAddress
}

func (a addrTransport) LocalAddr() raft.ServerAddress { return a.addr }

// Apply x.
func (c *Consensus) Apply(ctx context.Context, data []byte) (any, uint64, error) {
	f := c.r.Apply(data, 10*time.Second)
	if err := f.Error(); err != nil {
		if errors.Is(err, raft.ErrNotLeader) {
			return nil, 0, ErrNotLeader{}
		}
		if errors.Is(err, raft.ErrLeadershipLost) {
			return nil, 0, ErrLeadershipLost
		}
		return nil, 0, err
	}
	return f.Response(), f.Index(), nil
}

// Barrier x.
func (c *Consensus) Barrier(ctx context.Context) error { return c.r.Barrier(10 * time.Second).Error() }

// IsLeader x.
func (c *Consensus) IsLeader() bool { return c.r.State() == raft.Leader }

// Leader x.
func (c *Consensus) Leader() (id, addr string) {
	a, i := c.r.LeaderWithID()
	return string(i), string(a)
}

// Subscribe x.
func (c *Consensus) Subscribe(f func(bool)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.subs = append(c.subs, f)
	if c.IsLeader() {
		go f(true)
	}
}

// LastContact x.
func (c *Consensus) LastContact() time.Duration {
	if c.IsLeader() {
		return 0
	}
	return time.Since(c.r.LastContact())
}

// HasState x.
func (c *Consensus) HasState() bool { return c.r.LastIndex() > 0 }

// Bootstrap x.
func (c *Consensus) Bootstrap(servers []Server) error {
	var cfg raft.Configuration
	for _, s := range servers {
		cfg.Servers = append(cfg.Servers, raft.Server{ID: raft.ServerID(s.ID), Address: raft.ServerAddress(s.Addr)})
	}
	return c.r.BootstrapCluster(cfg).Error()
}

// Configuration x.
func (c *Consensus) Configuration() ([]Server, uint64, error) {
	f := c.r.GetConfiguration()
	if err := f.Error(); err != nil {
		return nil, 0, err
	}
	var out []Server
	for _, s := range f.Configuration().Servers {
		out = append(out, Server{string(s.ID), string(s.Address), s.Suffrage == raft.Voter})
	}
	return out, f.Index(), nil
}

// AddVoter x.
func (c *Consensus) AddVoter(ctx context.Context, id, addr string) error {
	return c.r.AddVoter(raft.ServerID(id), raft.ServerAddress(addr), 0, 5*time.Second).Error()
}

// Remove x.
func (c *Consensus) Remove(ctx context.Context, id string) error {
	return c.r.RemoveServer(raft.ServerID(id), 0, 5*time.Second).Error()
}

// TransferLeadership x.
func (c *Consensus) TransferLeadership(ctx context.Context) error {
	return c.r.LeadershipTransfer().Error()
}

// Save x.
func (c *Consensus) Save(ctx context.Context, w io.Writer) error { return fmt.Errorf("no") }

// Restore x.
func (c *Consensus) Restore(ctx context.Context, r io.Reader) error { return fmt.Errorf("no") }

// Shutdown x.
func (c *Consensus) Shutdown(ctx context.Context) error {
	err := c.r.Shutdown().Error()
	close(c.done)
	for _, x := range c.closers {
		x.Close()
	}
	return err
}
