package consensus

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/hashicorp/raft"
)

// backupFormat is the first field of a backup's header.
const backupFormat = "selfheal backup 1"

// BackupHeader says what a backup holds. It is the first line of the backup, which
// is compressed with gzip as a whole; the FSM's own format follows.
type BackupHeader struct {
	Format      string
	Index, Term uint64
	Size        int64 // bytes of the state that follows
}

// Save writes a backup of the state as of now. Any server can; a follower's is as
// old as what it has applied.
func (c *Consensus) Save(w io.Writer) (BackupHeader, error) {
	h, err := c.save(w)
	if err != nil {
		return h, fmt.Errorf("save backup: %w", err)
	}
	return h, nil
}

func (c *Consensus) save(w io.Writer) (BackupHeader, error) {
	meta, state, err := c.snapshot()
	if err != nil {
		return BackupHeader{}, err
	}
	defer state.Close()
	h := BackupHeader{Format: backupFormat, Index: meta.Index, Term: meta.Term, Size: meta.Size}
	z := gzip.NewWriter(w)
	if err := json.NewEncoder(z).Encode(h); err != nil {
		return h, err
	}
	if _, err := io.Copy(z, state); err != nil {
		return h, err
	}
	return h, z.Close()
}

// snapshot takes a snapshot, or the last one if nothing happened since.
func (c *Consensus) snapshot() (*raft.SnapshotMeta, io.ReadCloser, error) {
	var f raft.SnapshotFuture
	err := c.do(context.Background(), func() raft.Future {
		f = c.raft.Snapshot()
		return f
	})
	if err == nil {
		return f.Open()
	}
	if !errors.Is(err, raft.ErrNothingNewToSnapshot) {
		return nil, nil, err
	}
	all, err := c.stores.Snapshots.List()
	switch {
	case err != nil:
		return nil, nil, err
	case len(all) == 0:
		return nil, nil, errors.New("nothing has been written to the cluster yet")
	}
	return c.stores.Snapshots.Open(all[0].ID)
}

// SnapshotNow replaces the log by a snapshot, if anything was written since the last.
func (c *Consensus) SnapshotNow() error {
	_, state, err := c.snapshot()
	if err != nil {
		return fmt.Errorf("take snapshot: %w", err)
	}
	return state.Close()
}

// restoreTimeout bounds how long a restore waits for the servers to take it.
const restoreTimeout = 5 * time.Minute

// RestoreFrom replaces the state of the whole cluster by a backup. Leader only; the
// members stay as they are.
func (c *Consensus) RestoreFrom(r io.Reader) (BackupHeader, error) {
	h, state, err := OpenBackup(r)
	if err != nil {
		return h, fmt.Errorf("restore backup: %w", err)
	}
	if !c.IsLeader() {
		_, addr := c.Leader()
		return h, fmt.Errorf("restore backup: %w", ErrNotLeader{addr})
	}
	meta := &raft.SnapshotMeta{Version: raft.SnapshotVersionMax, Index: h.Index, Term: h.Term, Size: h.Size}
	if err := c.raft.Restore(meta, state, restoreTimeout); err != nil {
		return h, fmt.Errorf("restore backup: %w", c.explain(err))
	}
	return h, nil
}

// OpenBackup reads a backup's header and returns the reader of the state.
func OpenBackup(r io.Reader) (BackupHeader, io.Reader, error) {
	var h BackupHeader
	z, err := gzip.NewReader(r)
	if err != nil {
		return h, nil, fmt.Errorf("this is not a backup: %w", err)
	}
	b := bufio.NewReader(z)
	line, err := b.ReadSlice('\n')
	if err != nil || json.Unmarshal(line, &h) != nil || h.Format != backupFormat {
		return h, nil, errors.New("this is not a backup that this version knows")
	}
	return h, io.LimitReader(b, h.Size), nil
}
