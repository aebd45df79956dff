package httpapi

import (
	"iter"
	"slices"

	"github.com/hashicorp/go-memdb"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
)

// deploymentsList is GET /v1/deployments.
func deploymentsList(a *API, r *request) (any, error) {
	l := list[*api.Deployment, *api.Deployment]{
		at:       func(d *api.Deployment) token { return r.indexed(d.CreateIndex, d.ID) },
		numbered: r.prefix == "",
		show:     func(d *api.Deployment) *api.Deployment { return d },
	}
	return readPage(a, r, l, func(s *state.Snapshot, ws memdb.WatchSet) (iter.Seq[*api.Deployment], uint64) {
		return visible(r, deploymentSpace, s.Deployments(ws, r.namespace, r.prefix)), s.Index(state.TableDeployments)
	})
}

// deploymentInfo is GET /v1/deployment/:id.
func deploymentInfo(a *API, r *request) (any, error) {
	return a.read(r, func(snap *state.Snapshot, ws memdb.WatchSet) (any, uint64, error) {
		d := snap.Deployment(ws, r.vars["id"])
		if d == nil {
			return nil, snap.Index(state.TableDeployments), errDeploymentNotFound
		}
		return d, d.ModifyIndex, nil
	})
}

// deploymentAllocations is GET /v1/deployment/allocations/:id. An unknown deployment has none.
func deploymentAllocations(a *API, r *request) (any, error) {
	return a.read(r, func(snap *state.Snapshot, ws memdb.WatchSet) (any, uint64, error) {
		stubs, index := stubsOf(snap, snap.AllocsByDeployment(ws, r.vars["id"]))
		return stubs, index, nil
	})
}

// Statuses of a deployment that goes on.
var activeDeployment = []string{
	api.DeploymentStatusRunning, api.DeploymentStatusPaused, api.DeploymentStatusPending,
	api.DeploymentStatusBlocked, api.DeploymentStatusUnblocking, "initializing",
}

// deployment finds the deployment of a write's path; it must be active.
func (a *API) deployment(r *request, bodyID string) (*api.Deployment, error) {
	id := r.vars["id"]
	if bodyID != "" && bodyID != id {
		return nil, badRequest("DeploymentID %q of the body does not match %q of the path", bodyID, id)
	}
	d := a.cfg.State.Snapshot().Deployment(nil, id)
	switch {
	case d == nil:
		return nil, errDeploymentNotFound
	case !slices.Contains(activeDeployment, d.Status):
		return nil, badRequest("can't change a deployment that is over (status %s)", d.Status)
	}
	return d, nil
}

// updateDeployment commits a change of a deployment and answers it.
func (a *API) updateDeployment(r *request, cmd *state.UpdateDeployment) (any, error) {
	cmd.Trigger = "deployment-watcher"
	res, err := apply[*state.DeploymentResult](a, r, cmd)
	if err != nil {
		return nil, err
	}
	resp := &api.DeploymentUpdateResponse{
		EvalID: res.EvalID, DeploymentModifyIndex: r.index, RevertedJobVersion: res.RevertedJobVersion,
		WriteMeta: api.WriteMeta{LastIndex: r.index},
	}
	if res.EvalID != "" {
		resp.EvalCreateIndex = r.index
	}
	return resp, nil
}

// deploymentFail is PUT /v1/deployment/fail/:id.
func deploymentFail(a *API, r *request) (any, error) {
	var body api.DeploymentFailRequest
	if err := a.decodeOptional(r, &body); err != nil {
		return nil, err
	}
	d, err := a.deployment(r, body.DeploymentID)
	if err != nil {
		return nil, err
	}
	cmd := &state.UpdateDeployment{
		ID: d.ID, Status: api.DeploymentStatusFailed, Description: "Deployment marked as failed", Evaluate: true,
	}
	for _, g := range d.TaskGroups {
		cmd.AutoRevert = cmd.AutoRevert || g.AutoRevert
	}
	return a.updateDeployment(r, cmd)
}

// deploymentPause is PUT /v1/deployment/pause/:id: pauses, or with Pause false goes on.
func deploymentPause(a *API, r *request) (any, error) {
	var body api.DeploymentPauseRequest
	if err := a.decode(r, &body); err != nil {
		return nil, err
	}
	d, err := a.deployment(r, body.DeploymentID)
	if err != nil {
		return nil, err
	}
	if body.Pause {
		return a.updateDeployment(r, &state.UpdateDeployment{
			ID: d.ID, Status: api.DeploymentStatusPaused, Description: "Deployment is paused",
		})
	}
	return a.updateDeployment(r, &state.UpdateDeployment{
		ID: d.ID, Status: api.DeploymentStatusRunning, Evaluate: true,
	})
}

// deploymentPromote is PUT /v1/deployment/promote/:id.
func deploymentPromote(a *API, r *request) (any, error) {
	var body api.DeploymentPromoteRequest
	if err := a.decode(r, &body); err != nil {
		return nil, err
	}
	d, err := a.deployment(r, body.DeploymentID)
	if err != nil {
		return nil, err
	}
	switch {
	case body.All && len(body.Groups) > 0:
		return nil, badRequest("name Groups to promote or set All, not both")
	case !body.All && len(body.Groups) == 0:
		return nil, badRequest("nothing to promote: name Groups or set All")
	}
	for _, g := range body.Groups {
		if d.TaskGroups[g] == nil {
			return nil, badRequest("group %q is not part of the deployment", g)
		}
	}
	if err := promotable(d, body.Groups); err != nil {
		return nil, err
	}
	return a.updateDeployment(r, &state.UpdateDeployment{
		ID: d.ID, Promote: body.Groups, PromoteAll: body.All, Evaluate: true,
	})
}

// promotable refuses to promote groups (all when none is named) without canaries,
// or whose canaries are not all healthy.
func promotable(d *api.Deployment, groups []string) error {
	canaries := 0
	for name, g := range d.TaskGroups {
		if len(groups) > 0 && !slices.Contains(groups, name) || g.Promoted || g.DesiredCanaries == 0 {
			continue
		}
		canaries += g.DesiredCanaries
		if g.HealthyAllocs < g.DesiredCanaries {
			return badRequest("Task group %q has %d/%d healthy allocations", name, g.HealthyAllocs, g.DesiredCanaries)
		}
	}
	if canaries == 0 {
		return badRequest("no canaries to promote")
	}
	return nil
}

// deploymentAllocHealth is PUT /v1/deployment/allocation-health/:id: health by hand.
func deploymentAllocHealth(a *API, r *request) (any, error) {
	var body api.DeploymentAllocHealthRequest
	if err := a.decode(r, &body); err != nil {
		return nil, err
	}
	d, err := a.deployment(r, body.DeploymentID)
	if err != nil {
		return nil, err
	}
	if len(body.HealthyAllocationIDs)+len(body.UnhealthyAllocationIDs) == 0 {
		return nil, badRequest("must specify at least one healthy/unhealthy allocation ID")
	}
	snap := a.cfg.State.Snapshot()
	for _, id := range slices.Concat(body.HealthyAllocationIDs, body.UnhealthyAllocationIDs) {
		switch row := snap.Alloc(nil, id); {
		case row == nil:
			return nil, notFound("unknown allocation %q", id)
		case row.DeploymentID != d.ID:
			return nil, badRequest("allocation %q is not part of the deployment %q", id, d.ID)
		}
	}
	return a.updateDeployment(r, &state.UpdateDeployment{
		ID: d.ID, Healthy: body.HealthyAllocationIDs, Unhealthy: body.UnhealthyAllocationIDs, Evaluate: true,
	})
}
