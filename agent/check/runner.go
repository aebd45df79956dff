package check

import (
	"context"
	"errors"
	"net"
	"reflect"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// Config is what a Runner needs.
type Config struct {
	// Dial opens connections; nil is the kernel's.
	Dial Dial
	// Logger is told of every change of a status; nil: nobody is.
	Logger hclog.Logger
}

// Runner runs checks. It is safe for concurrent use.
type Runner struct {
	dial   Dial
	log    hclog.Logger
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup // one for each check's goroutine

	mu     sync.Mutex
	closed bool
	owners map[string]map[string]*watch // by owner, then by the check's ID
}

// watch is one running check.
type watch struct {
	spec    Spec
	cancel  context.CancelFunc
	changed func()
	result  Result // under the Runner's lock
}

// New makes a Runner without checks. Close ends it.
func New(cfg Config) *Runner {
	r := &Runner{dial: cfg.Dial, log: cfg.Logger, owners: map[string]map[string]*watch{}}
	if r.dial == nil {
		r.dial = func(ctx context.Context, addr string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", addr)
		}
	}
	if r.log == nil {
		r.log = hclog.NewNullLogger()
	}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r
}

// Close ends all checks and waits until none runs. Set does nothing afterwards.
func (r *Runner) Close() error {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.cancel()
	r.wg.Wait()
	return nil
}

// Set says what is to be checked for an owner, an allocation: these checks and no
// others. One that is there already, with an equal Spec, goes on; others begin anew.
// changed is called after each change of a status, from the check's own goroutine:
// it must not block. Set does not wait for the checks that it ends.
func (r *Runner) Set(owner string, specs []Spec, changed func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	before, after := r.owners[owner], map[string]*watch{}
	for _, spec := range specs {
		if w := before[spec.ID]; w != nil && reflect.DeepEqual(w.spec, spec) {
			w.changed = changed
			after[spec.ID] = w
		} else if after[spec.ID] == nil {
			after[spec.ID] = r.begin(spec, changed)
		}
	}
	for id, w := range before {
		if after[id] != w {
			w.cancel()
		}
	}
	r.owners[owner] = after
	if len(after) == 0 {
		delete(r.owners, owner)
	}
}

// Results is what is known of an owner's checks, by ID.
func (r *Runner) Results(owner string) map[string]Result {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make(map[string]Result, len(r.owners[owner]))
	for id, w := range r.owners[owner] {
		out[id] = w.result
	}
	return out
}

// begin starts a check's goroutine. The lock is held.
func (r *Runner) begin(spec Spec, changed func()) *watch {
	ctx, cancel := context.WithCancel(r.ctx)
	s := newState(spec, time.Now())
	w := &watch{spec: spec, cancel: cancel, changed: changed, result: s.Result}
	r.wg.Go(func() {
		defer cancel()
		r.run(ctx, w, s)
	})
	return w
}

// run is a check's life.
func (r *Runner) run(ctx context.Context, w *watch, s state) {
	ask := newProbe(w.spec, r.dial)
	timer := time.NewTimer(firstRun(w.spec))
	defer timer.Stop()
	for n := 1; ; n++ {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		began := time.Now()
		v := timed(ctx, w.spec, ask)
		if errors.Is(ctx.Err(), context.Canceled) {
			return // it was ended, which says nothing about the service
		}
		before := s.Status
		s = s.after(v, w.spec, began, time.Now())
		r.publish(w, s.Result, before)
		timer.Reset(max(0, s.gap(w.spec, n)-time.Since(began)))
	}
}

// publish shows what a run has changed, and says so where the status did.
func (r *Runner) publish(w *watch, result Result, before Status) {
	r.mu.Lock()
	w.result = result
	changed := w.changed
	r.mu.Unlock()
	if result.Status == before {
		return
	}
	r.log.Debug("a check changed", "check", w.spec.ID, "status", result.Status, "was", before, "output", result.Output)
	if changed != nil {
		changed()
	}
}
