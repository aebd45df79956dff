package client

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/driver"
	"github.com/selfheal/selfheal/agent/nodeapi"
)

var errServersDown = errors.New("connection refused")

// fakeServers is a cluster as one node sees it.
type fakeServers struct {
	mu       sync.Mutex
	down     bool
	unknown  bool // does not know the node until it registers again
	index    uint64
	allocs   map[string]*nodeapi.Alloc
	changed  map[string]uint64
	jobs     map[nodeapi.JobRef]*api.Job
	change   chan struct{}
	statuses map[string]nodeapi.AllocStatus
	history  map[string][]string // client statuses in the order in which they came
	reports  int
	nodes    []*api.Node
	goodbyes []nodeapi.GoodbyeRequest
	sentJobs int
	heard    chan struct{} // closed by the next report
	signed   int           // requests for identities
	ttl      time.Duration // of identities, 0 none
	unsigned bool          // refuses to sign
	refuse   string        // why it signs no identity, "" it does
}

func newFakeServers() *fakeServers {
	return &fakeServers{
		index: 1, allocs: map[string]*nodeapi.Alloc{}, changed: map[string]uint64{},
		jobs: map[nodeapi.JobRef]*api.Job{}, change: make(chan struct{}),
		statuses: map[string]nodeapi.AllocStatus{}, history: map[string][]string{}, heard: make(chan struct{}),
	}
}

func (f *fakeServers) Register(_ context.Context, req nodeapi.RegisterRequest) (*nodeapi.RegisterResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down {
		return nil, errServersDown
	}
	f.unknown = false
	f.nodes = append(f.nodes, req.Node)
	return &nodeapi.RegisterResponse{Index: f.index}, nil
}

func (f *fakeServers) Allocs(ctx context.Context, req nodeapi.AllocsRequest) (*nodeapi.AllocsResponse, error) {
	timeout := time.After(req.Wait)
	for late := false; ; {
		f.mu.Lock()
		if err := f.refusal(); err != nil {
			f.mu.Unlock()
			return nil, err
		}
		if f.index > req.Index || late {
			defer f.mu.Unlock()
			return f.answer(req), nil
		}
		change := f.change
		f.mu.Unlock()
		select {
		case <-change:
		case <-timeout:
			late = true
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (f *fakeServers) refusal() error {
	if f.down {
		return errServersDown
	}
	if f.unknown {
		return &nodeapi.Error{Server: "s1", Code: 404, Text: "node not found"}
	}
	return nil
}

func (f *fakeServers) answer(req nodeapi.AllocsRequest) *nodeapi.AllocsResponse {
	resp := &nodeapi.AllocsResponse{Index: f.index, IDs: slices.Collect(maps.Keys(f.allocs))}
	sent := map[nodeapi.JobRef]bool{}
	for id, a := range f.allocs {
		if f.changed[id] <= req.Index {
			continue
		}
		copied := *a
		if said, ok := f.statuses[id]; ok {
			copied.ClientStatus = said.ClientStatus
		}
		resp.Allocs = append(resp.Allocs, &copied)
		if !slices.Contains(req.Jobs, a.JobRef) && !sent[a.JobRef] {
			sent[a.JobRef] = true
			f.sentJobs++
			resp.Jobs = append(resp.Jobs, f.jobs[a.JobRef])
		}
	}
	return resp
}

func (f *fakeServers) Status(_ context.Context, req nodeapi.StatusRequest) (*nodeapi.StatusResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.refusal(); err != nil {
		return nil, err
	}
	f.reports++
	close(f.heard)
	f.heard = make(chan struct{})
	for _, s := range req.Allocs {
		f.statuses[s.ID] = s
		f.history[s.ID] = append(f.history[s.ID], s.ClientStatus)
	}
	return &nodeapi.StatusResponse{Index: f.index}, nil
}

// Identities signs with the number of the request, for f.ttl.
func (f *fakeServers) Identities(_ context.Context, req nodeapi.IdentitiesRequest) (*nodeapi.IdentitiesResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.refusal(); err != nil {
		return nil, err
	}
	if f.unsigned {
		return nil, errServersDown
	}
	f.signed++
	resp := &nodeapi.IdentitiesResponse{}
	for _, want := range req.Tasks {
		id := nodeapi.Identity{JWT: fmt.Sprintf("%s/%s#%d", want.Task, want.Name, f.signed), Issued: time.Now(), Error: f.refuse}
		if f.ttl > 0 {
			id.Expires = id.Issued.Add(f.ttl)
		}
		resp.Tasks = append(resp.Tasks, id)
	}
	return resp, nil
}

func (f *fakeServers) Goodbye(_ context.Context, req nodeapi.GoodbyeRequest) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.goodbyes = append(f.goodbyes, req)
	return nil
}

// set changes something and wakes the polls.
func (f *fakeServers) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
	f.index++
	close(f.change)
	f.change = make(chan struct{})
}

// place puts a job's allocation on the node.
func (f *fakeServers) place(id string, job *api.Job, also ...func(*nodeapi.Alloc)) {
	ref := refOf(job)
	a := &nodeapi.Alloc{JobRef: ref}
	a.ID, a.Namespace, a.JobID, a.TaskGroup = id, ref.Namespace, ref.ID, *job.TaskGroups[0].Name
	a.Name = fmt.Sprintf("%s.%s[0]", ref.ID, a.TaskGroup)
	a.DesiredStatus, a.ClientStatus = api.AllocDesiredStatusRun, api.AllocClientStatusPending
	for _, f := range also {
		f(a)
	}
	f.set(func() {
		f.jobs[ref] = job
		f.put(a)
	})
}

func (f *fakeServers) put(a *nodeapi.Alloc) {
	a.AllocModifyIndex = f.index + 1
	f.allocs[a.ID] = a
	f.changed[a.ID] = f.index + 1
}

// desire changes an allocation's desired status.
func (f *fakeServers) desire(id, status string) {
	f.set(func() {
		a := *f.allocs[id]
		a.DesiredStatus = status
		f.put(&a)
	})
}

func (f *fakeServers) forget(id string) { f.set(func() { delete(f.allocs, id) }) }

func (f *fakeServers) setDown(down bool) { f.set(func() { f.down = down }) }

// said is the last status of an allocation.
func (f *fakeServers) said(id string) nodeapi.AllocStatus {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.statuses[id]
}

// node is one machine in a bubble: its disk and its processes outlive agents.
type node struct {
	t       *testing.T
	dir     string
	mock    *driver.Mock
	servers *fakeServers
	cfg     func(*Config)
	client  *Client
	cancel  context.CancelFunc
	ended   chan error
}

func newNode(t *testing.T, servers *fakeServers) *node {
	return &node{t: t, dir: t.TempDir(), mock: driver.NewMock(), servers: servers}
}

const testNodeID = "aaaaaaaa-0000-0000-0000-000000000001"

func (n *node) config() Config {
	cfg := Config{
		NodeID: testNodeID, SecretID: "aaaaaaaa-0000-0000-0000-000000000002", Name: "n1",
		AllocDir: filepath.Join(n.dir, "alloc"), StateDir: filepath.Join(n.dir, "client"),
		Drivers: []driver.Driver{n.mock}, Servers: n.servers, Version: "0.1.0",
		Fingerprint: func(context.Context, FingerprintConfig) (Facts, error) {
			return Facts{
				Attributes: map[string]string{"kernel.name": "linux", "unique.hostname": "n1"},
				BootID:     "boot-1", CPUMHz: 4000, Cores: 2, MemoryMB: 2048, DiskMB: 10000, Device: "lo", IP: "127.0.0.1",
			}, nil
		},
		GC:     GC{DiskPercent: 101},
		Logger: hclog.New(&hclog.LoggerOptions{Level: hclog.Error, Output: testWriter{n.t}}),
	}
	if n.cfg != nil {
		n.cfg(&cfg)
	}
	return cfg
}

// testWriter makes the client's errors those of the test's log.
type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(string(p))
	return len(p), nil
}

