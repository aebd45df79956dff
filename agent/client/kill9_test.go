package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/selfheal/selfheal/agent/driver"
	"github.com/selfheal/selfheal/agent/nodeapi"
)

// overHTTP serves fake servers under the real routes.
func overHTTP(t *testing.T, f *fakeServers) string {
	mux := http.NewServeMux()
	mux.HandleFunc("PUT "+nodeapi.PathRegister, serve(f.Register))
	mux.HandleFunc("POST "+nodeapi.PathAllocs, serve(f.Allocs))
	mux.HandleFunc("PUT "+nodeapi.PathStatus, serve(f.Status))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func serve[Req, Resp any](call func(context.Context, Req) (*Resp, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var req Req
		if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		resp, err := call(r.Context(), req)
		if err != nil {
			code := http.StatusInternalServerError
			var refused *nodeapi.Error
			if errors.As(err, &refused) {
				code = refused.Code
			}
			http.Error(w, err.Error(), code)
			return
		}
		json.NewEncoder(w).Encode(resp)
	}
}

// agentProcess is what this binary does as "agent <dir> <server>".
func agentProcess(dir, server string) int {
	raw := driver.NewRawExec(driver.RawExecConfig{})
	c, err := New(Config{
		NodeID: testNodeID, SecretID: testNodeID,
		AllocDir: filepath.Join(dir, "alloc"), StateDir: filepath.Join(dir, "client"),
		Drivers: []driver.Driver{raw}, GC: GC{DiskPercent: 101},
		Servers: nodeapi.New(nodeapi.Config{Scheme: "http", Servers: []string{server}, NodeID: testNodeID, SecretID: testNodeID}),
		Logger:  hclog.New(&hclog.LoggerOptions{Level: hclog.Error, Output: os.Stderr}),
	})
	if err == nil {
		err = c.Run(context.Background())
	}
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// taskProcesses counts the processes, other than supervisors, of each allocation.
func taskProcesses(t *testing.T) map[string]int {
	t.Helper()
	counts := map[string]int{}
	procs, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range procs {
		env, err := os.ReadFile(file)
		if err != nil { // gone, or not ours
			continue
		}
		for _, entry := range bytes.Split(env, []byte{0}) {
			if id, ok := bytes.CutPrefix(entry, []byte("NOMAD_ALLOC_ID=")); ok {
				counts[string(id)]++
			}
		}
	}
	return counts
}

// TestKillNineAtAnyMoment kills the agent's process again and again while it starts
// and restarts tasks. In the end each runs exactly once.
func TestKillNineAtAnyMoment(t *testing.T) {
	rounds := 25
	if testing.Short() {
		rounds = 5
	}
	m := newRealNode(t)
	servers := m.servers
	addr := overHTTP(t, servers)
	id := func(n int) string { return fmt.Sprintf("%08x-0000-0000-0000-%012d", os.Getpid(), n) }
	var placed []string
	for round := range rounds {
		agent := exec.Command(os.Args[0], "agent", m.dir, addr)
		agent.Stderr = os.Stderr
		if err := agent.Start(); err != nil {
			t.Fatal(err)
		}
		if round%2 == 0 {
			servers.place(id(round), testJob("service", rawTask("web", "exec sleep 3600")))
			placed = append(placed, id(round))
		}
		// Anything from before the journal is open to long after the task runs.
		<-time.After(time.Duration(rand.IntN(60)) * time.Millisecond)
		agent.Process.Kill()
		agent.Wait()
	}
	servers.set(func() { clear(servers.statuses) })
	c, end := m.agent()
	defer end()
	for _, id := range placed {
		m.untilStatus(id, "running")
	}
	<-c.adopted
	counts := taskProcesses(t)
	for _, id := range placed {
		if counts[id] != 1 {
			t.Errorf("allocation %s has %d processes, want 1", id, counts[id])
		}
	}
	if err := c.Shutdown(t.Context(), StopTasks); err != nil {
		t.Error(err)
	}
	counts = taskProcesses(t)
	for _, id := range placed {
		if counts[id] != 0 {
			t.Errorf("allocation %s still has %d processes", id, counts[id])
		}
	}
	aside, _ := filepath.Glob(filepath.Join(m.dir, "client", "*.damaged-*"))
	if len(aside) != 0 {
		t.Errorf("journals moved aside: %v", aside)
	}
}
