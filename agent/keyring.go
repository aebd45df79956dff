package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/selfheal/selfheal/agent/gossip"
)

// keyringFile keeps the gossip keys of an agent whose keys were changed while it
// ran: a JSON array of base64, the one that encrypts first. Once it is there it
// counts, and `encrypt` only matters for the cluster's certificates.
const keyringFile = "gossip.keyring"

// gossipKeys are the keys to start with.
func (a *Agent) gossipKeys() ([][]byte, error) {
	key, err := a.cfg.Server.Key()
	if err != nil {
		return nil, err
	}
	var keys [][]byte
	if dir := a.dataDir(); dir != "" {
		if keys, err = readKeyring(filepath.Join(dir, keyringFile)); err != nil {
			return nil, err
		}
	}
	switch {
	case len(keys) == 0 && key != nil:
		return [][]byte{key}, nil
	case key != nil && !slices.ContainsFunc(keys, func(k []byte) bool { return string(k) == string(key) }):
		a.log.Warn("the key of server { encrypt } was removed from the keyring while the agent ran: gossip goes on with the keyring",
			"file", filepath.Join(a.dataDir(), keyringFile))
	}
	return keys, nil
}

func readKeyring(path string) ([][]byte, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var keys [][]byte // encoding/json reads base64
	if err == nil {
		err = json.Unmarshal(text, &keys)
	}
	if err != nil {
		return nil, fmt.Errorf("read keyring %s: %w", path, err)
	}
	return keys, nil
}

// writeKeyring replaces the file in one step, so that a crash leaves the old or the new one.
func writeKeyring(path string, keys [][]byte) error {
	text, err := json.Marshal(keys)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), keyringFile+"-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone already when all went well
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// ring is the gossip keyring, kept on disk after every change.
type ring struct{ a *Agent }

// Keys are the keys, the one that encrypts first.
func (r ring) Keys() [][]byte { return r.a.gossip.Keys() }

// InstallKey adds a key to decrypt with.
func (r ring) InstallKey(key []byte) error { return r.change(key, (*gossip.Gossip).InstallKey) }

// UseKey encrypts with an installed key.
func (r ring) UseKey(key []byte) error { return r.change(key, (*gossip.Gossip).UseKey) }

// RemoveKey forgets a key.
func (r ring) RemoveKey(key []byte) error { return r.change(key, (*gossip.Gossip).RemoveKey) }

func (r ring) change(key []byte, how func(*gossip.Gossip, []byte) error) error {
	if err := how(r.a.gossip, key); err != nil {
		return err
	}
	dir := r.a.dataDir()
	if dir == "" {
		return nil
	}
	if err := writeKeyring(filepath.Join(dir, keyringFile), r.a.gossip.Keys()); err != nil {
		return fmt.Errorf("the key is changed until the agent restarts, but not kept: %w", err)
	}
	return nil
}
