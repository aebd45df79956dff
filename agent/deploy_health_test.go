package agent

import (
	"cmp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
)

// unchecked makes health a matter of checks that never pass: nothing listens.
func unchecked(job *api.Job) {
	g := job.TaskGroups[0]
	g.Networks = []*api.NetworkResource{{DynamicPorts: []api.Port{{Label: "http"}}}}
	g.Services = []*api.Service{{Name: "web", PortLabel: "http", Provider: "nomad", Checks: []api.ServiceCheck{
		{Type: "tcp", Interval: 2 * time.Second, Timeout: time.Second},
	}}}
	g.Update.HealthCheck = ptr("checks")
}

// manual leaves health to be said by hand.
func manual(job *api.Job) { job.TaskGroups[0].Update.HealthCheck = ptr("manual") }

// retried sets the reschedule block.
func retried(function string, delay time.Duration, attempts int) func(*api.Job) {
	return func(job *api.Job) {
		p := &api.ReschedulePolicy{Delay: &delay, DelayFunction: &function, MaxDelay: ptr(time.Hour), Attempts: &attempts, Interval: ptr(time.Hour), Unlimited: ptr(attempts == 0)}
		job.TaskGroups[0].ReschedulePolicy = p
	}
}

// say sets the health of the deployment's running allocations by hand.
func (st *story) say(healthy bool) {
	st.t.Helper()
	d := st.latest("web")
	list, _, err := st.api().Deployments().Allocations(d.ID, nil)
	if err != nil {
		st.t.Fatal(err)
	}
	var ids []string
	for _, a := range list {
		if a.DesiredStatus == api.AllocDesiredStatusRun && (a.DeploymentStatus == nil || a.DeploymentStatus.Healthy == nil) {
			ids = append(ids, a.ID)
		}
	}
	if healthy {
		_, _, err = st.api().Deployments().SetAllocHealth(d.ID, ids, nil, nil)
	} else {
		_, _, err = st.api().Deployments().SetAllocHealth(d.ID, nil, ids, nil)
	}
	st.answer(map[bool]string{true: "say healthy", false: "say unhealthy"}[healthy], err)
}

func TestHealthStories(t *testing.T) {
	tell(t, "health", []scenario{
		{"checks that never pass", 3, func(st *story) {
			st.run(web(2, "1", 1, 0, reverting))
			st.until(0, "successful")
			st.run(web(2, "2", 1, 0, reverting, unchecked, retried("constant", 5*time.Second, 0)))
			st.sleep(30 * time.Second) // healthy_deadline is 20 s
			st.show("web")
			st.until(2, "successful")
			st.show("web")
		}},
		{"said by hand", 3, func(st *story) {
			st.run(web(2, "1", 1, 0, manual))
			st.sleep(5 * time.Second)
			st.say(true)
			st.until(0, "successful")
			st.run(web(2, "2", 1, 0, manual))
			st.sleep(5 * time.Second)
			st.say(true)
			st.sleep(5 * time.Second)
			st.say(true)
			st.until(1, "successful")
		}},
		{"said to be unhealthy by hand", 3, func(st *story) {
			st.run(web(2, "1", 1, 0, manual, reverting))
			st.say(true)
			st.until(0, "successful")
			st.run(web(2, "2", 1, 0, manual, reverting, retried("constant", 5*time.Second, 1)))
			st.sleep(2 * time.Second)
			st.say(false)
			st.sleep(10 * time.Second)
			st.show("web")
			st.say(false)
			st.sleep(time.Second)
			st.show("web")
		}},
		{"rescheduled with a constant delay, twice", 3, func(st *story) {
			st.run(web(1, "1", 0, 0, failing, retried("constant", 5*time.Second, 2)))
			st.sleep(30 * time.Second)
			st.show("web")
			st.plan(web(1, "1", 0, 0, failing, retried("constant", 5*time.Second, 2)))
		}},
		{"rescheduled with fibonacci delays", 3, func(st *story) {
			job := web(1, "1", 0, 0, failing, retried("fibonacci", 5*time.Second, 0))
			st.run(job)
			st.sleep(3 * time.Second)
			st.plan(job)          // waits for its follow-up
			st.sleep(time.Minute) // 5, 5, 10, 15, 25: the fifth attempt began at 35.5 s
			st.show("web")
		}},
		{"a reschedule asked for by hand", 3, func(st *story) {
			st.run(web(1, "1", 0, 0, failing, retried("constant", 10*time.Minute, 0)))
			st.sleep(5 * time.Second)
			_, _, err := st.api().Jobs().EvaluateWithOpts("web", api.EvalOptions{ForceReschedule: true}, nil)
			st.answer("evaluate with force_reschedule", err)
			st.sleep(5 * time.Second)
			st.show("web")
		}},
		{"an allocation stopped by hand", 3, func(st *story) {
			st.run(web(2, "1", 1, 0))
			st.until(0, "successful")
			_, err := st.api().Allocations().Stop(&api.Allocation{ID: st.someOf("web", 0)}, nil)
			st.answer("stop an allocation", err)
			st.sleep(5 * time.Second)
			st.show("web")
		}},
		{"lost with its node", 3, func(st *story) {
			st.run(web(3, "1", 1, 0, func(j *api.Job) { j.Constrain(api.NewConstraint("", "distinct_hosts", "true")) }))
			st.until(0, "successful")
			victim := st.clients[0]
			victim.die()
			st.sleep(10 * time.Second)
			st.show("web")
			victim.start()
			st.sleep(10 * time.Second)
			st.show("web")
		}},
		{"lost during a rollout", 4, func(st *story) {
			st.run(web(4, "1", 1, 0))
			st.until(0, "successful")
			st.run(web(4, "2", 1, 0, slow))
			st.sleep(1500 * time.Millisecond)
			st.hostOf(st.someOf("web", 0)).die()
			st.sleep(30 * time.Second)
			st.until(1, "successful")
			st.show("web")
		}},
		{"scaled up and down", 3, func(st *story) {
			st.run(web(3, "1", 1, 0))
			st.until(0, "successful")
			for i, n := range []int{5, 2, 0, 1} {
				_, _, err := st.api().Jobs().Scale("web", "group", &n, "", false, nil, nil)
				st.line("scale to %d", n)
				st.answer("scaled", err)
				if n == 0 {
					st.sleep(5 * time.Second)
				} else {
					st.until(uint64(i+1), "successful")
				}
			}
			st.show("web")
		}},
	})
}

// someOf is the first by name and node of a job's allocations at a version that should run.
func (st *story) someOf(job string, version uint64) string {
	st.t.Helper()
	list, _, err := st.api().Jobs().Allocations(job, false, nil)
	if err != nil {
		st.t.Fatal(err)
	}
	slices.SortFunc(list, func(a, b *api.AllocationListStub) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.NodeID, b.NodeID))
	})
	for _, a := range list {
		if a.JobVersion == version && a.DesiredStatus == api.AllocDesiredStatusRun {
			return a.ID
		}
	}
	st.t.Fatalf("nothing of %s runs at version %d", job, version)
	return ""
}
