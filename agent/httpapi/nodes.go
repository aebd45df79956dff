package httpapi

import (
	"iter"
	"net"
	"slices"

	"github.com/hashicorp/go-memdb"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/acl"
	"github.com/selfheal/selfheal/agent/state"
)

// nodesList is GET /v1/nodes (?resources, ?os).
func nodesList(a *API, r *request) (any, error) { return listNodesWhere(a, r, nil) }

// listNodesWhere lists the nodes that keep accepts; nil accepts all.
func listNodesWhere(a *API, r *request, keep func(*state.Node) bool) (any, error) {
	resources, err := r.flag("resources", true)
	if err != nil {
		return nil, err
	}
	os, err := r.flag("os", true)
	if err != nil {
		return nil, err
	}
	l := list[*state.Node, *api.NodeListStub]{
		at:       func(n *state.Node) token { return byName(n.ID) },
		filterOn: func(n *state.Node) any { return &n.Node },
		keep:     keep,
		show:     func(n *state.Node) *api.NodeListStub { return nodeStub(&n.Node, resources, os) },
	}
	return readPage(a, r, l, func(s *state.Snapshot, ws memdb.WatchSet) (iter.Seq[*state.Node], uint64) {
		return s.NodesByPrefix(ws, r.prefix), s.Index(state.TableNodes)
	})
}

// nodeStub is a node as lists show it.
func nodeStub(n *api.Node, resources, os bool) *api.NodeListStub {
	stub := &api.NodeListStub{
		ID: n.ID, Datacenter: n.Datacenter, Name: n.Name, NodeClass: n.NodeClass, NodePool: n.NodePool,
		Version: n.Attributes["nomad.version"], Drain: n.DrainStrategy != nil,
		SchedulingEligibility: n.SchedulingEligibility, Status: n.Status, StatusDescription: n.StatusDescription,
		Drivers: n.Drivers, LastDrain: n.LastDrain, CreateIndex: n.CreateIndex, ModifyIndex: n.ModifyIndex,
	}
	if host, _, err := net.SplitHostPort(n.HTTPAddr); err == nil {
		stub.Address = host
	}
	if resources {
		stub.NodeResources, stub.ReservedResources = n.NodeResources, n.ReservedResources
	}
	if os {
		stub.Attributes = map[string]string{"os.name": n.Attributes["os.name"], "os.version": n.Attributes["os.version"]}
	}
	return stub
}

// nodeView is a node as users see it whole. SecretID is always empty: tools expect
// the field, nobody gets the secret.
type nodeView struct {
	api.Node
	SecretID string
}

func viewNode(n *api.Node) *nodeView {
	v := &nodeView{Node: *n}
	v.Drain = n.DrainStrategy != nil
	return v
}

// nodeInfo is GET /v1/node/:id.
func nodeInfo(a *API, r *request) (any, error) {
	return a.read(r, func(snap *state.Snapshot, ws memdb.WatchSet) (any, uint64, error) {
		n := snap.Node(ws, r.vars["id"])
		if n == nil {
			return nil, snap.Index(state.TableNodes), errNodeNotFound
		}
		return viewNode(&n.Node), n.ModifyIndex, nil
	})
}

// nodeAllocations is GET /v1/node/:id/allocations, with their jobs. An unknown node has none.
func nodeAllocations(a *API, r *request) (any, error) {
	return a.read(r, func(snap *state.Snapshot, ws memdb.WatchSet) (any, uint64, error) {
		allocs := []*api.Allocation{}
		for row := range snap.AllocsByNode(ws, r.vars["id"]) {
			asked := r.query.Get("namespace") == "" || r.namespace == state.AllNamespaces || r.namespace == row.Namespace
			if asked && r.may(row.Namespace, acl.ReadJob) {
				allocs = append(allocs, snap.API(row))
			}
		}
		return allocs, snap.NodeAllocsIndex(ws, r.vars["id"]), nil
	})
}

// node finds the node of a write's path, which must exist, and refuses a body that
// names another.
func (a *API) node(r *request, bodyID string) (*state.Snapshot, *state.Node, error) {
	id := r.vars["id"]
	if bodyID != "" && bodyID != id {
		return nil, nil, badRequest("NodeID %q of the body does not match %q of the path", bodyID, id)
	}
	snap := a.cfg.State.Snapshot()
	n := snap.Node(nil, id)
	if n == nil {
		return nil, nil, errNodeNotFound
	}
	return snap, n, nil
}

// nodeChanged is the answer to writes about nodes; it decodes as each of the API's
// response types.
type nodeChanged struct {
	EvalID          string `json:",omitempty"`
	EvalIDs         []string
	EvalCreateIndex uint64
	NodeModifyIndex uint64
	LastIndex       uint64
}

func changedNode(r *request, evalIDs []string) nodeChanged {
	resp := nodeChanged{EvalIDs: evalIDs, NodeModifyIndex: r.index, LastIndex: r.index}
	if len(evalIDs) > 0 {
		resp.EvalID, resp.EvalCreateIndex = evalIDs[0], r.index
	}
	return resp
}

