package state

import (
	"encoding/json"
	"iter"

	"github.com/hashicorp/go-memdb"
	"github.com/hashicorp/nomad/api"
)

// TableRootKeys holds *RootKey.
const TableRootKeys = "root_keys"

// tableKEK holds *KeyEncryptionKey, one row at most.
const tableKEK = "key_encryption_keys"

// Commands of the root keyring.
const (
	TypeAddRootKey    Type = 50
	TypeMoveRootKey   Type = 51
	TypeDeleteRootKey Type = 52
	TypeWrapRootKeys  Type = 53
)

// RootKey is a row of the root keyring: what encrypts variables and signs identities.
// The state only ever sees it sealed.
type RootKey struct {
	api.RootKeyMeta
	// KEK names the key-encryption key that Wrapped is sealed with.
	KEK string
	// Wrapped is the key's secret material, sealed.
	Wrapped []byte
	// Public is the JSON web key that verifies what this key signed.
	Public json.RawMessage
	// RetiredAt is when it stopped being the active key, ns since 1970; 0: it did not. It
	// has signed nothing afterwards.
	RetiredAt int64 `json:",omitempty"`
}

// KeyEncryptionKey is the key that root keys are sealed with when no server is
// configured with one: it then has to be where all servers find it, in the state.
type KeyEncryptionKey struct {
	ID  string
	Key []byte
}

// AddRootKey stores a new key. One with a PublishTime is prepublished, any other is
// active from now on and the one before retires. Result: *RootKey as stored.
type AddRootKey struct {
	Key RootKey
	// KEK is stored with it when it is the one that sealed the key; nil: servers know it.
	KEK *KeyEncryptionKey `json:",omitempty"`
	// Rekey marks every other key for the re-encryption of what it encrypted.
	Rekey bool `json:",omitempty"`
	// First adds the key only where there is none: the first leader's, maybe twice.
	First bool `json:",omitempty"`
}

// MoveRootKey moves a key to another state: a prepublished one becomes active, a
// rekeying one deprecated once it encrypts nothing any more. Result: error or nil.
type MoveRootKey struct {
	KeyID string
	State api.RootKeyState
}

// DeleteRootKey forgets a key that is not active and, unless forced, that nothing needs:
// it encrypts no variable, and no allocation that may have an identity signed by it
// still runs. Result: error or nil.
type DeleteRootKey struct {
	KeyID string
	Force bool `json:",omitempty"`
}

// WrapRootKeys seals keys with another key-encryption key. One in the state that seals
// nothing any more is forgotten. Result: error or nil.
type WrapRootKeys struct {
	Keys []WrappedKey
	KEK  *KeyEncryptionKey `json:",omitempty"`
}

// WrappedKey is a root key's material under another key-encryption key.
type WrappedKey struct {
	KeyID, KEK string
	Wrapped    []byte
}

// The Type methods tie each command to its number.
func (*AddRootKey) Type() Type    { return TypeAddRootKey }
func (*MoveRootKey) Type() Type   { return TypeMoveRootKey }
func (*DeleteRootKey) Type() Type { return TypeDeleteRootKey }
func (*WrapRootKeys) Type() Type  { return TypeWrapRootKeys }

// RootKey is a key of the keyring, nil if there is none of that ID.
func (s *Snapshot) RootKey(ws memdb.WatchSet, id string) *RootKey {
	return one[RootKey](s, ws, TableRootKeys, byID, id)
}

// RootKeys are all keys, by ID.
func (s *Snapshot) RootKeys(ws memdb.WatchSet) iter.Seq[*RootKey] {
	return rows[RootKey](s, ws, TableRootKeys, byID)
}

// ActiveRootKey is the key that encrypts and signs, nil before the first.
func (s *Snapshot) ActiveRootKey(ws memdb.WatchSet) *RootKey {
	for k := range s.RootKeys(ws) {
		if k.State == api.RootKeyStateActive {
			return k
		}
	}
	return nil
}

// KeyEncryptionKey is the one that is kept in the state, nil if servers have it.
func (s *Snapshot) KeyEncryptionKey(ws memdb.WatchSet) *KeyEncryptionKey {
	for k := range rows[KeyEncryptionKey](s, ws, tableKEK, byID) {
		return k
	}
	return nil
}

// RootKeyNeeded says why a key that is not active is still needed, "" if it is not.
func (s *Snapshot) RootKeyNeeded(k *RootKey) string {
	for v := range s.VariablesOfKey(nil, k.KeyID) {
		return "it encrypts variables, " + v.Path + " for one"
	}
	if k.RetiredAt == 0 { // it was never active: it has signed nothing
		return ""
	}
	for a := range s.Allocs(nil, AllNamespaces, "") {
		if !a.ClientTerminal() && a.CreateTime <= k.RetiredAt {
			return "allocation " + a.ID + " runs, and may have an identity that it signed"
		}
	}
	return ""
}

