package agent

import (
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
)

// enforce registers a job if its index is still the one that a plan gave.
func (st *story) enforce(job *api.Job, index uint64) {
	_, _, err := st.api().Jobs().EnforceRegister(job, index, nil)
	if err != nil && strings.Contains(err.Error(), api.RegisterEnforceIndexErrPrefix) {
		st.line("register with that index: refused, the job has changed")
		return
	}
	st.answer("register with that index", err)
}

// elsewhere puts a job into the namespace apps.
func elsewhere(job *api.Job) { job.Namespace = ptr("apps") }

func TestPlanStories(t *testing.T) {
	tell(t, "plan", []scenario{
		{"planned, then registered with its index", 2, func(st *story) {
			first := st.plan(web(2, "1", 1, 0))
			st.enforce(web(2, "1", 1, 0), first.JobModifyIndex)
			st.until(0, "successful")
			second := st.plan(web(2, "2", 1, 0))
			st.enforce(web(2, "2", 1, 0), second.JobModifyIndex)
			st.until(1, "successful")
			st.enforce(web(2, "3", 1, 0), second.JobModifyIndex)
			st.show("web")
		}},
		{"of a stopped job", 2, func(st *story) {
			st.run(web(2, "1", 1, 0))
			st.until(0, "successful")
			st.deregister("web", false)
			st.sleep(3 * time.Second)
			st.plan(web(2, "1", 1, 0))
		}},
		{"what only constrains", 3, func(st *story) {
			st.run(web(3, "1", 1, 0, apart))
			st.until(0, "successful")
			st.plan(web(3, "1", 1, 0, apart, func(j *api.Job) { j.Constrain(api.NewConstraint("${node.unique.name}", "!=", "client-1")) }))
			st.plan(web(3, "1", 1, 0, apart, func(j *api.Job) { j.Priority = ptr(70) }))
			st.plan(web(3, "1", 1, 0, apart, func(j *api.Job) { j.Datacenters = []string{"dc2"} }))
		}},
		{"groups that come and go", 3, func(st *story) {
			st.run(web(2, "1", 1, 0))
			st.until(0, "successful")
			st.plan(web(2, "1", 1, 0, withGroup(2, 1, 0, "1")))
			st.plan(web(2, "1", 1, 0, func(j *api.Job) { j.TaskGroups[0].Name = ptr("other") }))
			st.plan(web(1, "1", 1, 0))
			st.plan(web(4, "2", 3, 0))
		}},
		{"what evicts", 2, func(st *story) {
			_, _, err := st.api().Operator().SchedulerSetConfiguration(&api.SchedulerConfiguration{
				SchedulerAlgorithm: "binpack", PreemptionConfig: api.PreemptionConfig{ServiceSchedulerEnabled: true},
			}, nil)
			st.answer("preemption for services", err)
			low := batchOf(2, "1h", "1")
			low.Priority = ptr(20)
			sized(3000)(low)
			st.run(low)
			st.sleep(2 * time.Second)
			high := web(1, "1", 1, 0, sized(2000))
			high.Priority = ptr(80)
			st.run(high)
			st.until(0, "successful")
			st.show("work")
		}},
		{"what can't be placed, and why", 2, func(st *story) {
			st.plan(web(2, "1", 1, 0, sized(9000)))
			st.plan(web(2, "1", 1, 0, func(j *api.Job) { j.Constrain(api.NewConstraint("${attr.kernel.name}", "=", "plan9")) }))
			st.plan(web(3, "1", 1, 0, apart))
		}},
		{"moved to another namespace", 2, func(st *story) {
			_, err := st.api().Namespaces().Register(&api.Namespace{Name: "apps"}, nil)
			st.answer("namespace apps", err)
			st.run(web(1, "1", 1, 0))
			st.until(0, "successful")
			resp, _, err := st.api().Jobs().Plan(web(1, "1", 1, 0, elsewhere), true, nil)
			st.answer("plan it there", err)
			st.line("plan (%s): %s", resp.Diff.Type, desiredOf(resp.Annotations))
			_, _, err = st.api().Jobs().Register(web(1, "1", 1, 0, elsewhere), nil)
			st.answer("register it there", err)
			st.deregister("web", true)
			st.sleep(5 * time.Second)
			st.show("web")
		}},
		{"of a system job", 3, func(st *story) {
			st.run(systemOf("1", 1, 0))
			st.until(0, "successful")
			st.plan(systemOf("2", 1, 0))
			st.plan(systemOf("1", 1, 0, func(j *api.Job) { j.Constrain(api.NewConstraint("${node.unique.name}", "!=", "client-1")) }))
			st.plan(systemOf("1", 1, 0, func(j *api.Job) { j.TaskGroups[0].Count = ptr(0) }))
		}},
	})
}
