package client

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/nodeapi"
)

func TestPlacedAllocationRunsAndStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers := newFakeServers()
		n := newNode(t, servers)
		n.boot()
		defer n.end()
		id := allocID(1)
		servers.place(id, testJob("service", forever("web")))
		time.Sleep(time.Second)
		wantStatus(t, servers, id, "running")
		if !n.runs(id, "web") {
			t.Fatal("the task does not run")
		}
		state := servers.said(id).TaskStates["web"]
		if diff := cmp.Diff([]string{"Received", "Task Setup", "Started"}, eventTypes(state)); diff != "" {
			t.Error(diff)
		}
		if servers.reportCount() != 1 {
			t.Errorf("a start took %d reports, want 1", servers.reportCount())
		}

		servers.desire(id, api.AllocDesiredStatusStop)
		time.Sleep(2 * time.Second)
		wantStatus(t, servers, id, "complete")
		if n.runs(id, "web") {
			t.Fatal("the task runs on")
		}
		state = servers.said(id).TaskStates["web"]
		if diff := cmp.Diff([]string{"Received", "Task Setup", "Started", "Killing", "Terminated", "Killed"}, eventTypes(state)); diff != "" {
			t.Error(diff)
		}
		if !n.exists("alloc", id, "alloc", "logs") {
			t.Error("the directory of an ended allocation is gone before its time")
		}
		servers.forget(id)
		time.Sleep(time.Second)
		if n.exists("alloc", id) || n.exists("client", "tasks", id) {
			t.Error("what the servers have forgotten is still there")
		}
	})
}

func TestRestartPolicyInVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers := newFakeServers()
		n := newNode(t, servers)
		n.boot()
		defer n.end()
		crash := mockTask("web", map[string]any{"run_for": "1s", "exit_code": 3})
		crash.RestartPolicy = &api.RestartPolicy{
			Attempts: new(2), Interval: new(10 * time.Minute), Delay: new(10 * time.Second), Mode: new("fail"),
		}
		id := allocID(1)
		servers.place(id, testJob("service", crash))
		time.Sleep(2 * time.Second)
		wantStatus(t, servers, id, "pending") // in its first delay
		time.Sleep(time.Minute)
		wantStatus(t, servers, id, "failed")
		state := servers.said(id).TaskStates["web"]
		if !state.Failed || state.Restarts != 2 || state.State != "dead" || state.FinishedAt.IsZero() {
			t.Errorf("state: %+v", state)
		}
		last := state.Events[len(state.Events)-1]
		if last.Type != api.TaskNotRestarting || last.DisplayMessage != `Exceeded allowed attempts 2 in interval 10m0s and mode is "fail"` {
			t.Errorf("last event: %+v", last)
		}
	})
}

func TestRestartWithoutDelayIsOneReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers := newFakeServers()
		n := newNode(t, servers)
		n.boot()
		defer n.end()
		spec := mockTask("web", map[string]any{"run_for": "1m"})
		spec.RestartPolicy = &api.RestartPolicy{Attempts: new(5), Delay: new(time.Duration(0))}
		id := allocID(1)
		servers.place(id, testJob("service", spec))
		time.Sleep(30 * time.Second)
		before := servers.reportCount()
		time.Sleep(30*time.Second + 100*time.Millisecond)
		wantStatus(t, servers, id, "running")
		state := servers.said(id).TaskStates["web"]
		if servers.reportCount() != before+1 || state.Restarts != 1 {
			t.Errorf("%d reports for %d restarts, want 1 for 1", servers.reportCount()-before, state.Restarts)
		}
		want := []string{"Received", "Task Setup", "Started", "Terminated", "Restarting", "Started"}
		if diff := cmp.Diff(want, eventTypes(state)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestBatchTaskCompletes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers := newFakeServers()
		n := newNode(t, servers)
		n.boot()
		defer n.end()
		id := allocID(1)
		servers.place(id, testJob("batch", mockTask("work", map[string]any{"run_for": "5s"})))
		time.Sleep(6 * time.Second)
		wantStatus(t, servers, id, "complete")
	})
}

func TestReportsAreRepeatedUntilTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers := newFakeServers()
		n := newNode(t, servers)
		n.boot()
		defer n.end()
		id := allocID(1)
		servers.place(id, testJob("batch", mockTask("work", map[string]any{"run_for": "30s"})))
		time.Sleep(time.Second)
		wantStatus(t, servers, id, "running")
		servers.setDown(true)
		time.Sleep(time.Minute) // the task ends meanwhile
		wantStatus(t, servers, id, "running")
		servers.setDown(false)
		time.Sleep(3 * time.Second)
		wantStatus(t, servers, id, "complete")
	})
}

func TestNodeRegistersAgainWhenUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers := newFakeServers()
		n := newNode(t, servers)
		n.boot()
		defer n.end()
		if len(servers.registered()) != 1 {
			t.Fatalf("registered %d times, want once", len(servers.registered()))
		}
		servers.set(func() { servers.unknown = true })
		time.Sleep(3 * time.Second)
		if len(servers.registered()) != 2 {
			t.Errorf("registered %d times, want twice", len(servers.registered()))
		}
		node := servers.registered()[0]
		if node.Attributes["driver.mock_driver"] != "1" || node.Attributes["nomad.version"] != "2.0.0" {
			t.Errorf("attributes: %v", node.Attributes)
		}
		if node.NodeResources.Cpu.CpuShares != 4000 || node.NodeResources.Networks[0].CIDR != "127.0.0.1/32" {
			t.Errorf("resources: %+v", node.NodeResources)
		}
	})
}

func TestUpdateInPlaceKeepsTheTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers := newFakeServers()
		n := newNode(t, servers)
		n.boot()
		defer n.end()
		id := allocID(1)
		servers.place(id, testJob("service", forever("web")))
		time.Sleep(time.Second)
		started := servers.said(id).TaskStates["web"].StartedAt

		next := testJob("service", forever("web"))
		next.Version = new(uint64(1))
		next.TaskGroups[0].Tasks[0].KillTimeout = new(20 * time.Second)
		servers.place(id, next, func(a *nodeapi.Alloc) { a.DeploymentID = "d2" })
		time.Sleep(time.Minute)
		said := servers.said(id)
		if got := said.TaskStates["web"]; !got.StartedAt.Equal(started) || got.Restarts != 0 {
			t.Errorf("the task was touched: %+v", got)
		}
		if said.Healthy == nil || !*said.Healthy {
			t.Error("not healthy in the new deployment")
		}
		if servers.jobsSent() != 2 {
			t.Errorf("servers sent %d jobs, want each version once", servers.jobsSent())
		}
		if refs := n.client.jobRefs(); len(refs) != 1 || refs[0].Version != 1 {
			t.Errorf("jobs known: %v, want version 1 only", refs)
		}
	})
}

func TestHealthInDeployment(t *testing.T) {
	tests := []struct {
		name   string
		config map[string]any
		after  time.Duration
		want   *bool
	}{
		{"too early", map[string]any{"run_for": "1h"}, 9 * time.Second, nil},
		{"healthy after min_healthy_time", map[string]any{"run_for": "1h"}, 11 * time.Second, new(true)},
		{"unhealthy once dead", map[string]any{"run_for": "1s", "exit_code": 1}, 2 * time.Second, new(false)},
		{"cannot start", map[string]any{"start_error": "no such image"}, time.Second, new(false)},
		{"deadline", map[string]any{"start_block_for": "1h"}, 61 * time.Second, new(false)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				servers := newFakeServers()
				n := newNode(t, servers)
				n.boot()
				defer n.end()
				spec := mockTask("web", tt.config)
				spec.RestartPolicy = &api.RestartPolicy{Attempts: new(0), Mode: new("fail")}
				job := testJob("service", spec)
				job.TaskGroups[0].Update = &api.UpdateStrategy{
					MinHealthyTime: new(10 * time.Second), HealthyDeadline: new(time.Minute), HealthCheck: new("task_states"),
				}
				servers.place(allocID(1), job, func(a *nodeapi.Alloc) { a.DeploymentID = "d1" })
				time.Sleep(tt.after)
				synctest.Wait()
				if diff := cmp.Diff(tt.want, servers.said(allocID(1)).Healthy); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

func TestRestartAndSignalByRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers := newFakeServers()
		n := newNode(t, servers)
		n.boot()
		defer n.end()
		id := allocID(1)
		servers.place(id, testJob("service", forever("web")))
		time.Sleep(time.Second)
		if err := n.client.RestartAlloc(id, "", false); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		wantStatus(t, servers, id, "running")
		state := servers.said(id).TaskStates["web"]
		want := []string{"Received", "Task Setup", "Started", "Restart Signaled", "Terminated", "Restarting", "Started"}
		if diff := cmp.Diff(want, eventTypes(state)); diff != "" {
			t.Error(diff)
		}
		for _, err := range []error{
			n.client.SignalAlloc(id, "web", "SIGNOPE"),
			n.client.SignalAlloc(id, "other", "SIGHUP"),
			n.client.RestartAlloc(allocID(9), "", false),
			n.client.GCAlloc(id),
		} {
			if _, ok := err.(*Error); !ok {
				t.Errorf("%v is no *Error", err)
			}
		}
		if err := n.client.SignalAlloc(id, "web", "SIGHUP"); err != nil {
			t.Error(err)
		}
	})
}

