package client

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/check"
	"github.com/selfheal/selfheal/agent/nodeapi"
)

// sockets is what listens on the node: a check of type tcp passes on those.
type sockets struct {
	mu     sync.Mutex
	listen map[string]bool
}

func (s *sockets) set(addr string, listens bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listen[addr] = listens
}

func (s *sockets) dial(_ context.Context, addr string) (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.listen[addr] {
		return nil, errors.New("connection refused")
	}
	one, other := net.Pipe()
	other.Close()
	return one, nil
}

// checked gives a node in a bubble checks over sockets of its own.
func checked(t *testing.T, n *node) *sockets {
	s := &sockets{listen: map[string]bool{}}
	n.cfg = func(c *Config) {
		runner := check.New(check.Config{Dial: s.dial})
		t.Cleanup(func() { runner.Close() })
		c.Checks = runner
	}
	return s
}

// withPort gives an allocation the port "http", 20000 outside and 8080 inside.
func withPort(a *nodeapi.Alloc) {
	a.AllocatedResources = &api.AllocatedResources{Shared: api.AllocatedSharedResources{
		Ports: []api.PortMapping{{Label: "http", Value: 20000, To: 8080, HostIP: "10.1.0.1"}},
	}}
}

const webAddr = "10.1.0.1:20000"

// tcpCheck is a check every 10 s.
func tcpCheck() api.ServiceCheck {
	return api.ServiceCheck{Type: "tcp", Interval: 10 * time.Second, Timeout: 2 * time.Second}
}

// serviceJob is a job with one task and one service of it.
func serviceJob(svc *api.Service) *api.Job {
	task := forever("web")
	task.Services = []*api.Service{svc}
	return testJob("service", task)
}

// ids are the IDs of what an allocation has registered.
func (f *fakeServers) ids(alloc string) []string {
	var out []string
	for _, s := range f.said(alloc).Services {
		out = append(out, strings.TrimPrefix(s.ID, "_nomad-task-"+alloc+"-"))
	}
	return out
}

func TestServiceOfATaskIsRegistered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers := newFakeServers()
		n := newNode(t, servers)
		n.boot()
		defer n.end()
		id := allocID(1)
		job := serviceJob(&api.Service{
			Name: "web-${NOMAD_GROUP_NAME}", PortLabel: "http", Tags: []string{"dc=${node.datacenter}", "${NOMAD_PORT_http}"}, CanaryTags: []string{"canary"},
		})
		job.TaskGroups[0].Tasks[0].ShutdownDelay = 5 * time.Second
		servers.place(id, job, withPort)
		time.Sleep(time.Second)
		wantStatus(t, servers, id, "running")
		want := []*api.ServiceRegistration{{
			ID: "_nomad-task-" + id + "-web-web-g-http", ServiceName: "web-g", Tags: []string{"dc=dc1", "8080"}, Address: "10.1.0.1", Port: 20000,
		}}
		if diff := cmp.Diff(want, servers.said(id).Services); diff != "" {
			t.Error(diff)
		}
		if got := servers.reportCount(); got != 1 {
			t.Errorf("running and registered took %d reports, want 1", got)
		}

		// It leaves the catalogue before its shutdown_delay, not after.
		servers.desire(id, api.AllocDesiredStatusStop)
		time.Sleep(time.Second)
		wantStatus(t, servers, id, "running")
		if got := servers.ids(id); len(got) != 0 || !n.runs(id, "web") {
			t.Errorf("during shutdown_delay: registered %v, runs %v", got, n.runs(id, "web"))
		}
	})
}

// While a task waits to be started again, nobody is sent to it.
func TestCrashedTaskIsNotRegistered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers := newFakeServers()
		n := newNode(t, servers)
		n.boot()
		defer n.end()
		id := allocID(1)
		job := serviceJob(&api.Service{Name: "web", PortLabel: "http"})
		job.TaskGroups[0].Tasks[0].Config = map[string]any{"run_for": "1m"}
		job.TaskGroups[0].Tasks[0].RestartPolicy = &api.RestartPolicy{Attempts: new(2), Delay: new(20 * time.Second)}
		servers.place(id, job, withPort)
		for _, step := range []struct {
			after time.Duration
			want  int
		}{{30 * time.Second, 1}, {35 * time.Second, 0}, {30 * time.Second, 1}} {
			time.Sleep(step.after)
			synctest.Wait()
			if got := servers.ids(id); len(got) != step.want {
				t.Errorf("registered %v, want %d", got, step.want)
			}
		}
	})
}

