package agent

import (
	"context"
	"sync"
	"time"
)

// leaderWatch tells those who wait that the leader changed. One goroutine looks,
// whatever the number of those who wait.
type leaderWatch struct {
	mu   sync.Mutex
	last string
	ch   chan struct{}
}

func newLeaderWatch() *leaderWatch { return &leaderWatch{ch: make(chan struct{})} }

// lookEvery is how often the leader is looked at: small against an election.
const lookEvery = 20 * time.Millisecond

// run looks until ctx ends.
func (w *leaderWatch) run(ctx context.Context, leader func() string) {
	t := time.NewTicker(lookEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		w.mu.Lock()
		if now := leader(); now != w.last {
			w.last = now
			close(w.ch)
			w.ch = make(chan struct{})
		}
		w.mu.Unlock()
	}
}

// leader is who led when it was last looked: what changed speaks of.
func (w *leaderWatch) leader() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last
}

// changed is closed at the next change.
func (w *leaderWatch) changed() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ch
}
