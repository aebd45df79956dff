package httpapi

import (
	"iter"

	"github.com/hashicorp/go-memdb"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
)

// allocsList is GET /v1/allocations (?resources, ?task_states).
func allocsList(a *API, r *request) (any, error) {
	resources, err := r.flag("resources", true)
	if err != nil {
		return nil, err
	}
	taskStates := true
	if r.query.Has("task_states") {
		if taskStates, err = r.flag("task_states", true); err != nil {
			return nil, err
		}
	}
	var snap *state.Snapshot
	l := list[*state.Alloc, *api.AllocationListStub]{
		at:       func(row *state.Alloc) token { return r.indexed(row.CreateIndex, row.ID) },
		numbered: r.prefix == "",
		filterOn: func(row *state.Alloc) any { return snap.API(row) },
		show: func(row *state.Alloc) *api.AllocationListStub {
			stub := snap.API(row).Stub()
			if resources {
				stub.AllocatedResources = row.Resources
			}
			if !taskStates {
				stub.TaskStates = nil
			}
			return stub
		},
	}
	r.zeroIndex = true
	return readPage(a, r, l, func(s *state.Snapshot, ws memdb.WatchSet) (iter.Seq[*state.Alloc], uint64) {
		snap = s
		return visible(r, allocSpace, s.Allocs(ws, r.namespace, r.prefix)), s.Index(state.TableAllocs)
	})
}

// indexed is a row's place in the lists that are ordered by creation, unless a
// prefix is asked for.
func (r *request) indexed(createIndex uint64, id string) token {
	if r.prefix != "" {
		return byName(id)
	}
	return byIndex(createIndex, id)
}

// allocInfo is GET /v1/allocation/:id, with its job.
func allocInfo(a *API, r *request) (any, error) {
	return a.read(r, func(snap *state.Snapshot, ws memdb.WatchSet) (any, uint64, error) {
		row := snap.Alloc(ws, r.vars["id"])
		if row == nil {
			return nil, snap.Index(state.TableAllocs), errAllocNotFound
		}
		return snap.API(row), row.ModifyIndex, nil
	})
}

// allocStop is PUT /v1/allocation/:id/stop (?no_shutdown_delay, ?reschedule). The
// job gets another in its place.
func allocStop(a *API, r *request) (any, error) {
	noDelay, err := r.flag("no_shutdown_delay", true)
	if err != nil {
		return nil, err
	}
	reschedule, err := r.flag("reschedule", true)
	if err != nil {
		return nil, err
	}
	id := r.vars["id"]
	if a.cfg.State.Snapshot().Alloc(nil, id) == nil {
		return nil, errAllocNotFound
	}
	to := &api.DesiredTransition{Migrate: new(true)}
	if reschedule {
		to = &api.DesiredTransition{Reschedule: new(true), ForceReschedule: new(true)}
	}
	if noDelay {
		to.NoShutdownDelay = new(true)
	}
	res, err := apply[*state.TransitionResult](a, r, &state.TransitionAllocs{
		Allocs: map[string]*api.DesiredTransition{id: to}, Trigger: "alloc-stop",
	})
	if err != nil {
		return nil, err
	}
	resp := &api.AllocStopResponse{WriteMeta: api.WriteMeta{LastIndex: r.index}}
	for _, evalID := range res.EvalIDs {
		resp.EvalID = evalID
	}
	return resp, nil
}

// allocServices is GET /v1/allocation/:id/services.
func allocServices(a *API, r *request) (any, error) {
	return a.read(r, func(snap *state.Snapshot, ws memdb.WatchSet) (any, uint64, error) {
		if snap.Alloc(nil, r.vars["id"]) == nil {
			return nil, snap.Index(state.TableAllocs), errAllocNotFound
		}
		return registrations(snap.ServicesByAlloc(ws, r.vars["id"])), snap.Index(state.TableServices), nil
	})
}

// stubsOf are allocations as lists show them.
func stubsOf(snap *state.Snapshot, rows iter.Seq[*state.Alloc]) (stubs []*api.AllocationListStub, index uint64) {
	stubs, index = []*api.AllocationListStub{}, 1
	for row := range rows {
		stubs = append(stubs, snap.API(row).Stub())
		index = max(index, row.ModifyIndex)
	}
	return stubs, index
}
