package httpapi

import (
	"slices"
	"strconv"
)

// statusLeader is GET /v1/status/leader: the leader's cluster port, "" while there is none.
func statusLeader(a *API, _ *request) (any, error) { return a.cfg.Peers.Leader(), nil }

// statusPeers is GET /v1/status/peers: the cluster ports of the servers.
func statusPeers(a *API, _ *request) (any, error) {
	servers := slices.Clone(a.cfg.Peers.Servers(a.cfg.Region))
	if servers == nil {
		servers = []string{}
	}
	slices.Sort(servers)
	return servers, nil
}

// regionsList is GET /v1/regions.
func regionsList(a *API, _ *request) (any, error) {
	regions := slices.Clone(a.cfg.Peers.Regions())
	if !slices.Contains(regions, a.cfg.Region) {
		regions = append(regions, a.cfg.Region)
	}
	slices.Sort(regions)
	return regions, nil
}

// systemGC is PUT /v1/system/gc.
func systemGC(a *API, r *request) (any, error) {
	if a.cfg.Janitor == nil {
		return nil, notYet("garbage collection on demand")
	}
	if err := a.cfg.Janitor.ForceGC(r.Context()); err != nil {
		return nil, err
	}
	r.index = a.cfg.State.Snapshot().LastIndex()
	return nil, nil
}

// systemReconcile is PUT /v1/system/reconcile/summaries.
func systemReconcile(a *API, r *request) (any, error) {
	if a.cfg.Janitor == nil {
		return nil, notYet("reconciling summaries on demand")
	}
	if err := a.cfg.Janitor.ReconcileSummaries(r.Context()); err != nil {
		return nil, err
	}
	r.index = a.cfg.State.Snapshot().LastIndex()
	return nil, nil
}

// licenseGet is GET /v1/operator/license: there is none to have.
func licenseGet(*API, *request) (any, error) { return status{code: 204}, nil }

// parseCAS reads ?cas, the index that a write insists on.
func (r *request) parseCAS() (cas bool, index uint64, err error) {
	v := r.query.Get("cas")
	if v == "" {
		return false, 0, nil
	}
	if index, err = strconv.ParseUint(v, 10, 64); err != nil {
		return false, 0, badRequest("Error parsing cas value: %q is not an index", v)
	}
	return true, index, nil
}

// noOperator answers operator routes of an agent without raft.
func (a *API) operator() (RaftOperator, error) {
	if a.cfg.Operator == nil {
		return nil, errNotServer
	}
	return a.cfg.Operator, nil
}
