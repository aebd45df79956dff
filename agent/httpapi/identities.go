package httpapi

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/go-memdb"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/nodeapi"
	"github.com/selfheal/selfheal/agent/state"
)

// defaultIdentity is the name of the identity that every task has.
const defaultIdentity = "default"

// maxIdentities bounds one request: signing takes about a millisecond.
const maxIdentities = 100

// nodeIdentities is POST /v1/internal/node/identities: what a node's tasks, and the node
// itself, show to others. A node gets identities of its own allocations only, and only
// while servers want them to run.
func nodeIdentities(a *API, r *request) (any, error) {
	var body nodeapi.IdentitiesRequest
	if err := a.decode(r, &body); err != nil {
		return nil, err
	}
	if len(body.Tasks) > maxIdentities {
		return nil, badRequest("%d identities are too many for one request: ask for %d at most", len(body.Tasks), maxIdentities)
	}
	if err := a.awaitNode(r, body.NodeID); err != nil {
		return nil, err
	}
	if err := a.identifyKnown(r, body.NodeID); err != nil {
		return nil, err
	}
	if err := a.awaitIdentities(r, body.Tasks); err != nil {
		return nil, err
	}
	snap := a.cfg.State.Snapshot()
	resp := &nodeapi.IdentitiesResponse{Tasks: []nodeapi.Identity{}}
	for _, want := range body.Tasks {
		resp.Tasks = append(resp.Tasks, answerIdentity(a.taskIdentity(snap, body.NodeID, want)))
	}
	if body.Node {
		node := snap.Node(nil, body.NodeID)
		id := answerIdentity(a.cfg.Signer.SignNode(node, nodeTTL(snap, node)))
		resp.Node = &id
	}
	return resp, nil
}

func answerIdentity(t Token, err error) nodeapi.Identity {
	if err != nil {
		return nodeapi.Identity{Error: err.Error()}
	}
	return nodeapi.Identity{JWT: t.JWT, Issued: t.Issued, Expires: t.Expires}
}

// awaitKey gives a new cluster a moment to make its first root key.
func (a *API) awaitKey(r *request) error { return a.awaitIdentities(r, nil) }

// awaitIdentities gives a follower a moment to learn of the allocations too.
func (a *API) awaitIdentities(r *request, wants []nodeapi.TaskIdentity) error {
	ctx, cancel := context.WithTimeout(r.Context(), a.cfg.Limits.LeaderWait)
	defer cancel()
	return a.cfg.State.Block(ctx, 1, func(snap *state.Snapshot, ws memdb.WatchSet) (uint64, error) {
		if snap.ActiveRootKey(ws) == nil {
			return 0, nil
		}
		for _, want := range wants {
			if snap.Alloc(ws, want.AllocID) == nil {
				return 0, nil
			}
		}
		return 2, nil
	})
}

// taskIdentity signs one identity.
func (a *API) taskIdentity(snap *state.Snapshot, nodeID string, want nodeapi.TaskIdentity) (Token, error) {
	alloc := snap.Alloc(nil, want.AllocID)
	if alloc == nil || alloc.NodeID != nodeID {
		return Token{}, fmt.Errorf("allocation %s is not one of this node", want.AllocID)
	}
	job := snap.JobVersion(nil, alloc.Namespace, alloc.JobID, alloc.JobVersion)
	task := taskOf(job, alloc.Group, want.Task)
	if task == nil {
		return Token{}, fmt.Errorf("allocation %s has no task %q", want.AllocID, want.Task)
	}
	after := task.Lifecycle != nil && task.Lifecycle.Hook == api.TaskLifecycleHookPoststop
	if alloc.ClientTerminal() || alloc.ServerTerminal() && !after {
		return Token{}, fmt.Errorf("allocation %s is not to run any more", want.AllocID)
	}
	identity := workloadIdentity(task, want.Name)
	if identity == nil {
		return Token{}, fmt.Errorf("task %q has no identity %q", want.Task, want.Name)
	}
	return a.cfg.Signer.SignTask(alloc, job, want.Task, identity)
}

func taskOf(job *api.Job, group, task string) *api.Task {
	if job == nil {
		return nil
	}
	for _, g := range job.TaskGroups {
		if value(g.Name) != group {
			continue
		}
		for _, t := range g.Tasks {
			if t.Name == task {
				return t
			}
		}
	}
	return nil
}

// workloadIdentity is an identity of a task by its name.
func workloadIdentity(task *api.Task, name string) *api.WorkloadIdentity {
	if cmp.Or(name, defaultIdentity) == defaultIdentity {
		return task.Identity
	}
	for _, id := range task.Identities {
		if id != nil && id.Name == name {
			return id
		}
	}
	return nil
}

// defaultNodeTTL is for how long a node's identity is valid, unless its node pool says
// otherwise. Fact of the Nomad API.
const defaultNodeTTL = 24 * time.Hour

func nodeTTL(snap *state.Snapshot, node *state.Node) time.Duration {
	if pool := snap.NodePool(nil, node.NodePool); pool != nil && pool.NodeIdentityTTL > 0 {
		return pool.NodeIdentityTTL
	}
	return defaultNodeTTL
}
