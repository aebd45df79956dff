package httpapi

import (
	"context"
	"crypto/subtle"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/hashicorp/go-memdb"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/nodeapi"
	"github.com/selfheal/selfheal/agent/state"
)

// nodeRoutes are the node's half of the protocol: on the cluster port only.
func nodeRoutes() []route {
	return []route{
		{method: put, path: nodeapi.PathRegister, right: nodeSelf, where: leaderRepeat, do: nodeRegister},
		{method: put, path: nodeapi.PathAllocs, right: nodeSelf, where: anyServer, do: nodeAllocs},
		{method: put, path: nodeapi.PathStatus, right: nodeSelf, where: leaderRepeat, do: nodeStatus},
		{method: put, path: nodeapi.PathIdentities, right: nodeSelf, where: anyServer, do: nodeIdentities},
		{method: put, path: nodeapi.PathGoodbye, right: nodeSelf, where: leaderRepeat, do: nodeGoodbye},
		{method: put, path: nodeapi.PathVolume, right: nodeSelf, where: here, do: nodeVolume},
		{method: get, path: pathWho, right: valid, where: here, do: aclWho},
		{method: get, path: PathReplica, right: management, where: leaderRead, do: aclReplica},
	}
}

var errNotThatNode = &Error{http.StatusForbidden, "Permission denied: the node's ID and secret do not match"}

// identify checks that a request comes from the node that it is about. known false:
// there is no such node.
func (a *API) identify(r *request, nodeID string) (known bool, err error) {
	if v := r.Header.Get(nodeapi.HeaderVersion); v != "" && v != nodeapi.Version {
		return false, badRequest("unknown node protocol %q: this server knows %s; upgrade the older side", v, nodeapi.Version)
	}
	if nodeID == "" || r.Header.Get(nodeapi.HeaderNode) != nodeID {
		return false, errNotThatNode
	}
	n := a.cfg.State.Snapshot().Node(nil, nodeID)
	if n == nil {
		return false, nil
	}
	if subtle.ConstantTimeCompare([]byte(n.SecretID), []byte(r.Header.Get(nodeapi.HeaderSecret))) != 1 {
		return true, errNotThatNode
	}
	a.contact(n)
	return true, nil
}

// contact notes the call of a node that lives by its calls.
func (a *API) contact(n *state.Node) {
	if n != nil && n.Lease > 0 && a.cfg.Leases != nil {
		a.cfg.Leases.Contact(n.ID)
	}
}

// identifyKnown is identify for a node that must exist; 404 makes it register.
func (a *API) identifyKnown(r *request, nodeID string) error {
	known, err := a.identify(r, nodeID)
	if err == nil && !known {
		return errNodeNotFound
	}
	return err
}

// nodeRegister is PUT /v1/internal/node/register. The first registration of an ID
// binds its secret.
func nodeRegister(a *API, r *request) (any, error) {
	var body nodeapi.RegisterRequest
	if err := a.decode(r, &body); err != nil {
		return nil, err
	}
	switch {
	case body.Node == nil || body.Node.ID == "":
		return nil, badRequest("register node: the node's ID is missing")
	case body.SecretID == "":
		return nil, badRequest("register node: the node's secret is missing")
	case body.SecretID != r.Header.Get(nodeapi.HeaderSecret):
		return nil, errNotThatNode
	case body.Node.Datacenter == "" || body.Node.Name == "":
		return nil, badRequest("register node: datacenter and name must be set")
	case body.Lease != 0 && body.Lease < nodeapi.MinLease:
		return nil, badRequest("register node: a lease of %v is too short: ask for %v or more", body.Lease, nodeapi.MinLease)
	}
	if _, err := a.identify(r, body.Node.ID); err != nil {
		return nil, err
	}
	if body.Node.NodePool == "" {
		body.Node.NodePool = api.NodePoolDefault
	}
	_, err := apply[*state.NodeResult](a, r, &state.RegisterNode{Node: &state.Node{
		Node: *body.Node, SecretID: body.SecretID, BootID: body.BootID, RPCAddr: body.RPCAddr, Lease: body.Lease,
	}})
	if err != nil {
		return nil, err
	}
	return &nodeapi.RegisterResponse{Index: r.index, Servers: a.servers()}, nil
}

