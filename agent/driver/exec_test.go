package driver

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/hashicorp/nomad/api"
)

func execer(t *testing.T) (Executor, TaskConfig) {
	t.Helper()
	cfg := newConfig(t, "wait")
	cfg.Env["PATH"] = os.Getenv("PATH")
	cfg.Env["GREETING"] = "hello"
	return startTask(t, newDriver(t, ""), cfg).(Executor), cfg
}

func TestExecRunsBesideTheTask(t *testing.T) {
	task, cfg := execer(t)
	big := strings.Repeat("0123456789abcdef", 1<<16) // 1 MiB, more than any pipe holds
	for _, tc := range []struct {
		name, script, stdin string
		code                int
		stdout, stderr      string
	}{
		{name: "environment and directory", script: `echo $GREETING; pwd`, stdout: "hello\n" + cfg.TaskDir + "\n"},
		{name: "exit code and stderr", script: `echo no >&2; exit 42`, code: 42, stderr: "no\n"},
		{name: "signal", script: `kill -TERM $$`, code: 128 + 15},
		{name: "input to its end", script: `cat; echo done`, stdin: "a\x00b\n", stdout: "a\x00b\ndone\n"},
		{name: "much", script: `cat`, stdin: big, stdout: big},
		{name: "input is not read", script: `exec true`, stdin: big},
		{name: "what it leaves behind does not hold it up", script: `sleep 1000 & echo on`, stdout: "on\n"},
		{name: "what left its session neither", script: `setsid sleep 1000 & echo on`, stdout: "on\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var out, errs bytes.Buffer
			code, err := task.Exec(t.Context(), Command{
				Args: []string{"sh", "-c", tc.script}, Stdin: strings.NewReader(tc.stdin), Stdout: &out, Stderr: &errs,
			})
			if err != nil || code != tc.code || out.String() != tc.stdout || errs.String() != tc.stderr {
				t.Errorf("code %d, err %v, %d bytes of output, stderr %q; want %d, %d bytes, %q",
					code, err, out.Len(), errs.String(), tc.code, len(tc.stdout), tc.stderr)
			}
		})
	}
}

func TestExecRefuses(t *testing.T) {
	task, _ := execer(t)
	for _, tc := range []struct {
		args []string
		want string
	}{
		{nil, "no command"},
		{[]string{"no-such-program"}, `find command "no-such-program"`},
		{[]string{"/etc/passwd"}, "not executable"},
	} {
		_, err := task.Exec(t.Context(), Command{Args: tc.args, Stdout: io.Discard, Stderr: io.Discard})
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("exec %q: %v, want an error with %q", tc.args, err, tc.want)
		}
	}
}

func TestExecWithoutATaskThatRuns(t *testing.T) {
	task := startTask(t, newDriver(t, ""), newConfig(t, "exit", "0"))
	waitExit(t, task)
	if _, err := task.(Executor).Exec(t.Context(), Command{Args: []string{"true"}}); err != ErrNotRunning {
		t.Errorf("exec in a task that ended: %v, want ErrNotRunning", err)
	}
}

func TestExecTerminal(t *testing.T) {
	task, _ := execer(t)
	stdin, typed := io.Pipe()
	defer stdin.Close()
	sizes := make(chan api.TerminalSize)
	screen := newScreen()
	ended := make(chan int, 1)
	go func() {
		code, err := task.Exec(t.Context(), Command{
			Args: []string{"sh", "-c", `test -t 0 && test -t 1 && test -t 2 && echo terminal $TERM; while read line; do stty size; echo got $line; done; exit 3`},
			TTY:  true, Stdin: stdin, Stdout: screen, Stderr: io.Discard, Sizes: sizes,
		})
		if err != nil {
			t.Error(err)
		}
		ended <- code
	}()
	screen.await(t, "terminal xterm")
	sizes <- api.TerminalSize{Height: 33, Width: 77}
	for line := 0; !strings.Contains(screen.String(), "33 77"); line++ { // the size is set beside the input
		fmt.Fprintf(typed, "line%d\n", line)
		screen.await(t, fmt.Sprintf("got line%d\r\n", line))
		if line == 10_000 {
			t.Fatalf("the size was never set; screen:\n%s", screen)
		}
	}
	typed.Close() // the terminal's end of input
	if code := <-ended; code != 3 {
		t.Errorf("exit code %d, want 3; screen:\n%s", code, screen)
	}
}

