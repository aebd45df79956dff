package httpapi

import (
	"github.com/hashicorp/nomad/api/contexts"

	"github.com/selfheal/selfheal/agent/acl"
	"github.com/selfheal/selfheal/agent/state"
)

// spacious are the kinds of things in namespaces, with the capabilities of which one
// lets a caller find them.
var spacious = map[contexts.Context][]string{
	contexts.Allocs:          {acl.ReadJob},
	contexts.Evals:           {acl.ReadJob},
	contexts.Deployments:     {acl.ReadJob},
	contexts.Jobs:            {acl.ListJobs, acl.ReadJob},
	contexts.ScalingPolicies: {acl.ListScalingPolicies},
	contexts.Volumes:         {acl.CSIListVolume},
	contexts.HostVolumes:     {acl.HostVolumeRead},
	contexts.Recommendations: {acl.SubmitRecommendation},
}

// clusterWide are the other kinds, with the right to find any of them.
var clusterWide = map[contexts.Context]func(*API, *request) bool{
	contexts.Nodes:      func(_ *API, r *request) bool { return r.rights().AllowNode(acl.Read) },
	contexts.NodePools:  func(_ *API, r *request) bool { return r.rights().AllowNodePoolSomewhere(acl.PoolRead) },
	contexts.Namespaces: func(a *API, r *request) bool { return a.namespacesSeen(r) },
	contexts.Plugins:    func(_ *API, r *request) bool { return r.rights().AllowPlugin(acl.List) },
	contexts.Quotas:     func(_ *API, r *request) bool { return r.rights().AllowQuota(acl.Read) },
}

// reach is where a caller may find things of a kind: namespaces, or the one "" of the
// kinds that have none; empty: nowhere.
func (a *API) reach(r *request, snap *state.Snapshot, kind contexts.Context) []string {
	if kind == contexts.Variables {
		var out []string
		for ns := range snap.Namespaces(nil, "") {
			asked := r.namespace == state.AllNamespaces || r.namespace == ns.Name
			if asked && r.rights().AllowVariables(ns.Name, r.caller.workload()) {
				out = append(out, ns.Name)
			}
		}
		return out
	}
	if capabilities, ok := spacious[kind]; ok {
		return r.spaces(snap, capabilities...)
	}
	if may := clusterWide[kind]; may != nil && may(a, r) {
		return []string{""}
	}
	return nil
}

// finds reports whether the caller may find this one thing, where that depends on its name.
func (r *request) finds(kind contexts.Context, namespace, id string) bool {
	switch kind {
	case contexts.NodePools:
		return r.rights().AllowNodePool(id, acl.PoolRead)
	case contexts.Namespaces:
		return r.rights().AllowNamespaceAny(id)
	case contexts.Variables:
		return r.mayVariable(namespace, id, acl.VariableList)
	}
	return true
}

// maySearch reports whether there is anything that the caller may find.
func (a *API) maySearch(r *request) bool {
	snap := a.cfg.State.Snapshot()
	for _, src := range sources {
		if len(a.reach(r, snap, src.context)) > 0 {
			return true
		}
	}
	return false
}
