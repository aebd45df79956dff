package agent

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/selfheal/selfheal/agent/config"
)

func TestKeyringFileCounts(t *testing.T) {
	dir := t.TempDir()
	var said bytes.Buffer
	a := &Agent{cfg: config.Default(), log: hclog.New(&hclog.LoggerOptions{Output: &said})}
	a.cfg.DataDir, a.cfg.Server.Encrypt = dir, "MDEyMzQ1Njc4OWFiY2RlZg=="
	check := func(want ...string) {
		t.Helper()
		keys, err := a.gossipKeys()
		var got []string
		for _, k := range keys {
			got = append(got, string(k))
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("keys %q %v, want %q", got, err, want)
		}
	}
	check("0123456789abcdef")
	path := filepath.Join(dir, keyringFile)
	if err := writeKeyring(path, [][]byte{[]byte("fedcba9876543210"), []byte("0123456789abcdef")}); err != nil {
		t.Fatal(err)
	}
	check("fedcba9876543210", "0123456789abcdef")
	if said.Len() > 0 {
		t.Errorf("warned: %s", &said)
	}
	if err := writeKeyring(path, [][]byte{[]byte("fedcba9876543210")}); err != nil {
		t.Fatal(err)
	}
	check("fedcba9876543210")
	if !strings.Contains(said.String(), "was removed from the keyring") {
		t.Errorf("no warning that encrypt is not in the keyring: %q", &said)
	}
	if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("%v %v: keys are secret", fi.Mode(), err)
	}
	if all, _ := os.ReadDir(dir); len(all) != 1 {
		t.Errorf("%v left behind", all)
	}
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := a.gossipKeys(); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a damaged file: %v", err)
	}
}
