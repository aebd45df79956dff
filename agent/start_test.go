package agent

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/selfheal/selfheal/agent/config"
)

// An agent that cannot listen says so and leaves nothing behind.
func TestTakenPortLeavesNothing(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	cfg := config.Default()
	cfg.Client.Enabled = true
	cfg.DataDir = filepath.Join(t.TempDir(), "data")
	cfg.Addresses.HTTP, cfg.Addresses.RPC, cfg.Addresses.Serf = "127.0.0.1", "127.0.0.1", "127.0.0.1"
	cfg.Ports.HTTP, cfg.Ports.RPC, cfg.Ports.Serf = taken.Addr().(*net.TCPAddr).Port, 0, 0
	_, err = New(cfg, Options{Logger: hclog.NewInterceptLogger(&hclog.LoggerOptions{Level: hclog.Off})})
	if err == nil || !strings.Contains(err.Error(), "for http") || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(cfg.DataDir); err == nil {
		t.Error("it made a data directory")
	}
}

// Other users may walk through the data directory, and see nothing in it.
func TestDataDirectoryIsPassable(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	lock, err := lockDataDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o711 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if _, err := lockDataDir(dir); err == nil || !strings.Contains(err.Error(), "in use by another agent") {
		t.Errorf("a second agent: %v", err)
	}
}
