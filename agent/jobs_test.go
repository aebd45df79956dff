package agent

import (
	"fmt"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
)

// rolling is a service job of n with an update block.
func rolling(id string, n int, version string, u *api.UpdateStrategy) *api.Job {
	job := service(id, n)
	job.TaskGroups[0].Tasks[0].Env = map[string]string{"VERSION": version}
	job.TaskGroups[0].Update = u
	return job
}

func update(parallel, canary int) *api.UpdateStrategy {
	return &api.UpdateStrategy{
		MaxParallel: &parallel, Canary: &canary, AutoPromote: ptr(canary > 0), AutoRevert: ptr(true), HealthCheck: ptr("task_states"),
		MinHealthyTime: ptr(time.Second), HealthyDeadline: ptr(20 * time.Second), ProgressDeadline: ptr(30 * time.Second),
	}
}

// deployed waits until the job's latest deployment has a status.
func (s *sim) deployed(job, status string, version uint64, limit time.Duration) time.Duration {
	s.t.Helper()
	return s.eventually(limit, "the deployment is "+status, func() error {
		d, _, err := s.api().Jobs().LatestDeployment(job, nil)
		if err != nil || d == nil {
			return fmt.Errorf("no deployment: %v", err)
		}
		if d.Status != status || d.JobVersion != version {
			return fmt.Errorf("it is %s at version %d: %s: %+v", d.Status, d.JobVersion, d.StatusDescription, d.TaskGroups["group"])
		}
		return nil
	})
}

// A rolling update replaces six by two after one canary, in the time that
// min_healthy_time forces and little more, and never below the healthy count.
func TestRollingUpdate(t *testing.T) {
	bubble(t, 3, 4, func(s *sim) {
		s.run(rolling("web", 6, "1", update(2, 0)), 6)
		s.deployed("web", "successful", 0, 30*time.Second)
		done, lowest := make(chan struct{}), make(chan int)
		go func() {
			low := 6
			for {
				select {
				case <-done:
					lowest <- low
					return
				case <-time.After(50 * time.Millisecond):
					low = min(low, s.truth("web"))
				}
			}
		}()
		if _, _, err := s.api().Jobs().Register(rolling("web", 6, "2", update(2, 1)), nil); err != nil {
			s.t.Fatal(err)
		}
		took := s.deployed("web", "successful", 1, 30*time.Second)
		close(done)
		low := <-lowest
		s.settle("web", 6)
		s.t.Logf("took %v, never fewer than %d ran", took, low)
		if low < 4 {
			s.t.Errorf("only %d ran at some time; max_parallel 2 allows no fewer than 4", low)
		}
		if took > 4800*time.Millisecond {
			s.t.Errorf("took %v of virtual time; 4 s are forced", took)
		}
	})
}

// A version that never gets healthy is reverted to the last stable one.
func TestBadVersionIsReverted(t *testing.T) {
	bubble(t, 3, 4, func(s *sim) {
		s.run(rolling("web", 4, "1", update(2, 0)), 4)
		s.deployed("web", "successful", 0, 30*time.Second)
		bad := rolling("web", 4, "2", update(2, 1))
		bad.TaskGroups[0].Tasks[0].Config = map[string]any{"run_for": "10ms", "exit_code": 1}
		bad.TaskGroups[0].RestartPolicy = &api.RestartPolicy{Attempts: ptr(0), Mode: ptr("fail"), Delay: ptr(time.Second), Interval: ptr(10 * time.Second)}
		if _, _, err := s.api().Jobs().Register(bad, nil); err != nil {
			s.t.Fatal(err)
		}
		s.deployed("web", "successful", 2, 2*time.Minute)
		s.settle("web", 4)
		job, _, err := s.api().Jobs().Info("web", nil)
		if err != nil {
			s.t.Fatal(err)
		}
		if got := job.TaskGroups[0].Tasks[0].Env["VERSION"]; got != "1" {
			s.t.Errorf("version %q runs, want the stable one, 1", got)
		}
	})
}

// A drained node is emptied within the migrate block's limits, and takes nothing new.
func TestDrain(t *testing.T) {
	bubble(t, 3, 3, func(s *sim) {
		s.run(service("web", 6), 6)
		victim := s.clients[0]
		spec := &api.DrainSpec{Deadline: time.Hour}
		if _, err := s.api().Nodes().UpdateDrain(victim.id.ID, spec, false, nil); err != nil {
			s.t.Fatal(err)
		}
		s.eventually(time.Minute, "the node is empty and its drain complete", func() error {
			n, _, err := s.api().Nodes().Info(victim.id.ID, nil)
			if err != nil {
				return err
			}
			if left := victim.mock.Running("web"); left > 0 || n.DrainStrategy != nil {
				return fmt.Errorf("%d tasks are left, strategy %v", left, n.DrainStrategy)
			}
			return nil
		})
		s.settle("web", 6)
	})
}