// nodeAllocs is POST /v1/internal/node/allocs: a long poll for the node's orders.
func nodeAllocs(a *API, r *request) (any, error) {
	var body nodeapi.AllocsRequest
	if err := a.decode(r, &body); err != nil {
		return nil, err
	}
	if err := a.awaitNode(r, body.NodeID); err != nil {
		return nil, err
	}
	if err := a.identifyKnown(r, body.NodeID); err != nil {
		return nil, err
	}
	a.orders.back(body.NodeID)
	wait := min(max(body.Wait, 0), maxWait)
	node := a.cfg.State.Snapshot().Node(nil, body.NodeID)
	if node != nil && node.Lease > 0 {
		wait = min(wait, node.Lease/3)
	}
	wait += time.Duration(rand.Int64N(int64(wait/waitJitter) + 1))
	ctx, cancel := context.WithTimeout(r.Context(), wait)
	defer cancel()
	index := func(snap *state.Snapshot, ws memdb.WatchSet) (uint64, error) {
		return snap.NodeOrdersIndex(ws, body.NodeID), nil
	}
	if err := a.cfg.State.Block(ctx, body.Index, index); err != nil {
		return nil, err
	}
	if body.Index > 0 && ctx.Err() == nil {
		a.orders.wait(ctx, body.NodeID)
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	snap := a.cfg.State.Snapshot()
	resp := a.ordersOf(snap, &body, snap.NodeOrdersIndex(nil, body.NodeID))
	a.contact(node) // it waited until now
	r.index = resp.Index
	return resp, nil
}

// awaitNode gives a follower a moment to learn of a node that has just registered
// with the leader; otherwise the node would be told to register again.
func (a *API) awaitNode(r *request, nodeID string) error {
	if a.cfg.Raft.IsLeader() {
		return nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), a.cfg.Limits.LeaderWait)
	defer cancel()
	return a.cfg.State.Block(ctx, 1, func(snap *state.Snapshot, ws memdb.WatchSet) (uint64, error) {
		if snap.Node(ws, nodeID) != nil {
			return 2, nil
		}
		return 0, nil
	})
}

// deciding tells whether the leader has evaluations to decide.
func (a *API) deciding() bool {
	for range a.cfg.State.Snapshot().PendingEvals(nil) {
		return true
	}
	return false
}

// ordersOf is what servers changed of a node's allocations after the index that it has seen.
func (a *API) ordersOf(snap *state.Snapshot, req *nodeapi.AllocsRequest, index uint64) *nodeapi.AllocsResponse {
	resp := &nodeapi.AllocsResponse{Index: index, Servers: a.servers()}
	has := map[nodeapi.JobRef]bool{}
	for _, ref := range req.Jobs {
		has[ref] = true
	}
	for row := range snap.AllocsByNode(nil, req.NodeID) {
		resp.IDs = append(resp.IDs, row.ID)
		if row.AllocModifyIndex <= req.Index {
			continue
		}
		out := &nodeapi.Alloc{Allocation: *snap.API(row), Rebooted: row.Rebooted, Cores: row.Cores}
		out.JobRef = nodeapi.JobRef{Namespace: row.Namespace, ID: row.JobID, Version: row.JobVersion, CreateIndex: row.JobCreateIndex}
		if out.Job != nil && !has[out.JobRef] {
			has[out.JobRef] = true
			resp.Jobs = append(resp.Jobs, out.Job)
		}
		out.Job = nil
		resp.Allocs = append(resp.Allocs, out)
	}
	return resp
}

func (a *API) servers() []string { return slices.Clone(a.cfg.Peers.Servers(a.cfg.Region)) }

// nodeStatus is PUT /v1/internal/node/status: what became of the node's allocations.
func nodeStatus(a *API, r *request) (any, error) {
	var body nodeapi.StatusRequest
	if err := a.decode(r, &body); err != nil {
		return nil, err
	}
	if err := a.identifyKnown(r, body.NodeID); err != nil {
		return nil, err
	}
	update := state.UpdateAllocs{NodeID: body.NodeID}
	for _, s := range body.Allocs {
		update.Updates = append(update.Updates, state.AllocUpdate(s))
	}
	if len(update.Updates) > 0 {
		index, err := a.says.take(r.Context(), update)
		if err != nil {
			return nil, err
		}
		r.index = index
	}
	return &nodeapi.StatusResponse{Index: r.index}, nil
}

// nodeGoodbye is PUT /v1/internal/node/goodbye: the agent stops, and perhaps returns.
func nodeGoodbye(a *API, r *request) (any, error) {
	var body nodeapi.GoodbyeRequest
	if err := a.decode(r, &body); err != nil {
		return nil, err
	}
	if err := a.identifyKnown(r, body.NodeID); err != nil {
		return nil, err
	}
	if a.cfg.Liveness != nil {
		a.cfg.Liveness.Goodbye(body.NodeID, body.Restart, body.Grace)
	}
	return struct{}{}, nil
}
