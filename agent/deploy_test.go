package agent

import (
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
)

// web is a service job of n named web whose deployments take seconds.
func web(n int, version string, parallel, canary int, change ...func(*api.Job)) *api.Job {
	job := rolling("web", n, version, &api.UpdateStrategy{
		MaxParallel: &parallel, Canary: &canary, AutoPromote: ptr(false), AutoRevert: ptr(false), HealthCheck: ptr("task_states"),
		MinHealthyTime: ptr(time.Second), HealthyDeadline: ptr(20 * time.Second), ProgressDeadline: ptr(time.Minute),
	})
	for _, f := range change {
		f(job)
	}
	return job
}

// failing makes every instance fail soon after its start, for good.
func failing(job *api.Job) {
	g := job.TaskGroups[0]
	g.Tasks[0].Config = map[string]any{"run_for": "100ms", "exit_code": 1}
	g.RestartPolicy = &api.RestartPolicy{Attempts: ptr(0), Mode: ptr("fail"), Delay: ptr(time.Second), Interval: ptr(10 * time.Second)}
}

// reverting asks for auto_revert.
func reverting(job *api.Job) { job.TaskGroups[0].Update.AutoRevert = ptr(true) }

// promoting asks for auto_promote.
func promoting(job *api.Job) { job.TaskGroups[0].Update.AutoPromote = ptr(true) }

// slow makes an instance wait for its health longer than a dead node is noticed in.
func slow(job *api.Job) { job.TaskGroups[0].Update.MinHealthyTime = ptr(5 * time.Second) }

// sized makes each instance take so many MHz; a node has 4000.
func sized(mhz int) func(*api.Job) {
	return func(job *api.Job) { job.TaskGroups[0].Tasks[0].Resources.CPU = &mhz }
}

func (st *story) promote(d *api.Deployment, groups ...string) {
	var err error
	if len(groups) == 0 {
		_, _, err = st.api().Deployments().PromoteAll(d.ID, nil)
	} else {
		_, _, err = st.api().Deployments().PromoteGroups(d.ID, groups, nil)
	}
	st.answer("promote", err)
}

func (st *story) pause(d *api.Deployment, pause bool) {
	_, _, err := st.api().Deployments().Pause(d.ID, pause, nil)
	st.answer(map[bool]string{true: "pause", false: "resume"}[pause], err)
}

func (st *story) fail(d *api.Deployment) {
	_, _, err := st.api().Deployments().Fail(d.ID, nil)
	st.answer("fail", err)
}

func (st *story) deregister(job string, purge bool) {
	_, _, err := st.api().Jobs().Deregister(job, purge, nil)
	st.answer(map[bool]string{true: "purge", false: "stop"}[purge], err)
}