// A task that is started again has to pass its checks before others are sent to it again.
func TestRestartedTaskProvesItselfAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers := newFakeServers()
		n := newNode(t, servers)
		s := checked(t, n)
		s.set(webAddr, true)
		n.boot()
		defer n.end()
		id := allocID(1)
		servers.place(id, checksJob(tcpCheck()), withPort)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if got := servers.ids(id); len(got) != 1 {
			t.Fatalf("it listens: registered %v", got)
		}
		s.set(webAddr, false)
		if err := n.client.RestartAlloc(id, "web", false); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if got := servers.ids(id); len(got) != 0 {
			t.Errorf("it runs again and does not listen yet: registered %v", got)
		}
		s.set(webAddr, true)
		time.Sleep(11 * time.Second)
		synctest.Wait()
		if got := servers.ids(id); len(got) != 1 {
			t.Errorf("it listens again: registered %v", got)
		}
	})
}

func TestServicesOfAGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers := newFakeServers()
		n := newNode(t, servers)
		n.boot()
		defer n.end()
		id := allocID(1)
		init := mockTask("init", map[string]any{"run_for": "10s"})
		init.Lifecycle = &api.TaskLifecycle{Hook: api.TaskLifecycleHookPrestart}
		job := testJob("service", init, forever("web"))
		job.TaskGroups[0].Services = []*api.Service{
			{Name: "web", PortLabel: "http"}, {Name: "metrics", PortLabel: "9100", Address: "${attr.unique.hostname}"},
			{Name: "plain", TaskName: "web"}, {Name: "lost", PortLabel: "nowhere"},
		}
		job.TaskGroups[0].ShutdownDelay = new(5 * time.Second)
		servers.place(id, job, withPort)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if got := servers.ids(id); len(got) != 0 {
			t.Errorf("before its main task runs the group is registered: %v", got)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if diff := cmp.Diff([]string{"group-g-metrics-9100", "group-g-plain-", "group-g-web-http"}, servers.ids(id)); diff != "" {
			t.Error(diff)
		}
		for _, s := range servers.said(id).Services {
			want := map[string]api.ServiceRegistration{
				"web": {Address: "10.1.0.1", Port: 20000}, "metrics": {Address: "n1", Port: 9100}, "plain": {},
			}[s.ServiceName]
			if s.Address != want.Address || s.Port != want.Port {
				t.Errorf("%s is at %s:%d", s.ServiceName, s.Address, s.Port)
			}
		}
		servers.desire(id, api.AllocDesiredStatusStop)
		time.Sleep(time.Second)
		synctest.Wait()
		if got := servers.ids(id); len(got) != 0 || !n.runs(id, "web") {
			t.Errorf("during the group's shutdown_delay: registered %v, runs %v", got, n.runs(id, "web"))
		}
	})
}

// A canary has tags of its own until it is promoted; tags change in place.
func TestTagsChangeInPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers := newFakeServers()
		n := newNode(t, servers)
		n.boot()
		defer n.end()
		id := allocID(1)
		job := serviceJob(&api.Service{Name: "web", PortLabel: "http", Tags: []string{"live"}, CanaryTags: []string{"canary"}})
		servers.place(id, job, withPort, func(a *nodeapi.Alloc) {
			a.DeploymentStatus = &api.AllocDeploymentStatus{Canary: true}
		})
		time.Sleep(time.Second)
		tags := func() []string { synctest.Wait(); return servers.said(id).Services[0].Tags }
		if diff := cmp.Diff([]string{"canary"}, tags()); diff != "" {
			t.Error(diff)
		}
		servers.set(func() {
			a := *servers.allocs[id]
			a.DeploymentStatus = &api.AllocDeploymentStatus{}
			servers.put(&a)
		})
		time.Sleep(time.Second)
		if diff := cmp.Diff([]string{"live"}, tags()); diff != "" {
			t.Error(diff)
		}
		if state := servers.said(id).TaskStates["web"]; state.Restarts != 0 {
			t.Error("a change of tags restarted the task")
		}
	})
}

