package httpapi

import (
	"context"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/healapi"
	"github.com/selfheal/selfheal/agent/state"
)

// Foresight says what would happen. It is asked on the leader only.
type Foresight interface {
	// DrainPlan says where everything on a node would go.
	DrainPlan(ctx context.Context, nodeID string) (*healapi.DrainPlan, error)
	// Resilience says which nodes, with pairs also which two at once, can be lost with
	// everything placed. brief bounds the work and lists the others only; after is a job
	// (canonical and valid) to register first, nil for none.
	Resilience(ctx context.Context, pairs, brief bool, after *api.Job) (*healapi.Resilience, error)
	// Rebalance tells the settings of balancing, what moves, and what would be worth moving.
	Rebalance(ctx context.Context) (*healapi.Rebalance, error)
}

var healRoutes = []route{
	{method: get, path: "/v1/node/{id}/drain-plan", right: nodeRead, where: leaderRead, do: nodeDrainPlan},
	{method: get, path: "/v1/heal/resilience", right: opRead, where: leaderRead, do: healResilience},
	{method: put, path: "/v1/heal/resilience", right: opRead, where: leaderRepeat, do: healResilienceAfter},
	{method: get, path: "/v1/heal/rebalance", right: opRead, where: leaderRead, do: healRebalance},
	{method: put, path: "/v1/heal/rebalance", right: opWrite, where: leaderRepeat, do: healSetRebalance},
}

// nodeDrainPlan is GET /v1/node/:id/drain-plan.
func nodeDrainPlan(a *API, r *request) (any, error) {
	if a.cfg.Foresight == nil {
		return nil, notYet("planning a drain")
	}
	if _, _, err := a.node(r, ""); err != nil {
		return nil, err
	}
	out, err := a.cfg.Foresight.DrainPlan(r.Context(), r.vars["id"])
	if err != nil {
		return nil, err
	}
	r.index = out.LastIndex
	return out, nil
}

// healResilience is GET /v1/heal/resilience (?pairs, ?brief).
func healResilience(a *API, r *request) (any, error) {
	return a.resilience(r, nil)
}

// healResilienceAfter is PUT /v1/heal/resilience: the same after a job is registered.
func healResilienceAfter(a *API, r *request) (any, error) {
	var body healapi.ResilienceRequest
	if err := a.decode(r, &body); err != nil {
		return nil, err
	}
	job := body.Job
	if err := a.address(r, job, &api.WriteRequest{}); err != nil {
		return nil, err
	}
	clearServerFields(job)
	if err := a.check(job).Err(); err != nil {
		return nil, badRequest("%v", err)
	}
	return a.resilience(r, job)
}

func (a *API) resilience(r *request, after *api.Job) (any, error) {
	if a.cfg.Foresight == nil {
		return nil, notYet("asking for resilience")
	}
	pairs, err := r.flag("pairs", true)
	if err != nil {
		return nil, err
	}
	brief, err := r.flag("brief", true)
	if err != nil {
		return nil, err
	}
	out, err := a.cfg.Foresight.Resilience(r.Context(), pairs, brief, after)
	if err != nil {
		return nil, err
	}
	r.index = out.LastIndex
	return out, nil
}

// healRebalance is GET /v1/heal/rebalance.
func healRebalance(a *API, r *request) (any, error) {
	if a.cfg.Foresight == nil {
		return nil, notYet("balancing")
	}
	out, err := a.cfg.Foresight.Rebalance(r.Context())
	if err != nil {
		return nil, err
	}
	r.index = out.LastIndex
	return out, nil
}

// healSetRebalance is PUT /v1/heal/rebalance: what the body names changes, the rest stays.
func healSetRebalance(a *API, r *request) (any, error) {
	var body healapi.RebalanceUpdate
	if err := a.decode(r, &body); err != nil {
		return nil, err
	}
	row, err := apply[*state.Rebalancing](a, r, &state.SetRebalance{Update: body})
	if err != nil {
		return nil, err
	}
	return healapi.RebalanceSet{Config: row.Config, LastIndex: r.index}, nil
}
