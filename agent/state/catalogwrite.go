package state

import (
	"github.com/hashicorp/nomad/api"
)

// applyReap forgets rows. What is gone already is passed over.
func applyReap(t *tx, c *Reap) any {
	for _, id := range c.Evals {
		if e := t.Eval(nil, id); e != nil {
			drop(t, TableEvals, e)
		}
	}
	for _, id := range c.Allocs {
		if a := t.allocs.get(id); a != nil {
			t.dropAlloc(a)
		}
	}
	for _, id := range c.Deployments {
		if d := t.Deployment(nil, id); d != nil {
			drop(t, TableDeployments, d)
		}
	}
	for _, key := range c.Jobs {
		if j := t.Job(nil, key.Namespace, key.ID); j != nil {
			t.purgeJob(j)
		}
	}
	for _, id := range c.Nodes {
		if n := t.Node(nil, id); n != nil {
			drop(t, TableNodes, n)
			t.evalsForNode(n, triggerNodeUpdate, true, false) // what it ran is lost
		}
	}
	return nil
}

// applySetSchedulerConfig replaces the scheduler's settings.
func applySetSchedulerConfig(t *tx, c *SetSchedulerConfig) any {
	if c.Config == nil {
		return invalidf("set scheduler configuration: it is missing")
	}
	old := one[api.SchedulerConfiguration](t.Snapshot, nil, TableScheduler, byID, "")
	cfg := *c.Config
	cfg.CreateIndex, cfg.ModifyIndex = t.index, t.index
	has := uint64(0)
	if old != nil {
		cfg.CreateIndex, has = old.CreateIndex, old.ModifyIndex
	}
	if c.CAS && c.Index != has {
		return false
	}
	put(t, TableScheduler, old, &cfg)
	return true
}

// applyUpsertNamespace creates or changes a namespace.
func applyUpsertNamespace(t *tx, c *UpsertNamespace) any {
	if c.Namespace == nil || c.Namespace.Name == "" || c.Namespace.Name == AllNamespaces {
		return invalidf("store namespace: it needs a name other than %q", AllNamespaces)
	}
	old, after := t.Namespace(nil, c.Namespace.Name), *c.Namespace
	after.CreateIndex, after.ModifyIndex = t.index, t.index
	if old != nil {
		after.CreateIndex = old.CreateIndex
	}
	put(t, TableNamespaces, old, &after)
	return nil
}

// applyDeleteNamespace deletes a namespace without jobs.
func applyDeleteNamespace(t *tx, c *DeleteNamespace) any {
	old := t.Namespace(nil, c.Name)
	switch {
	case old == nil:
		return ErrNotFound{"namespace", c.Name}
	case c.Name == api.DefaultNamespace:
		return invalidf("can not delete default namespace")
	}
	for j := range t.Jobs(nil, c.Name, "") {
		return conflictf("namespace %q has jobs, %q for one: stop and purge them first", c.Name, *j.ID)
	}
	for v := range t.Variables(nil, c.Name, "") {
		return conflictf("namespace %q has variables, %q for one: delete them first", c.Name, v.Path)
	}
	drop(t, TableNamespaces, old)
	return nil
}

// applyUpsertNodePool creates or changes a node pool.
func applyUpsertNodePool(t *tx, c *UpsertNodePool) any {
	switch {
	case c.Pool == nil || c.Pool.Name == "":
		return invalidf("store node pool: it has no name")
	case isBuiltin(c.Pool.Name):
		return invalidf("modifying node pool %q is not allowed", c.Pool.Name)
	}
	t.putPool(*c.Pool)
	return nil
}

func (t *tx) putPool(p api.NodePool) {
	old := t.NodePool(nil, p.Name)
	p.CreateIndex, p.ModifyIndex = t.index, t.index
	if old != nil {
		p.CreateIndex = old.CreateIndex
	}
	put(t, TableNodePools, old, &p)
}

// ensurePool creates the pool that a node names.
func (t *tx) ensurePool(name string) {
	if t.NodePool(nil, name) == nil {
		t.putPool(api.NodePool{Name: name})
	}
}

// applyDeleteNodePool deletes a node pool that nothing names.
func applyDeleteNodePool(t *tx, c *DeleteNodePool) any {
	old := t.NodePool(nil, c.Name)
	switch {
	case old == nil:
		return ErrNotFound{"node pool", c.Name}
	case isBuiltin(c.Name):
		return invalidf("deleting node pool %q is not allowed", c.Name)
	}
	for n := range t.Nodes(nil) {
		if n.NodePool == c.Name {
			return conflictf("node pool %q has nodes, %s for one: move them first", c.Name, n.ID)
		}
	}
	for j := range t.Jobs(nil, AllNamespaces, "") {
		if j.NodePool != nil && *j.NodePool == c.Name && !isTrue(j.Stop) {
			return conflictf("node pool %q has jobs, %q for one: stop them first", c.Name, *j.ID)
		}
	}
	drop(t, TableNodePools, old)
	return nil
}

// applySetClusterMeta stores what the first leader decided; later ones change nothing.
func applySetClusterMeta(t *tx, c *SetClusterMeta) any {
	if t.ClusterMeta(nil) == nil {
		put(t, TableClusterMeta, nil, &ClusterMeta{ClusterID: c.ClusterID, CreateIndex: t.index, CreateTime: t.at})
	}
	return nil
}
