//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/e2e/cluster"
)

const longSleep = `job "sleeper" {
  group "g" {
    task "t" {
      driver = "raw_exec"
      config {
        command = "/bin/sleep"
        args    = ["100000"]
      }
      resources {
        cpu    = 20
        memory = 32
      }
    }
  }
}`

// terminal collects what a session prints.
type terminal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *terminal) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *terminal) has(want string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !strings.Contains(s.text.String(), want) {
		return fmt.Errorf("the screen shows %q", s.text.String())
	}
	return nil
}

// Commands run in a task through a server that does not have it: any bytes, a terminal
// that follows its size, and nothing is left when the node's agent is killed.
func TestExec(t *testing.T) {
	c := cluster.New(t, cluster.Options{Servers: 1, Clients: 2})
	defer c.Stop()
	c.Run(longSleep, 1)
	row := c.WaitRunning("sleeper", 1, 20*time.Second)[0]
	node, alloc := c.Client(row.NodeID), &api.Allocation{ID: row.ID} // without its node the client asks only this server
	allocs := c.Servers[0].API().Allocations()

	data := make([]byte, 8<<20)
	rand.Read(data)
	var out bytes.Buffer
	begin := time.Now()
	code, err := allocs.Exec(t.Context(), alloc, "t", false, []string{"cat"}, bytes.NewReader(data), &out, io.Discard, nil, nil)
	took := time.Since(begin)
	if err != nil || code != 0 || !bytes.Equal(out.Bytes(), data) {
		t.Fatalf("cat of %d bytes: code %d, err %v, %d bytes came back", len(data), code, err, out.Len())
	}
	t.Logf("8 MiB there and back in %v", took)
	if took > 8*time.Second {
		t.Errorf("slower than 1 MiB/s: %v", took)
	}

	keys, typed := io.Pipe()
	defer keys.Close()
	sizes := make(chan api.TerminalSize, 1)
	var screen terminal
	ended := make(chan int, 1)
	go func() {
		code, err := allocs.Exec(context.Background(), alloc, "t", true, []string{"/bin/sh"}, keys, &screen, io.Discard, sizes, nil)
		if err != nil {
			t.Error(err)
		}
		ended <- code
	}()
	for _, size := range []api.TerminalSize{{Height: 24, Width: 80}, {Height: 51, Width: 133}} {
		sizes <- size
		cluster.Eventually(t, 10*time.Second, "the terminal follows its size", func() error {
			fmt.Fprintln(typed, "stty size")
			return screen.has(fmt.Sprintf("%d %d", size.Height, size.Width))
		})
	}
	fmt.Fprintln(typed, "exit 5")
	if code := <-ended; code != 5 {
		t.Errorf("the shell ended with %d, want 5", code)
	}

	tasks := node.TaskPIDs()
	var pids terminal
	broken := make(chan error, 1)
	go func() {
		_, err := allocs.Exec(context.Background(), alloc, "t", false, []string{"sh", "-c", "trap '' HUP TERM; echo pid $$.; sleep 1000"}, strings.NewReader(""), &pids, &pids, nil, nil)
		broken <- err
	}()
	cluster.Eventually(t, 10*time.Second, "the command runs", func() error { return pids.has(".") })
	pid, _ := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(pids.text.String()), "pid "), "."))
	node.Kill()
	if err := <-broken; err == nil {
		t.Error("a session whose agent was killed ended without an error")
	}
	cluster.Eventually(t, 10*time.Second, "the command is gone with the agent", func() error {
		if err := syscall.Kill(pid, 0); err == nil {
			return fmt.Errorf("process %d is there", pid)
		}
		return nil
	})
	for _, pid := range tasks {
		if err := syscall.Kill(pid, 0); err != nil {
			t.Errorf("the task is gone too: %v", err)
		}
	}
	node.Start()
	cluster.Eventually(t, 20*time.Second, "commands run again, in the same task", func() error {
		_, err := allocs.Exec(t.Context(), alloc, "t", false, []string{"true"}, strings.NewReader(""), io.Discard, io.Discard, nil, nil)
		return err
	})
	if now := node.TaskPIDs(); fmt.Sprint(now) != fmt.Sprint(tasks) {
		t.Errorf("the task's processes are %v, were %v", now, tasks)
	}
}
