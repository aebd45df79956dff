package leader

import (
	"testing"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
	"github.com/selfheal/selfheal/scheduler"
)

// A job is registered, a node joins, and only then the plan that was decided
// without the node is committed: the job must not wait for the next node.
func TestBlockedEvaluationWakesForCapacityItDidNotSee(t *testing.T) {
	for _, tt := range []struct {
		name  string
		joins bool
		want  string
	}{
		{"a node joined meanwhile", true, api.EvalStatusPending},
		{"nothing changed", false, api.EvalStatusBlocked},
	} {
		w := newWorld(t)
		job := api.NewServiceJob("web", "web", "global", 50)
		job.AddTaskGroup(api.NewTaskGroup("group", 1).AddTask(api.NewTask("task", "mock_driver")))
		job.Canonicalize()
		id := w.apply(&state.RegisterJob{Job: job}).(*state.JobResult).EvalID
		snap := w.store.Snapshot()
		main, row := snap.Eval(nil, id), snap.Job(nil, "default", "web")

		e := &evaluator{index: snap.LastIndex(), seen: snap.LastIndex()}
		plan := state.Plan{EvalID: id, Namespace: "default", JobID: "web"}
		failed := &scheduler.Plan{Failed: map[string]*scheduler.Metric{"group": {}}, Queued: map[string]int{"group": 1}}
		e.finish(&plan, failed, main, []*api.Evaluation{main}, row, w.now)
		if tt.joins {
			w.node(1)
		}
		w.apply(&state.ApplyPlans{Plans: []state.Plan{plan}})

		waiting := w.store.Snapshot().Eval(nil, plan.Evals[0].BlockedEval)
		if waiting == nil || waiting.Status != tt.want {
			t.Errorf("%s: the evaluation that waits is %+v, want it %s", tt.name, waiting, tt.want)
		}
	}
}
