package driver

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestPinnedCores runs a task on the last core that this test may use, and another on all.
func TestPinnedCores(t *testing.T) {
	var usable unix.CPUSet
	if err := unix.SchedGetaffinity(0, &usable); err != nil {
		t.Fatal(err)
	}
	last := 0
	for core := range len(usable) * 64 {
		if usable.IsSet(core) {
			last = core
		}
	}
	all := allowed(t, mustRead(t, "/proc/self/status"))
	for _, tt := range []struct {
		cores []int
		want  string
	}{{[]int{last}, strconv.Itoa(last)}, {nil, all}} {
		cfg := newConfig(t, "exit", "0")
		cfg.Config = map[string]any{"command": "/bin/cat", "args": []any{"/proc/self/status"}}
		cfg.Resources.Cores = tt.cores
		if exit := waitExit(t, startTask(t, newDriver(t, ""), cfg)); exit.Code != 0 {
			t.Fatalf("got %+v, stderr %q", exit, readLog(t, cfg, Stderr))
		}
		if got := allowed(t, readLog(t, cfg, Stdout)); got != tt.want {
			t.Errorf("pinned to %v, runs on %s, want %s", tt.cores, got, tt.want)
		}
	}
	cfg := newConfig(t, "exit", "0")
	cfg.Resources.Cores = []int{1000}
	if _, err := newDriver(t, "").Start(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "pin to cores [1000]") {
		t.Errorf("a core that is not there: %v", err)
	}
}

func allowed(t *testing.T, status string) string {
	t.Helper()
	for line := range strings.Lines(status) {
		if rest, ok := strings.CutPrefix(line, "Cpus_allowed_list:"); ok {
			return strings.TrimSpace(rest)
		}
	}
	t.Fatalf("no Cpus_allowed_list in %q", status)
	return ""
}

func mustRead(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
