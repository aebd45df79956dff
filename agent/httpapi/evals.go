package httpapi

import (
	"iter"

	"github.com/hashicorp/go-memdb"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
)

// evalsList is GET /v1/evaluations (?status, ?job).
func evalsList(a *API, r *request) (any, error) {
	keep, err := keepEvals(r)
	if err != nil {
		return nil, err
	}
	l := list[*api.Evaluation, *api.Evaluation]{
		at:       func(e *api.Evaluation) token { return r.indexed(e.CreateIndex, e.ID) },
		numbered: r.prefix == "",
		keep:     keep,
		show:     func(e *api.Evaluation) *api.Evaluation { return e },
	}
	r.zeroIndex = true
	return readPage(a, r, l, func(s *state.Snapshot, ws memdb.WatchSet) (iter.Seq[*api.Evaluation], uint64) {
		return visible(r, evalSpace, s.Evals(ws, r.namespace, r.prefix)), s.Index(state.TableEvals)
	})
}

// keepEvals is the choice of ?status and ?job, which exclude ?filter.
func keepEvals(r *request) (func(*api.Evaluation) bool, error) {
	status, job := r.query.Get("status"), r.query.Get("job")
	if r.filter != "" && (status != "" || job != "") {
		return nil, badRequest("filter can not be used with other filter parameters (status, job)")
	}
	return func(e *api.Evaluation) bool {
		return (status == "" || e.Status == status) && (job == "" || e.JobID == job)
	}, nil
}

// evalsCount is GET /v1/evaluations/count.
func evalsCount(a *API, r *request) (any, error) {
	keep, err := keepEvals(r)
	if err != nil {
		return nil, err
	}
	match, err := newFilter(r.filter)
	if err != nil {
		return nil, err
	}
	return a.read(r, func(snap *state.Snapshot, ws memdb.WatchSet) (any, uint64, error) {
		resp := &api.EvalCountResponse{}
		for e := range visible(r, evalSpace, snap.Evals(ws, r.namespace, r.prefix)) {
			if !keep(e) {
				continue
			}
			ok, err := match(e)
			if err != nil {
				return nil, 1, err
			}
			if ok {
				resp.Count++
			}
		}
		index := snap.Index(state.TableEvals)
		resp.LastIndex = index
		return resp, index, nil
	})
}

// evalInfo is GET /v1/evaluation/:id; with ?related also the evaluations before and after it.
func evalInfo(a *API, r *request) (any, error) {
	related, err := r.flag("related", true)
	if err != nil {
		return nil, err
	}
	return a.read(r, func(snap *state.Snapshot, ws memdb.WatchSet) (any, uint64, error) {
		e := snap.Eval(ws, r.vars["id"])
		if e == nil {
			return nil, snap.Index(state.TableEvals), notFound("eval not found")
		}
		if related {
			with := *e
			with.RelatedEvals = relatedEvals(snap, e)
			return &with, e.ModifyIndex, nil
		}
		return e, e.ModifyIndex, nil
	})
}

// maxRelated bounds the chain that an evaluation's answer follows.
const maxRelated = 100

// relatedEvals follows the links of an evaluation in both directions.
func relatedEvals(snap *state.Snapshot, e *api.Evaluation) []*api.EvaluationStub {
	seen := map[string]bool{"": true, e.ID: true}
	todo := []string{e.NextEval, e.PreviousEval, e.BlockedEval}
	stubs := []*api.EvaluationStub{}
	for len(todo) > 0 && len(stubs) < maxRelated {
		id := todo[0]
		todo = todo[1:]
		if seen[id] {
			continue
		}
		seen[id] = true
		if other := snap.Eval(nil, id); other != nil {
			stubs = append(stubs, evalStub(other))
			todo = append(todo, other.NextEval, other.PreviousEval, other.BlockedEval)
		}
	}
	return stubs
}

func evalStub(e *api.Evaluation) *api.EvaluationStub {
	return &api.EvaluationStub{
		ID: e.ID, Priority: e.Priority, Type: e.Type, TriggeredBy: e.TriggeredBy, Namespace: e.Namespace,
		JobID: e.JobID, NodeID: e.NodeID, DeploymentID: e.DeploymentID, Status: e.Status,
		StatusDescription: e.StatusDescription, WaitUntil: e.WaitUntil, NextEval: e.NextEval,
		PreviousEval: e.PreviousEval, BlockedEval: e.BlockedEval, CreateIndex: e.CreateIndex,
		ModifyIndex: e.ModifyIndex, CreateTime: e.CreateTime, ModifyTime: e.ModifyTime,
	}
}

// evalAllocations is GET /v1/evaluation/:id/allocations. An unknown evaluation has none.
func evalAllocations(a *API, r *request) (any, error) {
	r.zeroIndex = true
	return a.read(r, func(snap *state.Snapshot, ws memdb.WatchSet) (any, uint64, error) {
		stubs, index := stubsOf(snap, snap.AllocsByEval(ws, r.vars["id"]))
		return stubs, index, nil
	})
}
