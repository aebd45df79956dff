package consensus

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// onDisk starts a server of one over real files and a real socket.
func onDisk(t testing.TB, dir string, changes func(*Config)) (*Consensus, *recorder, error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	fsm := &recorder{}
	cfg := Default()
	cfg.ID, cfg.Addr, cfg.DataDir, cfg.FSM, cfg.Listener = "one", l.Addr().String(), dir, fsm.fsm(), l
	cfg.HeartbeatTimeout, cfg.ElectionTimeout, cfg.LeaderLease = 50*time.Millisecond, 50*time.Millisecond, 50*time.Millisecond
	cfg.Dial = func(ctx context.Context, addr string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	}
	if changes != nil {
		changes(&cfg)
	}
	c, err := New(cfg)
	if err != nil {
		l.Close()
		return nil, nil, err
	}
	t.Cleanup(func() { c.Shutdown(context.Background()) })
	return c, fsm, nil
}

// leads waits until a server leads.
func leads(t testing.TB, c *Consensus) {
	t.Helper()
	up := make(chan struct{})
	var once sync.Once
	c.Subscribe(func(leads bool) {
		if leads {
			once.Do(func() { close(up) })
		}
	})
	select {
	case <-up:
	case <-time.After(20 * time.Second):
		t.Fatal("it does not lead")
	}
}

// TestAcknowledgedWritesSurvive copies the files of a running server at the moment
// of an acknowledgement, as a machine that loses its power would leave them, and
// starts from the copies.
func TestAcknowledgedWritesSurvive(t *testing.T) {
	dir := t.TempDir()
	c, _, err := onDisk(t, dir, func(c *Config) { c.SegmentBytes = 64 << 10 })
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Bootstrap([]Server{{ID: "one", Addr: "127.0.0.1:1", Voter: true}}); err != nil {
		t.Fatal(err)
	}
	leads(t, c)
	want := []string{strings.Repeat("large", 1<<18)} // larger than a segment
	if _, _, err := c.Apply(t.Context(), []byte(want[0])); err != nil {
		t.Fatal(err)
	}
	for round := range 3 {
		for i := range 40 {
			data := fmt.Sprint(round, " ", i, strings.Repeat(".", 1000)) // fills more than one segment
			if _, _, err := c.Apply(t.Context(), []byte(data)); err != nil {
				t.Fatal(err)
			}
			want = append(want, data)
		}
		if round == 1 {
			if err := c.SnapshotNow(); err != nil {
				t.Fatal(err)
			}
		}
		left := t.TempDir()
		if err := os.CopyFS(left, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		again, fsm, err := onDisk(t, left, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !again.HasState() {
			t.Error("it found nothing")
		}
		leads(t, again)
		if err := again.Barrier(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := fsm.entries(); !slices.Equal(got, want) {
			t.Errorf("round %d: %d entries of %d survived", round, len(got), len(want))
		}
	}
}

func TestUnusableDataDir(t *testing.T) {
	tests := []struct {
		name string
		make func(t *testing.T, dir string)
		want string
	}{
		{"a file", func(t *testing.T, dir string) { write(t, filepath.Join(dir, "raft"), "x") }, "create raft directory"},
		{"another program's", func(t *testing.T, dir string) { write(t, filepath.Join(dir, "raft", "raft.db"), "x") }, "choose another data directory"},
		{"damaged index", func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "raft", "wal", "wal-meta.db"), strings.Repeat("garbage ", 1<<13))
		}, "remove"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			tt.make(t, dir)
			_, _, err := onDisk(t, dir, nil)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestValidate(t *testing.T) {
	good := Default()
	good.ID, good.Addr, good.FSM = "a", "b:1", (&recorder{}).fsm()
	good.Listener, good.Dial = newNetwork().listen("b:1"), newNetwork().dialer("b:1")
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	bad := map[string]func(*Config){
		"ID and Addr":          func(c *Config) { c.ID = "" },
		"FSM":                  func(c *Config) { c.FSM.Restore = nil },
		"Listener and Dial":    func(c *Config) { c.Dial = nil },
		"segments":             func(c *Config) { c.SegmentBytes = 0 },
		"heartbeat timeout":    func(c *Config) { c.LeaderLease = time.Hour },
		"ElectionTimeout":      func(c *Config) { c.ElectionTimeout = time.Millisecond },
		"SnapshotInterval":     func(c *Config) { c.SnapshotInterval = 0 },
		"CommitTimeout is too": func(c *Config) { c.CommitTimeout = 0 },
	}
	for want, change := range bad {
		c := good
		change(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want an error with %q, got %v", want, err)
		}
	}
}

// BenchmarkApply reports entries a second to disk, from many callers and from one.
func BenchmarkApply(b *testing.B) {
	c, _, err := onDisk(b, b.TempDir(), nil)
	if err != nil {
		b.Fatal(err)
	}
	if err := c.Bootstrap([]Server{{ID: "one", Addr: "127.0.0.1:1", Voter: true}}); err != nil {
		b.Fatal(err)
	}
	leads(b, c)
	data := make([]byte, 200)
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	b.Run("one", func(b *testing.B) {
		for b.Loop() {
			if _, _, err := c.Apply(ctx, data); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "entries/s")
	})
	b.Run("many", func(b *testing.B) {
		b.SetParallelism(256)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, _, err := c.Apply(ctx, data); err != nil {
					b.Error(err)
				}
			}
		})
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "entries/s")
	})
}
