package httpapi

import (
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
)

// maxEvalDelete bounds one log entry; a filter that matches more is asked again
// until nothing is left.
const maxEvalDelete = 10_000

// evalsDelete is DELETE /v1/evaluations: those of EvalIDs, or those that Filter
// matches. It is a last resort of operators, so evaluating has to be paused first:
// an evaluation that vanishes while it is decided would come back.
func evalsDelete(a *API, r *request) (any, error) {
	var body api.EvalDeleteRequest
	if err := a.decode(r, &body); err != nil {
		return nil, err
	}
	snap := a.cfg.State.Snapshot()
	switch {
	case (len(body.EvalIDs) == 0) == (body.Filter == ""):
		return nil, badRequest("evals must be deleted by either EvalIDs or Filter: set one of them")
	case !snap.SchedulerConfig(nil).PauseEvalBroker:
		return nil, badRequest("eval broker is enabled; eval broker must be paused to delete evals: " +
			"set PauseEvalBroker in the scheduler configuration")
	}
	ids, err := chosenEvals(r, snap, body)
	if err != nil {
		return nil, err
	}
	r.index = snap.LastIndex()
	if len(ids) > 0 {
		if _, err := apply[any](a, r, &state.Reap{Evals: ids}); err != nil {
			return nil, err
		}
	}
	return &api.EvalDeleteResponse{Count: len(ids)}, nil
}

// chosenEvals are the IDs of the evaluations to delete, all of which exist.
func chosenEvals(r *request, snap *state.Snapshot, body api.EvalDeleteRequest) ([]string, error) {
	for _, id := range body.EvalIDs {
		if snap.Eval(nil, id) == nil {
			return nil, notFound("eval not found: %s", id)
		}
	}
	if body.Filter == "" {
		return body.EvalIDs, nil
	}
	match, err := newFilter(body.Filter)
	if err != nil {
		return nil, err
	}
	var ids []string
	for e := range snap.Evals(nil, r.namespace, "") {
		ok, err := match(e)
		if err != nil {
			return nil, err
		}
		if ok && len(ids) < maxEvalDelete {
			ids = append(ids, e.ID)
		}
	}
	return ids, nil
}
