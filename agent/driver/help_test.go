package driver

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func testContext() context.Context { return context.Background() }

// patience is how long a test waits for what should take milliseconds.
const patience = 20 * time.Second

// newConfig is a task that runs one of the programs, with directories of its own.
func newConfig(t *testing.T, program ...string) TaskConfig {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	base := t.TempDir()
	cfg := TaskConfig{
		ID:       "3f0a6c1e/web",
		Name:     "web",
		Config:   map[string]any{"command": exe, "args": append([]string{"task"}, program...)},
		Env:      map[string]string{"NOMAD_ALLOC_ID": filepath.Base(base) + t.Name(), "NOMAD_TASK_NAME": "web"},
		AllocDir: base,
		TaskDir:  filepath.Join(base, "web"),
		LocalDir: filepath.Join(base, "web", "local"),
		LogDir:   filepath.Join(base, "logs"),
		StateDir: filepath.Join(base, "state"),
	}
	for _, dir := range []string{cfg.LocalDir, cfg.LogDir} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return cfg
}

func encodeConfig(t *testing.T, cfg TaskConfig) string {
	t.Helper()
	text, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func decodeConfig(text string) TaskConfig {
	var cfg TaskConfig
	if err := json.Unmarshal([]byte(text), &cfg); err != nil {
		panic(err)
	}
	return cfg
}

// newDriver is closed at the end of the test.
func newDriver(t *testing.T, binary string) *RawExec {
	t.Helper()
	d := NewRawExec(RawExecConfig{Binary: binary})
	t.Cleanup(func() { d.Close() })
	return d
}

// specialSupervisor is a link by whose name the test binary is that supervisor.
func specialSupervisor(t *testing.T, name string) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), name)
	if err := os.Symlink(exe, link); err != nil {
		t.Fatal(err)
	}
	return link
}

// startTask starts it and ends it with the test, whatever became of it.
func startTask(t *testing.T, d *RawExec, cfg TaskConfig) Task {
	t.Helper()
	task, err := d.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { end(t, task) })
	return task
}

func end(t *testing.T, task Task) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := task.Stop(ctx, "", 0); err != nil {
		t.Errorf("stop at the end: %v", err)
	}
	if err := task.Destroy(); err != nil {
		t.Errorf("destroy at the end: %v", err)
	}
}

func waitExit(t *testing.T, task Task) Exit {
	t.Helper()
	select {
	case exit, ok := <-task.Wait():
		if !ok {
			t.Fatal("Wait gave its value before")
		}
		return exit
	case <-time.After(patience):
		t.Fatal("task does not exit")
	}
	return Exit{}
}

// waitLog waits until a stream contains want, and returns it. The log's
// directory tells when to look again.
func waitLog(t *testing.T, cfg TaskConfig, stream, want string) string {
	t.Helper()
	watch, err := unix.InotifyInit1(unix.IN_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(watch)
	if _, err := unix.InotifyAddWatch(watch, cfg.LogDir, unix.IN_MODIFY|unix.IN_CREATE); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if text := readLog(t, cfg, stream); strings.Contains(text, want) {
			return text
		}
		poll := []unix.PollFd{{Fd: int32(watch), Events: unix.POLLIN}}
		if _, err := unix.Poll(poll, 1000); err == nil && poll[0].Revents != 0 {
			unix.Read(watch, make([]byte, 4096))
		}
	}
	t.Fatalf("log of %s never contains %q: %q", stream, want, readLog(t, cfg, stream))
	return ""
}

// readLog reads all files of a stream, one after another.
func readLog(t *testing.T, cfg TaskConfig, stream string) string {
	t.Helper()
	files, err := LogFiles(cfg.LogDir, cfg.Name, stream)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, f := range files {
		data, err := os.ReadFile(f.Path)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		text.Write(data)
	}
	return text.String()
}

// identify pins a PID to the process that has it now.
func identify(t *testing.T, pid int) procID {
	t.Helper()
	stat, err := readProc(pid)
	if err != nil {
		t.Fatal(err)
	}
	return stat.procID
}

func wantDead(t *testing.T, what string, p procID) {
	t.Helper()
	if !p.wait(patience) {
		t.Errorf("%s (process %d) is alive", what, p.PID)
		p.kill()
	}
}

// supervisorOf asks the task's supervisor who it is.
func supervisorOf(t *testing.T, cfg TaskConfig) procID {
	t.Helper()
	l, err := dial(t.Context(), cfg.StateDir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	st, err := l.watch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return st.Supervisor
}
