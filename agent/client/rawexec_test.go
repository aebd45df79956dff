package client

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/driver"
	"github.com/selfheal/selfheal/agent/nodeapi"
)

// TestMain lets this binary be the supervisor of the tasks that it starts, and an
// agent that can be killed.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "supervise" {
		os.Exit(driver.Supervise(os.Args[2:]))
	}
	if len(os.Args) == 4 && os.Args[1] == "agent" {
		os.Exit(agentProcess(os.Args[2], os.Args[3]))
	}
	os.Exit(m.Run())
}

// realNode is a node with real processes.
type realNode struct {
	t       *testing.T
	dir     string
	servers *fakeServers
}

func newRealNode(t *testing.T) *realNode {
	m := &realNode{t: t, dir: t.TempDir(), servers: newFakeServers()}
	t.Cleanup(m.sweep)
	return m
}

// sweep kills what a test that failed has left: processes that were told to live in
// its directory.
func (m *realNode) sweep() {
	procs, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, file := range procs {
		env, err := os.ReadFile(file)
		if err != nil || !strings.Contains(string(env), "NOMAD_ALLOC_DIR="+m.dir+"/") {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil {
			m.t.Errorf("process %d is left", pid)
			syscall.Kill(supervisorOf(m.t, pid), syscall.SIGKILL)
		}
	}
}

// agent runs one until the returned function ends it.
func (m *realNode) agent() (*Client, func()) {
	m.t.Helper()
	raw := driver.NewRawExec(driver.RawExecConfig{Logger: hclog.NewNullLogger()})
	c, err := New(Config{
		NodeID: testNodeID, SecretID: testNodeID,
		AllocDir: filepath.Join(m.dir, "alloc"), StateDir: filepath.Join(m.dir, "client"),
		Drivers: []driver.Driver{raw}, Servers: m.servers, GC: GC{DiskPercent: 101},
		Logger: hclog.New(&hclog.LoggerOptions{Level: hclog.Warn, Output: testWriter{m.t}}),
	})
	if err != nil {
		m.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	return c, func() {
		cancel()
		if err := <-ended; err != nil {
			m.t.Error(err)
		}
		raw.Close()
	}
}

// until waits for a report about an allocation.
func (m *realNode) until(id, what string, ok func(nodeapi.AllocStatus) bool) nodeapi.AllocStatus {
	m.t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		m.servers.mu.Lock()
		status, heard := m.servers.statuses[id], m.servers.heard
		m.servers.mu.Unlock()
		if ok(status) {
			return status
		}
		select {
		case <-heard:
		case <-deadline:
			for name, task := range status.TaskStates {
				for _, ev := range task.Events {
					m.t.Logf("%s: %s: %s", name, ev.Type, ev.DisplayMessage)
				}
			}
			m.t.Fatalf("no report of %s with %s; the last is %s", id, what, status.ClientStatus)
		}
	}
}

func (m *realNode) untilStatus(id, want string) nodeapi.AllocStatus {
	m.t.Helper()
	return m.until(id, want, func(s nodeapi.AllocStatus) bool { return s.ClientStatus == want })
}

func rawTask(name string, args ...string) *api.Task {
	return &api.Task{
		Name: name, Driver: "raw_exec", KillTimeout: new(2 * time.Second),
		Config:        map[string]any{"command": "/bin/sh", "args": []any{"-c", strings.Join(args, "; ")}},
		RestartPolicy: &api.RestartPolicy{Attempts: new(100), Interval: new(time.Hour), Delay: new(time.Duration(0))},
	}
}

// pidOf reads the PID that the task has written.
func (m *realNode) pidOf(id string) int {
	m.t.Helper()
	data, err := os.ReadFile(filepath.Join(m.dir, "alloc", id, "web", "local", "pid"))
	if err != nil {
		m.t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		m.t.Fatal(err)
	}
	return pid
}

func TestRealProcesses(t *testing.T) {
	m := newRealNode(t)
	c, end := m.agent()
	id := allocID(1)
	job := testJob("service", rawTask("web", "echo $$ > ${NOMAD_TASK_DIR}/pid", "echo hello $GREETED from ${node.unique.id}", "exec sleep 3600"))
	job.TaskGroups[0].Tasks[0].Env = map[string]string{"GREETED": "${NOMAD_ALLOC_INDEX}"}

	begin := time.Now()
	m.servers.place(id, job)
	m.untilStatus(id, "running")
	t.Logf("placed to seen running: %v", time.Since(begin))
	wantLog := "hello 0 from " + testNodeID + "\n"
	for frame, err := range c.Logs(t.Context(), id, "web", "stdout", "start", 0, true) {
		if err != nil || string(frame.Data) != wantLog {
			t.Errorf("log %q, %v; want %q", frame.Data, err, wantLog)
		}
		break
	}

	// A killed task is back, and seen to be.
	pid := m.pidOf(id)
	begin = time.Now()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	status := m.until(id, "a restart", func(s nodeapi.AllocStatus) bool {
		return s.ClientStatus == "running" && s.TaskStates["web"].Restarts == 1
	})
	state := status.TaskStates["web"]
	var exit, start int64
	for _, ev := range state.Events {
		switch ev.Type {
		case api.TaskTerminated:
			exit = ev.Time
		case api.TaskStarted:
			start = ev.Time
		}
	}
	t.Logf("killed to seen again: %v; exit heard to running: %v", time.Since(begin), time.Duration(start-exit))

	usage, err := c.AllocStats(id, "")
	if err != nil || usage.Tasks["web"] == nil || len(usage.Tasks["web"].Pids) == 0 {
		t.Errorf("stats: %+v, %v", usage, err)
	}

	// The agent ends and comes back; the task is not touched.
	m.waitLog(c, id, 2)
	pid = m.pidOf(id)
	end()
	if err := syscall.Kill(pid, 0); err != nil {
		t.Fatalf("the task ended with the agent: %v", err)
	}
	m.servers.set(func() { delete(m.servers.statuses, id) })
	c, end = m.agent()
	status = m.until(id, "the agent's return", func(s nodeapi.AllocStatus) bool { return s.ClientStatus == "running" })
	if got := m.pidOf(id); got != pid || status.TaskStates["web"].Restarts != 1 {
		t.Errorf("pid %d, restarts %d; want %d, 1", got, status.TaskStates["web"].Restarts, pid)
	}
	if err := c.Shutdown(t.Context(), StopTasks); err != nil {
		t.Error(err)
	}
	end()
	if err := syscall.Kill(pid, 0); err == nil {
		t.Error("the task was not stopped")
	}
	for _, dir := range []string{"alloc", "client/tasks"} {
		if left, _ := os.ReadDir(filepath.Join(m.dir, dir)); len(left) > 0 {
			t.Errorf("left in %s: %v", dir, left)
		}
	}
}

// waitLog waits until the task has written that many lines.
func (m *realNode) waitLog(c *Client, id string, lines int) {
	m.t.Helper()
	n := 0
	for frame, err := range c.Logs(m.t.Context(), id, "web", "stdout", "start", 0, true) {
		if err != nil {
			m.t.Fatal(err)
		}
		if n += strings.Count(string(frame.Data), "\n"); n >= lines {
			return
		}
	}
}

// supervisorOf is the parent of a process.
func supervisorOf(t *testing.T, pid int) int {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
	parent, err := strconv.Atoi(fields[1])
	if err != nil {
		t.Fatal(err)
	}
	return parent
}

func TestTasksKilledWithTheirAgent(t *testing.T) {
	m := newRealNode(t)
	c, end := m.agent()
	kept, moved := allocID(1), allocID(2)
	job := testJob("service", rawTask("web", "echo $$ > ${NOMAD_TASK_DIR}/pid", "echo up", "exec sleep 3600"))
	m.servers.place(kept, job)
	m.servers.place(moved, job)
	for _, id := range []string{kept, moved} {
		m.untilStatus(id, "running")
		m.waitLog(c, id, 1)
	}
	supervisors := []int{supervisorOf(t, m.pidOf(kept)), supervisorOf(t, m.pidOf(moved))}
	end()
	for _, pid := range supervisors {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	m.servers.desire(moved, api.AllocDesiredStatusStop)
	m.servers.set(func() { clear(m.servers.statuses) })
	c, end = m.agent()
	status := m.untilStatus(kept, "running")
	if got := status.TaskStates["web"]; got.Restarts != 1 {
		t.Errorf("restarts %d, want 1: %v", got.Restarts, eventTypes(got))
	}
	m.untilStatus(moved, "complete")
	m.servers.forget(moved)
	if err := c.Shutdown(t.Context(), StopTasks); err != nil {
		t.Error(err)
	}
	end()
	for _, dir := range []string{"alloc", "client/tasks"} {
		if left, _ := os.ReadDir(filepath.Join(m.dir, dir)); len(left) > 0 {
			t.Errorf("left in %s: %v", dir, left)
		}
	}
}

func TestLostJournalLeavesNoProcess(t *testing.T) {
	m := newRealNode(t)
	c, end := m.agent()
	kept, dropped := allocID(1), allocID(2)
	job := testJob("service", rawTask("web", "echo $$ > ${NOMAD_TASK_DIR}/pid", "echo up", "exec sleep 3600"))
	m.servers.place(kept, job)
	m.servers.place(dropped, job)
	for _, id := range []string{kept, dropped} {
		m.untilStatus(id, "running")
		m.waitLog(c, id, 1)
	}
	keptPID, droppedPID := m.pidOf(kept), m.pidOf(dropped)
	end()
	if err := os.Remove(filepath.Join(m.dir, "client", "journal.db")); err != nil {
		t.Fatal(err)
	}
	m.servers.forget(dropped)
	m.servers.set(func() { clear(m.servers.statuses) })
	c, end = m.agent()
	m.untilStatus(kept, "running")
	if got := m.pidOf(kept); got != keptPID {
		t.Errorf("the kept task has PID %d, want %d", got, keptPID)
	}
	<-c.adopted
	if err := syscall.Kill(droppedPID, 0); err == nil {
		t.Error("a task that nobody knows runs on")
	}
	if _, err := os.Stat(filepath.Join(m.dir, "alloc", dropped)); err == nil {
		t.Error("a directory that nobody knows is still there")
	}
	if err := c.Shutdown(t.Context(), StopTasks); err != nil {
		t.Error(err)
	}
	end()
}
