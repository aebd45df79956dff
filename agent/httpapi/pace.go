package httpapi

import (
	"context"
	"runtime"
	"sync"
	"time"
)

// How many nodes may be busy with orders at once. A plan may wake the polls of thousands
// of nodes, each of which answers with a report and the next poll a moment later. All
// together they would keep each other waiting until connections are given up and
// everything is asked again. And while the leader has more to decide, they would take
// the time that deciding needs, for orders of which there is more to come.
const (
	ordersOut = 512
	// While evaluations are pending, as many nodes as these get their orders at once, and
	// then so many a second and processor. All nodes of most clusters are among the first.
	ordersAtOnce = 512
	ordersPerCPU = 200
	// ordersHeld is how long that may hold a poll.
	ordersHeld = 5 * time.Second
	// ordersLost is when a node that did not come back is not counted any more: it is
	// dead, or polls another server now.
	ordersLost = 2 * time.Second
	// paceTick is how often held polls are looked at.
	paceTick = 10 * time.Millisecond
)

// pace is a window of deliveries: a poll that has something to answer is held while too
// many nodes have not come back from theirs. So as many go out a second as the cluster
// can digest, whatever that is, and on an idle one nobody waits.
type pace struct {
	// deciding tells whether there are evaluations to decide.
	deciding func() bool

	mu    sync.Mutex
	out   map[string]time.Time // nodes that got orders, and when
	held  []held               // in the order of their coming
	ticks bool                 // a goroutine looks at the held
	free  float64              // polls that go at once, also while deciding
	at    time.Time            // when free was right
}

// held is a poll that waits for its turn.
type held struct {
	node  string
	since time.Time
	turn  chan struct{}
}

func newPace(deciding func() bool) *pace {
	return &pace{deciding: deciding, out: map[string]time.Time{}, free: ordersAtOnce, at: time.Now()}
}

// back says that a node has done with its last orders.
func (p *pace) back(node string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.out, node)
}

// wait returns when a node may have its orders, or ctx ends.
func (p *pace) wait(ctx context.Context, node string) {
	now := time.Now()
	h := held{node, now, make(chan struct{})}
	p.mu.Lock()
	p.held = append(p.held, h)
	if len(p.held) == 1 {
		p.letGo(now)
	}
	if len(p.held) > 0 && !p.ticks {
		p.ticks = true
		go p.run() // ends when nobody is held
	}
	p.mu.Unlock()
	select {
	case <-h.turn:
	case <-ctx.Done():
	}
}

// letGo lets go those whose turn it is. Callers hold the lock.
func (p *pace) letGo(now time.Time) {
	p.free = min(ordersAtOnce, p.free+now.Sub(p.at).Seconds()*float64(ordersPerCPU*runtime.GOMAXPROCS(0)))
	p.at = now
	deciding := p.deciding()
	for len(p.held) > 0 && len(p.out) < ordersOut {
		h := p.held[0]
		if deciding && p.free < 1 && now.Sub(h.since) < ordersHeld {
			return
		}
		p.free = max(p.free-1, 0)
		p.out[h.node] = now
		close(h.turn)
		p.held[0], p.held = held{}, p.held[1:]
	}
}

// run lets go, and forgets the lost, while polls are held.
func (p *pace) run() {
	tick := time.NewTicker(paceTick)
	defer tick.Stop()
	for now := range tick.C {
		p.mu.Lock()
		for node, at := range p.out {
			if now.Sub(at) > ordersLost {
				delete(p.out, node)
			}
		}
		p.letGo(now)
		p.ticks = len(p.held) > 0
		done := !p.ticks
		p.mu.Unlock()
		if done {
			return
		}
	}
}
