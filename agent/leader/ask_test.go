package leader

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-memdb"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/healapi"
	"github.com/selfheal/selfheal/agent/state"
)

// lone is a world whose log is written by an evaluator, too.
type lone struct {
	*world
	mu sync.Mutex
	l  *Leader
}

// Apply implements Log.
func (w *lone) Apply(_ context.Context, data []byte) (any, uint64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.index++
	return w.store.Apply(w.index, data), w.index, nil
}

// evaluating runs nothing of a leader but its evaluator, until the test ends or stop is called.
func evaluating(t *testing.T, fill func(*world)) (w *lone, stop func()) {
	w = &lone{world: newWorld(t)}
	fill(w.world)
	cfg := Default()
	cfg.Logger, cfg.State, cfg.Log = hclog.NewNullLogger(), w.store, w
	w.l = New(cfg)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	w.l.evaluate.feed.open()
	go func() {
		defer close(done)
		if err := w.l.evaluate.run(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("the evaluator ended: %v", err)
		}
	}()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return w, stop
}

// register submits a service job of n, each of 100 MHz and 300 MB, and waits for the decision.
func (w *lone) register(id string, n int) *api.Evaluation {
	w.t.Helper()
	return w.registerWith(id, n, func(*api.Job) {})
}

// registerWith is register of a job with changes.
func (w *lone) registerWith(id string, n int, change func(*api.Job)) *api.Evaluation {
	w.t.Helper()
	job := api.NewServiceJob(id, id, "global", 50)
	task := api.NewTask("task", "mock_driver").Require(&api.Resources{CPU: ptr(100), MemoryMB: ptr(300)})
	job.AddTaskGroup(api.NewTaskGroup("group", n).AddTask(task))
	job.Canonicalize()
	job.TaskGroups[0].Update = nil
	job.TaskGroups[0].EphemeralDisk.SizeMB = ptr(0)
	change(job)
	w.mu.Lock()
	result := w.apply(&state.RegisterJob{Job: job}).(*state.JobResult)
	w.mu.Unlock()
	var ev *api.Evaluation
	w.until(func(s *state.Snapshot) bool {
		ev = s.Eval(nil, result.EvalID)
		return ev.Status != api.EvalStatusPending
	})
	return ev
}

// until waits for the state to be as it should.
func (w *lone) until(ok func(*state.Snapshot) bool) {
	w.t.Helper()
	for {
		snap, ws := w.store.Snapshot(), memdb.NewWatchSet()
		for range snap.Evals(ws, "*", "") {
			break // any change of an evaluation wakes
		}
		for range snap.Allocs(ws, "*", "") {
			break
		}
		if ok(snap) {
			return
		}
		if err := ws.WatchCtx(w.t.Context()); err != nil {
			w.t.Fatal(err)
		}
	}
}

// sized registers a node with a capacity.
func (w *world) sized(n int, mhz, mb int) string {
	id := fmt.Sprintf("%08d-0000-4000-8000-000000000000", n)
	w.apply(&state.RegisterNode{Node: &state.Node{SecretID: id, BootID: "b", Node: api.Node{
		ID: id, Name: fmt.Sprint("node-", n), Datacenter: "dc1", NodePool: "default",
		Drivers: map[string]*api.DriverInfo{"mock_driver": {Detected: true, Healthy: true}},
		NodeResources: &api.NodeResources{
			Cpu: api.NodeCpuResources{CpuShares: int64(mhz)}, Memory: api.NodeMemoryResources{MemoryMB: int64(mb)},
		},
	}}})
	return id
}

// Decisions are taken while a question about the loss of each of 5,000 nodes, all full and no
// two alike, is being answered.
func TestLongQuestionDoesNotStallTheLoop(t *testing.T) {
	const nodes = 5000
	w, stop := evaluating(t, func(w *world) {
		for n := range nodes {
			w.sized(n, 200+n/299, 600+n%299)
		}
	})
	if ev := w.register("full", 2*nodes); len(ev.FailedTGAllocs) > 0 {
		t.Fatalf("the cluster does not fill up: %+v", ev.FailedTGAllocs["group"])
	}
	ctx, giveUp := context.WithCancel(t.Context())
	answered := make(chan error, 1)
	go func() {
		_, err := w.l.Resilience(ctx, ResilienceQuery{Pairs: true})
		answered <- err
	}()
	for i := range 20 {
		ev := w.register(fmt.Sprint("small-", i), 1)
		if ev.Status != api.EvalStatusComplete || len(ev.FailedTGAllocs) != 1 {
			t.Fatalf("small-%d: %s, failed %v", i, ev.Status, ev.FailedTGAllocs)
		}
		if _, err := w.l.Plan(t.Context(), w.store.Snapshot().Job(nil, "default", "full")); err != nil {
			t.Fatalf("a short question beside the long one: %v", err)
		}
	}
	select {
	case err := <-answered:
		t.Fatalf("the question was answered (%v) before the decisions were taken: it is no long one", err)
	default:
	}
	giveUp()
	if err := <-answered; !errors.Is(err, context.Canceled) {
		t.Errorf("a question that was given up ended with %v", err)
	}
	stop()
}

