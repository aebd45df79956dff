package state

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
)

// epoch is when the tests' logs begin.
var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// log applies commands to a store, one entry a second.
type log struct {
	t     testing.TB
	s     *Store
	index uint64
}

func newLog(t testing.TB) *log {
	t.Helper()
	s, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	return &log{t: t, s: s, index: 9} // the first entries of a real log are not commands either
}

// apply applies a command and returns its result.
func (l *log) apply(cmd Command) any {
	l.t.Helper()
	l.index++
	data, err := Encode(epoch.Add(time.Duration(l.index)*time.Second), cmd)
	if err != nil {
		l.t.Fatal(err)
	}
	return l.s.Apply(l.index, data)
}

// must applies a command that is not to be refused.
func (l *log) must(cmd Command) any {
	l.t.Helper()
	r := l.apply(cmd)
	if err, refused := r.(error); refused {
		l.t.Fatalf("%T: %v", cmd, err)
	}
	return r
}

func (l *log) snap() *Snapshot { return l.s.Snapshot() }

// job is a canonical job with one group "web" of count instances.
func job(id string, count int) *api.Job {
	return typedJob(id, api.JobTypeService, count)
}

func typedJob(id, kind string, count int) *api.Job {
	j := &api.Job{
		ID: &id, Type: &kind, Datacenters: []string{"*"}, NodePool: new("default"),
		TaskGroups: []*api.TaskGroup{{
			Name: new("web"), Count: &count,
			Networks: []*api.NetworkResource{{DynamicPorts: []api.Port{{Label: "http"}}}},
			Tasks: []*api.Task{{
				Name: "server", Driver: "raw_exec", Config: map[string]any{"command": "sleep", "args": []any{"1", 2.5}},
				Resources: &api.Resources{CPU: new(100), MemoryMB: new(64)},
			}},
		}},
	}
	j.Canonicalize()
	return j
}

// node is a ready node number n.
func node(n int) *Node {
	return &Node{
		Node: api.Node{
			ID: fmt.Sprintf("00000000-0000-0000-0000-%012d", n), Name: fmt.Sprintf("node-%d", n), Datacenter: "dc1", NodePool: "default",
			Attributes:    map[string]string{"kernel.name": "linux"},
			NodeResources: &api.NodeResources{Cpu: api.NodeCpuResources{CpuShares: 4000}, Memory: api.NodeMemoryResources{MemoryMB: 8192}},
		},
		SecretID: fmt.Sprintf("secret-%d", n), BootID: "boot-1", RPCAddr: fmt.Sprintf("10.0.0.%d:4647", n),
	}
}

// placed registers a job and nodes, and places count instances, one on each node.
func (l *log) placed(id string, count int) (evalID string, allocs []string) {
	l.t.Helper()
	for n := range count {
		l.must(&RegisterNode{Node: node(n)})
	}
	evalID = l.must(&RegisterJob{Job: job(id, count)}).(*JobResult).EvalID
	l.must(&ApplyPlans{Plans: []Plan{l.plan(evalID, id, count)}})
	for n := range count {
		allocs = append(allocs, AllocID(evalID, n))
	}
	return evalID, allocs
}

// plan places count instances of a job, one on each node, and ends the evaluation.
func (l *log) plan(evalID, id string, count int) Plan {
	p := Plan{
		EvalID: evalID, Namespace: "default", JobID: id,
		Metrics: []*api.AllocationMetric{{NodesEvaluated: count}},
		Evals:   []*api.Evaluation{l.ended(evalID)},
	}
	version := uint64(0)
	if j := l.snap().Job(nil, "default", id); j != nil {
		version = *j.Version
	}
	for n := range count {
		p.Nodes = append(p.Nodes, node(n).ID)
		p.Placements = append(p.Placements, Placement{Group: "web", Index: n, Node: n, JobVersion: version})
	}
	return p
}

// ended is an evaluation, complete, as the leader writes it from the present snapshot.
func (l *log) ended(id string) *api.Evaluation {
	e := *l.snap().Eval(nil, id)
	e.Status, e.SnapshotIndex, e.QueuedAllocations = api.EvalStatusComplete, l.index, map[string]int{"web": 0}
	return &e
}

// report makes the update by which a node reports an allocation.
func report(id, client string, at int64) AllocUpdate {
	return AllocUpdate{ID: id, ClientStatus: client, TaskStates: map[string]*api.TaskState{
		"server": {State: client, Events: []*api.TaskEvent{{Type: api.TaskStarted, Time: at}}},
	}}
}

// save is the saved state.
func save(t testing.TB, s *Store) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := s.Snapshot().WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// pending are the triggers of a job's pending evaluations.
func (l *log) pending(job string) []string {
	var out []string
	for e := range l.snap().PendingEvals(nil) {
		if e.JobID == job {
			out = append(out, e.TriggeredBy)
		}
	}
	return out
}