// nodeDrain is PUT /v1/node/:id/drain. Without a DrainSpec the drain ends.
func nodeDrain(a *API, r *request) (any, error) {
	var body api.NodeUpdateDrainRequest
	if err := a.decode(r, &body); err != nil {
		return nil, err
	}
	_, n, err := a.node(r, body.NodeID)
	if err != nil {
		return nil, err
	}
	cmd := &state.NodeDrain{NodeID: n.ID, MarkEligible: body.MarkEligible, Meta: body.Meta}
	message := "Node drain disabled"
	if body.DrainSpec != nil {
		message = "Node drain strategy set"
		cmd.Strategy = &api.DrainStrategy{DrainSpec: *body.DrainSpec, StartedAt: a.now().UTC()}
		if n.DrainStrategy != nil {
			cmd.Strategy.StartedAt = n.DrainStrategy.StartedAt
			message = "Node drain strategy updated"
		}
		// A deadline below zero is now, and none is never.
		if d := body.DrainSpec.Deadline; d != 0 {
			cmd.Strategy.ForceDeadline = a.now().Add(max(d, 0)).UTC()
		}
	}
	cmd.Event = &api.NodeEvent{Message: message, Subsystem: api.NodeEventSubsystemDrain, Timestamp: a.now().UTC()}
	res, err := apply[*state.NodeResult](a, r, cmd)
	if err != nil {
		return nil, err
	}
	return changedNode(r, res.EvalIDs), nil
}

// nodeEligibility is PUT /v1/node/:id/eligibility.
func nodeEligibility(a *API, r *request) (any, error) {
	var body api.NodeUpdateEligibilityRequest
	if err := a.decode(r, &body); err != nil {
		return nil, err
	}
	_, n, err := a.node(r, body.NodeID)
	switch {
	case err != nil:
		return nil, err
	case !slices.Contains([]string{api.NodeSchedulingEligible, api.NodeSchedulingIneligible}, body.Eligibility):
		return nil, badRequest("invalid scheduling eligibility %q: use %q or %q", body.Eligibility,
			api.NodeSchedulingEligible, api.NodeSchedulingIneligible)
	case n.DrainStrategy != nil && body.Eligibility == api.NodeSchedulingEligible:
		return nil, badRequest("can not set node's scheduling eligibility to eligible while it is draining")
	}
	res, err := apply[*state.NodeResult](a, r, &state.NodeEligibility{
		NodeID: n.ID, Eligibility: body.Eligibility,
		Event: &api.NodeEvent{
			Message: "Node marked as " + body.Eligibility + " for scheduling", Subsystem: api.NodeEventSubsystemCluster, Timestamp: a.now().UTC(),
		},
	})
	if err != nil {
		return nil, err
	}
	return changedNode(r, res.EvalIDs), nil
}

// nodeEvaluate is PUT /v1/node/:id/evaluate: every job that has to do with the node.
func nodeEvaluate(a *API, r *request) (any, error) {
	snap, n, err := a.node(r, "")
	if err != nil {
		return nil, err
	}
	jobs := map[state.JobKey]*api.Job{}
	for row := range snap.AllocsByNode(nil, n.ID) {
		if job := snap.Job(nil, row.Namespace, row.JobID); job != nil {
			jobs[state.JobKey{Namespace: row.Namespace, ID: row.JobID}] = job
		}
	}
	for job := range snap.Jobs(nil, state.AllNamespaces, "") {
		if *job.Type == api.JobTypeSystem || *job.Type == api.JobTypeSysbatch {
			jobs[state.JobKey{Namespace: *job.Namespace, ID: *job.ID}] = job
		}
	}
	cmd := &state.UpsertEvals{}
	var ids []string
	for key, job := range jobs {
		e := &api.Evaluation{
			ID: newID(), Namespace: key.Namespace, JobID: key.ID, JobModifyIndex: *job.JobModifyIndex,
			Priority: value(job.Priority), Type: *job.Type, TriggeredBy: "node-update",
			NodeID: n.ID, NodeModifyIndex: n.ModifyIndex, Status: api.EvalStatusPending,
		}
		cmd.Evals = append(cmd.Evals, e)
		ids = append(ids, e.ID)
	}
	r.index = snap.LastIndex()
	if len(ids) > 0 {
		if _, err := apply[any](a, r, cmd); err != nil {
			return nil, err
		}
	}
	return changedNode(r, ids), nil
}

// nodePurge is PUT /v1/node/:id/purge: the node is declared down, so that its jobs
// are placed elsewhere, and then forgotten. A node that lives registers again.
func nodePurge(a *API, r *request) (any, error) {
	_, n, err := a.node(r, "")
	if err != nil {
		return nil, err
	}
	res, err := apply[*state.NodeResult](a, r, &state.NodeStatus{Updates: []state.NodeStatusUpdate{{
		NodeID: n.ID, Status: api.NodeStatusDown, Description: "purged",
	}}})
	if err != nil {
		return nil, err
	}
	if _, err := apply[any](a, r, &state.Reap{Nodes: []string{n.ID}}); err != nil {
		return nil, err
	}
	return changedNode(r, res.EvalIDs), nil
}
