package leader

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
)

// Keys makes root keys and seals with them.
type Keys interface {
	// Make makes a key, active at once when publishAt is zero.
	Make(publishAt time.Time) (*state.AddRootKey, error)
	// Rewrap seals keys anew whose key-encryption key has changed; nil: none.
	Rewrap(*state.Snapshot) (*state.WrapRootKeys, error)
	// Rekey re-encrypts up to limit variables of a key; nil: it encrypts none.
	Rekey(snap *state.Snapshot, keyID string, limit int) (*state.RekeyVariables, error)
}

// KeyPolicy says how old root keys become. Facts of the Nomad API: a key is active for
// 720 h, the next one is published at half of that, and one that is not needed goes
// Rotate + GC after it retired.
type KeyPolicy struct {
	Interval time.Duration // pause between two looks
	Rotate   time.Duration // age at which the active key retires; 0: never by itself
	GC       time.Duration
}

// DefaultKeyPolicy is what users of this stack know.
func DefaultKeyPolicy() KeyPolicy {
	return KeyPolicy{Interval: 10 * time.Minute, Rotate: 720 * time.Hour, GC: time.Hour}
}

// rekeyBatch bounds the variables of one log entry: 16 of 64 KiB each are 1.4 MB of it.
const rekeyBatch = 16

// keyring keeps the root keyring: it makes the first key, rotates, re-encrypts and
// forgets. What is to be done follows from the keys' states alone, so a new leader
// goes on where the last one stopped.
type keyring struct {
	l    *Leader
	log  hclog.Logger
	feed *feed
	busy Busy
}

func newKeyring(l *Leader, f *feed) *keyring {
	return &keyring{l: l, log: l.log.Named("keyring"), feed: f, busy: l.cfg.Busy("keyring")}
}

func (k *keyring) run(ctx context.Context) error {
	if k.l.cfg.Keys == nil {
		<-ctx.Done()
		return ctx.Err()
	}
	t := time.NewTicker(cmp.Or(k.l.cfg.KeyPolicy.Interval, DefaultKeyPolicy().Interval))
	defer t.Stop()
	for {
		end := k.busy()
		next, err := k.pass(ctx, time.Now())
		end()
		if err != nil {
			return err
		}
		if err := k.wait(ctx, t.C, next); err != nil {
			return err
		}
	}
}

// wait returns when something may be due.
func (k *keyring) wait(ctx context.Context, tick <-chan time.Time, next time.Time) error {
	var due <-chan time.Time
	if !next.IsZero() {
		timer := time.NewTimer(min(time.Until(next), longWait))
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-tick:
	case <-due:
	case <-k.feed.ready:
		k.feed.take()
	}
	return nil
}

// pass does what is due, and says when more will be. What this server cannot do, because
// it lacks a key-encryption key, is logged and left for one that can: a cluster whose
// variables cannot be read still runs its jobs.
func (k *keyring) pass(ctx context.Context, now time.Time) (next time.Time, err error) {
	for {
		snap := k.l.cfg.State.Snapshot()
		var cmd state.Command
		cmd, next, err = k.due(snap, now)
		if err != nil {
			k.log.Error("the root keyring cannot be kept: variables and identities may be unavailable", "err", err)
			return time.Time{}, nil
		}
		if cmd == nil {
			return next, nil
		}
		result, err := k.l.apply(ctx, cmd)
		if refusal(err) { // an operator changed the keys in between
			k.log.Info("a step of the root keyring was refused, will look again", "err", err)
			return now.Add(time.Second), nil
		}
		if err != nil {
			return next, fmt.Errorf("keep root keyring: %w", err)
		}
		if n, rekeyed := result.(int); rekeyed && n == 0 { // all of them were written meanwhile
			return now.Add(time.Second), nil
		}
	}
}

// refusal tells a command that the state refused from one that could not be written.
func refusal(err error) bool {
	var missing state.ErrNotFound
	var conflict state.ErrConflict
	var invalid state.ErrInvalid
	return errors.As(err, &missing) || errors.As(err, &conflict) || errors.As(err, &invalid)
}

