package driver

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestExitIsReported(t *testing.T) {
	d := newDriver(t, "")
	for _, code := range []int{0, 1, 42} {
		cfg := newConfig(t, "exit", strconv.Itoa(code))
		exit := waitExit(t, startTask(t, d, cfg))
		if exit.Code != code || exit.Signal != 0 || exit.Err != nil || exit.At.IsZero() {
			t.Errorf("exit %d: got %+v", code, exit)
		}
	}
}

func TestEnvironmentIsExact(t *testing.T) {
	t.Setenv("FROM_THE_AGENT", "leaked")
	cfg := newConfig(t, "env")
	cfg.Env = map[string]string{"B": "2", "A": "with = and space"}
	waitExit(t, startTask(t, newDriver(t, ""), cfg))
	want := "A=with = and space\nB=2\ndir " + cfg.TaskDir + "\n"
	if got := readLog(t, cfg, Stdout); got != want {
		t.Errorf("task printed %q, want %q", got, want)
	}
}

func TestSignalReachesTheTask(t *testing.T) {
	cfg := newConfig(t, "polite")
	task := startTask(t, newDriver(t, ""), cfg)
	waitLog(t, cfg, Stdout, "ready")
	if err := task.Signal("hup"); err != nil {
		t.Fatal(err)
	}
	waitLog(t, cfg, Stdout, "got hangup")
	if err := task.Signal("SIGNONSENSE"); err == nil {
		t.Error("an unknown signal was taken")
	}
	if err := task.Stop(t.Context(), "", patience); err != nil { // SIGINT
		t.Fatal(err)
	}
	if exit := waitExit(t, task); exit.Code != 7 || exit.Signal != 0 {
		t.Errorf("got %+v, want the code of its handler", exit)
	}
	if err := task.Signal("HUP"); !errors.Is(err, ErrNotRunning) {
		t.Errorf("signal after the end: %v", err)
	}
	if err := task.Stop(t.Context(), "", patience); err != nil {
		t.Errorf("stop after the end: %v", err)
	}
}

