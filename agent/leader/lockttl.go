package leader

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/selfheal/selfheal/agent/state"
)

// lockKey names a variable.
type lockKey struct{ namespace, path string }

// lockTimer is when a lock is over, unless it is renewed.
type lockTimer struct {
	id       string
	renewals uint64
	at       time.Time
}

// locks takes the locks of variables away from holders who do not renew them.
//
// When a lock was last renewed is not in the state: clocks of leaders differ. Its row
// changes with every renewal, and a leader counts the TTL from when it saw that; a new
// leader from when it began. So a holder never loses a lock before its TTL is over, and
// loses it at most one TTL after a failover later than without one.
type locks struct {
	l    *Leader
	log  hclog.Logger
	feed *feed
	busy Busy
	due  map[lockKey]lockTimer // owned by run
}

func newLocks(l *Leader, f *feed) *locks {
	return &locks{l: l, log: l.log.Named("locks"), feed: f, busy: l.cfg.Busy("locks")}
}

func (k *locks) run(ctx context.Context) error {
	k.all(time.Now())
	for {
		end := k.busy()
		next, err := k.expire(ctx, time.Now())
		end()
		if err != nil {
			return err
		}
		if err := k.wait(ctx, next); err != nil {
			return err
		}
	}
}

// all grants every lock a whole TTL.
func (k *locks) all(now time.Time) {
	k.due = map[lockKey]lockTimer{}
	for lock := range k.l.cfg.State.Snapshot().VariableLocks(nil) {
		k.watch(lock, now)
	}
}

func (k *locks) watch(lock *state.VariableLock, now time.Time) {
	k.due[lockKey{lock.Namespace, lock.Path}] = lockTimer{lock.ID, lock.Renewals, now.Add(lock.TTL)}
}

// expire takes away what is over, and says when the next one is.
func (k *locks) expire(ctx context.Context, now time.Time) (next time.Time, err error) {
	for key, timer := range k.due {
		if timer.at.After(now) {
			if next.IsZero() || timer.at.Before(next) {
				next = timer.at
			}
			continue
		}
		result, err := k.l.apply(ctx, &state.LockVariable{
			Op: state.LockExpire, Namespace: key.namespace, Path: key.path, LockID: timer.id, Renewals: timer.renewals,
		})
		if err != nil {
			return next, fmt.Errorf("expire lock of %s: %w", key.path, err)
		}
		delete(k.due, key) // one that was renewed meanwhile comes back through the feed
		if r, ok := result.(*state.VariableResult); ok && !r.Conflict {
			k.log.Info("a lock was not renewed in time and is lost", "namespace", key.namespace, "path", key.path)
		}
	}
	return next, nil
}

// wait returns when a lock may be over, or one changed.
func (k *locks) wait(ctx context.Context, next time.Time) error {
	var timer <-chan time.Time
	if !next.IsZero() {
		t := time.NewTimer(time.Until(next))
		defer t.Stop()
		timer = t.C
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer:
		return nil
	case <-k.feed.ready:
	}
	now := time.Now()
	for _, c := range k.feed.take() {
		if c.Table == state.TableRestore {
			k.all(now)
			return nil
		}
		if gone, ok := c.Before.(*state.VariableLock); ok && c.After == nil {
			delete(k.due, lockKey{gone.Namespace, gone.Path})
		}
		if lock, ok := c.After.(*state.VariableLock); ok {
			k.watch(lock, now)
		}
	}
	return nil
}
