package agent

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/selfheal/selfheal/agent/consensus"
	"github.com/selfheal/selfheal/agent/httpapi"
	"github.com/selfheal/selfheal/agent/state"
)

// backups saves and restores the whole state.
type backups struct{ raft *consensus.Consensus }

// Save writes a backup.
func (b backups) Save(_ context.Context, w io.Writer) error {
	_, err := b.raft.Save(w)
	return err
}

// Restore replaces the state by a backup. It is read whole and tried out first:
// raft takes what it is given, and servers that cannot load it would die of it,
// one after the other.
func (b backups) Restore(_ context.Context, r io.Reader) error {
	f, err := os.CreateTemp("", "selfheal-restore-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if _, err := io.Copy(f, r); err != nil {
		return fmt.Errorf("receive backup: %w", err)
	}
	if err := tryOut(f); err != nil {
		return &httpapi.Error{Code: http.StatusBadRequest, Text: err.Error()}
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	_, err = b.raft.RestoreFrom(f)
	return err
}

// tryOut loads a backup into a state of its own.
func tryOut(f io.ReadSeeker) error {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	_, saved, err := consensus.OpenBackup(f)
	if err != nil {
		return err
	}
	return state.Verify(saved)
}
