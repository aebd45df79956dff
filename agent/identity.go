package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/go-uuid"
	"golang.org/x/sys/unix"
)

// Identity is who an agent is, for as long as its data directory lives.
type Identity struct {
	ID       string // UUID of the node, the gossip member and the raft server alike
	SecretID string // proves the ID to the servers
}

// loadIdentity reads the identity of a data directory, or makes it. An empty
// directory name makes one that ends with the process.
func loadIdentity(dir string) (Identity, error) {
	if dir == "" {
		return newIdentity()
	}
	path := filepath.Join(dir, "identity.json")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		id, err := newIdentity()
		if err != nil {
			return Identity{}, err
		}
		text, _ := json.Marshal(id)
		return id, writeFileAtomic(path, text)
	}
	if err != nil {
		return Identity{}, fmt.Errorf("read identity: %w", err)
	}
	var id Identity
	if err := json.Unmarshal(text, &id); err != nil || id.ID == "" || id.SecretID == "" {
		return Identity{}, fmt.Errorf("read identity: %s is damaged; restore it from a backup, or delete it to join as a new node (its allocations are then replaced)", path)
	}
	return id, nil
}

func newIdentity() (Identity, error) {
	id, err := uuid.GenerateUUID()
	if err != nil {
		return Identity{}, fmt.Errorf("make identity: %w", err)
	}
	secret, err := uuid.GenerateUUID()
	return Identity{ID: id, SecretID: secret}, err
}

// writeFileAtomic writes a file of which, after any crash, either the old or the
// new content is there.
func writeFileAtomic(path string, text []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".tmp-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(text)
	if err == nil {
		err = tmp.Sync()
	}
	err = errors.Join(err, tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// lockDataDir makes the data directory and holds it against a second agent until
// the file is closed; the kernel lets go of it however the process ends.
func lockDataDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("data_dir: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data_dir: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		holder, _ := os.ReadFile(f.Name())
		f.Close()
		return nil, fmt.Errorf("data_dir %s is in use by another agent (process %s): stop that one, or give this one a data_dir of its own", dir, strings.TrimSpace(string(holder)))
	}
	if err := f.Truncate(0); err == nil {
		fmt.Fprintf(f, "%d\n", os.Getpid())
	}
	return f, nil
}

// bootID names this boot of the machine; it changes when the machine reboots.
func bootID() string {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(text))
}
