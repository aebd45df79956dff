package gossip

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/memberlist"
)

// updateTimeout bounds how long a change of meta may take to reach someone,
// when the caller's context says nothing.
const updateTimeout = 5 * time.Second

// ErrShutdown is returned by everything after Shutdown.
var ErrShutdown = errors.New("gossip: shut down")

// ErrDuplicateID is returned by Join when another live agent has this one's node ID.
var ErrDuplicateID = errors.New("duplicate node ID")

// Gossip is one member. Its methods may be called from any goroutine.
type Gossip struct {
	cfg     Config
	id      string
	log     hclog.Logger
	ml      *memberlist.Memberlist
	keyring *memberlist.Keyring
	addr    string // advertised "ip:port"
	self    self
	roster  *roster
	events  *events
	orders  memberlist.TransmitLimitedQueue // force-leave orders to pass on
	seen    seen
	refutes chan struct{} // asks maintain to say that this member is alive
	updates chan struct{} // a semaphore: one update of the meta at a time
	ctx     context.Context
	stop    context.CancelFunc
	wg      sync.WaitGroup
}

// New starts a member: it listens and probes when New returns, and knows
// nobody until Join.
func New(cfg Config) (*Gossip, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	g := &Gossip{
		cfg:     cfg,
		id:      cfg.Meta.ID,
		log:     cfg.Logger,
		self:    self{meta: cfg.Meta},
		events:  newEvents(cfg.Events),
		refutes: make(chan struct{}, 1),
		updates: make(chan struct{}, 1),
	}
	g.roster = &roster{members: map[string]*Member{}, emit: g.emit}
	g.orders = memberlist.TransmitLimitedQueue{RetransmitMult: retransmitMult, NumNodes: g.NumNodes}
	if err := g.self.set(func(*Meta, *bool) {}); err != nil {
		return nil, err
	}
	t, err := newTransport(cfg)
	if err != nil {
		return nil, err
	}
	g.addr = t.advertise.String()
	if g.keyring, err = newKeyring(cfg.Keys); err != nil {
		t.Shutdown()
		return nil, err
	}
	g.ctx, g.stop = context.WithCancel(context.Background())
	g.wg.Go(g.events.run)
	if g.ml, err = memberlist.Create(g.memberlistConfig(t)); err != nil {
		g.stop()
		t.Shutdown()
		g.events.close()
		g.wg.Wait()
		return nil, fmt.Errorf("gossip: %w", err)
	}
	g.wg.Go(g.maintain)
	g.wg.Go(g.reconnect)
	return g, nil
}

// retransmitMult times log10(n+1), rounded up, is how often each member passes
// a piece of news on. With 7 members that are 6 times: 0.2 % of news misses one
// of them and waits for an exchange; memberlist's own 4 would be 1.2 %. More
// would make news queue up in large clusters.
const retransmitMult = 6

func (g *Gossip) memberlistConfig(t *transport) *memberlist.Config {
	c, d := memberlist.DefaultLANConfig(), delegate{g}
	c.Name = g.id
	c.Transport = t
	c.BindAddr, c.BindPort = g.cfg.BindAddr, int(t.advertise.Port())
	c.AdvertiseAddr, c.AdvertisePort = t.advertise.Addr().String(), int(t.advertise.Port())
	c.ProbeInterval, c.ProbeTimeout = g.cfg.ProbeInterval, g.cfg.ProbeTimeout
	c.IndirectChecks = g.cfg.IndirectChecks
	c.SuspicionMult, c.SuspicionMaxTimeoutMult = g.cfg.SuspicionMult, g.cfg.SuspicionMaxMult
	c.GossipInterval, c.GossipNodes = g.cfg.GossipInterval, g.cfg.GossipNodes
	c.PushPullInterval = g.cfg.PushPullInterval
	c.TCPTimeout = g.cfg.StreamTimeout
	c.RetransmitMult = retransmitMult
	// A node that comes back at another address takes its name again as soon
	// as the old address is dead.
	c.DeadNodeReclaimTime = time.Millisecond
	// LZW costs more processor time on every ping than the bytes are worth.
	c.EnableCompression = false
	c.Keyring = g.keyring
	c.Logger = memberlistLogger(g.log)
	c.Delegate, c.Events, c.Alive, c.Conflict, c.Merge = d, d, d, d, d
	return c
}

