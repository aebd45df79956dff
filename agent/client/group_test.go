package client

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/nodeapi"
)

// inRole gives a task its place in the group.
func inRole(spec *api.Task, hook string, sidecar bool) *api.Task {
	spec.Lifecycle = &api.TaskLifecycle{Hook: hook, Sidecar: sidecar}
	return spec
}

// startsAndEnds tells the seconds, counted from begin, at which each task started
// and ended.
func startsAndEnds(begin time.Time, states map[string]*api.TaskState, name string) (start, end int) {
	s := states[name]
	start, end = -1, -1
	if s != nil && !s.StartedAt.IsZero() {
		start = int(s.StartedAt.Sub(begin).Seconds())
	}
	if s != nil && !s.FinishedAt.IsZero() {
		end = int(s.FinishedAt.Sub(begin).Seconds())
	}
	return start, end
}

func TestGroupInItsOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers := newFakeServers()
		n := newNode(t, servers)
		n.boot()
		defer n.end()
		slow := func(name string) *api.Task { // takes a second to stop
			spec := mockTask(name, map[string]any{"run_for": "1h", "kill_after": "1s"})
			spec.KillTimeout = new(5 * time.Second)
			return spec
		}
		job := testJob("service",
			inRole(mockTask("init", map[string]any{"run_for": "5s"}), "prestart", false),
			inRole(slow("proxy"), "prestart", true),
			slow("main"),
			inRole(mockTask("hello", map[string]any{"run_for": "2s"}), "poststart", false),
			inRole(mockTask("bye", map[string]any{"run_for": "3s"}), "poststop", false),
		)
		begin := time.Now()
		servers.place(allocID(1), job)
		time.Sleep(20 * time.Second)
		wantStatus(t, servers, allocID(1), "running")
		servers.desire(allocID(1), api.AllocDesiredStatusStop)
		time.Sleep(20 * time.Second)
		wantStatus(t, servers, allocID(1), "complete")
		states := servers.said(allocID(1)).TaskStates
		for name, want := range map[string][2]int{
			"init": {0, 5}, "proxy": {0, 22}, "main": {5, 21}, "hello": {5, 7}, "bye": {22, 25},
		} {
			if start, end := startsAndEnds(begin, states, name); start != want[0] || end != want[1] {
				t.Errorf("%s ran from %d to %d, want %v", name, start, end, want)
			}
		}
	})
}

func TestShutdownDelays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers := newFakeServers()
		n := newNode(t, servers)
		n.boot()
		defer n.end()
		spec := forever("web")
		spec.ShutdownDelay = 3 * time.Second
		job := testJob("service", spec)
		job.TaskGroups[0].ShutdownDelay = new(5 * time.Second)
		servers.place(allocID(1), job)
		servers.place(allocID(2), job)
		time.Sleep(time.Second)
		servers.desire(allocID(1), api.AllocDesiredStatusStop)
		servers.set(func() {
			a := *servers.allocs[allocID(2)]
			a.DesiredStatus, a.DesiredTransition.NoShutdownDelay = api.AllocDesiredStatusStop, new(true)
			servers.put(&a)
		})
		time.Sleep(time.Second)
		if n.runs(allocID(2), "web") {
			t.Error("delayed although told not to")
		}
		time.Sleep(6500 * time.Millisecond)
		if !n.runs(allocID(1), "web") {
			t.Error("stopped before its delays had passed")
		}
		time.Sleep(time.Second)
		if n.runs(allocID(1), "web") {
			t.Error("runs on after its delays")
		}
	})
}

func TestSiblingsOfAFailedTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers := newFakeServers()
		n := newNode(t, servers)
		n.boot()
		defer n.end()
		bad := mockTask("bad", map[string]any{"run_for": "5s", "exit_code": 1})
		bad.RestartPolicy = &api.RestartPolicy{Attempts: new(0), Mode: new("fail")}
		servers.place(allocID(1), testJob("service", forever("good"), bad))
		time.Sleep(10 * time.Second)
		wantStatus(t, servers, allocID(1), "failed")
		good := servers.said(allocID(1)).TaskStates["good"]
		if good.Failed || !strings.Contains(strings.Join(eventTypes(good), ","), api.TaskSiblingFailed) {
			t.Errorf("the sibling: failed %v, events %v", good.Failed, eventTypes(good))
		}
	})
}