// boot starts an agent.
func (n *node) boot() {
	n.t.Helper()
	c, err := New(n.config())
	if err != nil {
		n.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(n.t.Context())
	n.client, n.cancel, n.ended = c, cancel, make(chan error, 1)
	go func() { n.ended <- c.Run(ctx) }()
	synctest.Wait()
}

// crash ends the agent without a word.
func (n *node) crash() {
	n.t.Helper()
	n.cancel()
	if err := <-n.ended; err != nil {
		n.t.Fatal(err)
	}
}

// end crashes the agent and switches the machine off.
func (n *node) end() {
	n.crash()
	n.mock.Close()
}

// runs tells whether the mock runs a task.
func (n *node) runs(id, task string) bool {
	found, err := n.mock.Recover(context.Background(), driver.Handle{TaskID: taskKey(id, task)})
	if err != nil {
		return false
	}
	_, err = found.Stats(context.Background())
	return err == nil
}

func (n *node) exists(elem ...string) bool {
	_, err := os.Stat(filepath.Join(append([]string{n.dir}, elem...)...))
	return err == nil
}

func allocID(n int) string { return fmt.Sprintf("bbbbbbbb-0000-0000-0000-%012d", n) }

// testJob is a job of one group "g" with these tasks.
func testJob(jobType string, tasks ...*api.Task) *api.Job {
	return &api.Job{
		ID: new("job"), Name: new("job"), Namespace: new("default"), Type: &jobType, Version: new(uint64(0)), CreateIndex: new(uint64(1)),
		TaskGroups: []*api.TaskGroup{{Name: new("g"), Tasks: tasks}},
	}
}

func mockTask(name string, config map[string]any) *api.Task {
	return &api.Task{Name: name, Driver: "mock_driver", Config: config, KillTimeout: new(time.Second)}
}

// forever is a task that does not end by itself.
func forever(name string) *api.Task { return mockTask(name, map[string]any{"run_for": "8760h"}) }

func wantStatus(t *testing.T, f *fakeServers, id, want string) {
	t.Helper()
	synctest.Wait()
	if got := f.said(id); got.ClientStatus != want {
		t.Fatalf("status of %s: %q (%s), want %q; history %v", id, got.ClientStatus, got.ClientDescription, want, f.history[id])
	}
}

func eventTypes(state *api.TaskState) []string {
	var types []string
	for _, ev := range state.Events {
		types = append(types, ev.Type)
	}
	return types
}

func (f *fakeServers) reportCount() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.reports
}

func (f *fakeServers) jobsSent() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sentJobs
}

func (f *fakeServers) registered() []*api.Node {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.nodes)
}

func (f *fakeServers) heardGoodbyes() []nodeapi.GoodbyeRequest {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.goodbyes)
}
