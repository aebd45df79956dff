package httpapi

import (
	"cmp"

	"github.com/hashicorp/go-memdb"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
)

// jobAction is one action of a job in a list of them.
type jobAction struct {
	Name, TaskName, TaskGroupName string
}

// jobActions is GET /v1/job/:id/actions: what the job's tasks offer to run.
func jobActions(a *API, r *request) (any, error) {
	return a.readJob(r, func(_ *state.Snapshot, _ memdb.WatchSet, job *api.Job) (any, uint64, error) {
		actions := []jobAction{}
		for _, g := range job.TaskGroups {
			for _, t := range g.Tasks {
				for _, action := range t.Actions {
					actions = append(actions, jobAction{action.Name, t.Name, *g.Name})
				}
			}
		}
		return actions, *job.ModifyIndex, nil
	})
}

// jobActionExec is GET /v1/job/:id/action (?action, ?allocID, ?group, ?task, ?tty): a
// websocket, as alloc exec has, on which the action's command runs. Without an
// allocation it runs in one of the job's that runs.
func jobActionExec(a *API, r *request) (any, error) {
	s := ExecSession{Task: r.query.Get("task"), Action: r.query.Get("action")}
	allocID := r.query.Get("allocID")
	if allocID == "" && a.cfg.State != nil {
		allocID = a.actionAlloc(r)
		r.query.Set("allocID", allocID)
	}
	r.vars["alloc"] = allocID // whoever asks allow means the allocation
	return a.exec(r, allocID, &s, func() error {
		switch {
		case s.Action == "":
			return badRequest("no action is named: set ?action=")
		case s.Task == "":
			return badRequest("no task is named: set ?task=")
		case allocID == "":
			return notFound("job %q has no running allocation that could run an action", r.vars["id"])
		}
		return nil
	})
}

// actionAlloc is the oldest running allocation of the job, or of its ?group; "" none.
func (a *API) actionAlloc(r *request) string {
	var found *state.Alloc
	for row := range a.cfg.State.Snapshot().AllocsByJob(nil, r.namespace, r.vars["id"]) {
		group := r.query.Get("group")
		if row.Client != api.AllocClientStatusRunning || group != "" && row.Group != group {
			continue
		}
		if found == nil || cmp.Less(row.CreateIndex, found.CreateIndex) {
			found = row
		}
	}
	if found == nil {
		return ""
	}
	return found.ID
}