func applyAddRootKey(t *tx, c *AddRootKey) any {
	k := c.Key
	switch {
	case k.KeyID == "" || k.KEK == "" || len(k.Wrapped) == 0:
		return invalidf("add root key: it has no ID, or is not sealed")
	case t.RootKey(nil, k.KeyID) != nil: // the same request again
		return t.RootKey(nil, k.KeyID)
	}
	if c.First {
		for first := range t.RootKeys(nil) {
			return first
		}
	}
	if c.KEK != nil {
		t.putKEK(c.KEK)
	}
	k.State, k.RetiredAt = api.RootKeyStateActive, 0
	if k.PublishTime != 0 {
		k.State = api.RootKeyStatePrepublished
	} else {
		t.retireRootKey()
	}
	if c.Rekey {
		t.rekey()
	}
	k.CreateTime, k.CreateIndex, k.ModifyIndex = t.at, t.index, t.index
	put(t, TableRootKeys, nil, &k)
	return &k
}

// retireRootKey makes room for another active key.
func (t *tx) retireRootKey() {
	old := t.ActiveRootKey(nil)
	if old == nil {
		return
	}
	k := *old
	k.State, k.RetiredAt, k.ModifyIndex = api.RootKeyStateInactive, t.at, t.index
	put(t, TableRootKeys, old, &k)
}

// rekey marks what is to encrypt nothing any more.
func (t *tx) rekey() {
	var stale []*RootKey
	for k := range t.RootKeys(nil) {
		if k.State == api.RootKeyStateInactive || k.State == api.RootKeyStateDeprecated {
			stale = append(stale, k)
		}
	}
	for _, old := range stale {
		k := *old
		k.State, k.ModifyIndex = api.RootKeyStateRekeying, t.index
		put(t, TableRootKeys, old, &k)
	}
}

// rootKeyMoves are the steps that a key may take by itself; none leads back.
var rootKeyMoves = map[api.RootKeyState]api.RootKeyState{
	api.RootKeyStatePrepublished: api.RootKeyStateActive,
	api.RootKeyStateRekeying:     api.RootKeyStateDeprecated,
}

func applyMoveRootKey(t *tx, c *MoveRootKey) any {
	old := t.RootKey(nil, c.KeyID)
	switch {
	case old == nil:
		return ErrNotFound{"root key", c.KeyID}
	case old.State == c.State:
		return nil
	case rootKeyMoves[old.State] != c.State:
		return conflictf("root key %s is %s: it cannot become %s", c.KeyID, old.State, c.State)
	}
	if c.State == api.RootKeyStateDeprecated {
		for v := range t.VariablesOfKey(nil, c.KeyID) {
			return conflictf("root key %s still encrypts variables, %s for one", c.KeyID, v.Path)
		}
	} else {
		t.retireRootKey()
	}
	k := *old
	k.State, k.ModifyIndex = c.State, t.index
	put(t, TableRootKeys, old, &k)
	return nil
}

func applyDeleteRootKey(t *tx, c *DeleteRootKey) any {
	old := t.RootKey(nil, c.KeyID)
	switch {
	case old == nil:
		return ErrNotFound{"root key", c.KeyID}
	case old.State == api.RootKeyStateActive:
		return invalidf("root key %s is active: rotate the keyring before deleting it", c.KeyID)
	}
	if why := t.RootKeyNeeded(old); why != "" && !c.Force {
		return conflictf("root key %s is in use: %s; rotate with full=true and wait, or delete it with force", c.KeyID, why)
	}
	drop(t, TableRootKeys, old)
	t.dropSpareKEK()
	return nil
}

func applyWrapRootKeys(t *tx, c *WrapRootKeys) any {
	if c.KEK != nil {
		t.putKEK(c.KEK)
	}
	for _, w := range c.Keys {
		old := t.RootKey(nil, w.KeyID)
		if old == nil { // deleted meanwhile
			continue
		}
		k := *old
		k.KEK, k.Wrapped, k.ModifyIndex = w.KEK, w.Wrapped, t.index
		put(t, TableRootKeys, old, &k)
	}
	t.dropSpareKEK()
	return nil
}

func (t *tx) putKEK(k *KeyEncryptionKey) {
	if old := t.KeyEncryptionKey(nil); old != nil {
		if old.ID == k.ID {
			return
		}
		t.remove(tableKEK, old)
	}
	row := *k
	t.insert(tableKEK, &row)
}

// dropSpareKEK forgets a key-encryption key that seals nothing.
func (t *tx) dropSpareKEK() {
	kek := t.KeyEncryptionKey(nil)
	if kek == nil {
		return
	}
	for k := range t.RootKeys(nil) {
		if k.KEK == kek.ID {
			return
		}
	}
	t.remove(tableKEK, kek)
}