// due is the one thing to do now, nil if there is none, and when there will be.
func (k *keyring) due(snap *state.Snapshot, now time.Time) (state.Command, time.Time, error) {
	keys := slices.Collect(snap.RootKeys(nil))
	if len(keys) == 0 {
		k.log.Info("making the first root key")
		cmd, err := k.l.cfg.Keys.Make(time.Time{})
		if err != nil {
			return nil, time.Time{}, err
		}
		cmd.First = true
		return cmd, time.Time{}, nil
	}
	if cmd, err := k.l.cfg.Keys.Rewrap(snap); err != nil || cmd != nil {
		return orNil(cmd), time.Time{}, err
	}
	step := keyStep(keys, k.l.cfg.KeyPolicy, now, snap.RootKeyNeeded)
	switch step.what {
	case keyPublish:
		k.log.Info("publishing the next root key", "active", step.at)
		cmd, err := k.l.cfg.Keys.Make(step.at)
		return orNil(cmd), time.Time{}, err
	case keyActivate:
		k.log.Info("a published root key becomes active", "key", step.key)
		return &state.MoveRootKey{KeyID: step.key, State: api.RootKeyStateActive}, time.Time{}, nil
	case keyDelete:
		k.log.Info("a root key is not needed any more", "key", step.key)
		return &state.DeleteRootKey{KeyID: step.key}, time.Time{}, nil
	case keyRekey:
		cmd, err := k.l.cfg.Keys.Rekey(snap, step.key, rekeyBatch)
		if err != nil || cmd != nil {
			return orNil(cmd), time.Time{}, err
		}
		k.log.Info("a root key encrypts nothing any more", "key", step.key)
		return &state.MoveRootKey{KeyID: step.key, State: api.RootKeyStateDeprecated}, time.Time{}, nil
	}
	return nil, step.at, nil
}

// orNil avoids a command that is not nil and holds nothing.
func orNil[C interface {
	comparable
	state.Command
}](cmd C) state.Command {
	var none C
	if cmd == none {
		return nil
	}
	return cmd
}

// What keyStep finds to do.
type keyAction int

const (
	keyNothing  keyAction = iota // until at
	keyPublish                   // the next key, active from at on
	keyActivate                  // this key
	keyRekey                     // what this key encrypts
	keyDelete                    // this key
)

type keyDue struct {
	what keyAction
	key  string
	at   time.Time
}

// keyStep decides what is to be done about the keys. needed says why a key may not go.
func keyStep(keys []*state.RootKey, p KeyPolicy, now time.Time, needed func(*state.RootKey) string) keyDue {
	var active, published *state.RootKey
	for _, key := range keys {
		switch key.State {
		case api.RootKeyStateRekeying:
			return keyDue{what: keyRekey, key: key.KeyID}
		case api.RootKeyStateActive:
			active = key
		case api.RootKeyStatePrepublished:
			if published == nil || key.PublishTime < published.PublishTime {
				published = key
			}
		}
	}
	out := keyDue{}
	switch {
	case published != nil && !now.Before(time.Unix(0, published.PublishTime)):
		return keyDue{what: keyActivate, key: published.KeyID}
	case published != nil:
		out.at = time.Unix(0, published.PublishTime)
	case active != nil && p.Rotate > 0:
		since := time.Unix(0, max(active.CreateTime, active.PublishTime))
		half, whole := since.Add(p.Rotate/2), since.Add(p.Rotate)
		if !now.Before(half) {
			if whole.Before(now) { // nobody led for that long: third parties get to know the key first all the same
				whole = now.Add(p.Rotate / 2)
			}
			return keyDue{what: keyPublish, at: whole}
		}
		out.at = half
	}
	for _, key := range keys {
		retired := key.State == api.RootKeyStateInactive || key.State == api.RootKeyStateDeprecated
		if retired && now.Sub(time.Unix(0, key.RetiredAt)) >= p.Rotate+p.GC && needed(key) == "" {
			return keyDue{what: keyDelete, key: key.KeyID}
		}
	}
	return out
}
