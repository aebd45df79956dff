package consensus

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/hashicorp/raft"
	wal "github.com/hashicorp/raft-wal"
)

// keptSnapshots is how many snapshots stay on disk: the last, and one before it in
// case the last is damaged.
const keptSnapshots = 2

// openStores opens what DataDir holds, or makes it. The closer is nil in memory.
func openStores(c *Config) (*Stores, io.Closer, error) {
	if c.Stores != nil {
		return c.Stores, nil, nil
	}
	if c.DataDir == "" {
		mem := raft.NewInmemStore()
		return &Stores{Log: mem, Stable: mem, Snapshots: raft.NewInmemSnapshotStore()}, nil, nil
	}
	dir := filepath.Join(c.DataDir, "raft")
	if _, err := os.Stat(filepath.Join(dir, "raft.db")); err == nil {
		return nil, nil, fmt.Errorf("open raft log: %s holds the log of another program (raft.db): choose another data directory", dir)
	}
	walDir := filepath.Join(dir, "wal")
	if err := os.MkdirAll(walDir, 0o700); err != nil {
		return nil, nil, fmt.Errorf("create raft directory: %w", err)
	}
	snaps, err := raft.NewFileSnapshotStoreWithLogger(dir, keptSnapshots, c.Logger)
	if err != nil {
		return nil, nil, fmt.Errorf("open snapshots in %s: %w", dir, err)
	}
	log, err := openWAL(walDir, c)
	if err != nil {
		return nil, nil, fmt.Errorf("open raft log in %s: %w (if the disk damaged it and other servers have a majority, remove %s and join again)", walDir, err, dir)
	}
	return &Stores{Log: log, Stable: log, Snapshots: snaps}, log, nil
}

// openWAL turns the library's panics on damaged files into errors.
func openWAL(dir string, c *Config) (log *wal.WAL, err error) {
	defer func() {
		if p := recover(); p != nil {
			log, err = nil, fmt.Errorf("the log is damaged: %v", p)
		}
	}()
	if c.SegmentBytes <= 0 {
		return nil, errors.New("segment size is not set")
	}
	return wal.Open(dir, wal.WithSegmentSize(c.SegmentBytes), wal.WithLogger(c.Logger.Named("wal")))
}
