package state

import (
	"iter"
	"strings"

	"github.com/hashicorp/go-memdb"
	"github.com/hashicorp/nomad/api"
)

// Namespace is a namespace, nil if there is none.
func (s *Snapshot) Namespace(ws memdb.WatchSet, name string) *api.Namespace {
	return one[api.Namespace](s, ws, TableNamespaces, byID, name)
}

// Namespaces are the namespaces whose name begins with prefix, by name.
func (s *Snapshot) Namespaces(ws memdb.WatchSet, prefix string) iter.Seq[*api.Namespace] {
	return rows[api.Namespace](s, ws, TableNamespaces, byID+"_prefix", prefix)
}

// NodePool is a node pool, nil if there is none.
func (s *Snapshot) NodePool(ws memdb.WatchSet, name string) *api.NodePool {
	return one[api.NodePool](s, ws, TableNodePools, byID, name)
}

// NodePools are the node pools whose name begins with prefix, by name.
func (s *Snapshot) NodePools(ws memdb.WatchSet, prefix string) iter.Seq[*api.NodePool] {
	return rows[api.NodePool](s, ws, TableNodePools, byID+"_prefix", prefix)
}

// SchedulerConfig is the scheduler's settings; the defaults until they are set.
func (s *Snapshot) SchedulerConfig(ws memdb.WatchSet) *api.SchedulerConfiguration {
	if c := one[api.SchedulerConfiguration](s, ws, TableScheduler, byID, ""); c != nil {
		return c
	}
	return &api.SchedulerConfiguration{
		SchedulerAlgorithm: api.SchedulerAlgorithmBinpack,
		PreemptionConfig:   api.PreemptionConfig{SystemSchedulerEnabled: true},
	}
}

// ClusterMeta is what the first leader decided, nil before.
func (s *Snapshot) ClusterMeta(ws memdb.WatchSet) *ClusterMeta {
	return one[ClusterMeta](s, ws, TableClusterMeta, byID, "")
}

// insertBuiltins stores what every cluster has from the start.
func insertBuiltins(txn *memdb.Txn) error {
	rows := []struct {
		table string
		row   any
	}{
		{TableNamespaces, &api.Namespace{Name: api.DefaultNamespace, Description: "Default shared namespace", CreateIndex: 1, ModifyIndex: 1}},
		{TableNodePools, &api.NodePool{Name: api.NodePoolAll, Description: "Node pool with all nodes in the cluster.", CreateIndex: 1, ModifyIndex: 1}},
		{TableNodePools, &api.NodePool{Name: api.NodePoolDefault, Description: "Default node pool.", CreateIndex: 1, ModifyIndex: 1}},
		{tableIndex, &indexRow{Name: TableNamespaces, Index: 1}},
		{tableIndex, &indexRow{Name: TableNodePools, Index: 1}},
	}
	for _, r := range rows {
		if err := txn.Insert(r.table, r.row); err != nil {
			return err
		}
	}
	return nil
}

// isBuiltin says whether a namespace or pool may be neither deleted nor replaced.
func isBuiltin(name string) bool {
	return name == api.DefaultNamespace || name == api.NodePoolAll
}

func hasPrefix(s, prefix string) bool { return prefix == "" || strings.HasPrefix(s, prefix) }
