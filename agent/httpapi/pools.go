package httpapi

import (
	"iter"
	"net/http"
	"strings"

	"github.com/hashicorp/go-memdb"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/acl"
	"github.com/selfheal/selfheal/agent/state"
)

// namePattern is what names of node pools and namespaces may be made of. It is for
// messages; validName is the rule, as compiling {1,128} costs 60 KiB in every process.
const namePattern = `^[a-zA-Z0-9-_]{1,128}$`

func validName(name string) bool {
	return len(name) >= 1 && len(name) <= 128 && !strings.ContainsFunc(name, func(c rune) bool {
		return c != '-' && c != '_' && !('a' <= c && c <= 'z') && !('A' <= c && c <= 'Z') && !('0' <= c && c <= '9')
	})
}

// poolsList is GET /v1/node/pools.
func poolsList(a *API, r *request) (any, error) {
	l := list[*api.NodePool, *api.NodePool]{
		at:   func(p *api.NodePool) token { return byName(p.Name) },
		keep: func(p *api.NodePool) bool { return r.rights().AllowNodePool(p.Name, acl.PoolRead) },
		show: func(p *api.NodePool) *api.NodePool { return p },
	}
	return readPage(a, r, l, func(s *state.Snapshot, ws memdb.WatchSet) (iter.Seq[*api.NodePool], uint64) {
		return s.NodePools(ws, r.prefix), s.Index(state.TableNodePools)
	})
}

// poolInfo is GET /v1/node/pool/:name.
func poolInfo(a *API, r *request) (any, error) {
	return a.read(r, func(snap *state.Snapshot, ws memdb.WatchSet) (any, uint64, error) {
		p := snap.NodePool(ws, r.vars["name"])
		if p == nil {
			return nil, snap.Index(state.TableNodePools), notFound("node pool not found")
		}
		return p, p.ModifyIndex, nil
	})
}

// poolUpsert is PUT /v1/node/pools and PUT /v1/node/pool/:name.
func poolUpsert(a *API, r *request) (any, error) {
	var pool api.NodePool
	if err := a.decode(r, &pool); err != nil {
		return nil, err
	}
	switch name := r.vars["name"]; {
	case name != "" && pool.Name != name:
		return nil, badRequest("Node pool name %q does not match %q of the path", pool.Name, name)
	case !validName(pool.Name):
		return nil, badRequest("invalid name %q, must match regex %s", pool.Name, namePattern)
	case pool.SchedulerConfiguration != nil && *pool.SchedulerConfiguration != (api.NodePoolSchedulerConfiguration{}):
		return nil, &Error{http.StatusNotImplemented, "SchedulerConfiguration: " + errEnterprise.Text + ": the scheduler is configured for all pools together"}
	case pool.Name == api.NodePoolAll || pool.Name == api.NodePoolDefault:
		return nil, badRequest("modifying node pool %q is not allowed", pool.Name)
	}
	_, err := apply[any](a, r, &state.UpsertNodePool{Pool: &pool})
	return nil, err
}

// poolDelete is DELETE /v1/node/pool/:name.
func poolDelete(a *API, r *request) (any, error) {
	name := r.vars["name"]
	if name == api.NodePoolAll || name == api.NodePoolDefault {
		return nil, badRequest("deleting node pool %q is not allowed", name)
	}
	_, err := apply[any](a, r, &state.DeleteNodePool{Name: name})
	return nil, err
}

// pool refuses a pool that does not exist.
func (a *API) pool(r *request) (string, error) {
	name := r.vars["name"]
	if a.cfg.State.Snapshot().NodePool(nil, name) == nil {
		return "", notFound("node pool not found")
	}
	return name, nil
}

// poolNodes is GET /v1/node/pool/:name/nodes; "all" has every node.
func poolNodes(a *API, r *request) (any, error) {
	name, err := a.pool(r)
	if err != nil {
		return nil, err
	}
	return listNodesWhere(a, r, func(n *state.Node) bool { return name == api.NodePoolAll || n.NodePool == name })
}

// poolJobs is GET /v1/node/pool/:name/jobs.
func poolJobs(a *API, r *request) (any, error) {
	name, err := a.pool(r)
	if err != nil {
		return nil, err
	}
	return listJobsWhere(a, r, false, func(j *api.Job) bool { return value(j.NodePool) == name })
}
