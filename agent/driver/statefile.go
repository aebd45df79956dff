package driver

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// record is what a supervisor leaves on disk for whoever comes after it. The
// environment is not in it: it may hold secrets, and nothing needs it.
type record struct {
	Boot       string      `json:"boot"`
	Supervisor procID      `json:"supervisor"`
	Run        int         `json:"run"`
	Command    []string    `json:"command"`
	Main       procID      `json:"main"`
	Markers    []string    `json:"markers,omitempty"`
	Started    time.Time   `json:"started"`
	Exit       *exitRecord `json:"exit,omitempty"`
}

const (
	stateName = "state.json"
	stateTemp = "state.json.tmp"
)

// disk is the edge to the file system, for tests to fail one call at.
type disk interface {
	WriteFile(path string, data []byte) error
	Rename(from, to string) error
	Sync(path string) error
}

// stateFile keeps one record in a state directory.
type stateFile struct {
	dir  string
	disk disk
}

// save replaces the record in one step: a reader sees the old or the new one.
// When it returns, the record survives any crash of any process; sync makes it
// survive a loss of power, too. The two are apart because nobody should wait
// for a disk to learn of an exit: a record that is torn when power fails in
// between reads as no record, which is what waiting would have left as well.
func (s stateFile) save(r record) error {
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("save state: %w", err)
	}
	temp := filepath.Join(s.dir, stateTemp)
	if err := s.disk.WriteFile(temp, data); err != nil {
		return fmt.Errorf("save state: %w", err)
	}
	if err := s.disk.Rename(temp, filepath.Join(s.dir, stateName)); err != nil {
		return fmt.Errorf("save state: %w", err)
	}
	return nil
}

// sync waits until the saved record, and its name, are on stable storage.
func (s stateFile) sync() error {
	for _, path := range []string{filepath.Join(s.dir, stateName), s.dir} {
		if err := s.disk.Sync(path); err != nil {
			return fmt.Errorf("sync state: %w", err)
		}
	}
	return nil
}

// readState returns the record in dir. A missing or torn one is an error.
func readState(dir string) (record, error) {
	var r record
	data, err := os.ReadFile(filepath.Join(dir, stateName))
	if err != nil {
		return r, fmt.Errorf("read state: %w", err)
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return r, fmt.Errorf("read state: %w", err)
	}
	return r, nil
}

// realDisk is the file system.
type realDisk struct{}

func (realDisk) WriteFile(path string, data []byte) error { return os.WriteFile(path, data, 0o600) }
func (realDisk) Rename(from, to string) error             { return os.Rename(from, to) }

func (realDisk) Sync(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	return file.Sync()
}