// A question that is open when leadership ends is given up at once, for the next leader.
func TestQuestionEndsWithLeadership(t *testing.T) {
	w, stop := evaluating(t, func(w *world) {
		for n := range 500 {
			w.sized(n, 200, 600+n)
		}
	})
	w.register("full", 1000)
	answered := make(chan error, 1)
	begun := make(chan struct{})
	ctx, giveUp := context.WithCancel(t.Context())
	defer giveUp()
	go func() {
		_, err := w.l.Resilience(ctx, ResilienceQuery{Pairs: true})
		answered <- err
	}()
	for len(w.l.turn) == 0 { // it is about to ask
		runtime.Gosched()
	}
	go func() { // the evaluator takes questions in order: when this one is answered, the first is begun
		defer close(begun)
		w.l.Plan(t.Context(), w.store.Snapshot().Job(nil, "default", "full"))
	}()
	<-begun
	stop()
	giveUp() // the other question may have come first: then nobody is left to take this one
	if err := <-answered; err != nil && !errors.Is(err, ErrNotLeading) && !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
}

func TestDrainPlan(t *testing.T) {
	var a, b string
	w, _ := evaluating(t, func(w *world) { a, b = w.sized(1, 1000, 700), w.sized(2, 1000, 400) })
	w.register("web", 3)
	plan, err := w.l.DrainPlan(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	if plan.Fits || plan.Nowhere != 2 || len(plan.Moves) != 2 || plan.NodeName != "node-1" {
		t.Errorf("two of 300 MB have no place on a node of 400 MB that has one: %+v", plan)
	}
	if m := plan.Moves[0]; m.Hint != "needs 200 MB more memory on node node-2" || m.Name != "web.group[0]" && m.Name != "web.group[1]" || m.FromNodeID != a {
		t.Errorf("%+v", m)
	}
	w.mu.Lock()
	w.sized(3, 1000, 700)
	w.mu.Unlock()
	plan, err = w.l.DrainPlan(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	if !plan.Fits || len(plan.Moves) != 1 || plan.Moves[0].ToNodeName != "node-3" {
		t.Errorf("%+v", plan)
	}
	if n := w.store.Snapshot().Node(nil, b); n.DrainStrategy != nil {
		t.Error("the question drained the node")
	}
}

func TestResilience(t *testing.T) {
	w, _ := evaluating(t, func(w *world) {
		w.sized(1, 1000, 700)
		w.sized(2, 1000, 700)
	})
	ask := func(q ResilienceQuery) *healapi.Resilience {
		t.Helper()
		r, err := w.l.Resilience(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	w.register("web", 2)
	if r := ask(ResilienceQuery{Pairs: true}); !r.AnyOne || r.AnyTwo || len(r.Nodes) == 0 || r.WorstPair == nil {
		t.Errorf("either of two half-full nodes can be lost, not both: %+v", r)
	}
	if r := ask(ResilienceQuery{Brief: true}); !r.AnyOne || len(r.Nodes) != 0 {
		t.Errorf("in brief: %+v", r)
	}
	grown := *w.store.Snapshot().Job(nil, "default", "web")
	group := *grown.TaskGroups[0]
	group.Count = ptr(3)
	grown.TaskGroups = []*api.TaskGroup{&group}
	if r := ask(ResilienceQuery{Brief: true, After: &grown}); r.AnyOne || len(r.Nodes) == 0 {
		t.Errorf("after growing to three, a node with two cannot be lost: %+v", r)
	}
	if r := ask(ResilienceQuery{Brief: true}); !r.AnyOne {
		t.Errorf("asking about a change changed the answer: %+v", r)
	}
	w.register("web", 4)
	if r := ask(ResilienceQuery{Brief: true}); r.AnyOne || r.Single.Survived != 0 {
		t.Errorf("the answer is of the state before: %+v", r)
	}
}
