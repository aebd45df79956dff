package driver

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// startByAgent has another process start the task, kills that with SIGKILL and
// returns the handle that it had.
func startByAgent(t *testing.T, cfg TaskConfig, binary string) Handle {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	agent := exec.Command(exe, "task", "agent", encodeConfig(t, cfg), binary)
	agent.Stderr = os.Stderr
	out, err := agent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	var handle Handle
	err = json.NewDecoder(out).Decode(&handle)
	agent.Process.Kill()
	agent.Wait()
	if err != nil {
		t.Fatalf("agent printed no handle: %v", err)
	}
	return handle
}

// statusOf asks a supervisor without an agent.
func statusOf(t *testing.T, cfg TaskConfig) status {
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
	return st
}

func recoverTask(t *testing.T, handle Handle) Task {
	t.Helper()
	task, err := newDriver(t, "").Recover(t.Context(), handle)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { end(t, task) })
	return task
}

func TestTaskOutlivesItsAgent(t *testing.T) {
	cfg := newConfig(t, "polite")
	handle := startByAgent(t, cfg, "")
	before := statusOf(t, cfg)

	task := recoverTask(t, handle)
	if task.PID() != before.Main.PID || !before.Main.alive() {
		t.Fatalf("recovered PID %d, want %d, alive", task.PID(), before.Main.PID)
	}
	waitLog(t, cfg, Stdout, "ready")
	if err := task.Signal("HUP"); err != nil {
		t.Fatal(err)
	}
	waitLog(t, cfg, Stdout, "got hangup") // its log has found no end either
	if err := task.Stop(t.Context(), "", patience); err != nil {
		t.Fatal(err)
	}
	if exit := waitExit(t, task); exit.Code != 7 {
		t.Errorf("got %+v, want code 7", exit)
	}
	if err := task.Restart(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if got := statusOf(t, cfg).Supervisor; got != before.Supervisor {
		t.Errorf("supervisor %v, want %v", got, before.Supervisor)
	}
}

func TestExitWithoutAgentIsKept(t *testing.T) {
	for _, supervisor := range []string{"", "impatient"} { // that one leaves, too
		t.Run("supervisor "+supervisor, func(t *testing.T) {
			binary := ""
			if supervisor != "" {
				binary = specialSupervisor(t, supervisor)
			}
			cfg := newConfig(t, "polite")
			handle := startByAgent(t, cfg, binary)
			waitLog(t, cfg, Stdout, "ready")
			st := statusOf(t, cfg)
			if err := syscall.Kill(st.Main.PID, syscall.SIGINT); err != nil {
				t.Fatal(err)
			}
			wantDead(t, "task", st.Main)
			if supervisor != "" {
				wantDead(t, "supervisor", st.Supervisor)
			}
			task := recoverTask(t, handle)
			if exit := waitExit(t, task); exit.Code != 7 || exit.Err != nil {
				t.Errorf("got %+v, want code 7", exit)
			}
			if err := task.Restart(t.Context(), newConfig(t, "exit", "4")); err != nil {
				t.Fatal(err)
			}
			if exit := waitExit(t, task); exit.Code != 4 {
				t.Errorf("restarted: %+v, want code 4", exit)
			}
		})
	}
}

func TestKilledSupervisorTakesItsTaskAlong(t *testing.T) {
	cfg := newConfig(t, "daemonize")
	task := startTask(t, newDriver(t, ""), cfg)
	daemon := identify(t, daemonPID(t, cfg))
	main := identify(t, task.PID())
	if err := supervisorOf(t, cfg).kill(); err != nil {
		t.Fatal(err)
	}
	exit := waitExit(t, task)
	if exit.Err == nil || exit.Successful() {
		t.Errorf("got %+v, want an error", exit)
	}
	for what, p := range map[string]procID{"task": main, "daemon": daemon} {
		if p.alive() {
			t.Errorf("%s is alive after the exit was reported", what)
		}
	}
	if err := task.Restart(t.Context(), newConfig(t, "exit", "4")); err != nil {
		t.Fatal(err)
	}
	if exit := waitExit(t, task); exit.Code != 4 {
		t.Errorf("restarted: %+v, want code 4", exit)
	}
}

func TestNothingToRecover(t *testing.T) {
	t.Run("all killed", func(t *testing.T) {
		cfg := newConfig(t, "daemonize")
		handle := startByAgent(t, cfg, "")
		daemon := identify(t, daemonPID(t, cfg))
		st := statusOf(t, cfg)
		st.Supervisor.kill()
		wantDead(t, "supervisor", st.Supervisor)
		d := newDriver(t, "")
		if _, err := d.Recover(t.Context(), handle); !errors.Is(err, ErrGone) {
			t.Errorf("got %v, want ErrGone", err)
		}
		for what, p := range map[string]procID{"task": st.Main, "daemon": daemon} {
			if p.alive() {
				t.Errorf("%s is alive", what)
			}
		}
		task := startTask(t, d, cfg) // as the client would
		if task.PID() == st.Main.PID {
			t.Errorf("PID %d again", task.PID())
		}
	})
	tests := map[string]func(t *testing.T, dir string){
		"no directory": func(*testing.T, string) {},
		"torn file": func(t *testing.T, dir string) {
			writeState(t, dir, []byte(`{"run":1,"exit":{"co`))
		},
		"other boot": func(t *testing.T, dir string) {
			me := identify(t, os.Getpid()) // must not be taken for the task
			data, _ := json.Marshal(record{Boot: "another", Run: 1, Main: me})
			writeState(t, dir, data)
		},
	}
	for name, prepare := range tests {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "state")
			prepare(t, dir)
			state, _ := json.Marshal(rawHandle{Dir: dir})
			_, err := newDriver(t, "").Recover(t.Context(), Handle{TaskID: "x", State: state})
			if !errors.Is(err, ErrGone) {
				t.Errorf("got %v, want ErrGone", err)
			}
		})
	}
}

