package agent

import (
	"fmt"
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

// newIdentity makes one that ends with the process.
func newIdentity() (Identity, error) {
	id, err := uuid.GenerateUUID()
	if err != nil {
		return Identity{}, fmt.Errorf("make identity: %w", err)
	}
	secret, err := uuid.GenerateUUID()
	return Identity{ID: id, SecretID: secret}, err
}

// lockDataDir makes the data directory and holds it against a second agent until
// the file is closed; the kernel lets go of it however the process ends. Tasks of
// other users must be able to walk through it to their own directories; it cannot be
// listed, and what is secret below it is for the agent's user alone.
func lockDataDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o711); err != nil {
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
