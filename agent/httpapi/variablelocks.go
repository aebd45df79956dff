package httpapi

import (
	"time"

	"github.com/selfheal/selfheal/agent/state"
)

// Limits of locks. Facts of the Nomad API.
const (
	minLockTTL     = 10 * time.Second
	maxLockTTL     = 24 * time.Hour
	defaultLockTTL = 15 * time.Second // and the default of the delay after one was lost
)

// lockOperations are the parameters that make a PUT of a variable one of its lock.
var lockOperations = map[string]string{
	"lock-acquire": state.LockAcquire,
	"lock-renew":   state.LockRenew,
	"lock-release": state.LockRelease,
}

// lockOperation is what the request does with the lock, "" if nothing. They may be
// written as ?lock-acquire, or as ?lock-operation=acquire.
func (r *request) lockOperation() (string, error) {
	op := ""
	for name, o := range lockOperations {
		on := r.query.Has(name)
		if on && op != "" {
			return "", badRequest("a request does one thing with a lock: acquire, renew or release it")
		}
		if on {
			op = o
		}
	}
	if v := r.query.Get("lock-operation"); v != "" && op == "" {
		for _, o := range lockOperations {
			if v == o {
				op = o
			}
		}
		if op == "" {
			return "", badRequest("unknown lock-operation %q: it is acquire, renew or release", v)
		}
	}
	return op, nil
}

// lockVariable acquires, renews or releases a lock.
func (a *API) lockVariable(r *request, w *variableWrite, op string) (any, error) {
	cmd := &state.LockVariable{Op: op, Namespace: w.ns, Path: w.path, LockID: w.lockID, CAS: w.cas, Token: w.token}
	if op == state.LockAcquire {
		if err := lockTerms(w, cmd); err != nil {
			return nil, err
		}
		// The ID follows from the request's token, so that sent twice it takes one lock.
		if cmd.LockID = newID(); w.token != "" {
			cmd.LockID = nameID("variable lock", w.ns, w.path, w.token)
		}
	} else if cmd.LockID == "" {
		return nil, badRequest("the lock's ID is missing: it is in the answer to acquiring it, and goes into Lock.ID")
	}
	res, err := a.applyLock(r, w, cmd)
	switch {
	case err != nil:
		return nil, err
	case res.Conflict:
		return a.conflict(r, w, res)
	case op == state.LockRenew:
		return r.metadata(res.Variable), nil
	case op == state.LockAcquire && w.body.Items == nil:
		return a.whole(r, res.Variable)
	}
	return r.withItems(res.Variable, w.body.Items), nil
}

// applyLock writes the command, with the items that it brings or, for a variable that
// does not exist yet, none.
func (a *API) applyLock(r *request, w *variableWrite, cmd *state.LockVariable) (*state.VariableResult, error) {
	if cmd.Op == state.LockRenew || cmd.Op == state.LockRelease && w.body.Items == nil {
		return apply[*state.VariableResult](a, r, cmd)
	}
	cmd.KeepItems = w.body.Items == nil
	return a.sealed(r, w, func(keyID string, sealed []byte) state.Command {
		cmd.KeyID, cmd.Sealed = keyID, sealed
		return cmd
	})
}

// lockTerms reads for how long a lock is taken.
func lockTerms(w *variableWrite, cmd *state.LockVariable) error {
	cmd.TTL, cmd.Delay = defaultLockTTL, defaultLockTTL
	lock := w.body.Lock
	if lock == nil {
		return nil
	}
	for _, term := range []struct {
		name, text string
		least      time.Duration
		into       *time.Duration
	}{{"TTL", lock.TTL, minLockTTL, &cmd.TTL}, {"LockDelay", lock.LockDelay, 0, &cmd.Delay}} {
		if term.text == "" {
			continue
		}
		d, err := time.ParseDuration(term.text)
		if err != nil {
			return badRequest("lock %s %q is not a duration: write it like \"15s\"", term.name, term.text)
		}
		if d < term.least || d > maxLockTTL {
			return badRequest("lock %s %s is out of range: it may be %s to %s", term.name, d, term.least, maxLockTTL)
		}
		*term.into = d
	}
	return nil
}

// sameLockTerms refuses a write that would change the terms of a lock that is held: its
// holder and the leader count on them.
func (a *API) sameLockTerms(w *variableWrite) error {
	held := a.cfg.State.Snapshot().VariableLock(nil, w.ns, w.path)
	if w.body.Lock == nil || held == nil {
		return nil
	}
	asked := &state.LockVariable{}
	if err := lockTerms(w, asked); err != nil {
		return err
	}
	lock := w.body.Lock
	if lock.TTL != "" && asked.TTL != held.TTL || lock.LockDelay != "" && asked.Delay != held.Delay {
		return badRequest("the lock is held with TTL %s and LockDelay %s: release it to change them", held.TTL, held.Delay)
	}
	return nil
}