func TestStopKillsWhatIgnoresIt(t *testing.T) {
	cfg := newConfig(t, "stubborn")
	task := startTask(t, newDriver(t, ""), cfg)
	waitLog(t, cfg, Stdout, "ready")
	main := identify(t, task.PID())
	if err := task.Stop(t.Context(), "SIGTERM", 50*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if main.alive() {
		t.Error("it is alive after Stop")
	}
	if exit := waitExit(t, task); exit.Signal != 9 || exit.Code != 137 || exit.OOM {
		t.Errorf("got %+v, want SIGKILL", exit)
	}
}

func TestStopLeavesNoProcess(t *testing.T) {
	cfg := newConfig(t, "daemonize")
	task := startTask(t, newDriver(t, ""), cfg)
	daemon := identify(t, daemonPID(t, cfg))
	if err := task.Stop(t.Context(), "", patience); err != nil {
		t.Fatal(err)
	}
	if daemon.alive() {
		t.Error("the daemon is alive after Stop")
	}
}

// daemonPID reads it from the output of "daemonize".
func daemonPID(t *testing.T, cfg TaskConfig) int {
	t.Helper()
	text := waitLog(t, cfg, Stdout, "ready")
	_, rest, _ := strings.Cut(waitLog(t, cfg, Stdout, "daemon ")+text, "daemon ")
	digits, _, _ := strings.Cut(rest, "\n")
	pid, err := strconv.Atoi(digits)
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

func TestExitTakesDaemonsAlong(t *testing.T) {
	cfg := newConfig(t, "daemonize", "3")
	task := startTask(t, newDriver(t, ""), cfg)
	if exit := waitExit(t, task); exit.Code != 3 {
		t.Errorf("got %+v, want code 3", exit)
	}
	procs, err := listProcs()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range procs {
		if !p.dead() && hasMarkers(p.PID, markers(cfg.Env)) {
			t.Errorf("process %d is left", p.PID)
		}
	}
}

func TestRestartKeepsTheSupervisor(t *testing.T) {
	cfg := newConfig(t, "exit", "1")
	task := startTask(t, newDriver(t, ""), cfg)
	first := task.Wait()
	waitExit(t, task)
	supervisor := supervisorOf(t, cfg)

	cfg.Config = newConfig(t, "wait").Config
	if err := task.Restart(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if _, ok := <-first; ok {
		t.Error("the first run ended twice")
	}
	if err := task.Restart(t.Context(), cfg); !errors.Is(err, ErrRunning) {
		t.Errorf("restart of a running task: %v", err)
	}
	if err := task.Destroy(); !errors.Is(err, ErrRunning) {
		t.Errorf("destroy of a running task: %v", err)
	}
	if again := supervisorOf(t, cfg); again != supervisor {
		t.Errorf("supervisor %v, want %v", again, supervisor)
	}
	if err := task.Signal("KILL"); err != nil {
		t.Fatal(err)
	}
	if exit := waitExit(t, task); exit.Signal != 9 {
		t.Errorf("second run: %+v", exit)
	}
}

func TestFailedRestartLeavesTheTaskEnded(t *testing.T) {
	cfg := newConfig(t, "exit", "1")
	task := startTask(t, newDriver(t, ""), cfg)
	waitExit(t, task)
	broken := cfg
	script := filepath.Join(cfg.TaskDir, "script")
	if err := os.WriteFile(script, []byte("#!/no/such/interpreter\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	broken.Config = map[string]any{"command": script}
	if err := task.Restart(t.Context(), broken); err == nil {
		t.Fatal("a script without interpreter started")
	}
	if pid := task.PID(); pid != 0 {
		t.Errorf("PID %d after a failed restart", pid)
	}
	if err := task.Restart(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if exit := waitExit(t, task); exit.Code != 1 {
		t.Errorf("got %+v", exit)
	}
}

func TestDestroyLeavesNothing(t *testing.T) {
	cfg := newConfig(t, "exit", "0")
	task := startTask(t, newDriver(t, ""), cfg)
	waitExit(t, task)
	supervisor := supervisorOf(t, cfg)
	for range 2 {
		if err := task.Destroy(); err != nil {
			t.Fatal(err)
		}
	}
	wantDead(t, "supervisor", supervisor)
	if _, err := os.Stat(cfg.StateDir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("state directory: %v", err)
	}
}

func TestStartTwiceIsOneTask(t *testing.T) {
	d := newDriver(t, "")
	cfg := newConfig(t, "wait")
	task := startTask(t, d, cfg)
	again, err := d.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if task.PID() != again.PID() || task.PID() == 0 {
		t.Errorf("PIDs %d and %d, want one", task.PID(), again.PID())
	}
}

func TestLongStateDirectory(t *testing.T) {
	cfg := newConfig(t, "exit", "5")
	cfg.StateDir = filepath.Join(cfg.StateDir, strings.Repeat("long", 40), strings.Repeat("er", 60))
	if exit := waitExit(t, startTask(t, newDriver(t, ""), cfg)); exit.Code != 5 {
		t.Errorf("got %+v", exit)
	}
}

func TestStartErrors(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		change func(*TaskConfig)
		want   string
	}{
		{"missing absolute", func(c *TaskConfig) { c.Config = map[string]any{"command": "/no/such"} }, `find command "/no/such": /no/such: file does not exist`},
		{"missing bare name", func(c *TaskConfig) {
			c.Config = map[string]any{"command": "no-such"}
			c.Env["PATH"] = "/from/task"
		}, "/from/task"},
		{"not executable", func(c *TaskConfig) { c.Config = map[string]any{"command": "/etc/passwd"} }, "is not executable"},
		{"directory", func(c *TaskConfig) { c.Config = map[string]any{"command": "/etc"} }, "is a directory"},
		{"unknown key", func(c *TaskConfig) { c.Config["comand"] = exe }, `unknown key "comand"; did you mean "command"?`},
		{"no command", func(c *TaskConfig) { c.Config = nil }, "command is required"},
		{"unimplemented", func(c *TaskConfig) { c.Config["cgroup_v2_override"] = "x" }, "cgroup_v2_override: not implemented"},
		{"unknown user", func(c *TaskConfig) { c.User = "nobody-at-all" }, `find user "nobody-at-all"`},
		{"missing log directory", func(c *TaskConfig) { c.LogDir += "/gone" }, "no such file or directory"},
		{"missing work_dir", func(c *TaskConfig) { c.Config["work_dir"] = "/no/dir" }, `working directory "/no/dir"`},
		{"relative state directory", func(c *TaskConfig) { c.StateDir = "state" }, "want an absolute path"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			cfg := newConfig(t, "exit", "0")
			test.change(&cfg)
			_, err := newDriver(t, "").Start(t.Context(), cfg)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got %v, want one about %q", err, test.want)
			}
			if Recoverable(err) {
				t.Error("it says that trying again may help")
			}
			if _, err := os.Stat(cfg.StateDir); err == nil {
				t.Error("the state directory is left")
			}
		})
	}
}

func TestUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root may change the user")
	}
	cfg := newConfig(t, "exit", "0")
	for dir := cfg.AllocDir; dir != "/"; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err == nil && info.Mode()&0o011 == 0 {
			os.Chmod(dir, info.Mode()|0o011) // t.TempDir is ours alone
		}
	}
	cfg.Config = map[string]any{"command": "/bin/sh", "args": []any{"-c", "id -u; id -G; echo by name > /dev/stdout"}}
	cfg.User = "nobody"
	cfg.Env["PATH"] = "/usr/bin:/bin"
	a, err := findAccount("nobody")
	if err != nil {
		t.Skip(err)
	}
	if exit := waitExit(t, startTask(t, newDriver(t, ""), cfg)); exit.Code != 0 {
		t.Errorf("got %+v, stderr %q", exit, readLog(t, cfg, Stderr))
	}
	want := strconv.Itoa(int(a.UID)) + "\n" + strconv.Itoa(int(a.GID)) + "\nby name\n"
	if got := readLog(t, cfg, Stdout); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	// A directory that the user may not enter: the error must say whose start of what where.
	if err := os.Chmod(cfg.TaskDir, 0o700); err != nil {
		t.Fatal(err)
	}
	cfg.StateDir += "2"
	_, err = newDriver(t, "").Start(t.Context(), cfg)
	if want := "as user " + strconv.Itoa(int(a.UID)) + " in " + cfg.TaskDir; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
}