// emit logs and queues an event; the roster calls it in order.
func (g *Gossip) emit(e Event) {
	level := hclog.Info
	if e.Kind == EventUpdated {
		level = hclog.Debug
	}
	g.log.Log(level, "member "+string(e.Kind), "node", e.Member.ID, "name", e.Member.FullName(), "addr", e.Member.GossipAddr())
	g.events.push(e)
}

// Subscribe adds a listener. It is called with every later event, in order,
// from one goroutine that it shares with all listeners: whoever waits in it
// delays the others, but no event is dropped. Call Members after Subscribe to
// learn what was known before.
func (g *Gossip) Subscribe(f func(Event)) { g.events.subscribe(f) }

// Addr returns the "ip:port" that this member advertises.
func (g *Gossip) Addr() string { return g.addr }

// Members returns everyone known or remembered, this member included, of all
// regions, sorted by name.
func (g *Gossip) Members() []Member { return g.roster.all() }

// Member returns the member with that node ID.
func (g *Gossip) Member(id string) (Member, bool) { return g.roster.get(id) }

// Self returns this member.
func (g *Gossip) Self() Member { return g.roster.self(g.id) }

// NumNodes returns how many members are alive, this one included.
func (g *Gossip) NumNodes() int { return g.roster.count(Alive) }

// HealthScore is 0 while this member keeps up with its probes and grows, to at
// most 7, while it does not: its own processor or network is slow.
func (g *Gossip) HealthScore() int { return g.ml.GetHealthScore() }

// UpdateMeta changes what this member says about itself and returns when the
// change has been handed to others, or after five seconds with an error: it
// spreads all the same. A meta that does not fit is refused.
func (g *Gossip) UpdateMeta(change func(*Meta)) error {
	ctx, cancel := context.WithTimeout(g.ctx, updateTimeout)
	defer cancel()
	return g.update(ctx, func(m *Meta, _ *bool) { change(m) })
}

// AnnounceRestart tells the cluster that this agent goes away and comes back:
// Meta.Restarting becomes true. When it returns nil, gossip has spread it and it
// is on its way to every living server over TCP. The caller then shuts down without
// Leave; the next process starts with Restarting false.
func (g *Gossip) AnnounceRestart(ctx context.Context) error {
	err := g.update(ctx, func(m *Meta, _ *bool) { m.Restarting = true })
	return errors.Join(err, g.tellServers(ctx))
}

// Leave says goodbye: the others see Left, not Failed. The member goes on
// answering until Shutdown.
func (g *Gossip) Leave(ctx context.Context) error {
	// memberlist does not tell its delegates whether a member died or left, so
	// the intention goes ahead in the meta.
	err := g.update(ctx, func(_ *Meta, leaving *bool) { *leaving = true })
	if errors.Is(err, ErrShutdown) {
		return err
	}
	err = errors.Join(err, g.tellServers(ctx))
	if err2 := g.ml.Leave(timeLeft(ctx)); err2 != nil {
		err = errors.Join(err, fmt.Errorf("gossip: leave: %w", err2))
	}
	return err
}

func (g *Gossip) update(ctx context.Context, change func(*Meta, *bool)) error {
	select {
	case g.updates <- struct{}{}:
		defer func() { <-g.updates }()
	case <-ctx.Done():
		return fmt.Errorf("gossip: update meta: %w", ctx.Err())
	}
	if g.ctx.Err() != nil {
		return ErrShutdown
	}
	if err := g.self.set(change); err != nil {
		return err
	}
	if err := g.ml.UpdateNode(timeLeft(ctx)); err != nil {
		return fmt.Errorf("gossip: update meta: %w", err)
	}
	return nil
}

func timeLeft(ctx context.Context) time.Duration {
	if at, ok := ctx.Deadline(); ok {
		return max(time.Until(at), time.Millisecond)
	}
	return updateTimeout
}

// Shutdown stops answering: without Leave the others see this member fail. All
// queued events are delivered before it returns. memberlist's own probes in
// flight end within a few seconds.
func (g *Gossip) Shutdown() error {
	g.stop()
	err := g.ml.Shutdown()
	g.events.close()
	g.wg.Wait()
	return err
}

// maintain forgets old members and refutes orders against this one.
func (g *Gossip) maintain() {
	tick := time.NewTicker(min(g.cfg.LeftTimeout, time.Minute))
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			g.roster.reap(now.Add(-g.cfg.FailedTimeout), now.Add(-g.cfg.LeftTimeout))
		case <-g.refutes:
			if err := g.UpdateMeta(func(*Meta) {}); err != nil {
				g.log.Warn("refute a force-leave", "err", err)
			}
		case <-g.ctx.Done():
			return
		}
	}
}
