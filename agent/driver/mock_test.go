package driver

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func startMock(t *testing.T, m *Mock, config map[string]any) Task {
	t.Helper()
	task, err := m.Start(t.Context(), TaskConfig{ID: t.Name(), Name: "web", Config: config})
	if err != nil {
		t.Fatal(err)
	}
	return task
}

func TestMockRuns(t *testing.T) {
	tests := []struct {
		name   string
		config map[string]any
		want   Exit
		after  time.Duration
	}{
		{"at once", nil, Exit{}, 0},
		{"for a while", map[string]any{"run_for": "90s"}, Exit{}, 90 * time.Second},
		{"code", map[string]any{"run_for": "1s", "exit_code": 3}, Exit{Code: 3}, time.Second},
		{"signal", map[string]any{"exit_signal": 9, "exit_code": 137}, Exit{Code: 137, Signal: 9}, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := NewMock()
				defer m.Close()
				begin := time.Now()
				exit := <-startMock(t, m, test.config).Wait()
				if after := exit.At.Sub(begin); after != test.after {
					t.Errorf("ended after %v, want %v", after, test.after)
				}
				exit.At = time.Time{}
				if exit != test.want {
					t.Errorf("got %+v, want %+v", exit, test.want)
				}
			})
		})
	}
}

func TestMockExitError(t *testing.T) {
	m := NewMock()
	defer m.Close()
	exit := <-startMock(t, m, map[string]any{"exit_err_msg": "boom"}).Wait()
	if exit.Err == nil || exit.Err.Error() != "boom" || exit.Successful() {
		t.Errorf("got %+v", exit)
	}
}

func TestMockStartErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMock()
		defer m.Close()
		for _, recoverable := range []bool{false, true} {
			_, err := m.Start(t.Context(), TaskConfig{Config: map[string]any{
				"start_error": "no", "start_error_recoverable": recoverable, "start_block_for": "3s"}})
			if err == nil || Recoverable(err) != recoverable {
				t.Errorf("got %v, recoverable %v", err, Recoverable(err))
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := m.Start(ctx, TaskConfig{Config: map[string]any{"start_block_for": "1h"}})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

func TestMockStop(t *testing.T) {
	tests := []struct {
		name      string
		killAfter string
		want      Exit
		after     time.Duration
	}{
		{"obeys", "0s", Exit{}, 0},
		{"slowly", "2s", Exit{}, 2 * time.Second},
		{"too slowly", "1h", Exit{Code: 137, Signal: 9}, 5 * time.Second},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := NewMock()
				defer m.Close()
				task := startMock(t, m, map[string]any{"run_for": "24h", "kill_after": test.killAfter})
				begin := time.Now()
				if err := task.Stop(t.Context(), "", 5*time.Second); err != nil {
					t.Fatal(err)
				}
				exit := <-task.Wait()
				if exit.Code != test.want.Code || exit.Signal != test.want.Signal || time.Since(begin) != test.after {
					t.Errorf("got %+v after %v", exit, time.Since(begin))
				}
			})
		})
	}
}

func TestMockSignals(t *testing.T) {
	m := NewMock()
	defer m.Close()
	task := startMock(t, m, map[string]any{"run_for": "24h"})
	if err := task.Signal("SIGHUP"); err != nil {
		t.Fatal(err)
	}
	if err := task.Signal("SIGKILL"); err != nil {
		t.Fatal(err)
	}
	if exit := <-task.Wait(); exit.Signal != 9 {
		t.Errorf("got %+v", exit)
	}
	if err := task.Restart(t.Context(), TaskConfig{Config: map[string]any{"run_for": "24h", "signal_error": "deaf"}}); err != nil {
		t.Fatal(err)
	}
	if err := task.Signal("SIGHUP"); err == nil || !strings.Contains(err.Error(), "deaf") {
		t.Errorf("got %v", err)
	}
}

func TestMockOutput(t *testing.T) {
	dir := t.TempDir()
	cfg := TaskConfig{Name: "web", LogDir: dir, Config: map[string]any{
		"stdout_string": "tick\n", "stdout_repeat": 2, "stdout_repeat_duration": "1m", "stderr_string": "once\n"}}
	synctest.Test(t, func(t *testing.T) {
		m := NewMock()
		defer m.Close()
		begin := time.Now()
		task, err := m.Start(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		<-task.Wait()
		if time.Since(begin) != 2*time.Minute {
			t.Errorf("took %v", time.Since(begin))
		}
	})
	if got := readLog(t, cfg, Stdout); got != "tick\ntick\ntick\n" {
		t.Errorf("stdout %q", got)
	}
	if got := readLog(t, cfg, Stderr); got != "once\n" {
		t.Errorf("stderr %q", got)
	}
}

func TestMockOutlivesItsAgent(t *testing.T) {
	m := NewMock()
	task := startMock(t, m, map[string]any{"run_for": "24h"})
	handle := task.Handle()
	again, err := m.Recover(t.Context(), handle)
	if err != nil || again.Wait() != task.Wait() {
		t.Fatalf("recovered another task, or %v", err)
	}
	if err := task.Destroy(); !errors.Is(err, ErrRunning) {
		t.Errorf("destroy: %v", err)
	}
	if err := task.Restart(t.Context(), TaskConfig{}); !errors.Is(err, ErrRunning) {
		t.Errorf("restart: %v", err)
	}
	m.Close()
	if exit := <-again.Wait(); exit.Signal != 9 {
		t.Errorf("after the power went off: %+v", exit)
	}
	if _, err := m.Recover(t.Context(), handle); !errors.Is(err, ErrGone) {
		t.Errorf("recover: %v", err)
	}
	if _, err := m.Start(t.Context(), TaskConfig{ID: "new"}); err == nil {
		t.Error("a closed machine starts tasks")
	}
}

func TestMockConfigErrors(t *testing.T) {
	err := NewMock().ValidateConfig(map[string]any{"run_fro": "1s"})
	if err == nil || !strings.Contains(err.Error(), `did you mean "run_for"?`) {
		t.Errorf("got %v", err)
	}
}
