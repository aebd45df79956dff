package state

import "github.com/hashicorp/nomad/api"

func applyPutVariable(t *tx, c *PutVariable) any {
	old := t.Variable(nil, c.Namespace, c.Path)
	switch {
	case c.Namespace == "" || c.Path == "" || len(c.Sealed) == 0:
		return invalidf("write variable: namespace, path or items are missing")
	case t.Namespace(nil, c.Namespace) == nil:
		return invalidf("write variable: namespace %q does not exist: create it first", c.Namespace)
	case old != nil && c.Token != "" && old.Token == c.Token: // the same request again
		return &VariableResult{Variable: old}
	case t.refuses(old, c.CAS, c.LockID):
		return &VariableResult{Conflict: true, Variable: old}
	case !t.isActiveKey(c.KeyID):
		return &VariableResult{StaleKey: true}
	}
	v := t.nextVariable(old, c.Namespace, c.Path)
	v.KeyID, v.Sealed, v.Token = c.KeyID, c.Sealed, c.Token
	put(t, TableVariables, old, v)
	return &VariableResult{Variable: v}
}

// refuses says whether a write loses against what is there: another version of it, or
// somebody else's lock.
func (t *tx) refuses(old *Variable, cas *uint64, lockID string) bool {
	if cas != nil {
		has := uint64(0)
		if old != nil {
			has = old.ModifyIndex
		}
		if *cas != has {
			return true
		}
	}
	if old == nil {
		return false
	}
	lock := t.VariableLock(nil, old.Namespace, old.Path)
	return lock != nil && lock.ID != lockID
}

func (t *tx) isActiveKey(id string) bool {
	active := t.ActiveRootKey(nil)
	return active != nil && active.KeyID == id
}

// nextVariable is the variable that is to follow old.
func (t *tx) nextVariable(old *Variable, ns, path string) *Variable {
	v := &Variable{}
	if old == nil {
		v.Namespace, v.Path, v.CreateIndex, v.CreateTime = ns, path, t.index, t.at
	} else {
		*v = *old
	}
	v.ModifyIndex, v.ModifyTime, v.Token = t.index, t.at, ""
	return v
}

func applyDeleteVariable(t *tx, c *DeleteVariable) any {
	old := t.Variable(nil, c.Namespace, c.Path)
	if t.refuses(old, c.CAS, c.LockID) {
		return &VariableResult{Conflict: true, Variable: old}
	}
	if old != nil {
		t.dropLock(t.VariableLock(nil, c.Namespace, c.Path))
		drop(t, TableVariables, old)
	}
	return &VariableResult{}
}

// lockOps are what LockVariable can do.
var lockOps = map[string]func(*tx, *LockVariable, *Variable, *VariableLock) any{
	LockAcquire: acquireLock,
	LockRenew:   renewLock,
	LockRelease: releaseLock,
	LockExpire:  expireLock,
}

func applyLockVariable(t *tx, c *LockVariable) any {
	op := lockOps[c.Op]
	if op == nil || c.Namespace == "" || c.Path == "" || c.LockID == "" {
		return invalidf("lock variable: unknown operation %q, or namespace, path or lock ID are missing", c.Op)
	}
	return op(t, c, t.Variable(nil, c.Namespace, c.Path), t.VariableLock(nil, c.Namespace, c.Path))
}

func acquireLock(t *tx, c *LockVariable, old *Variable, held *VariableLock) any {
	conflict := &VariableResult{Conflict: true, Variable: old}
	switch {
	case t.Namespace(nil, c.Namespace) == nil:
		return invalidf("lock variable: namespace %q does not exist: create it first", c.Namespace)
	case c.TTL <= 0 || c.Delay < 0:
		return invalidf("lock variable: a lock needs a TTL")
	case held != nil && held.ID == c.LockID: // the same request again
		return &VariableResult{Variable: old}
	case t.refuses(old, c.CAS, c.LockID), old != nil && old.FreeAt > t.at:
		return conflict
	case len(c.Sealed) > 0 && !t.isActiveKey(c.KeyID):
		return &VariableResult{StaleKey: true}
	case old == nil && len(c.Sealed) == 0:
		return invalidf("lock variable: it does not exist yet, and was given no items")
	}
	v := t.nextVariable(old, c.Namespace, c.Path)
	v.Lock, v.FreeAt = &api.VariableLock{ID: c.LockID, TTL: c.TTL.String(), LockDelay: c.Delay.String()}, 0
	if old == nil || !c.KeepItems {
		v.reseal(c)
	}
	put(t, TableVariables, old, v)
	put(t, TableLocks, held, &VariableLock{Namespace: c.Namespace, Path: c.Path, ID: c.LockID, TTL: c.TTL, Delay: c.Delay})
	return &VariableResult{Variable: v}
}

func (v *Variable) reseal(c *LockVariable) {
	if len(c.Sealed) > 0 {
		v.KeyID, v.Sealed = c.KeyID, c.Sealed
	}
}

func renewLock(t *tx, c *LockVariable, old *Variable, held *VariableLock) any {
	if old == nil || held == nil || held.ID != c.LockID {
		return &VariableResult{Conflict: true, Variable: old}
	}
	next := *held
	next.Renewals++
	put(t, TableLocks, held, &next)
	return &VariableResult{Variable: old}
}

func releaseLock(t *tx, c *LockVariable, old *Variable, held *VariableLock) any {
	switch {
	case held == nil && old != nil && c.Token != "" && old.Token == c.Token: // the same request again
		return &VariableResult{Variable: old}
	case old == nil || held == nil || held.ID != c.LockID:
		return &VariableResult{Conflict: true, Variable: old}
	case len(c.Sealed) > 0 && !t.isActiveKey(c.KeyID):
		return &VariableResult{StaleKey: true}
	}
	v := t.nextVariable(old, c.Namespace, c.Path)
	v.Lock, v.Token = nil, c.Token
	v.reseal(c)
	put(t, TableVariables, old, v)
	t.dropLock(held)
	return &VariableResult{Variable: v}
}

func expireLock(t *tx, c *LockVariable, old *Variable, held *VariableLock) any {
	if old == nil || held == nil || held.ID != c.LockID || held.Renewals != c.Renewals {
		return &VariableResult{Conflict: true, Variable: old}
	}
	v := t.nextVariable(old, c.Namespace, c.Path)
	v.Lock, v.FreeAt = nil, t.time().Add(held.Delay).UnixNano()
	put(t, TableVariables, old, v)
	t.dropLock(held)
	return &VariableResult{Variable: v}
}

func (t *tx) dropLock(held *VariableLock) {
	if held != nil {
		drop(t, TableLocks, held)
	}
}

func applyRekeyVariables(t *tx, c *RekeyVariables) any {
	n := 0
	for _, r := range c.Variables {
		old := t.Variable(nil, r.Namespace, r.Path)
		if old == nil || old.ModifyIndex != r.ModifyIndex || old.KeyID != r.From || len(r.Sealed) == 0 || t.RootKey(nil, r.KeyID) == nil {
			continue
		}
		v := *old // the items are the same: nobody who waits for it has to know
		v.KeyID, v.Sealed = r.KeyID, r.Sealed
		t.insert(TableVariables, &v)
		t.tables[tableSeals] = struct{}{}
		n++
	}
	return n
}
