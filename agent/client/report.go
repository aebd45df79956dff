package client

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/selfheal/selfheal/agent/nodeapi"
)

const (
	// holdFor is how long a change may wait for the next one, which is known to come
	// within milliseconds (a start under way). It is well under the 100 ms within
	// which a restarted task has to be seen.
	holdFor = 50 * time.Millisecond
	// maxReport is how many allocations one report states: about 1 MB.
	maxReport = 500
)

// reporter tells the servers the latest state of each allocation that changed: at
// once when nothing is under way, together with whatever else changed when a report
// is, again and again until a server takes it.
type reporter struct {
	api    Servers
	nodeID string
	log    hclog.Logger
	// refused is told of an answer that only a registration cures.
	refused func(error)

	mu    sync.Mutex
	dirty map[string]nodeapi.AllocStatus
	sent  map[string]bool // in the report under way
	due   time.Time       // when to send, zero: nothing to send
	wake  chan struct{}   // capacity 1
	idle  chan struct{}   // closed while nothing waits or is under way
}

func newReporter(api Servers, nodeID string, log hclog.Logger, refused func(error)) *reporter {
	idle := make(chan struct{})
	close(idle)
	return &reporter{
		api: api, nodeID: nodeID, log: log, refused: refused,
		dirty: map[string]nodeapi.AllocStatus{}, sent: map[string]bool{}, wake: make(chan struct{}, 1), idle: idle,
	}
}

// set states an allocation's present; it replaces what was not sent yet. With hold
// it may wait a little for what comes next.
func (r *reporter) set(status nodeapi.AllocStatus, hold bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.dirty) == 0 && isClosed(r.idle) {
		r.idle = make(chan struct{})
	}
	r.dirty[status.ID] = status
	at := time.Now()
	if hold {
		at = at.Add(holdFor)
	}
	if r.due.IsZero() || at.Before(r.due) {
		r.due = at
		select {
		case r.wake <- struct{}{}:
		default:
		}
	}
}

func isClosed(ch chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

// drained waits until everything said so far has been taken.
func (r *reporter) drained(ctx context.Context) error {
	r.mu.Lock()
	idle := r.idle
	r.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// said tells whether servers have taken the latest state of an allocation.
func (r *reporter) said(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, dirty := r.dirty[id]
	return !dirty && !r.sent[id]
}

// run sends until ctx ends.
func (r *reporter) run(ctx context.Context) {
	var backoff nodeapi.Backoff
	for {
		batch, wait := r.take(time.Now())
		if len(batch) == 0 {
			if !r.pause(ctx, wait) {
				return
			}
			continue
		}
		failed, err := r.send(ctx, batch)
		r.settle(failed)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			backoff.Reset()
			continue
		}
		r.log.Warn("reporting allocations failed, will go on trying", "err", err)
		r.refused(err)
		select {
		case <-time.After(backoff.Next()):
		case <-ctx.Done():
			return
		}
	}
}

// take is the next report, if one is due; else how long until one is (0: unknown).
func (r *reporter) take(now time.Time) ([]nodeapi.AllocStatus, time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.due.IsZero() || now.Before(r.due) {
		if r.due.IsZero() {
			return nil, 0
		}
		return nil, r.due.Sub(now)
	}
	var batch []nodeapi.AllocStatus
	for id, status := range r.dirty {
		if len(batch) == maxReport {
			break
		}
		batch = append(batch, status)
		r.sent[id] = true
		delete(r.dirty, id)
	}
	if len(r.dirty) == 0 {
		r.due = time.Time{}
	}
	return batch, 0
}

func (r *reporter) pause(ctx context.Context, wait time.Duration) bool {
	var due <-chan time.Time
	if wait > 0 {
		due = time.After(wait)
	}
	select {
	case <-r.wake:
	case <-due:
	case <-ctx.Done():
		return false
	}
	return true
}

// send reports a batch, and returns what has to be said again. When the servers
// refuse the batch itself, each allocation is reported alone, and one refused alone
// is given up: it must not keep the others from being heard.
func (r *reporter) send(ctx context.Context, batch []nodeapi.AllocStatus) ([]nodeapi.AllocStatus, error) {
	_, err := r.api.Status(ctx, nodeapi.StatusRequest{NodeID: r.nodeID, Allocs: batch})
	var refusal *nodeapi.Error
	if err == nil || !errors.As(err, &refusal) || refusal.Unknown() || refusal.Denied() || refusal.Code >= 500 {
		if err == nil {
			return nil, nil
		}
		return batch, err
	}
	if len(batch) == 1 {
		r.log.Error("the servers refuse the state of an allocation", "alloc", batch[0].ID, "err", err)
		return nil, nil
	}
	var failed []nodeapi.AllocStatus
	var last error
	for i := range batch {
		again, err := r.send(ctx, batch[i:i+1])
		failed = append(failed, again...)
		if err != nil {
			last = err
		}
	}
	return failed, last
}

// settle puts back what was not taken, unless something newer is there already.
func (r *reporter) settle(failed []nodeapi.AllocStatus) {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.sent)
	for _, status := range failed {
		if _, newer := r.dirty[status.ID]; !newer {
			r.dirty[status.ID] = status
		}
	}
	if len(failed) > 0 {
		r.due = time.Now()
	}
	if len(r.dirty) == 0 && !isClosed(r.idle) {
		close(r.idle)
	}
}