// Servers that touch an allocation have taken its registrations away: it says them again.
func TestTouchedAllocationReportsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers := newFakeServers()
		n := newNode(t, servers)
		n.boot()
		defer n.end()
		id := allocID(1)
		servers.place(id, serviceJob(&api.Service{Name: "web", PortLabel: "http"}), withPort)
		time.Sleep(time.Second)
		before := servers.reportCount()
		servers.desire(id, api.AllocDesiredStatusRun)
		time.Sleep(time.Second)
		synctest.Wait()
		if got := servers.reportCount(); got != before+1 || len(servers.ids(id)) != 1 {
			t.Errorf("%d reports after it was touched, registered %v", got-before, servers.ids(id))
		}
	})
}

// checksJob wants its check to pass for 5 s before it is healthy.
func checksJob(c api.ServiceCheck) *api.Job {
	job := serviceJob(&api.Service{Name: "web", PortLabel: "http", Checks: []api.ServiceCheck{c}})
	job.Update = &api.UpdateStrategy{HealthCheck: new("checks"), MinHealthyTime: new(5 * time.Second), HealthyDeadline: new(time.Minute)}
	return job
}

func deployed(a *nodeapi.Alloc) { withPort(a); a.DeploymentID = "d1" }

// A deployment waits for the checks, not only for the tasks; and the catalogue
// knows who is not well.
func TestHealthWaitsForChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers := newFakeServers()
		n := newNode(t, servers)
		s := checked(t, n)
		n.boot()
		defer n.end()
		id := allocID(1)
		servers.place(id, checksJob(tcpCheck()), deployed)
		time.Sleep(10 * time.Second)
		wantStatus(t, servers, id, "running")
		if got := servers.said(id); got.Healthy != nil || len(got.Services) != 0 {
			t.Fatalf("nothing listens: healthy %v, registered %v", got.Healthy, got.Services)
		}
		statuses, err := n.client.CheckStatuses(id)
		if err != nil || len(statuses) != 1 {
			t.Fatal(statuses, err)
		}
		for _, got := range statuses {
			want := api.AllocCheckStatus{
				ID: got.ID, Check: `service: "web" check`, Group: "job.g[0]", Mode: "healthiness", Service: "web", Task: "web",
				Status: "failure", Output: "connection refused", Timestamp: got.Timestamp,
			}
			if diff := cmp.Diff(want, got); diff != "" || got.Timestamp == 0 {
				t.Error(diff)
			}
		}
		s.set(webAddr, true)
		began := time.Now()
		for servers.said(id).Healthy == nil && time.Since(began) < time.Minute {
			time.Sleep(100 * time.Millisecond)
		}
		took := time.Since(began)
		if got := servers.said(id); got.Healthy == nil || !*got.Healthy || len(got.Failing) != 0 || len(got.Services) != 1 {
			t.Errorf("healthy %v, failing %v, registered %v", got.Healthy, got.Failing, got.Services)
		}
		if took < 5*time.Second || took > 16*time.Second { // min_healthy_time, and at most one interval before
			t.Errorf("healthy %v after it listened", took)
		}
		s.set(webAddr, false)
		time.Sleep(11 * time.Second)
		synctest.Wait()
		if got := servers.said(id); len(got.Failing) != 1 || len(got.Services) != 1 || got.ClientStatus != "running" {
			t.Errorf("a failing check: %v, %s", got.Failing, got.ClientStatus)
		}
	})
}

func TestHealthWithoutPassingChecksEndsAtTheDeadline(t *testing.T) {
	tests := []struct {
		name     string
		onUpdate string
		want     bool
	}{{"required", api.OnUpdateRequireHealthy, false}, {"ignored", api.OnUpdateIgnore, true}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				servers := newFakeServers()
				n := newNode(t, servers)
				checked(t, n)
				n.boot()
				defer n.end()
				c := tcpCheck()
				c.OnUpdate = tt.onUpdate
				servers.place(allocID(1), checksJob(c), deployed)
				time.Sleep(61 * time.Second)
				synctest.Wait()
				if got := servers.said(allocID(1)).Healthy; got == nil || *got != tt.want {
					t.Errorf("healthy %v, want %v", got, tt.want)
				}
			})
		})
	}
}

