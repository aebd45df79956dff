package client

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/go-uuid"
)

// The files of a node's identity.
const (
	nodeIDFile = "client-id"
	secretFile = "secret-id"
)

// LoadIdentity reads the node's ID and its secret out of dir, or makes them: UUIDs,
// in files of mode 0600 that are whole or not there. The ID is the node's for as
// long as its data directory lives; the secret is what proves it.
func LoadIdentity(dir string) (nodeID, secretID string, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", "", fmt.Errorf("load node identity: %w", err)
	}
	if nodeID, err = loadID(filepath.Join(dir, nodeIDFile)); err == nil {
		secretID, err = loadID(filepath.Join(dir, secretFile))
	}
	if err != nil {
		return "", "", fmt.Errorf("load node identity: %w", err)
	}
	return nodeID, secretID, nil
}

// loadID reads the UUID in a file, or makes one.
func loadID(path string) (string, error) {
	data, err := os.ReadFile(path)
	if err == nil {
		id := strings.TrimSpace(string(data))
		if !validAllocID(id) {
			return "", fmt.Errorf("%s holds %q, which is no UUID: restore it, or remove it to become a new node", path, id)
		}
		return id, nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	id, err := uuid.GenerateUUID()
	if err != nil {
		return "", err
	}
	return id, writeAtomic(path, []byte(id+"\n"))
}

// writeAtomic makes a file of mode 0600 that is whole, on the disk, or not there.
func writeAtomic(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".tmp-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone already when all went well
	_, err = f.Write(data)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