// TestExecEndsWithItsCaller: nothing of a session is left when its caller goes, or
// when the agent does.
func TestExecEndsWithItsCaller(t *testing.T) {
	task, _ := execer(t)
	ctx, cancel := context.WithCancel(t.Context())
	screen := newScreen()
	ended := make(chan error, 1)
	go func() {
		_, err := task.Exec(ctx, Command{
			Args: []string{"sh", "-c", `trap '' HUP INT TERM; sleep 1000 & echo pids $$ $!; wait`}, Stdout: screen, Stderr: screen,
		})
		ended <- err
	}()
	var shell, child int
	screen.await(t, "\n")
	if _, err := fmt.Sscanf(screen.String(), "pids %d %d", &shell, &child); err != nil {
		t.Fatalf("%v in %q", err, screen)
	}
	processes := map[string]procID{"the command": identify(t, shell), "its child": identify(t, child)}
	cancel()
	if err := <-ended; err == nil {
		t.Error("a cancelled exec returned no error")
	}
	for what, process := range processes {
		wantDead(t, what, process)
	}
	if _, err := task.Exec(t.Context(), Command{Args: []string{"true"}, Stdout: io.Discard, Stderr: io.Discard}); err != nil {
		t.Errorf("the next exec: %v", err)
	}
}

func TestExecEndsWithItsTask(t *testing.T) {
	task, _ := execer(t)
	screen := newScreen()
	ended := make(chan int, 1)
	go func() {
		code, err := task.Exec(t.Context(), Command{Args: []string{"sh", "-c", "echo on; sleep 1000"}, Stdout: screen, Stderr: screen})
		if err != nil {
			t.Error(err)
		}
		ended <- code
	}()
	screen.await(t, "on")
	if err := task.(Task).Stop(t.Context(), "SIGKILL", 0); err != nil {
		t.Fatal(err)
	}
	if code := <-ended; code != 128+9 {
		t.Errorf("the session of a killed task ended with %d, want 137", code)
	}
}

func TestExecManyAtOnce(t *testing.T) {
	task, _ := execer(t)
	var wg sync.WaitGroup
	for i := range 30 {
		wg.Go(func() {
			data := make([]byte, 100<<10)
			for j := range data {
				data[j] = byte(rand.Uint32())
			}
			var out bytes.Buffer
			code, err := task.Exec(t.Context(), Command{Args: []string{"sh", "-c", "cat; exit " + fmt.Sprint(i)}, Stdin: bytes.NewReader(data), Stdout: &out, Stderr: io.Discard})
			if want := sha256.Sum256(data); err != nil || code != i || sha256.Sum256(out.Bytes()) != want {
				t.Errorf("session %d: code %d, err %v, %d bytes, want %s", i, code, err, out.Len(), hex.EncodeToString(want[:4]))
			}
		})
	}
	wg.Wait()
}

// TestExecAsTheTasksUser: a command has the rights of the task, not of the agent.
func TestExecAsTheTasksUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root runs tasks as others")
	}
	cfg := newConfig(t, "wait")
	cfg.User = "nobody"
	for dir := cfg.TaskDir; dir != "/"; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err == nil && info.Mode()&0o001 == 0 {
			if err := os.Chmod(dir, info.Mode()|0o055); err != nil {
				t.Fatal(err)
			}
		}
	}
	cfg.Config = map[string]any{"command": "/bin/sleep", "args": []string{"1000"}}
	task := startTask(t, newDriver(t, ""), cfg).(Executor)
	for _, tty := range []bool{false, true} {
		screen := newScreen()
		code, err := task.Exec(t.Context(), Command{Args: []string{"/bin/sh", "-c", "id -un > /dev/stdout"}, TTY: tty, Stdout: screen, Stderr: screen})
		if err != nil || code != 0 || strings.TrimSpace(screen.String()) != "nobody" {
			t.Errorf("tty %t: code %d, err %v, output %q", tty, code, err, screen)
		}
	}
}

// screen is what a session has printed so far.
type screen struct {
	mu    sync.Mutex
	text  bytes.Buffer
	wrote chan struct{} // closed at the next write
}

func newScreen() *screen { return &screen{wrote: make(chan struct{})} }

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.wrote)
	s.wrote = make(chan struct{})
	return s.text.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// await waits until the screen shows want.
func (s *screen) await(t *testing.T, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		s.mu.Lock()
		text, wrote := s.text.String(), s.wrote
		s.mu.Unlock()
		if strings.Contains(text, want) {
			return
		}
		select {
		case <-wrote:
		case <-ctx.Done():
			t.Fatalf("waiting for %q, the screen shows %q", want, text)
		}
	}
}