// check_restart: unhealthy for limit-1 intervals, then a restart that counts.
func TestCheckRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers := newFakeServers()
		n := newNode(t, servers)
		s := checked(t, n)
		s.set(webAddr, true)
		n.boot()
		defer n.end()
		c := tcpCheck()
		c.Name = "alive"
		c.CheckRestart = &api.CheckRestart{Limit: 3, Grace: new(5 * time.Second)}
		job := checksJob(c)
		job.TaskGroups[0].Tasks[0].RestartPolicy = &api.RestartPolicy{Attempts: new(1), Interval: new(time.Hour), Delay: new(2 * time.Second), Mode: new("fail")}
		id := allocID(1)
		servers.place(id, job, withPort)
		time.Sleep(time.Minute)
		s.set(webAddr, false)
		time.Sleep(20 * time.Second)
		wantStatus(t, servers, id, "running")
		if got := servers.said(id).TaskStates["web"].Restarts; got != 0 {
			t.Fatalf("restarted %d times before its time", got)
		}
		time.Sleep(15 * time.Second) // at most 10 s until it was seen, 20 s of patience, 2 s of delay
		wantStatus(t, servers, id, "running")
		state := servers.said(id).TaskStates["web"]
		want := []string{"Received", "Task Setup", "Started", "Restart Signaled", "Terminated", "Restarting", "Started"}
		if diff := cmp.Diff(want, eventTypes(state)); diff != "" {
			t.Fatal(diff)
		}
		if got := state.Events[3].DisplayMessage; got != `healthcheck: check "alive" unhealthy` {
			t.Errorf("reason %q", got)
		}
		time.Sleep(time.Minute) // the policy allows one restart
		wantStatus(t, servers, id, "failed")
	})
}

func TestCheckRestartIsDue(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(int64(1000+s), 0) }
	p := checkRestart{limit: 3, grace: 5 * time.Second, interval: 10 * time.Second}
	lenient := p
	lenient.ignoreWarnings = true
	tests := []struct {
		name   string
		policy checkRestart
		result check.Result
		want   time.Time
	}{
		{"passing", p, check.Result{Status: check.Success, Since: at(0)}, time.Time{}},
		{"pending", p, check.Result{Status: check.Pending, Since: at(0)}, time.Time{}},
		{"failing", p, check.Result{Status: check.Failure, Since: at(30), BadSince: at(30)}, at(50)},
		{"failing in its grace", p, check.Result{Status: check.Failure, Since: at(1), BadSince: at(1)}, at(25)},
		{"a warning counts", p, check.Result{Status: check.Warning, Since: at(30), BadSince: at(30)}, at(50)},
		{"since the warning before", p, check.Result{Status: check.Failure, Since: at(40), BadSince: at(30)}, at(50)},
		{"warnings ignored", lenient, check.Result{Status: check.Warning, Since: at(30), BadSince: at(30)}, time.Time{}},
		{"only since it fails", lenient, check.Result{Status: check.Failure, Since: at(40), BadSince: at(30)}, at(60)},
		{"limit 0", checkRestart{interval: time.Second}, check.Result{Status: check.Failure, Since: at(0), BadSince: at(0)}, time.Time{}},
		{"limit 1", checkRestart{limit: 1, interval: time.Second}, check.Result{Status: check.Failure, Since: at(3), BadSince: at(3)}, at(3)},
	}
	for _, tt := range tests {
		if got := tt.policy.due(at(0), tt.result); !got.Equal(tt.want) {
			t.Errorf("%s: due %v, want %v", tt.name, got, tt.want)
		}
	}
}

// An agent that comes back takes what was healthy to be healthy until it has looked:
// its restart is no event for those who use the service.
func TestAgentRestartDoesNotShakeTheCatalogue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers := newFakeServers()
		n := newNode(t, servers)
		s := checked(t, n)
		s.set(webAddr, true)
		n.boot()
		defer func() { n.end() }()
		id := allocID(1)
		servers.place(id, checksJob(tcpCheck()), deployed)
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if got := servers.said(id); got.Healthy == nil || !*got.Healthy {
			t.Fatal("not healthy")
		}
		n.crash()
		before := servers.reportCount()
		n.boot()
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := servers.said(id); len(got.Services) != 1 || len(got.Failing) != 0 {
			t.Errorf("after the restart: %d services, failing %v", len(got.Services), got.Failing)
		}
		if got := servers.reportCount() - before; got != 1 {
			t.Errorf("%d reports after the restart, want 1: nothing has changed", got)
		}
	})
}