func TestLogsAreRotatedAndComplete(t *testing.T) {
	cfg := newConfig(t, "flood", "30000") // 3 MB and 300 KB
	cfg.Logs = LogConfig{MaxFiles: 2, MaxFileSizeMB: 1}
	waitExit(t, startTask(t, newDriver(t, ""), cfg))
	files, err := LogFiles(cfg.LogDir, cfg.Name, Stdout)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 2 || files[0].N != 1 || files[0].Size != 1<<20 || files[1].Size != 3_000_000-2<<20 {
		t.Errorf("stdout: %+v", files)
	}
	if got := len(readLog(t, cfg, Stderr)); got != 300_000 {
		t.Errorf("stderr has %d bytes, want 300000", got)
	}
}

func TestDisabledLogs(t *testing.T) {
	cfg := newConfig(t, "flood", "10")
	cfg.Logs.Disabled = true
	cfg.LogDir = "/no/such"
	if exit := waitExit(t, startTask(t, newDriver(t, ""), cfg)); exit.Code != 0 {
		t.Errorf("got %+v", exit)
	}
}

func TestStats(t *testing.T) {
	cfg := newConfig(t, "burn", "100ms")
	task := startTask(t, newDriver(t, ""), cfg)
	waitLog(t, cfg, Stdout, "ready")
	stats, err := task.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if cpu := stats.User + stats.System; cpu < 20*time.Millisecond || cpu > 5*time.Second {
		t.Errorf("CPU time %v after burning 100 ms", cpu)
	}
	if stats.RSS < 1<<20 || len(stats.PIDs) != 1 || stats.PIDs[0] != task.PID() {
		t.Errorf("got %+v", stats)
	}
	end(t, task)
	if _, err := task.Stats(t.Context()); !errors.Is(err, ErrNotRunning) {
		t.Errorf("stats after the end: %v", err)
	}
}

func TestStopGoesOnWithoutItsCaller(t *testing.T) {
	cfg := newConfig(t, "stubborn")
	task := startTask(t, newDriver(t, ""), cfg)
	waitLog(t, cfg, Stdout, "ready")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := task.Stop(ctx, "", time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("stop with a cancelled context: %v", err)
	}
	if task.PID() == 0 {
		t.Fatal("it ended at once")
	}
	slow := make(chan error)
	go func() { slow <- task.Stop(t.Context(), "", time.Hour) }()
	if err := task.Stop(t.Context(), "", 10*time.Millisecond); err != nil { // brings the end forward
		t.Error(err)
	}
	if err := <-slow; err != nil {
		t.Error(err)
	}
}

func TestCancelledStart(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	cfg := newConfig(t, "wait")
	d := newDriver(t, "")
	if _, err := d.Start(ctx, cfg); !errors.Is(err, context.Canceled) {
		t.Fatalf("start: %v", err)
	}
	if _, err := os.Stat(cfg.StateDir); err == nil {
		t.Error("the state directory is left")
	}
	task := startTask(t, d, newConfig(t, "exit", "0"))
	waitExit(t, task)
	if err := task.Restart(ctx, cfg); !errors.Is(err, context.Canceled) {
		t.Fatalf("restart: %v", err)
	}
	if err := task.Restart(t.Context(), newConfig(t, "exit", "8")); err != nil {
		t.Fatal(err)
	}
	if exit := waitExit(t, task); exit.Code != 8 {
		t.Errorf("got %+v, want code 8", exit)
	}
}

func TestCloseLetsGo(t *testing.T) {
	d := newDriver(t, "")
	task, err := d.Start(t.Context(), newConfig(t, "wait"))
	if err != nil {
		t.Fatal(err)
	}
	main := identify(t, task.PID())
	d.Close()
	again, err := newDriver(t, "").Recover(t.Context(), task.Handle())
	if err != nil {
		t.Fatal(err)
	}
	defer end(t, again)
	if again.PID() != main.PID || !main.alive() {
		t.Errorf("PID %d, want %d, alive", again.PID(), main.PID)
	}
	if _, err := d.Start(t.Context(), newConfig(t, "wait")); err == nil {
		t.Error("a closed driver starts tasks")
	}
}
