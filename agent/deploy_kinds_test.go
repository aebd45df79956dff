package agent

import (
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
)

// systemOf is a system job with an update block.
func systemOf(version string, parallel, canary int, change ...func(*api.Job)) *api.Job {
	job := web(1, version, parallel, canary, change...)
	job.Type = ptr(api.JobTypeSystem)
	return job
}

// once is a sysbatch job that runs for a second.
func once(version string) *api.Job {
	job := batchOf(1, "1s", version)
	job.Type = ptr(api.JobTypeSysbatch)
	return job
}

func TestSystemStories(t *testing.T) {
	tell(t, "system", []scenario{
		{"a first version and a node that joins", 2, func(st *story) {
			st.run(systemOf("1", 1, 0))
			st.until(0, "successful")
			st.add(false).start()
			st.sleep(5 * time.Second)
			st.show("web")
			st.plan(systemOf("1", 1, 0))
		}},
		{"a rolling update node by node", 4, func(st *story) {
			st.run(systemOf("1", 4, 0))
			st.until(0, "successful")
			st.run(systemOf("2", 2, 0))
			st.until(1, "successful")
			st.show("web")
		}},
		{"canaries on a share of the nodes", 4, func(st *story) {
			st.run(systemOf("1", 4, 0))
			st.until(0, "successful")
			st.run(systemOf("2", 1, 50))
			st.sleep(5 * time.Second)
			st.show("web")
			st.promote(st.latest("web"))
			st.until(1, "successful")
			st.show("web")
		}},
		{"canaries that fail are reverted", 4, func(st *story) {
			st.run(systemOf("1", 4, 0, reverting))
			st.until(0, "successful")
			st.run(systemOf("2", 1, 25, reverting, failing))
			st.until(2, "successful")
			st.show("web")
		}},
		{"nodes that join during a rollout", 3, func(st *story) {
			st.run(systemOf("1", 3, 0))
			st.until(0, "successful")
			st.run(systemOf("2", 1, 0))
			st.sleep(500 * time.Millisecond)
			st.add(false).start()
			st.add(false).start()
			st.until(1, "successful")
			st.show("web")
		}},
		{"a node that joins while canaries wait", 2, func(st *story) {
			st.run(systemOf("1", 2, 0))
			st.until(0, "successful")
			st.run(systemOf("2", 1, 50))
			st.sleep(3 * time.Second)
			st.add(false).start()
			st.sleep(3 * time.Second)
			st.show("web")
			st.promote(st.latest("web"))
			st.until(1, "successful")
			st.show("web")
		}},
		{"a node that leaves during a rollout", 3, func(st *story) {
			st.run(systemOf("1", 3, 0))
			st.until(0, "successful")
			st.run(systemOf("2", 1, 0, slow))
			st.sleep(500 * time.Millisecond)
			st.hostOf(st.someOf("web", 0)).die()
			st.sleep(20 * time.Second)
			st.until(1, "successful")
			st.show("web")
		}},
		{"a node that is drained during a rollout", 3, func(st *story) {
			st.run(systemOf("1", 3, 0))
			st.until(0, "successful")
			st.run(systemOf("2", 1, 0, slow))
			st.sleep(500 * time.Millisecond)
			st.drain(st.hostOf(st.someOf("web", 0)), &api.DrainSpec{Deadline: time.Hour})
			st.sleep(30 * time.Second)
			st.until(1, "successful")
			st.show("web")
		}},
		{"a constraint that leaves nodes out", 3, func(st *story) {
			job := systemOf("1", 1, 0)
			job.Constrain(api.NewConstraint("${node.unique.name}", "!=", "client-1"))
			st.run(job)
			st.until(0, "successful")
			st.show("web")
		}},
		{"stopped and started again", 2, func(st *story) {
			st.run(systemOf("1", 2, 0))
			st.until(0, "successful")
			st.deregister("web", false)
			st.sleep(5 * time.Second)
			st.show("web")
			st.run(systemOf("1", 2, 0))
			st.until(2, "successful")
			st.show("web")
		}},
		{"sysbatch once on every node", 2, func(st *story) {
			st.run(once("1"))
			st.sleep(5 * time.Second)
			st.show("work")
			st.plan(once("1"))
			st.add(false).start()
			st.sleep(5 * time.Second)
			st.show("work")
			st.run(once("2"))
			st.sleep(5 * time.Second)
			st.show("work")
		}},
		{"evicts what matters less", 2, func(st *story) {
			big := batchOf(2, "1h", "1")
			big.Priority = ptr(20)
			sized(3000)(big)
			st.run(big)
			st.sleep(2 * time.Second)
			agent := systemOf("1", 2, 0, sized(2000))
			agent.Priority = ptr(80)
			st.run(agent)
			st.until(0, "successful")
			st.show("work")
		}},
	})
}

