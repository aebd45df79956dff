package consensus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

// Consensus is a server's part in the agreement.
type Consensus struct {
	raft     *raft.Raft
	stores   *Stores
	closer   io.Closer      // of the log, nil in memory
	members  *atomic.Uint64 // index of the last change of the members
	hadState bool
	started  time.Time
	leader   *watcher

	gate    sync.RWMutex
	closing bool           // under gate: no more requests
	open    sync.WaitGroup // requests that raft has to answer

	stop    sync.Once
	stopped chan struct{} // closed when all has ended; stopErr is set then
	stopErr error
}

// New starts a server's part: from DataDir if it holds state, else waiting to be
// bootstrapped or added by a leader.
func New(c Config) (*Consensus, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if c.Logger == nil {
		c.Logger = hclog.NewNullLogger()
	}
	c.Logger = c.Logger.Named("raft")
	stores, closer, err := openStores(&c)
	if err != nil {
		return nil, err
	}
	had, err := raft.HasExistingState(stores.Log, stores.Stable, stores.Snapshots)
	if err != nil {
		closeQuietly(closer)
		return nil, fmt.Errorf("read raft state: %w", err)
	}
	w := newWatcher()
	conf := c.raft()
	conf.NotifyCh = w.in
	trans := newTransport(&c)
	members := &atomic.Uint64{}
	if snaps, err := stores.Snapshots.List(); err == nil && len(snaps) > 0 {
		members.Store(snaps[0].ConfigurationIndex)
	}
	r, err := raft.NewRaft(conf, machine{c.FSM, members}, stores.Log, stores.Stable, stores.Snapshots, trans)
	if err != nil {
		w.close()
		trans.Close() // the error that matters is err
		closeQuietly(closer)
		return nil, fmt.Errorf("start raft: %w", err)
	}
	return &Consensus{
		raft: r, stores: stores, closer: closer, members: members, hadState: had,
		started: time.Now(), leader: w, stopped: make(chan struct{}),
	}, nil
}

func closeQuietly(c io.Closer) {
	if c != nil {
		c.Close() // another error is being returned
	}
}

// HasState says whether this server is part of a cluster: it found state when it
// started, was bootstrapped, or was added by a leader. It must not be bootstrapped then.
func (c *Consensus) HasState() bool { return c.hadState || c.raft.LastIndex() > 0 }

// IsLeader says whether this server leads, as far as it knows.
func (c *Consensus) IsLeader() bool { return c.raft.State() == raft.Leader }

// Leader is the leader as far as this server knows, "" when there is none.
func (c *Consensus) Leader() (id, addr string) {
	a, i := c.raft.LeaderWithID()
	return string(i), string(a)
}

// Subscribe calls fn with every change of this server's leadership, in order, until
// Shutdown; first with true if it leads already. A leader that wants to read its own
// state first calls Barrier.
func (c *Consensus) Subscribe(fn func(leads bool)) { c.leader.subscribe(fn) }

// AppliedIndex is the last entry that this server's FSM was given.
func (c *Consensus) AppliedIndex() uint64 { return c.raft.AppliedIndex() }

// LastContact is how long ago this server heard of the leader: 0 on the leader.
func (c *Consensus) LastContact() time.Duration {
	if c.IsLeader() {
		return 0
	}
	last := c.raft.LastContact()
	if last.IsZero() {
		last = c.started
	}
	return time.Since(last)
}

// Progress is the highest term that this server has seen and the last entry in its log.
func (c *Consensus) Progress() (term, index uint64) { return c.raft.CurrentTerm(), c.raft.LastIndex() }

// Stats are raft's own counters, for `agent-info` and debugging.
func (c *Consensus) Stats() map[string]string { return c.raft.Stats() }

// Shutdown stops this server's part. Another leader is elected if it led: call
// TransferLeadership first to make that quick. When ctx ends it returns while the
// rest stops behind it. Not to be called by a subscriber, which it waits for.
func (c *Consensus) Shutdown(ctx context.Context) error {
	c.stop.Do(func() {
		go func() { // ends when raft has; it owns what is closed here
			defer close(c.stopped)
			c.gate.Lock()
			c.closing = true
			c.gate.Unlock()
			c.open.Wait()
			c.stopErr = c.raft.Shutdown().Error()
			c.leader.close()
			if c.closer != nil {
				c.stopErr = errors.Join(c.stopErr, c.closer.Close())
			}
		}()
	})
	select {
	case <-c.stopped:
		if c.stopErr != nil {
			return fmt.Errorf("stop raft: %w", c.stopErr)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop raft: %w", ctx.Err())
	}
}

// watcher passes changes of leadership on. Raft waits for whoever reads its
// channel, so one goroutine reads at once, and another calls the subscribers.
type watcher struct {
	in   chan bool
	quit chan struct{}
	done sync.WaitGroup

	mu    sync.Mutex
	leads bool // as queued last
	subs  []func(bool)
	queue []call
	wake  chan struct{} // holds one: the queue is not empty
}

// call is a change on its way to those who had subscribed by then.
type call struct {
	leads bool
	to    []func(bool)
}

func newWatcher() *watcher {
	w := &watcher{in: make(chan bool, 8), quit: make(chan struct{}), wake: make(chan struct{}, 1)}
	w.done.Go(w.read)
	w.done.Go(w.call)
	return w
}

func (w *watcher) subscribe(fn func(bool)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.leads {
		w.add(call{true, []func(bool){fn}})
	}
	w.subs = append(slices.Clone(w.subs), fn) // calls in the queue keep their own list
}

// add queues a call; w.mu is held.
func (w *watcher) add(c call) {
	w.queue = append(w.queue, c)
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *watcher) read() {
	for {
		select {
		case leads := <-w.in:
			w.mu.Lock()
			w.leads = leads
			w.add(call{leads, w.subs})
			w.mu.Unlock()
		case <-w.quit:
			return
		}
	}
}

func (w *watcher) call() {
	for {
		select {
		case <-w.wake:
		case <-w.quit:
			return
		}
		for c, ok := w.next(); ok; c, ok = w.next() {
			for _, fn := range c.to {
				fn(c.leads)
			}
		}
	}
}

func (w *watcher) next() (c call, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.queue) == 0 {
		return call{}, false
	}
	c, w.queue = w.queue[0], w.queue[1:]
	return c, true
}

// close ends both goroutines; a subscriber that is being called is waited for.
func (w *watcher) close() {
	close(w.quit)
	w.done.Wait()
}
