package client

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/driver"
	"github.com/selfheal/selfheal/agent/nodeapi"
)

func TestAgentComesBackToRunningTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers := newFakeServers()
		n := newNode(t, servers)
		n.boot()
		id := allocID(1)
		servers.place(id, testJob("service", forever("web")))
		time.Sleep(time.Second)
		wantStatus(t, servers, id, "running")
		before := servers.said(id).TaskStates["web"]
		n.crash()
		time.Sleep(time.Minute)
		n.boot()
		defer n.end()
		time.Sleep(time.Second)
		wantStatus(t, servers, id, "running")
		if diff := cmp.Diff(before, servers.said(id).TaskStates["web"]); diff != "" {
			t.Errorf("the task was touched: %s", diff)
		}
		servers.desire(id, api.AllocDesiredStatusStop)
		time.Sleep(time.Second)
		wantStatus(t, servers, id, "complete")
	})
}

func TestExitWhileTheAgentWasAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers := newFakeServers()
		n := newNode(t, servers)
		n.boot()
		batch, service := allocID(1), allocID(2)
		servers.place(batch, testJob("batch", mockTask("work", map[string]any{"run_for": "10s"})))
		restarts := mockTask("web", map[string]any{"run_for": "10s", "exit_code": 1})
		restarts.RestartPolicy = &api.RestartPolicy{Attempts: new(9), Delay: new(time.Duration(0))}
		job := testJob("service", restarts)
		job.ID = new("service")
		servers.place(service, job)
		time.Sleep(5 * time.Second)
		n.crash()
		time.Sleep(time.Minute)
		n.boot()
		defer n.end()
		time.Sleep(time.Second)
		wantStatus(t, servers, batch, "complete")
		wantStatus(t, servers, service, "running")
		if got := servers.said(service).TaskStates["web"]; got.Restarts != 1 {
			t.Errorf("restarts: %d, want 1; %v", got.Restarts, eventTypes(got))
		}
	})
}

func TestRebootWaitsForTheServersWord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers := newFakeServers()
		n := newNode(t, servers)
		n.boot()
		kept, moved := allocID(1), allocID(2)
		servers.place(kept, testJob("service", forever("web")))
		servers.place(moved, testJob("service", forever("web")))
		time.Sleep(time.Second)
		n.crash()
		n.mock.Close() // the machine's tasks are gone
		n.mock = driver.NewMock()
		servers.desire(moved, api.AllocDesiredStatusStop)
		servers.setDown(true)
		n.boot()
		defer n.end()
		time.Sleep(5 * time.Second)
		if n.runs(kept, "web") || n.runs(moved, "web") {
			t.Error("a task was started before servers said that it still belongs here")
		}
		servers.setDown(false)
		time.Sleep(3 * time.Second)
		wantStatus(t, servers, kept, "running")
		wantStatus(t, servers, moved, "complete")
		if n.runs(moved, "web") {
			t.Error("a task that was moved runs here too")
		}
		if got := servers.said(kept).TaskStates["web"]; got.Restarts != 1 {
			t.Errorf("restarts %d, want 1: %v", got.Restarts, eventTypes(got))
		}
		servers.forget(moved)
		time.Sleep(3 * time.Second)
		if n.exists("alloc", moved) || n.exists("client", "tasks", moved) {
			t.Error("a task that was gone when its driver looked has left its state behind")
		}
	})
}

// A task that was started and cannot be written down, as when the disk is full, ends
// before its allocation is placed elsewhere.
func TestTaskThatCannotBeRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers := newFakeServers()
		n := newNode(t, servers)
		id := allocID(1)
		if err := os.MkdirAll(filepath.Join(n.dir, "client", "tasks", id, "web"+handleSuffix), 0o700); err != nil {
			t.Fatal(err)
		}
		n.boot()
		defer n.end()
		servers.place(id, testJob("service", forever("web")))
		time.Sleep(time.Second)
		wantStatus(t, servers, id, "failed")
		if n.runs(id, "web") {
			t.Error("it runs all the same")
		}
	})
}

func TestRebootWithoutServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers := newFakeServers()
		n := newNode(t, servers)
		n.boot()
		id := allocID(1)
		servers.place(id, testJob("service", forever("web")))
		time.Sleep(time.Second)
		n.crash()
		n.mock.Close()
		n.mock = driver.NewMock()
		servers.setDown(true)
		n.boot()
		defer n.end()
		time.Sleep(confirmWithin + 10*time.Second)
		if !n.runs(id, "web") {
			t.Error("the task does not run although nobody else can have it for long")
		}
	})
}

