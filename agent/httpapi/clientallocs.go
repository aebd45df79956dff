package httpapi

import (
	"net/http"

	"github.com/hashicorp/nomad/api"
)

// allocs refuses requests about running allocations on an agent without a client.
func (a *API) allocs() (Allocs, error) {
	if a.cfg.Allocs == nil {
		return nil, errNotClient
	}
	return a.cfg.Allocs, nil
}

// clientAllocStats is GET /v1/client/allocation/:id/stats (?task).
func clientAllocStats(a *API, r *request) (any, error) {
	allocs, err := a.allocs()
	if err != nil {
		return nil, err
	}
	return allocs.AllocStats(r.vars["alloc"], r.query.Get("task"))
}

// clientAllocChecks is GET /v1/client/allocation/:id/checks. A client that runs no
// checks has seen none.
func clientAllocChecks(a *API, r *request) (any, error) {
	if a.cfg.Checks == nil {
		return api.AllocCheckStatuses{}, nil
	}
	return a.cfg.Checks(r.vars["alloc"])
}

// clientAllocRestart is PUT /v1/client/allocation/:id/restart: the named task, or
// all that run, or with AllTasks all.
func clientAllocRestart(a *API, r *request) (any, error) {
	allocs, err := a.allocs()
	if err != nil {
		return nil, err
	}
	var body api.AllocationRestartRequest
	if err := a.decodeOptional(r, &body); err != nil {
		return nil, err
	}
	if body.AllTasks && body.TaskName != "" {
		return nil, badRequest("name a task (TaskName) or set AllTasks, not both")
	}
	if err := allocs.RestartAlloc(r.vars["alloc"], body.TaskName, body.AllTasks); err != nil {
		return nil, err
	}
	return struct{}{}, nil
}

// clientAllocSignal is PUT /v1/client/allocation/:id/signal: one task, or all that run.
func clientAllocSignal(a *API, r *request) (any, error) {
	allocs, err := a.allocs()
	if err != nil {
		return nil, err
	}
	var body api.AllocSignalRequest
	if err := a.decode(r, &body); err != nil {
		return nil, err
	}
	if body.Signal == "" {
		return nil, badRequest("Signal is missing: name one, such as SIGHUP")
	}
	if err := allocs.SignalAlloc(r.vars["alloc"], body.Task, body.Signal); err != nil {
		return nil, err
	}
	return struct{}{}, nil
}

// clientAllocGC is GET /v1/client/allocation/:id/gc: its directory is removed.
func clientAllocGC(a *API, r *request) (any, error) {
	allocs, err := a.allocs()
	if err != nil {
		return nil, err
	}
	if err := allocs.GCAlloc(r.vars["alloc"]); err != nil {
		return nil, err
	}
	return struct{}{}, nil
}

// clientStats is GET /v1/client/stats (?node_id).
func clientStats(a *API, _ *request) (any, error) {
	if a.cfg.Node == nil {
		return nil, errNotClient
	}
	return a.cfg.Node.HostStats()
}

// clientGC is GET /v1/client/gc (?node_id): directories of ended allocations are removed.
func clientGC(a *API, _ *request) (any, error) {
	if a.cfg.Node == nil {
		return nil, errNotClient
	}
	return nil, a.cfg.Node.GC()
}

// metrics is GET /v1/metrics (?format=prometheus).
func metrics(a *API, r *request) (any, error) {
	switch format := r.query.Get("format"); {
	case format != "" && format != "prometheus":
		return nil, badRequest("unknown format %q: leave it out, or use prometheus", format)
	case format == "prometheus" && a.cfg.Prometheus == nil:
		return nil, &Error{http.StatusUnsupportedMediaType, "prometheus is not enabled: set telemetry { prometheus_metrics = true }"}
	case format == "prometheus":
		a.cfg.Prometheus.ServeHTTP(r.w, r.Request)
		return streamed{}, nil
	case a.cfg.Metrics == nil:
		return nil, &Error{http.StatusNotImplemented, "this agent keeps no metrics in memory"}
	}
	return a.cfg.Metrics.DisplayMetrics(r.w, r.Request)
}
