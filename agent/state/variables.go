package state

import (
	"iter"
	"strings"
	"time"

	"github.com/hashicorp/go-memdb"
	"github.com/hashicorp/nomad/api"
)

// Tables of variables. A lock has a row of its own so that renewing it, which
// concerns nobody else, wakes nobody who waits for variables.
const (
	TableVariables = "variables"      // *Variable
	TableLocks     = "variable_locks" // *VariableLock, while it is held
)

// tableSeals has no rows: its index moves when variables are sealed anew, which is no
// change of theirs.
const tableSeals = "variable_seals"

// byKey indexes variables by the root key that encrypts them.
const byKey = "key"

// Commands of variables.
const (
	TypePutVariable    Type = 54
	TypeDeleteVariable Type = 55
	TypeLockVariable   Type = 56
	TypeRekeyVariables Type = 57
)

// Variable is a variable's row. Its items are sealed: the state never sees them.
type Variable struct {
	api.VariableMetadata
	// KeyID is the root key that Sealed is encrypted with.
	KeyID  string
	Sealed []byte
	// FreeAt is until when nobody may take the lock after it was lost, ns since 1970.
	FreeAt int64 `json:",omitempty"`
	// Token is that of the last write.
	Token string `json:",omitempty"`
}

// VariableLock is a lock that somebody holds. Its row changes with every renewal; when
// it has not for the TTL, the leader takes the lock away.
type VariableLock struct {
	Namespace, Path string
	ID              string
	TTL, Delay      time.Duration
	Renewals        uint64
}

// PutVariable creates or replaces a variable. It is refused with a conflict in the
// result when CAS does not match, or when somebody else holds its lock.
// Result: *VariableResult.
type PutVariable struct {
	Namespace, Path string
	KeyID           string // must be the active root key
	Sealed          []byte
	CAS             *uint64 `json:",omitempty"` // the ModifyIndex that it must have; 0: it must not exist
	LockID          string  `json:",omitempty"` // of the writer
	// Token makes a repeated request give the first one's result, until the next write.
	Token string `json:",omitempty"`
}

// DeleteVariable forgets a variable; one that does not exist is no error.
// Result: *VariableResult, without a variable.
type DeleteVariable struct {
	Namespace, Path string
	CAS             *uint64 `json:",omitempty"`
	LockID          string  `json:",omitempty"`
}

// What LockVariable does.
const (
	LockAcquire = "acquire"
	LockRenew   = "renew"
	LockRelease = "release"
	LockExpire  = "expire" // the leader's: like release, and Delay begins
)

// LockVariable takes, renews or gives up the lock of a variable. Acquiring creates the
// variable if need be, and replaces its items if Sealed is set; so does releasing.
// Result: *VariableResult; a conflict when somebody else holds the lock, or its delay is
// not over.
type LockVariable struct {
	Op              string
	Namespace, Path string
	LockID          string
	TTL, Delay      time.Duration `json:",omitempty"` // acquire
	KeyID           string        `json:",omitempty"`
	Sealed          []byte        `json:",omitempty"`
	CAS             *uint64       `json:",omitempty"`
	// Token makes a repeated release give the first one's result, until the next write.
	Token string `json:",omitempty"`
	// KeepItems: Sealed is only for a variable that does not exist yet.
	KeepItems bool `json:",omitempty"`
	// Renewals is, for expire, the count that the leader waited on: a renewal that came
	// in between keeps the lock.
	Renewals uint64 `json:",omitempty"`
}

// RekeyVariables replaces sealed items by the same items under another root key. What
// changed meanwhile is left alone. Result: int, how many were replaced.
type RekeyVariables struct{ Variables []RekeyedVariable }

// RekeyedVariable is one variable's items under another key.
type RekeyedVariable struct {
	Namespace, Path string
	ModifyIndex     uint64 // of what was re-encrypted
	From            string // the key that it was encrypted with
	KeyID           string
	Sealed          []byte
}

// VariableResult answers the commands that change variables. Conflict: it was refused,
// and Variable is what is there, nil if nothing.
type VariableResult struct {
	Conflict bool
	Variable *Variable
	// StaleKey: it was sealed with a key that is not active any more. Seal again.
	StaleKey bool
}

// The Type methods tie each command to its number.
func (*PutVariable) Type() Type    { return TypePutVariable }
func (*DeleteVariable) Type() Type { return TypeDeleteVariable }
func (*LockVariable) Type() Type   { return TypeLockVariable }
func (*RekeyVariables) Type() Type { return TypeRekeyVariables }

// Variable is a variable, nil if there is none.
func (s *Snapshot) Variable(ws memdb.WatchSet, ns, path string) *Variable {
	return one[Variable](s, ws, TableVariables, byID, ns, path)
}

// Variables are the variables of a namespace, or of all, whose path begins with prefix,
// by namespace and path.
func (s *Snapshot) Variables(ws memdb.WatchSet, ns, prefix string) iter.Seq[*Variable] {
	if ns != AllNamespaces {
		return rows[Variable](s, ws, TableVariables, byID+"_prefix", ns, prefix)
	}
	all := rows[Variable](s, ws, TableVariables, byID)
	return where(all, func(v *Variable) bool { return strings.HasPrefix(v.Path, prefix) })
}

// VariablesOfKey are the variables that a root key encrypts.
func (s *Snapshot) VariablesOfKey(ws memdb.WatchSet, keyID string) iter.Seq[*Variable] {
	return rows[Variable](s, ws, TableVariables, byKey+"_prefix", keyID+"\x00")
}

// VariableLock is the lock of a variable, nil while nobody holds it.
func (s *Snapshot) VariableLock(ws memdb.WatchSet, ns, path string) *VariableLock {
	return one[VariableLock](s, ws, TableLocks, byID, ns, path)
}

// VariableLocks are all locks that are held, by namespace and path.
func (s *Snapshot) VariableLocks(ws memdb.WatchSet) iter.Seq[*VariableLock] {
	return rows[VariableLock](s, ws, TableLocks, byID)
}

func variableEventFacts(row any) eventFacts {
	v := row.(*Variable)
	return eventFacts{namespace: v.Namespace, key: v.Path}
}

// eventView is what the event stream tells of a variable: who knows a lock's ID holds it.
func (v *Variable) eventView() *api.VariableMetadata {
	m := v.VariableMetadata
	if m.Lock != nil {
		lock := *m.Lock
		lock.ID, m.Lock = "", &lock
	}
	return &m
}
