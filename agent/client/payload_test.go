package client

import (
	"os"
	"path/filepath"
	"testing"
)

func TestPayloadStaysInTheLocalDirectory(t *testing.T) {
	dir := t.TempDir()
	local := filepath.Join(dir, "local")
	if err := os.Mkdir(local, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(dir, filepath.Join(local, "out")); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		file string
		ok   bool
	}{
		{"input", true},
		{"a/b/input", true},
		{"a/b/input", true}, // again, as after a restart
		{"", true},
		{"../input", false},
		{"out/input", false},
		{"a", false},
	} {
		err := payload{tt.file, []byte("hello")}.write(local)
		if (err == nil) != tt.ok {
			t.Errorf("%q: %v", tt.file, err)
			continue
		}
		if tt.file == "" || !tt.ok {
			continue
		}
		if text, err := os.ReadFile(filepath.Join(local, tt.file)); err != nil || string(text) != "hello" {
			t.Errorf("%q: %q, %v", tt.file, text, err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "input")); err == nil {
		t.Error("the payload was written outside")
	}
}