func TestBatchStories(t *testing.T) {
	tell(t, "batch", []scenario{
		{"runs to its end and is not started again", 2, func(st *story) {
			st.run(batchOf(2, "2s", "1"))
			st.sleep(10 * time.Second)
			st.show("work")
			st.plan(batchOf(2, "2s", "1"))
			st.run(batchOf(2, "2s", "1"))
			st.sleep(10 * time.Second)
			st.show("work")
		}},
		{"a new version does not run complete ones again", 2, func(st *story) {
			st.run(batchOf(2, "2s", "1"))
			st.sleep(10 * time.Second)
			st.run(batchOf(2, "2s", "2"))
			st.sleep(10 * time.Second)
			st.show("work")
			st.run(batchOf(4, "2s", "3"))
			st.sleep(10 * time.Second)
			st.show("work")
		}},
		{"a new version replaces what still runs", 2, func(st *story) {
			st.run(batchOf(2, "1m", "1"))
			st.sleep(5 * time.Second)
			st.run(batchOf(2, "10s", "2"))
			st.sleep(20 * time.Second)
			st.show("work")
		}},
		{"a failed one is rescheduled once", 3, func(st *story) {
			job := batchOf(1, "1s", "1")
			job.TaskGroups[0].Tasks[0].Config["exit_code"] = 1
			job.TaskGroups[0].RestartPolicy = &api.RestartPolicy{Attempts: ptr(0), Mode: ptr("fail"), Delay: ptr(time.Second), Interval: ptr(10 * time.Second)}
			st.run(job)
			st.sleep(30 * time.Second)
			st.show("work")
			st.plan(job)
		}},
		{"lost with its node", 2, func(st *story) {
			st.run(batchOf(1, "20s", "1"))
			st.sleep(5 * time.Second)
			st.hostOf(st.someOf("work", 0)).die()
			st.sleep(40 * time.Second)
			st.show("work")
		}},
		{"stopped and run again", 2, func(st *story) {
			st.run(batchOf(2, "10s", "1"))
			st.sleep(2 * time.Second)
			st.deregister("work", false)
			st.sleep(5 * time.Second)
			st.show("work")
			st.run(batchOf(2, "10s", "1"))
			st.sleep(20 * time.Second)
			st.show("work")
		}},
		{"a periodic job is a template", 1, func(st *story) {
			job := batchOf(1, "1s", "1")
			job.Periodic = &api.PeriodicConfig{Specs: []string{"*/10 * * * * * *"}, SpecType: ptr("cron"), ProhibitOverlap: ptr(true), Enabled: ptr(true), TimeZone: ptr("Europe/Berlin")}
			resp := st.plan(job)
			st.line("next launch is set: %v", !resp.NextPeriodicLaunch.IsZero())
			st.run(job)
			st.sleep(25 * time.Second)
			j, _, err := st.api().Jobs().Info("work", nil)
			st.answer("info", err)
			st.line("it is %s", *j.Status)
			sum, _, err := st.api().Jobs().Summary("work", nil)
			st.answer("summary", err)
			st.line("children are there: %v", sum.Children.Dead >= 2)
			st.deregister("work", false)
			st.sleep(time.Second)
		}},
		{"a parameterized job is a template", 1, func(st *story) {
			job := batchOf(1, "1s", "1")
			job.ParameterizedJob = &api.ParameterizedJobConfig{Payload: "required", MetaRequired: []string{"who"}}
			st.run(job)
			_, _, err := st.api().Jobs().Dispatch("work", map[string]string{"who": "x"}, nil, "", nil)
			st.answer("dispatch without a payload", err)
			_, _, err = st.api().Jobs().Dispatch("work", nil, []byte("x"), "", nil)
			st.answer("dispatch without meta", err)
			_, _, err = st.api().Jobs().Dispatch("work", map[string]string{"who": "x", "why": "y"}, []byte("x"), "", nil)
			st.answer("dispatch with unknown meta", err)
			resp, _, err := st.api().Jobs().Dispatch("work", map[string]string{"who": "x"}, []byte("x"), "", nil)
			st.answer("dispatch", err)
			st.sleep(5 * time.Second)
			st.line("the child ran: %v", st.anyComplete(resp.DispatchedJobID))
			st.plan(job)
		}},
	})
}

func (st *story) anyComplete(job string) bool {
	list, _, err := st.api().Jobs().Allocations(job, false, nil)
	return err == nil && len(list) == 1 && list[0].ClientStatus == api.AllocClientStatusComplete
}
