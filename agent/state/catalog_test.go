package state

import (
	"testing"

	"github.com/hashicorp/nomad/api"
)

func TestSchedulerConfigCAS(t *testing.T) {
	l := newLog(t)
	set := func(cas bool, index uint64) any {
		return l.must(&SetSchedulerConfig{Config: &api.SchedulerConfiguration{SchedulerAlgorithm: "spread"}, CAS: cas, Index: index})
	}
	if got := l.snap().SchedulerConfig(nil); got.SchedulerAlgorithm != "binpack" || !got.PreemptionConfig.SystemSchedulerEnabled {
		t.Errorf("default settings %+v", got)
	}
	if set(true, 99) != false || set(true, 0) != true {
		t.Error("a compare-and-set on settings that were never set takes index 0 only")
	}
	at := l.snap().SchedulerConfig(nil).ModifyIndex
	if set(true, at-1) != false || set(true, at) != true || set(false, 0) != true {
		t.Error("compare-and-set does not compare")
	}
}

func TestNamespacesAndPools(t *testing.T) {
	l := newLog(t)
	l.must(&UpsertNamespace{Namespace: &api.Namespace{Name: "prod"}})
	j := job("web", 1)
	j.Namespace = new("prod")
	l.must(&RegisterJob{Job: j})
	n := node(1)
	n.NodePool = "edge"
	l.must(&RegisterNode{Node: n})
	if l.snap().NodePool(nil, "edge") == nil {
		t.Error("a node's pool is not created")
	}
	for _, c := range []Command{
		&DeleteNamespace{"prod"}, &DeleteNamespace{"default"}, &DeleteNamespace{"none"}, &UpsertNamespace{Namespace: &api.Namespace{Name: "*"}},
		&DeleteNodePool{"edge"}, &DeleteNodePool{"all"}, &DeleteNodePool{"none"}, &UpsertNodePool{Pool: &api.NodePool{Name: "default"}},
	} {
		if _, refused := l.apply(c).(error); !refused {
			t.Errorf("%#v was not refused", c)
		}
	}
	l.must(&DeregisterJob{Namespace: "prod", ID: "web", Purge: true})
	l.must(&DeleteNamespace{"prod"})
	if l.snap().Namespace(nil, "prod") != nil {
		t.Error("the namespace is still there")
	}
}

func TestClusterMetaIsSetOnce(t *testing.T) {
	l := newLog(t)
	l.must(&SetClusterMeta{ClusterID: "one"})
	l.must(&SetClusterMeta{ClusterID: "two"})
	if got := l.snap().ClusterMeta(nil).ClusterID; got != "one" {
		t.Errorf("cluster ID %q", got)
	}
}

func TestReap(t *testing.T) {
	l := newLog(t)
	e, ids := l.placed("web", 2)
	orders := l.snap().NodeOrdersIndex(nil, node(0).ID)
	l.must(&Reap{
		Allocs: []string{ids[0], "gone"}, Evals: []string{e, "gone"}, Deployments: []string{"gone"},
		Jobs: []JobKey{{"default", "web"}}, Nodes: []string{node(1).ID},
	})
	s := l.snap()
	if s.Alloc(nil, ids[0]) != nil || s.Eval(nil, e) != nil || s.Job(nil, "default", "web") != nil || s.Node(nil, node(1).ID) != nil {
		t.Error("a reaped row is still there")
	}
	if s.NodeOrdersIndex(nil, node(0).ID) <= orders {
		t.Error("the node is not told that its allocation is forgotten")
	}
	if got := l.pending("web"); len(got) != 1 {
		t.Errorf("the allocation on the reaped node has to be looked at: pending %v", got)
	}
	if s.API(s.Alloc(nil, ids[1])).Job != nil {
		t.Error("an allocation of a forgotten job has no job")
	}
}