func TestRolloutStories(t *testing.T) {
	tell(t, "rollout", []scenario{
		{"a first version", 3, func(st *story) {
			st.run(web(3, "1", 1, 0))
			st.until(0, "successful")
			st.show("web")
			st.plan(web(3, "1", 1, 0))
		}},
		{"a rolling update two at a time", 3, func(st *story) {
			st.run(web(5, "1", 2, 0))
			st.until(0, "successful")
			st.run(web(5, "2", 2, 0))
			st.sleep(500 * time.Millisecond)
			st.plan(web(5, "2", 2, 0))
			st.until(1, "successful")
			st.show("web")
		}},
		{"no deployment with max_parallel 0", 3, func(st *story) {
			st.run(web(3, "1", 0, 0))
			st.sleep(5 * time.Second)
			st.run(web(3, "2", 0, 0))
			st.sleep(5 * time.Second)
			st.show("web")
		}},
		{"an update in place", 3, func(st *story) {
			st.run(web(3, "1", 1, 0))
			st.until(0, "successful")
			st.run(web(3, "1", 1, 0, func(j *api.Job) { j.TaskGroups[0].Tasks[0].KillTimeout = ptr(7 * time.Second) }))
			st.until(1, "successful")
			st.show("web")
		}},
		{"a count that changes during a rollout", 3, func(st *story) {
			st.run(web(4, "1", 1, 0))
			st.until(0, "successful")
			st.run(web(4, "2", 1, 0))
			st.sleep(1500 * time.Millisecond)
			st.run(web(6, "2", 1, 0))
			st.until(2, "successful")
			st.run(web(2, "2", 1, 0))
			st.until(3, "successful")
			st.show("web")
		}},
		{"two versions in quick succession", 3, func(st *story) {
			st.run(web(3, "1", 1, 0))
			st.until(0, "successful")
			st.run(web(3, "2", 1, 0))
			st.sleep(300 * time.Millisecond)
			st.run(web(3, "3", 1, 0))
			st.until(2, "successful")
			st.show("web")
		}},
		{"pause and resume", 3, func(st *story) {
			st.run(web(3, "1", 1, 0))
			st.until(0, "successful")
			st.run(web(3, "2", 1, 0))
			st.sleep(500 * time.Millisecond)
			d := st.latest("web")
			st.pause(d, true)
			st.sleep(3 * time.Minute) // longer than the progress deadline: nobody works on it
			st.show("web")
			st.pause(d, false)
			st.until(1, "successful")
			st.pause(d, true)
		}},
		{"failed by hand", 3, func(st *story) {
			st.run(web(3, "1", 1, 0))
			st.until(0, "successful")
			st.run(web(3, "2", 1, 0))
			st.sleep(500 * time.Millisecond)
			d := st.latest("web")
			st.fail(d)
			st.sleep(10 * time.Second)
			st.show("web")
			st.fail(d)
		}},
		{"failed by hand with auto_revert", 3, func(st *story) {
			st.run(web(3, "1", 1, 0, reverting))
			st.until(0, "successful")
			st.run(web(3, "2", 1, 0, reverting))
			st.sleep(500 * time.Millisecond)
			st.fail(st.latest("web"))
			st.until(2, "successful")
			st.show("web")
		}},
		{"stopped and started again", 3, func(st *story) {
			st.run(web(2, "1", 1, 0))
			st.until(0, "successful")
			st.run(web(2, "2", 1, 0))
			st.sleep(500 * time.Millisecond)
			st.deregister("web", false)
			st.sleep(10 * time.Second)
			st.show("web")
			st.run(web(2, "2", 1, 0))
			st.until(3, "successful")
			st.show("web")
		}},
		{"purged during a rollout", 3, func(st *story) {
			st.run(web(2, "1", 1, 0))
			st.until(0, "successful")
			st.run(web(2, "2", 1, 0))
			st.sleep(500 * time.Millisecond)
			st.deregister("web", true)
			st.sleep(10 * time.Second)
			st.show("web")
			st.run(web(2, "3", 1, 0))
			st.until(0, "successful")
			st.show("web")
		}},
		{"reverted by hand during a rollout", 3, func(st *story) {
			st.run(web(3, "1", 1, 0))
			st.until(0, "successful")
			st.run(web(3, "2", 1, 0))
			st.sleep(500 * time.Millisecond)
			_, _, err := st.api().Jobs().Revert("web", 0, nil, nil, "", "")
			st.answer("revert to 0", err)
			st.until(2, "successful")
			st.show("web")
			_, _, err = st.api().Jobs().Revert("web", 2, nil, nil, "", "")
			st.answer("revert to 2", err)
		}},
		{"a bad version is reverted", 3, func(st *story) {
			st.run(web(3, "1", 1, 0, reverting))
			st.until(0, "successful")
			st.run(web(3, "2", 1, 0, reverting, failing))
			st.until(2, "successful")
			st.show("web")
		}},
		{"a bad first version has nothing to revert to", 2, func(st *story) {
			st.run(web(1, "1", 1, 0, reverting, failing))
			st.until(0, "failed")
			st.show("web")
		}},
		{"a bad version without auto_revert", 3, func(st *story) {
			st.run(web(3, "1", 1, 0))
			st.until(0, "successful")
			st.run(web(3, "2", 1, 0, failing))
			st.until(1, "failed")
			st.sleep(20 * time.Second)
			st.show("web")
		}},
		{"unhealthy and not to be rescheduled fails at once", 3, func(st *story) {
			never := func(j *api.Job) {
				j.TaskGroups[0].ReschedulePolicy = &api.ReschedulePolicy{Attempts: ptr(0), Unlimited: ptr(false), Interval: ptr(time.Hour), Delay: ptr(5 * time.Second), DelayFunction: ptr("constant"), MaxDelay: ptr(time.Hour)}
			}
			st.run(web(3, "1", 1, 0, reverting, never))
			st.until(0, "successful")
			st.run(web(3, "2", 1, 0, reverting, never, failing))
			st.until(2, "successful")
			st.show("web")
		}},
		{"a progress deadline of 0 fails with the first unhealthy one", 3, func(st *story) {
			zero := func(j *api.Job) { j.TaskGroups[0].Update.ProgressDeadline = ptr(time.Duration(0)) }
			st.run(web(3, "1", 1, 0, zero))
			st.until(0, "successful")
			st.run(web(3, "2", 1, 0, zero, failing))
			st.until(1, "failed")
		}},
		{"a version that fits nowhere", 2, func(st *story) {
			st.run(web(2, "1", 1, 0, reverting, sized(3000)))
			st.until(0, "successful")
			st.run(web(2, "2", 1, 0, reverting, sized(9000)))
			st.until(2, "successful")
			st.show("web")
		}},
	})
}
