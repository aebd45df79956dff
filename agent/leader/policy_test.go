package leader

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
)

// world is a state that tests write to as the log would.
type world struct {
	t     *testing.T
	store *state.Store
	index uint64
	now   time.Time
}

func newWorld(t *testing.T) *world {
	store, err := state.New(state.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return &world{t: t, store: store, now: time.Unix(1_000_000, 0)}
}

func (w *world) apply(cmd state.Command) any {
	w.t.Helper()
	data, err := state.Encode(w.now, cmd)
	if err != nil {
		w.t.Fatal(err)
	}
	w.index++
	result := w.store.Apply(w.index, data)
	if err, bad := result.(error); bad {
		w.t.Fatalf("apply %T: %v", cmd, err)
	}
	return result
}

func (w *world) node(n int) string {
	w.t.Helper()
	id := fmt.Sprintf("%08d-0000-4000-8000-000000000000", n)
	w.apply(&state.RegisterNode{Node: &state.Node{Node: api.Node{ID: id, Name: id, Datacenter: "dc1", NodePool: "default"}, SecretID: id, BootID: "b"}})
	return id
}

// job registers a job of n tasks and places them on nodes in turn, running.
func (w *world) job(id, kind string, n int, nodes ...string) []string {
	w.t.Helper()
	task := api.NewTask("task", "mock_driver")
	job := api.NewServiceJob(id, id, "global", 50)
	job.Type = &kind
	job.AddTaskGroup(api.NewTaskGroup("group", n).AddTask(task))
	job.Canonicalize()
	job.TaskGroups[0].Update = nil
	result := w.apply(&state.RegisterJob{Job: job}).(*state.JobResult)
	ev := w.store.Snapshot().Eval(nil, result.EvalID)
	done := *ev
	done.Status = api.EvalStatusComplete
	plan := state.Plan{EvalID: ev.ID, Namespace: "default", JobID: id, Nodes: nodes, Evals: []*api.Evaluation{&done}}
	var ids []string
	for i := range n {
		plan.Placements = append(plan.Placements, state.Placement{Group: "group", Index: i, Node: i % len(nodes), Metric: -1})
		ids = append(ids, state.AllocID(ev.ID, i))
	}
	w.apply(&state.ApplyPlans{Plans: []state.Plan{plan}})
	for i, a := range ids {
		w.client(nodes[i%len(nodes)], a, api.AllocClientStatusRunning)
	}
	return ids
}

func (w *world) client(node, alloc, status string) {
	w.t.Helper()
	w.apply(&state.UpdateAllocs{NodeID: node, Updates: []state.AllocUpdate{{ID: alloc, ClientStatus: status}}})
}

func (w *world) drain(node string, spec api.DrainSpec) *state.Node {
	w.t.Helper()
	s := &api.DrainStrategy{DrainSpec: spec, StartedAt: w.now}
	if spec.Deadline > 0 {
		s.ForceDeadline = w.now.Add(spec.Deadline)
	}
	w.apply(&state.NodeDrain{NodeID: node, Strategy: s})
	return w.store.Snapshot().Node(nil, node)
}

func (w *world) step(node string, at time.Time) drainPlan {
	snap := w.store.Snapshot()
	return drainStep(snap, snap.Node(nil, node), &migrateBudget{snap: snap, used: map[groupKey]int{}}, at)
}

func TestDrainMovesServicesOneByOne(t *testing.T) {
	w := newWorld(t)
	a, b := w.node(1), w.node(2)
	w.job("web", api.JobTypeService, 4, a, b)
	n := w.drain(a, api.DrainSpec{Deadline: time.Hour})
	got := w.step(a, w.now)
	if len(got.migrate) != 1 || got.done {
		t.Errorf("%d are asked to move, done %v; migrate.max_parallel is 1", len(got.migrate), got.done)
	}
	if !got.next.Equal(n.DrainStrategy.ForceDeadline) {
		t.Errorf("look again at %v, want the deadline", got.next)
	}
	w.apply(&state.TransitionAllocs{Allocs: got.migrate, Trigger: "node-drain"})
	if again := w.step(a, w.now); len(again.migrate) != 0 {
		t.Errorf("%d more are asked before the first has moved", len(again.migrate))
	}
	if forced := w.step(a, w.now.Add(time.Hour)); len(forced.migrate) != 1 {
		t.Errorf("at the deadline %d more are asked, want the one that is left", len(forced.migrate))
	}
}

func TestDrainLetsBatchWorkEndUntilTheDeadline(t *testing.T) {
	w := newWorld(t)
	a := w.node(1)
	ids := w.job("work", api.JobTypeBatch, 2, a)
	w.drain(a, api.DrainSpec{Deadline: time.Hour})
	if got := w.step(a, w.now); len(got.migrate) != 0 || got.done {
		t.Errorf("batch work is asked to move before the deadline: %v, done %v", got.migrate, got.done)
	}
	forced := w.step(a, w.now.Add(time.Hour))
	if len(forced.migrate) != 2 || !deref(forced.migrate[ids[0]].MigrateDisablePlacement) {
		t.Errorf("at the deadline: %v, want both stopped for good", forced.migrate)
	}
}

func TestDrainTakesSystemJobsLast(t *testing.T) {
	w := newWorld(t)
	a := w.node(1)
	web, logs := w.job("web", api.JobTypeService, 1, a), w.job("logs", api.JobTypeSystem, 1, a)
	w.drain(a, api.DrainSpec{Deadline: time.Hour})
	if got := w.step(a, w.now); got.migrate[logs[0]] != nil {
		t.Error("the system job goes before the service has moved")
	}
	w.client(a, web[0], api.AllocClientStatusComplete)
	if got := w.step(a, w.now); got.migrate[logs[0]] == nil || got.done {
		t.Errorf("the system job should go now: %v, done %v", got.migrate, got.done)
	}
	w.drain(a, api.DrainSpec{Deadline: time.Hour, IgnoreSystemJobs: true})
	if got := w.step(a, w.now); !got.done {
		t.Error("nothing but an ignored system job is left: the drain is complete")
	}
}

func TestGarbage(t *testing.T) {
	w := newWorld(t)
	a, b := w.node(1), w.node(2)
	running := w.job("runs", api.JobTypeService, 1, a)
	stopped := w.job("stopped", api.JobTypeService, 1, a)
	w.apply(&state.DeregisterJob{Namespace: "default", ID: "stopped"})
	w.client(a, stopped[0], api.AllocClientStatusComplete)
	for ev := range w.store.Snapshot().PendingEvals(nil) {
		done := *ev
		done.Status = api.EvalStatusComplete
		w.apply(&state.UpsertEvals{Evals: []*api.Evaluation{&done}})
	}
	w.apply(&state.NodeStatus{Updates: []state.NodeStatusUpdate{{NodeID: b, Status: api.NodeStatusDown}}})
	gc := DefaultGC()

	if got := garbage(w.store.Snapshot(), gc, w.now.Add(time.Minute)); size(got) != 0 {
		t.Errorf("a minute later %+v is garbage already", got)
	}
	late := garbage(w.store.Snapshot(), gc, w.now.Add(48*time.Hour))
	if !slices.Contains(late.Allocs, stopped[0]) || slices.Contains(late.Allocs, running[0]) {
		t.Errorf("allocations %v are garbage, want the stopped job's and not the running one's", late.Allocs)
	}
	if !slices.Equal(late.Nodes, []string{b}) {
		t.Errorf("nodes %v are garbage, want the one that is down", late.Nodes)
	}
	for _, part := range split(late, 1) {
		if size(part) != 1 {
			t.Errorf("a part holds %d rows, want 1", size(part))
		}
		w.apply(part)
	}
	again := garbage(w.store.Snapshot(), gc, w.now.Add(48*time.Hour))
	if want := []state.JobKey{{Namespace: "default", ID: "stopped"}}; len(again.Jobs)+len(late.Jobs) != 1 || !slices.Equal(append(late.Jobs, again.Jobs...), want) {
		t.Errorf("jobs %v and then %v are garbage, want the stopped one once", late.Jobs, again.Jobs)
	}
	if w.store.Snapshot().Alloc(nil, running[0]) == nil {
		t.Error("a running allocation was reaped")
	}
}