func TestScaleUpAndDown(t *testing.T) {
	bubble(t, 1, 3, func(s *sim) {
		s.run(service("web", 3), 3)
		for _, n := range []int{12, 0, 5} {
			if _, _, err := s.api().Jobs().Scale("web", "group", &n, "test", false, nil, nil); err != nil {
				s.t.Fatal(err)
			}
			s.settle("web", n)
		}
	})
}

// A system job runs once on every node, also on one that joins later.
func TestSystemJob(t *testing.T) {
	bubble(t, 1, 3, func(s *sim) {
		job := service("logs", 1)
		job.Type = ptr(api.JobTypeSystem)
		late := s.clients[2]
		late.die()
		s.eventually(time.Minute, "the dead node is down", func() error {
			n, _, err := s.api().Nodes().Info(late.id.ID, nil)
			if err == nil && n.Status != api.NodeStatusDown {
				err = fmt.Errorf("it is %s", n.Status)
			}
			return err
		})
		s.run(job, 2)
		late.start()
		s.settle("logs", 3)
	})
}

// A batch job runs to its end, and is not started again.
func TestBatchJobEnds(t *testing.T) {
	bubble(t, 1, 2, func(s *sim) {
		job := service("work", 4)
		job.Type = ptr(api.JobTypeBatch)
		job.TaskGroups[0].Tasks[0].Config = map[string]any{"run_for": "3s"}
		if _, _, err := s.api().Jobs().Register(job, nil); err != nil {
			s.t.Fatal(err)
		}
		s.eventually(30*time.Second, "the job is dead", func() error {
			j, _, err := s.api().Jobs().Info("work", nil)
			if err == nil && *j.Status != "dead" {
				err = fmt.Errorf("it is %s", *j.Status)
			}
			return err
		})
		time.Sleep(time.Minute)
		allocs, _, err := s.api().Jobs().Allocations("work", true, nil)
		if err != nil {
			s.t.Fatal(err)
		}
		for _, a := range allocs {
			if a.ClientStatus != api.AllocClientStatusComplete {
				s.t.Errorf("%s is %s", a.Name, a.ClientStatus)
			}
		}
		if len(allocs) != 4 {
			s.t.Errorf("%d allocations, want 4", len(allocs))
		}
	})
}

// A job that fails on its node is tried elsewhere, with growing delays.
func TestFailingAllocationIsRescheduled(t *testing.T) {
	bubble(t, 1, 3, func(s *sim) {
		job := service("bad", 1)
		job.TaskGroups[0].Tasks[0].Config = map[string]any{"run_for": "1s", "exit_code": 1}
		job.TaskGroups[0].RestartPolicy = &api.RestartPolicy{Attempts: ptr(0), Mode: ptr("fail"), Delay: ptr(time.Second), Interval: ptr(10 * time.Second)}
		job.TaskGroups[0].ReschedulePolicy = &api.ReschedulePolicy{Delay: ptr(5 * time.Second), DelayFunction: ptr("exponential"), MaxDelay: ptr(time.Minute), Unlimited: ptr(true)}
		job.TaskGroups[0].Update = &api.UpdateStrategy{MaxParallel: ptr(0)}
		if _, _, err := s.api().Jobs().Register(job, nil); err != nil {
			s.t.Fatal(err)
		}
		time.Sleep(60 * time.Second) // 1 + 5 + 1 + 10 + 1 + 20 + 1: four by then, the fifth after 40 more
		allocs, _, err := s.api().Jobs().Allocations("bad", true, nil)
		if err != nil {
			s.t.Fatal(err)
		}
		if len(allocs) != 4 {
			s.t.Errorf("%d attempts in a minute, want 4", len(allocs))
		}
		nodes := map[string]bool{}
		for _, a := range allocs {
			nodes[a.NodeID] = true
		}
		if len(nodes) < 2 {
			s.t.Error("every attempt was on the same node")
		}
	})
}

// What cannot be placed waits, says why, and is placed when room appears.
func TestUnplaceableWaitsForRoom(t *testing.T) {
	bubble(t, 1, 2, func(s *sim) {
		victim := s.clients[1]
		victim.die()
		time.Sleep(5 * time.Second)
		job := service("big", 2)
		job.TaskGroups[0].Tasks[0].Resources = &api.Resources{CPU: ptr(3000), MemoryMB: ptr(64)}
		resp, _, err := s.api().Jobs().Register(job, nil)
		if err != nil {
			s.t.Fatal(err)
		}
		s.eventually(10*time.Second, "the evaluation says what is missing", func() error {
			ev, _, err := s.api().Evaluations().Info(resp.EvalID, nil)
			if err != nil {
				return err
			}
			m := ev.FailedTGAllocs["group"]
			if m == nil || m.DimensionExhausted["cpu"] != 1 || ev.BlockedEval == "" {
				return fmt.Errorf("status %s, blocked %q, explanation %+v", ev.Status, ev.BlockedEval, m)
			}
			return nil
		})
		s.whole("big", 1, 10*time.Second)
		victim.start()
		s.settle("big", 2)
	})
}
