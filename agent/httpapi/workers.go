package httpapi

import (
	"net/http"
	"slices"

	"github.com/hashicorp/nomad/api"
)

// The one loop of the leader decides for every kind of job; there are no workers
// to count. These routes show it as one worker, so that tools that look for
// schedulers find what there is. What they set is kept and shown for as long as the
// agent runs, and changes nothing: there is nothing to tune.

// schedulersOf are the names of what the loop does, as tools know them.
var schedulersOf = []string{api.JobTypeBatch, api.JobTypeSystem, api.JobTypeSysbatch, api.JobTypeService, "_core"}

// errNoScheduler is answered by clients.
var errNoScheduler = &Error{http.StatusBadRequest, "this agent is a client and schedules nothing: ask a server"}

// agentSchedulers is GET /v1/agent/schedulers.
func agentSchedulers(a *API, _ *request) (any, error) {
	if a.cfg.Raft == nil {
		return nil, errNoScheduler
	}
	status := "Paused" // another server leads
	if a.cfg.Raft.IsLeader() {
		status = "Started"
	}
	id := a.cfg.Cluster.Local().Name
	return &api.AgentSchedulerWorkersInfo{ServerID: id, Schedulers: []api.AgentSchedulerWorkerInfo{{
		ID: id, EnabledSchedulers: schedulersOf, Started: a.started.UTC().Format(timeFormat), Status: status, WorkloadStatus: "WaitingToDequeue",
	}}}, nil
}

// timeFormat is how this API writes times in text.
const timeFormat = "2006-01-02T15:04:05.999999999Z07:00"

// agentSchedulersConfig is GET /v1/agent/schedulers/config.
func agentSchedulersConfig(a *API, _ *request) (any, error) {
	if a.cfg.Raft == nil {
		return nil, errNoScheduler
	}
	if set := a.workers.Load(); set != nil {
		return set, nil
	}
	return &api.AgentSchedulerWorkerConfigResponse{
		ServerID: a.cfg.Cluster.Local().Name, NumSchedulers: 1, EnabledSchedulers: schedulersOf,
	}, nil
}

// agentSetSchedulersConfig is PUT /v1/agent/schedulers/config.
func agentSetSchedulersConfig(a *API, r *request) (any, error) {
	if a.cfg.Raft == nil {
		return nil, errNoScheduler
	}
	var body api.AgentSchedulerWorkerConfigRequest
	if err := a.decode(r, &body); err != nil {
		return nil, err
	}
	if body.NumSchedulers < 0 || len(body.EnabledSchedulers) == 0 {
		return nil, badRequest("Invalid request")
	}
	for _, kind := range body.EnabledSchedulers {
		if !slices.Contains(schedulersOf, kind) {
			return nil, badRequest("Invalid request: no scheduler %q: use %v", kind, schedulersOf)
		}
	}
	set := &api.AgentSchedulerWorkerConfigResponse{
		ServerID: a.cfg.Cluster.Local().Name, NumSchedulers: body.NumSchedulers, EnabledSchedulers: body.EnabledSchedulers,
	}
	a.workers.Store(set)
	a.log.Warn("scheduler workers were set: the one loop of the leader decides for every kind of job all the same")
	return set, nil
}
