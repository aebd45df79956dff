package gossip

import (
	"errors"
	"fmt"
	"slices"

	"github.com/hashicorp/memberlist"
)

// errNoKeyring is returned by changes to a keyring that does not exist.
var errNoKeyring = errors.New("gossip: traffic is not encrypted: start the agents with `encrypt`")

// newKeyring returns nil without keys: no encryption.
func newKeyring(keys [][]byte) (*memberlist.Keyring, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	ring, err := memberlist.NewKeyring(keys, keys[0])
	if err != nil {
		return nil, fmt.Errorf("gossip: keyring: %w", err)
	}
	return ring, nil
}

// Keys returns a copy of this member's keys, the one that encrypts first.
func (g *Gossip) Keys() [][]byte {
	if g.keyring == nil {
		return nil
	}
	keys := slices.Clone(g.keyring.GetKeys())
	for i := range keys {
		keys[i] = slices.Clone(keys[i])
	}
	return keys
}

// InstallKey adds a key that this member can decrypt with. To change keys,
// install the new one everywhere, then use it everywhere, then remove the old.
func (g *Gossip) InstallKey(key []byte) error {
	return g.rekey("install", func() error { return g.keyring.AddKey(key) })
}

// UseKey makes an installed key the one that encrypts.
func (g *Gossip) UseKey(key []byte) error {
	return g.rekey("use", func() error { return g.keyring.UseKey(key) })
}

// RemoveKey forgets a key; the one in use cannot be removed.
func (g *Gossip) RemoveKey(key []byte) error {
	return g.rekey("remove", func() error { return g.keyring.RemoveKey(key) })
}

func (g *Gossip) rekey(verb string, change func() error) error {
	if g.keyring == nil {
		return errNoKeyring
	}
	if err := change(); err != nil {
		return fmt.Errorf("gossip: %s key: %w", verb, err)
	}
	return nil
}
