package agent

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"strings"
	"testing"

	"github.com/selfheal/selfheal/agent/consensus"
	"github.com/selfheal/selfheal/agent/state"
)

// backupOf packs a saved state as consensus does.
func backupOf(t *testing.T, saved []byte, size int) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if err := json.NewEncoder(z).Encode(consensus.BackupHeader{Format: "selfheal backup 1", Index: 5, Term: 1, Size: int64(size)}); err != nil {
		t.Fatal(err)
	}
	z.Write(saved)
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestBackupIsTriedOutFirst(t *testing.T) {
	store, err := state.New(state.Config{})
	if err != nil {
		t.Fatal(err)
	}
	var saved bytes.Buffer
	if _, err := store.Snapshot().WriteTo(&saved); err != nil {
		t.Fatal(err)
	}
	whole := saved.Bytes()
	damaged := bytes.Replace(whole, []byte("default"), []byte("defaulT"), 1)
	for _, tt := range []struct {
		name   string
		backup []byte
		want   string
	}{
		{"whole", backupOf(t, whole, len(whole)), ""},
		{"damaged", backupOf(t, damaged, len(damaged)), "the file is damaged"},
		{"cut", backupOf(t, whole[:len(whole)-9], len(whole)), "restore state"},
		{"not one", []byte("garbage"), "this is not a backup"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tryOut(bytes.NewReader(tt.backup))
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}