// stale answers polls as a server that has not heard of anything yet.
type stale struct {
	*fakeServers
	on bool
}

func (s *stale) Allocs(ctx context.Context, req nodeapi.AllocsRequest) (*nodeapi.AllocsResponse, error) {
	s.mu.Lock()
	on := s.on
	s.mu.Unlock()
	if !on {
		return s.fakeServers.Allocs(ctx, req)
	}
	time.Sleep(time.Second)
	return &nodeapi.AllocsResponse{Index: 1}, nil
}

func TestAServerThatLagsBehindDestroysNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers := &stale{fakeServers: newFakeServers()}
		n := newNode(t, servers.fakeServers)
		n.cfg = func(c *Config) { c.Servers = servers }
		n.boot()
		defer n.end()
		servers.place(allocID(1), testJob("service", forever("web")))
		time.Sleep(time.Second)
		servers.set(func() { servers.on = true })
		time.Sleep(time.Minute)
		if !n.runs(allocID(1), "web") {
			t.Error("an old answer destroyed a new allocation")
		}
	})
}

func TestGCSurplus(t *testing.T) {
	at := func(minutes int) ended {
		return ended{id: string(rune('a' + minutes)), at: noon.Add(time.Duration(minutes) * time.Minute)}
	}
	all := []ended{at(3), at(1), at(2)}
	tests := []struct {
		name  string
		gc    GC
		total int
		full  bool
		want  string
	}{
		{"room", GC{MaxAllocs: 10}, 5, false, ""},
		{"two too many", GC{MaxAllocs: 3}, 5, false, "bc"},
		{"more too many than have ended", GC{MaxAllocs: 1}, 9, false, "bcd"},
		{"full disk", GC{MaxAllocs: 10}, 5, true, "b"},
		{"age", GC{MaxAllocs: 10, MaxAge: 8 * time.Minute}, 5, false, "b"},
	}
	for _, tt := range tests {
		got := ""
		for _, e := range tt.gc.surplus(all, tt.total, tt.full, noon.Add(10*time.Minute)) {
			got += e.id
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestHostStats(t *testing.T) {
	n := newNode(t, newFakeServers())
	defer n.mock.Close()
	c, err := New(n.config())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Shutdown(t.Context(), Restart)
	stats, err := c.HostStats()
	if err != nil {
		t.Fatal(err)
	}
	if stats.Memory.Total == 0 || len(stats.CPU) == 0 || stats.AllocDirStats == nil || stats.AllocDirStats.Size == 0 || stats.Uptime == 0 {
		t.Errorf("%+v", stats)
	}
	for _, cpu := range stats.CPU {
		if sum := cpu.User + cpu.System + cpu.Idle; sum < 50 || sum > 110 {
			t.Errorf("load of %s: %+v", cpu.CPU, cpu)
		}
	}
}

func TestFingerprintOfThisMachine(t *testing.T) {
	facts, err := Fingerprint(t.Context(), FingerprintConfig{AllocDir: t.TempDir(), Interface: "lo"})
	if err != nil {
		t.Fatal(err)
	}
	if facts.IP != "127.0.0.1" || facts.BootID == "" || facts.CPUMHz == 0 || facts.MemoryMB == 0 || facts.DiskMB == 0 {
		t.Errorf("%+v", facts)
	}
	for _, name := range []string{
		"kernel.name", "kernel.version", "cpu.arch", "os.name", "cpu.numcores", "cpu.totalcompute",
		"memory.totalbytes", "unique.hostname", "unique.network.ip-address", "unique.storage.bytesfree",
	} {
		if facts.Attributes[name] == "" {
			t.Errorf("attribute %s is empty", name)
		}
	}
	if _, err := Fingerprint(t.Context(), FingerprintConfig{AllocDir: "/", Interface: "nope0"}); err == nil {
		t.Error("no error for an interface that does not exist")
	}
}
