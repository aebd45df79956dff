package httpapi

import (
	"net/http"

	"github.com/hashicorp/go-memdb"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
)

// autopilotConfiguration is GET /v1/operator/autopilot/configuration.
func autopilotConfiguration(a *API, r *request) (any, error) {
	return a.read(r, func(snap *state.Snapshot, ws memdb.WatchSet) (any, uint64, error) {
		set := snap.Autopilot(ws)
		if set == nil {
			set = a.cfg.Autopilot
		}
		return set, snap.Index(state.TableAutopilot), nil
	})
}

// autopilotSet is PUT /v1/operator/autopilot/configuration (?cas).
func autopilotSet(a *API, r *request) (any, error) {
	conf := *a.cfg.Autopilot
	if err := a.decode(r, &conf); err != nil {
		return nil, err
	}
	switch {
	case conf.LastContactThreshold < 0 || conf.ServerStabilizationTime < 0:
		return nil, badRequest("LastContactThreshold and ServerStabilizationTime must not be negative")
	case conf.EnableRedundancyZones || conf.EnableCustomUpgrades || conf.DisableUpgradeMigration:
		return nil, badRequest("EnableRedundancyZones, EnableCustomUpgrades and DisableUpgradeMigration are for Nomad Enterprise: leave them false")
	case conf.MinQuorum > maxQuorum:
		return nil, badRequest("MinQuorum is %d: no more than %d servers vote", conf.MinQuorum, maxQuorum)
	}
	cas, index, err := r.parseCAS()
	if err != nil {
		return nil, err
	}
	return apply[bool](a, r, &state.SetAutopilot{Config: &conf, CAS: cas, Index: index})
}

// maxQuorum is far above the servers of any cluster: a larger number is a mistake.
const maxQuorum = 1000

// autopilotHealth is GET /v1/operator/autopilot/health: 429 when it is not well.
func autopilotHealth(a *API, r *request) (any, error) {
	op, err := a.operator()
	if err != nil {
		return nil, err
	}
	health, err := op.Health(r.Context())
	if err != nil {
		return nil, err
	}
	r.index = a.cfg.State.Snapshot().LastIndex()
	if !health.Healthy {
		return status{http.StatusTooManyRequests, health}, nil
	}
	return health, nil
}

// vaultUpgradeCheck is GET /v1/operator/upgrade-check/vault-workload-identity: jobs,
// nodes and tokens that would stand in the way of leaving Vault's old tokens. There
// are none, as this version takes no job with a vault block.
func vaultUpgradeCheck(a *API, r *request) (any, error) {
	return a.read(r, func(snap *state.Snapshot, _ memdb.WatchSet) (any, uint64, error) {
		return &api.VaultWorkloadIdentityUpgradeCheck{
			JobsWithoutVaultIdentity: []*api.JobListStub{}, OutdatedNodes: []*api.NodeListStub{}, VaultTokens: []*api.VaultAccessor{},
		}, snap.Index(state.TableJobs), nil
	})
}
