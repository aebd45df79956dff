package agent

import (
	"context"
	"slices"
	"sync"

	"github.com/hashicorp/go-hclog"
)

// lifecycle remembers how to stop what was started, and does it in reverse.
type lifecycle struct {
	log  hclog.Logger
	mu   sync.Mutex
	stop []stopper
}

type stopper struct {
	name string
	stop func(context.Context) error
}

// add is called right after a part was started.
func (l *lifecycle) add(name string, stop func(context.Context) error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stop = append(l.stop, stopper{name, stop})
}

// loop runs a part in a goroutine that lifecycle owns: stopping cancels its
// context and waits for it.
func (l *lifecycle) loop(name string, run func(context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		run(ctx)
	}()
	l.add(name, func(wait context.Context) error {
		cancel()
		select {
		case <-done:
			return nil
		case <-wait.Done():
			return wait.Err()
		}
	})
}

// end stops one part before the others' turn.
func (l *lifecycle) end(ctx context.Context, name string) error {
	l.mu.Lock()
	i := slices.IndexFunc(l.stop, func(s stopper) bool { return s.name == name })
	if i < 0 {
		l.mu.Unlock()
		return nil
	}
	part := l.stop[i]
	l.stop = slices.Delete(l.stop, i, i+1)
	l.mu.Unlock()
	return part.stop(ctx)
}

// shutdown stops everything in reverse order. What fails to stop is logged and
// does not keep the rest from stopping.
func (l *lifecycle) shutdown(ctx context.Context) {
	l.mu.Lock()
	stop := l.stop
	l.stop = nil
	l.mu.Unlock()
	for i := len(stop) - 1; i >= 0; i-- {
		if err := stop[i].stop(ctx); err != nil {
			l.log.Warn("stop "+stop[i].name, "err", err)
		}
	}
}

// level is a log level of the configuration, which has checked its name.
func level(name string) hclog.Level {
	if l := hclog.LevelFromString(name); l != hclog.NoLevel {
		return l
	}
	return hclog.Info
}