func TestDamagedJournal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers := newFakeServers()
		n := newNode(t, servers)
		n.boot()
		kept, dropped := allocID(1), allocID(2)
		servers.place(kept, testJob("service", forever("web")))
		servers.place(dropped, testJob("service", forever("web")))
		time.Sleep(time.Second)
		n.crash()
		journal := filepath.Join(n.dir, "client", "journal.db")
		info, err := os.Stat(journal)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(journal, make([]byte, info.Size()), 0o600); err != nil {
			t.Fatal(err)
		}
		servers.forget(dropped)
		started := servers.said(kept).TaskStates["web"].StartedAt
		n.boot()
		defer n.end()
		time.Sleep(10 * time.Second)
		wantStatus(t, servers, kept, "running")
		if started.IsZero() || !n.runs(kept, "web") {
			t.Error("the kept allocation does not run")
		}
		if n.runs(dropped, "web") || n.exists("alloc", dropped) || n.exists("client", "tasks", dropped) {
			t.Error("what the servers have forgotten was not ended")
		}
		aside, _ := filepath.Glob(journal + ".damaged-*")
		if len(aside) != 1 {
			t.Errorf("moved aside: %v, want one", aside)
		}
	})
}

// TestAgentDiesAtEveryMoment ends the agent at many points of a task's life, also
// between a step in the journal and the action, and wants the same outcome.
func TestAgentDiesAtEveryMoment(t *testing.T) {
	for _, at := range []time.Duration{
		0, 10 * time.Millisecond, 500 * time.Millisecond, time.Second, 1100 * time.Millisecond,
		3 * time.Second, 4 * time.Second, 4500 * time.Millisecond, 6 * time.Second, 9 * time.Second,
	} {
		t.Run(at.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				servers := newFakeServers()
				n := newNode(t, servers)
				n.boot()
				// Start takes 1 s, the run 3 s, the pause 2 s, and that twice.
				spec := mockTask("work", map[string]any{"start_block_for": "1s", "run_for": "3s", "exit_code": 7})
				spec.RestartPolicy = &api.RestartPolicy{
					Attempts: new(1), Interval: new(time.Hour), Delay: new(2 * time.Second), Mode: new("fail"),
				}
				id := allocID(1)
				servers.place(id, testJob("batch", spec))
				time.Sleep(at)
				n.crash()
				time.Sleep(100 * time.Millisecond)
				n.boot()
				defer n.end()
				time.Sleep(time.Minute)
				wantStatus(t, servers, id, "failed")
				state := servers.said(id).TaskStates["work"]
				if state.Restarts != 1 {
					t.Errorf("%d restarts, want 1", state.Restarts)
				}
				terminated := 0
				for _, typ := range eventTypes(state) {
					if typ == api.TaskTerminated {
						terminated++
					}
				}
				if terminated != 2 {
					t.Errorf("%d exits counted, want 2: %v", terminated, eventTypes(state))
				}
			})
		})
	}
}

func TestUnknownAllocationThatIsToStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers := newFakeServers()
		n := newNode(t, servers)
		id := allocID(1)
		servers.place(id, testJob("service", forever("web")), func(a *nodeapi.Alloc) {
			a.DesiredStatus, a.ClientStatus = api.AllocDesiredStatusStop, api.AllocClientStatusRunning
		})
		n.boot()
		defer n.end()
		time.Sleep(time.Second)
		wantStatus(t, servers, id, "complete")
	})
}

func TestMalformedAllocations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers := newFakeServers()
		n := newNode(t, servers)
		n.boot()
		defer n.end()
		escape := "../../../../etc"
		servers.place(escape, testJob("service", forever("web")))
		servers.place(allocID(1), testJob("service", forever("../x")))
		servers.place(allocID(2), testJob("service", &api.Task{Name: "web", Driver: "rkt"}))
		servers.place(allocID(3), testJob("service", forever("web")), func(a *nodeapi.Alloc) { a.TaskGroup = "other" })
		servers.place(allocID(4), testJob("service", mockTask("web", map[string]any{"run_fro": "1s"})))
		time.Sleep(time.Minute)
		for _, id := range []string{escape, allocID(1), allocID(2), allocID(3), allocID(4)} {
			wantStatus(t, servers, id, "failed")
		}
	})
}
