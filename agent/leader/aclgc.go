package leader

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/selfheal/selfheal/agent/state"
)

// ACL is what the leader does for access control.
type ACL struct {
	// Keep is how long expired tokens, which nobody can use any more, are kept to be
	// looked at; 0 = 1 h.
	Keep time.Duration
	// Source is the authoritative region, nil in that region itself and where nothing
	// is copied.
	Source ACLSource
}

// expireBatch bounds the tokens that one log entry deletes.
const expireBatch = 2000

// tokenJanitor deletes tokens that have expired. They are refused from the moment that
// they expire; this only forgets them.
type tokenJanitor struct {
	l    *Leader
	log  hclog.Logger
	busy Busy
}

func newTokenJanitor(l *Leader) *tokenJanitor {
	return &tokenJanitor{l: l, log: l.log.Named("acl"), busy: l.cfg.Busy("acl")}
}

func (j *tokenJanitor) run(ctx context.Context) error {
	t := time.NewTicker(j.l.cfg.GC.Interval)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
			if err := j.sweep(ctx, time.Now()); err != nil {
				return err
			}
		}
	}
}

// sweep deletes what has expired, in as many entries as it takes. Global tokens are
// deleted where they were made: here they would come back.
func (j *tokenJanitor) sweep(ctx context.Context, now time.Time) error {
	done := j.busy()
	defer done()
	keep := j.l.cfg.ACL.Keep
	if keep == 0 {
		keep = time.Hour
	}
	local := j.l.cfg.ACL.Source != nil
	n := expiredTokens(j.l.cfg.State.Snapshot(), now, keep, local)
	for left := n; left > 0; left -= expireBatch {
		cmd := &state.ExpireACLTokens{Keep: int64(keep), Max: expireBatch, LocalOnly: local}
		if _, err := j.l.apply(ctx, cmd); err != nil {
			return fmt.Errorf("expire tokens: %w", err)
		}
	}
	if n > 0 {
		j.log.Info("forgot expired tokens", "count", n)
	}
	return nil
}

// expiredTokens counts what ExpireACLTokens would delete.
func expiredTokens(snap *state.Snapshot, now time.Time, keep time.Duration, local bool) int {
	n := 0
	for t := range snap.OneTimeTokens() {
		if !now.Before(t.ExpiresAt) {
			n++
		}
	}
	for t := range snap.ACLTokens(nil, "") {
		if t.ExpirationTime != nil && !now.Add(-keep).Before(*t.ExpirationTime) && !(local && t.Global) {
			n++
		}
	}
	return n
}
