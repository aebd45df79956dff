package driver

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/nomad/api"
)

func TestMockExec(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMock()
		defer m.Close()
		start := func(id string, config map[string]any) Executor {
			t.Helper()
			config["run_for"] = "1h"
			task, err := m.Start(t.Context(), TaskConfig{ID: id, Name: "web", Config: config})
			if err != nil {
				t.Fatal(err)
			}
			return task.(Executor)
		}
		var out, errs bytes.Buffer
		sizes := make(chan api.TerminalSize, 1)
		sizes <- api.TerminalSize{Height: 24, Width: 80}
		code, err := start("echo", map[string]any{}).Exec(t.Context(), Command{Args: []string{"x"}, Stdin: strings.NewReader("hello"), Stdout: &out, Stderr: &errs, Sizes: sizes})
		if err != nil || code != 0 || !strings.Contains(out.String(), "hello") {
			t.Errorf("without exec_command: %d %v %q", code, err, &out)
		}

		told := start("told", map[string]any{"exec_command": []map[string]any{{
			"run_for": "10s", "exit_code": 7, "stdout_string": "a", "stdout_repeat": 2, "stdout_repeat_duration": "1s", "stderr_string": "b",
		}}})
		out.Reset()
		began := time.Now()
		code, err = told.Exec(t.Context(), Command{Args: []string{"x"}, Stdout: &out, Stderr: &errs})
		if err != nil || code != 7 || out.String() != "aaa" || errs.String() != "b" || time.Since(began) != 10*time.Second {
			t.Errorf("with exec_command: %d %v %q %q after %v", code, err, &out, &errs, time.Since(began))
		}

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := told.Exec(ctx, Command{Args: []string{"x"}, Stdout: &out, Stderr: &errs}); err == nil {
			t.Error("a cancelled command returned no error")
		}
		go func() {
			time.Sleep(time.Second)
			_ = told.(Task).Signal("SIGKILL")
		}()
		if code, err := told.Exec(t.Context(), Command{Args: []string{"x"}, Stdout: &out, Stderr: &errs}); err != nil || code != 128+9 {
			t.Errorf("a command whose task is killed: %d %v", code, err)
		}
		if _, err := told.Exec(t.Context(), Command{Args: []string{"x"}}); err != ErrNotRunning {
			t.Errorf("without a task that runs: %v", err)
		}
		for _, wrong := range []any{"text", map[string]any{"exec_command": map[string]any{}}, map[string]any{"exit_code": "x"}} {
			if err := m.ValidateConfig(map[string]any{"exec_command": wrong}); err == nil {
				t.Errorf("exec_command %v was taken", wrong)
			}
		}
	})
}
