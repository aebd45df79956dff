package config

import (
	"bytes"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestKEKs(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	key := bytes.Repeat([]byte{7}, 32)
	good, short := file("good", base64.StdEncoding.EncodeToString(key)+"\n"), file("short", "c2hvcnQ=")
	for _, tc := range []struct {
		name          string
		ring          map[string]Keyring
		key, previous bool
		want          string
	}{
		{"none", nil, false, false, ""},
		{"one", map[string]Keyring{"aead": {KeyFile: good}}, true, false, ""},
		{"both", map[string]Keyring{"aead": {KeyFile: good, PreviousKeyFile: good}}, true, true, ""},
		{"short", map[string]Keyring{"aead": {KeyFile: short}}, false, false, "does not hold base64 of 32 bytes"},
		{"no file", map[string]Keyring{"aead": {PreviousKeyFile: filepath.Join(dir, "none")}}, false, false, "previous_key_file"},
	} {
		k, p, err := (&Config{Keyring: tc.ring}).KEKs()
		switch {
		case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		case tc.want == "" && (err != nil || tc.key != bytes.Equal(k, key) || tc.previous != bytes.Equal(p, key)):
			t.Errorf("%s: %v %v %v", tc.name, k, p, err)
		}
	}
}
