package httpapi

import (
	"net/http"

	"github.com/hashicorp/nomad/api"
)

// The one loop of the leader decides for every kind of job; there are no workers
// to count. These routes show it as one worker, so that tools that look for
// schedulers find what there is, and refuse to change it.

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
	return &api.AgentSchedulerWorkerConfigResponse{
		ServerID: a.cfg.Cluster.Local().Name, NumSchedulers: 1, EnabledSchedulers: schedulersOf,
	}, nil
}

// agentSetSchedulersConfig is PUT /v1/agent/schedulers/config.
func agentSetSchedulersConfig(a *API, r *request) (any, error) {
	var body api.AgentSchedulerWorkerConfigRequest
	if err := a.decode(r, &body); err != nil {
		return nil, err
	}
	if body.NumSchedulers < 0 || len(body.EnabledSchedulers) == 0 {
		return nil, badRequest("Invalid request")
	}
	return nil, notYet("changing scheduler workers (there is one loop, nothing to tune)")
}
