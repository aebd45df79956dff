package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/hashicorp/nomad/api"
)

// toldFile holds what operators told this node while it ran. It is not in the
// journal, which may be lost because servers know again what is in it: this nobody
// else knows.
const toldFile = "node.json"

// told is the content of toldFile.
type told struct {
	// Meta overlays the node's configured metadata: nil takes a key away.
	Meta map[string]*string `json:",omitempty"`
	// Volumes are the host volumes that were made or registered here, by ID.
	Volumes map[string]*api.HostVolume `json:",omitempty"`
}

// readTold reads the file of a state directory; none is an empty one.
func readTold(stateDir string) (told, error) {
	t := told{Meta: map[string]*string{}, Volumes: map[string]*api.HostVolume{}}
	text, err := os.ReadFile(filepath.Join(stateDir, toldFile))
	if errors.Is(err, os.ErrNotExist) {
		return t, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &t)
	}
	if err != nil {
		return t, fmt.Errorf("read what this node was told (%s): %w", toldFile, err)
	}
	return t, nil
}

// write replaces the file. When it returns, the content survives the machine.
func (t told) write(stateDir string) error {
	text, err := json.Marshal(t)
	if err != nil {
		return err
	}
	path := filepath.Join(stateDir, toldFile)
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write what this node was told: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	dir, err := os.Open(stateDir)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