func writeState(t *testing.T, dir string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, stateName), data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestExitOfAnotherBootIsKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	data, _ := json.Marshal(record{Boot: "another", Run: 3, Main: procID{PID: 1}, Exit: &exitRecord{Code: 6}})
	writeState(t, dir, data)
	state, _ := json.Marshal(rawHandle{Dir: dir})
	task := recoverTask(t, Handle{TaskID: "x", State: state})
	if exit := waitExit(t, task); exit.Code != 6 {
		t.Errorf("got %+v, want code 6", exit)
	}
}

// A disk that refuses the exit delays nothing and loses nothing silently: a
// living supervisor tells, a dead one leaves "unknown", never another exit.
func TestDiskFaults(t *testing.T) {
	for _, name := range []string{"no-write", "no-rename", "no-sync"} {
		t.Run(name, func(t *testing.T) {
			cfg := newConfig(t, "polite")
			handle := startByAgent(t, cfg, specialSupervisor(t, name))
			waitLog(t, cfg, Stdout, "ready")
			st := statusOf(t, cfg)
			if err := syscall.Kill(st.Main.PID, syscall.SIGINT); err != nil {
				t.Fatal(err)
			}
			task, err := newDriver(t, "").Recover(t.Context(), handle)
			if err != nil {
				t.Fatal(err)
			}
			if exit := waitExit(t, task); exit.Code != 7 {
				t.Errorf("got %+v, want code 7", exit)
			}
			st.Supervisor.kill()
			wantDead(t, "supervisor", st.Supervisor)
			_, err = newDriver(t, "").Recover(t.Context(), handle)
			if name == "no-sync" { // that one matters to power failures only
				if err != nil {
					t.Errorf("recover: %v", err)
				}
			} else if !errors.Is(err, ErrGone) {
				t.Errorf("got %v, want ErrGone", err)
			}
		})
	}
}

func TestTermEndsTaskAndSupervisor(t *testing.T) {
	cfg := newConfig(t, "polite")
	handle := startByAgent(t, cfg, "")
	waitLog(t, cfg, Stdout, "ready")
	st := statusOf(t, cfg)
	if err := syscall.Kill(st.Supervisor.PID, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	wantDead(t, "supervisor", st.Supervisor)
	if exit := waitExit(t, recoverTask(t, handle)); exit.Code != 7 {
		t.Errorf("got %+v, want the code of its SIGINT handler", exit)
	}
}

func TestRemovedStateDirectoryEndsAll(t *testing.T) {
	cfg := newConfig(t, "stubborn")
	cfg.KillTimeout = 1 // ns
	startByAgent(t, cfg, specialSupervisor(t, "impatient"))
	waitLog(t, cfg, Stdout, "ready")
	st := statusOf(t, cfg)
	if err := os.RemoveAll(cfg.StateDir); err != nil {
		t.Fatal(err)
	}
	wantDead(t, "task", st.Main)
	wantDead(t, "supervisor", st.Supervisor)
}
