package agent

import (
	"fmt"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
)

// witness watches a job's deployments and allocations while leaders die, and remembers
// what must never be seen.
type witness struct {
	s      *sim
	job    string
	floor  int // instances that must run at any time
	done   chan struct{}
	ended  chan struct{}
	ranks  map[string]int // by deployment: how far its status is
	errors []string
	low    int
}

// ranks of deployment statuses: none moves to a lower one.
var deploymentRanks = map[string]int{
	api.DeploymentStatusRunning: 1, api.DeploymentStatusPaused: 1,
	api.DeploymentStatusSuccessful: 2, api.DeploymentStatusFailed: 3, api.DeploymentStatusCancelled: 4,
}

func (s *sim) watch(job string, floor int) *witness {
	w := &witness{s: s, job: job, floor: floor, low: 1 << 20, ranks: map[string]int{}, done: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		defer close(w.ended)
		for {
			select {
			case <-w.done:
				return
			case <-time.After(25 * time.Millisecond):
				w.look()
			}
		}
	}()
	return w
}

// look compares what runs with what must. The drivers tell, not the servers.
func (w *witness) look() {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	running := w.s.truth(w.job)
	w.low = min(w.low, running)
	if running < w.floor {
		w.complain("only %d run, at least %d must", running, w.floor)
	}
	for _, a := range w.s.servers {
		if a.agent == nil || a.agent.server == nil {
			continue
		}
		for d := range a.agent.server.state.Snapshot().DeploymentsByJob(nil, "default", w.job) {
			key, rank := a.name+d.ID, deploymentRanks[d.Status]
			if old := w.ranks[key]; rank < old || old >= 2 && rank != old {
				w.complain("deployment of version %d went from rank %d to %s", d.JobVersion, old, d.Status)
			}
			w.ranks[key] = rank
		}
	}
}

func (w *witness) complain(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); len(w.errors) < 5 {
		w.errors = append(w.errors, fmt.Sprintf("%v: %s", time.Since(w.s.begun).Round(time.Millisecond), text))
	}
}

// end stops watching and reports.
func (w *witness) end() {
	w.s.t.Helper()
	close(w.done)
	<-w.ended
	for _, e := range w.errors {
		w.s.t.Error(e)
	}
	w.s.t.Logf("never fewer than %d ran", w.low)
}

// leadersDie kills the leader n times at random moments, each time for a while.
func (s *sim) leadersDie(n int, within time.Duration) {
	for range n {
		time.Sleep(time.Duration(s.rng.Int64N(int64(within))))
		lead := s.leader()
		s.t.Logf("%v: the leader, %s, dies", time.Since(s.begun).Round(time.Millisecond), lead.name)
		if s.rng.IntN(2) == 0 {
			lead.die()
		} else {
			lead.crash()
		}
		time.Sleep(time.Duration(s.rng.Int64N(int64(2 * time.Second))))
		if lead.agent == nil {
			lead.start()
		}
		s.leader()
	}
}

// A rollout with canaries that promote themselves goes on whoever leads: no instance
// fewer than the update block allows, no name twice, no status backwards.
func TestRolloutSurvivesItsLeaders(t *testing.T) {
	bubble(t, 3, 4, func(s *sim) {
		s.run(rolling("web", 6, "1", update(2, 0)), 6)
		s.deployed("web", "successful", 0, 30*time.Second)
		w := s.watch("web", 4)
		s.register(rolling("web", 6, "2", update(2, 2)))
		s.leadersDie(3, 1500*time.Millisecond)
		s.deployed("web", "successful", 1, time.Minute)
		s.settle("web", 6)
		w.end()
		s.versionsAre("web", map[string]int{"2": 6})
	})
}

// A bad version is given up and reverted whoever leads, once, and what ran of the
// stable version runs on.
func TestAutoRevertSurvivesItsLeaders(t *testing.T) {
	bubble(t, 3, 4, func(s *sim) {
		s.run(rolling("web", 6, "1", update(2, 0)), 6)
		s.deployed("web", "successful", 0, 30*time.Second)
		bad := rolling("web", 6, "2", update(2, 1))
		never := bad.TaskGroups[0]
		never.ReschedulePolicy = &api.ReschedulePolicy{Attempts: ptr(0), Interval: ptr(time.Hour), Delay: ptr(5 * time.Second), DelayFunction: ptr("constant"), MaxDelay: ptr(time.Hour), Unlimited: ptr(false)}
		never.RestartPolicy = &api.RestartPolicy{Attempts: ptr(0), Mode: ptr("fail"), Delay: ptr(time.Second), Interval: ptr(10 * time.Second)}
		never.Tasks[0].Config = map[string]any{"run_for": "1500ms", "exit_code": 1}
		never.Update.MinHealthyTime = ptr(3 * time.Second)
		w := s.watch("web", 6) // a canary comes on top
		s.register(bad)
		s.leadersDie(3, 1500*time.Millisecond)
		s.deployed("web", "successful", 2, 2*time.Minute)
		s.settle("web", 6)
		w.end()
		s.versionsAre("web", map[string]int{"1": 6})
		time.Sleep(time.Minute)
		if j, _, err := s.api().Jobs().Info("web", nil); err != nil || *j.Version != 2 {
			s.t.Errorf("version %d after the revert, want 2 for good (%v)", *j.Version, err)
		}
	})
}

// Rollouts go on while nodes are drained, too, within one budget.
func TestRolloutAndDrainShareTheirBudget(t *testing.T) {
	bubble(t, 1, 4, func(s *sim) {
		s.run(rolling("web", 6, "1", update(1, 0)), 6)
		s.deployed("web", "successful", 0, 30*time.Second)
		w := s.watch("web", 5)
		s.register(rolling("web", 6, "2", update(1, 0)))
		time.Sleep(time.Duration(s.rng.IntN(3000)) * time.Millisecond)
		if _, err := s.api().Nodes().UpdateDrain(s.clients[s.rng.IntN(4)].id.ID, &api.DrainSpec{Deadline: time.Hour}, false, nil); err != nil {
			s.t.Fatal(err)
		}
		s.deployed("web", "successful", 1, time.Minute)
		s.settle("web", 6)
		w.end()
		s.versionsAre("web", map[string]int{"2": 6})
	})
}

// versionsAre compares how many instances run by the VERSION in their environment.
func (s *sim) versionsAre(job string, want map[string]int) {
	s.t.Helper()
	allocs, _, err := s.api().Jobs().Allocations(job, true, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	got, names := map[string]int{}, map[string]bool{}
	for _, stub := range allocs {
		if stub.DesiredStatus != api.AllocDesiredStatusRun || stub.ClientStatus != api.AllocClientStatusRunning {
			continue
		}
		a, _, err := s.api().Allocations().Info(stub.ID, nil)
		if err != nil {
			s.t.Fatal(err)
		}
		if names[a.Name] {
			s.t.Errorf("%s runs twice", a.Name)
		}
		names[a.Name] = true
		got[a.Job.TaskGroups[0].Tasks[0].Env["VERSION"]]++
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		s.t.Errorf("running by version: %v, want %v", got, want)
	}
}