func TestIsolatedNodeStopsWhatItMayNotOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers := newFakeServers()
		n := newNode(t, servers)
		n.boot()
		defer n.end()
		single := testJob("service", forever("web"))
		single.TaskGroups[0].Disconnect = &api.DisconnectStrategy{StopOnClientAfter: new(10 * time.Second)}
		other := testJob("service", forever("web"))
		other.ID = new("other")
		servers.place(allocID(1), single)
		servers.place(allocID(2), other)
		time.Sleep(time.Minute)
		if !n.runs(allocID(1), "web") {
			t.Fatal("stopped although servers answer")
		}
		servers.setDown(true)
		time.Sleep(7 * time.Second) // the last answer is up to a quarter of the limit old
		if !n.runs(allocID(1), "web") {
			t.Error("stopped too early")
		}
		time.Sleep(4 * time.Second)
		if n.runs(allocID(1), "web") || !n.runs(allocID(2), "web") {
			t.Errorf("after isolation: singleton runs %v, other runs %v; want false, true", n.runs(allocID(1), "web"), n.runs(allocID(2), "web"))
		}
	})
}

func TestEndedAllocationsAreCollected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers := newFakeServers()
		n := newNode(t, servers)
		n.cfg = func(c *Config) { c.GC.MaxAllocs = 3 }
		n.boot()
		defer n.end()
		for i := range 5 {
			servers.place(allocID(i), testJob("batch", mockTask("work", map[string]any{"run_for": "1s"})))
			time.Sleep(10 * time.Second)
		}
		time.Sleep(2 * time.Minute)
		for i := range 5 {
			if got, want := n.exists("alloc", allocID(i)), i >= 2; got != want {
				t.Errorf("directory of allocation %d exists: %v, want %v", i, got, want)
			}
		}
		if err := n.client.GC(); err != nil {
			t.Fatal(err)
		}
		if n.exists("alloc", allocID(4)) {
			t.Error("still there after GC")
		}
		time.Sleep(time.Minute)
		if n.runs(allocID(4), "work") || n.exists("alloc", allocID(4)) {
			t.Error("a collected allocation came back")
		}
	})
}

func TestShutdownStopsTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers := newFakeServers()
		n := newNode(t, servers)
		n.boot()
		id := allocID(1)
		servers.place(id, testJob("service", forever("web")))
		time.Sleep(time.Second)
		if err := n.client.Shutdown(t.Context(), StopTasks); err != nil {
			t.Fatal(err)
		}
		wantStatus(t, servers, id, "complete")
		if n.runs(id, "web") || n.exists("alloc", id) || n.exists("client", "tasks", id) {
			t.Error("something is left")
		}
		if len(servers.heardGoodbyes()) != 1 || servers.heardGoodbyes()[0].Restart {
			t.Errorf("goodbyes: %+v", servers.heardGoodbyes())
		}
		if err := <-n.ended; err != nil {
			t.Error(err)
		}
		n.mock.Close()
	})
}

func TestNodeReturnsFromIsolation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers := newFakeServers()
		n := newNode(t, servers)
		n.boot()
		defer n.end()
		id := allocID(1)
		servers.place(id, testJob("service", forever("web")))
		time.Sleep(time.Second)
		wantStatus(t, servers, id, "running")
		servers.setDown(true)
		time.Sleep(time.Minute)
		servers.set(func() {
			servers.down = false
			delete(servers.statuses, id) // they take it for unknown, without an order to the node
		})
		time.Sleep(3 * time.Second)
		wantStatus(t, servers, id, "running")
		if got := len(servers.registered()); got != 2 {
			t.Errorf("registered %d times, want again on return", got)
		}
	})
}

func TestServersBeginAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers := newFakeServers()
		servers.index = 1000
		n := newNode(t, servers)
		n.boot()
		defer n.end()
		servers.place(allocID(1), testJob("service", forever("web")))
		time.Sleep(time.Second)
		servers.set(func() { // another cluster under the old address
			clear(servers.allocs)
			servers.unknown = true
			servers.index = 5
		})
		time.Sleep(5 * time.Second)
		servers.place(allocID(2), testJob("service", forever("web")))
		time.Sleep(5 * time.Second)
		if n.runs(allocID(1), "web") || !n.runs(allocID(2), "web") {
			t.Errorf("of the old cluster's allocation runs %v, of the new one's %v; want false, true",
				n.runs(allocID(1), "web"), n.runs(allocID(2), "web"))
		}
	})
}
