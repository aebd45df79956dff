package state

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/nomad/api"
)

func TestApplyPlanTwiceChangesNothing(t *testing.T) {
	l := newLog(t)
	for n := range 3 {
		l.must(&RegisterNode{Node: node(n)})
	}
	e := l.must(&RegisterJob{Job: job("web", 3)}).(*JobResult).EvalID
	cmd := &ApplyPlans{Plans: []Plan{l.plan(e, "web", 3)}}
	l.must(cmd)
	if n := len(slices.Collect(l.snap().AllocsByJob(nil, "default", "web"))); n != 3 {
		t.Fatalf("%d allocations, want 3", n)
	}
	before := save(t, l.s)
	l.must(cmd)
	if !slices.Equal(before, save(t, l.s)) {
		t.Error("the plan applied again changed the state")
	}
}

func TestPlanReplaces(t *testing.T) {
	l := newLog(t)
	_, ids := l.placed("web", 2)
	l.must(&NodeStatus{Updates: []NodeStatusUpdate{{NodeID: node(0).ID, Status: "down"}}})
	e := slices.Collect(l.snap().PendingEvals(nil))[0]
	p := Plan{
		EvalID: e.ID, Namespace: "default", JobID: "web", Nodes: []string{node(1).ID, node(0).ID, "gone"},
		Stops: []Stop{{AllocID: ids[0], Desired: "stop", Client: "lost", Description: "node is down"}, {AllocID: "gone", Desired: "stop"}},
		Placements: []Placement{
			{Group: "web", Index: 0, Node: 0, Previous: ids[0], Metric: -1},
			{Group: "web", Index: 1, Node: 1, Metric: -1},                // the node is down
			{Group: "web", Index: 1, Node: 2, Metric: -1},                // the node is gone
			{Group: "web", Index: 1, Node: 0, JobVersion: 7, Metric: -1}, // the version is gone
			{Group: "db", Index: 1, Node: 0, Metric: -1},                 // no such group
			{Group: "web", Index: 1, Node: 9, Metric: -1},                // no such position
		},
		Evals: []*api.Evaluation{l.ended(e.ID)},
	}
	if r := l.must(&ApplyPlans{Plans: []Plan{p}}).(*PlanResult); len(r.Refused) != 5 || r.Refused[0] != AllocID(e.ID, 1) {
		t.Errorf("refused %v", r.Refused)
	}
	s := l.snap()
	old, repl := s.Alloc(nil, ids[0]), s.Alloc(nil, AllocID(e.ID, 0))
	if old.Client != "lost" || old.Desired != "stop" || old.Next != repl.ID || repl.Previous != old.ID || repl.Metric != nil {
		t.Errorf("replaced: %+v by %+v", old, repl)
	}
	if n := len(slices.Collect(s.AllocsByJob(nil, "default", "web"))); n != 3 {
		t.Errorf("%d allocations, want 3", n)
	}
	if got := l.pending("web"); !slices.Equal(got, []string{"node-update"}) {
		t.Errorf("placements on dead nodes have to be decided again; pending %v", got)
	}
	want := api.TaskGroupSummary{Starting: 2, Lost: 1}
	if diff := cmp.Diff(want, s.JobSummary(nil, "default", "web").Summary["web"]); diff != "" {
		t.Error(diff)
	}
}

func TestTriggerDuringDecisionIsNotLost(t *testing.T) {
	l := newLog(t)
	_, ids := l.placed("web", 2)
	l.must(&NodeStatus{Updates: []NodeStatusUpdate{{NodeID: node(0).ID, Status: "down"}}})
	e := slices.Collect(l.snap().PendingEvals(nil))[0]
	plan := Plan{EvalID: e.ID, Namespace: "default", JobID: "web", Evals: []*api.Evaluation{l.ended(e.ID)}} // decided here
	l.must(&UpdateAllocs{NodeID: node(1).ID, Updates: []AllocUpdate{report(ids[1], "failed", 1)}})          // then this happens
	l.must(&ApplyPlans{Plans: []Plan{plan}})
	if got := l.pending("web"); !slices.Equal(got, []string{"node-update"}) {
		t.Errorf("the failure during the decision is lost: pending %v", got)
	}
	if got := l.snap().Eval(nil, e.ID).Status; got != "complete" {
		t.Errorf("the decided evaluation is %s", got)
	}
}

// block makes the leader's answer to an evaluation that found no room.
func (l *log) block(evalID, job, blockedID string) {
	l.t.Helper()
	e := l.ended(evalID)
	b := *e
	b.ID, b.Status, b.PreviousEval, b.CreateIndex, b.CreateTime = blockedID, api.EvalStatusBlocked, e.ID, 0, 0
	l.must(&ApplyPlans{Plans: []Plan{{EvalID: evalID, Namespace: "default", JobID: job, Evals: []*api.Evaluation{e, &b}}}})
}

func TestBlockedEvaluations(t *testing.T) {
	l := newLog(t)
	l.placed("web", 1)
	gpu := job("gpu", 1)
	gpu.NodePool = new("gpu")
	l.must(&UpsertNodePool{Pool: &api.NodePool{Name: "gpu"}})
	e1 := l.must(&RegisterJob{Job: job("more", 1)}).(*JobResult).EvalID
	l.block(e1, "more", "blocked-1")
	e2 := l.must(&EvaluateJob{Namespace: "default", ID: "more"}).(*JobResult).EvalID
	l.block(e2, "more", "blocked-2")
	e3 := l.must(&RegisterJob{Job: gpu}).(*JobResult).EvalID
	l.block(e3, "gpu", "blocked-3")
	status := func(id string) string { return l.snap().Eval(nil, id).Status }
	if status("blocked-1") != "canceled" || status("blocked-2") != "blocked" {
		t.Errorf("at most one blocked evaluation a job: %s, %s", status("blocked-1"), status("blocked-2"))
	}
	l.must(&RegisterNode{Node: node(5)})
	if status("blocked-2") != "pending" || status("blocked-3") != "blocked" {
		t.Errorf("a new node in pool default wakes: %s; not for pool gpu: %s", status("blocked-2"), status("blocked-3"))
	}
	l.must(&DeregisterJob{Namespace: "default", ID: "gpu"})
	if status("blocked-3") != "canceled" {
		t.Errorf("the blocked evaluation of a stopped job is %s", status("blocked-3"))
	}
}

func TestFreedCapacityWakes(t *testing.T) {
	free := map[string]func(l *log, alloc string){
		"task ends": func(l *log, alloc string) {
			l.must(&UpdateAllocs{NodeID: node(0).ID, Updates: []AllocUpdate{report(alloc, "failed", 1)}})
		},
		"allocation stops": func(l *log, alloc string) {
			e := l.must(&DeregisterJob{Namespace: "default", ID: "web"}).(*JobResult).EvalID
			l.must(&ApplyPlans{Plans: []Plan{{
				EvalID: e, Namespace: "default", JobID: "web", Evals: []*api.Evaluation{l.ended(e)}, Stops: []Stop{{AllocID: alloc, Desired: "stop"}},
			}}})
		},
		"node eligible": func(l *log, _ string) {
			l.must(&NodeEligibility{NodeID: node(0).ID, Eligibility: "ineligible"})
			l.must(&NodeEligibility{NodeID: node(0).ID, Eligibility: "eligible"})
		},
		"node grows": func(l *log, _ string) {
			n := node(0)
			n.NodeResources.Memory.MemoryMB *= 2
			l.must(&RegisterNode{Node: n})
		},
		"node returns": func(l *log, _ string) {
			l.must(&NodeStatus{Updates: []NodeStatusUpdate{{NodeID: node(0).ID, Status: "down"}}})
			l.must(&NodeStatus{Updates: []NodeStatusUpdate{{NodeID: node(0).ID, Status: "ready"}}})
		},
	}
	for name, do := range free {
		t.Run(name, func(t *testing.T) {
			l := newLog(t)
			_, ids := l.placed("web", 1)
			e := l.must(&RegisterJob{Job: job("more", 1)}).(*JobResult).EvalID
			l.block(e, "more", "blocked")
			do(l, ids[0])
			if got := l.snap().Eval(nil, "blocked").Status; got != "pending" {
				t.Errorf("the blocked evaluation is %s", got)
			}
		})
		t.Run(name+" before the decision is committed", func(t *testing.T) {
			l := newLog(t)
			_, ids := l.placed("web", 1)
			e := l.must(&RegisterJob{Job: job("more", 1)}).(*JobResult).EvalID
			ended := l.ended(e)
			do(l, ids[0])
			b := *ended
			b.ID, b.Status = "blocked", api.EvalStatusBlocked
			l.must(&ApplyPlans{Plans: []Plan{{EvalID: e, Namespace: "default", JobID: "more", Evals: []*api.Evaluation{ended, &b}}}})
			if got := l.snap().Eval(nil, "blocked").Status; got != "pending" {
				t.Errorf("capacity was freed while it was decided, and the evaluation is %s", got)
			}
		})
	}
}

func TestEvaluationQueues(t *testing.T) {
	l := newLog(t)
	for id, prio := range map[string]int{"low": 10, "high": 90} {
		j := job(id, 1)
		j.Priority = &prio
		l.must(&RegisterJob{Job: j})
	}
	l.must(&RegisterJob{Job: job("mid", 1)})
	l.must(&RegisterJob{Job: job("mid", 2)})
	l.must(&UpsertEvals{Evals: []*api.Evaluation{
		{ID: "later", Namespace: "default", JobID: "mid", Priority: 99, Type: "service", Status: "pending", WaitUntil: epoch.Add(2)},
		{ID: "soon", Namespace: "default", JobID: "mid", Priority: 1, Type: "service", Status: "pending", WaitUntil: epoch.Add(1)},
	}})
	var pending, delayed []string
	for e := range l.snap().PendingEvals(nil) {
		pending = append(pending, e.JobID)
	}
	for e := range l.snap().DelayedEvals(nil) {
		delayed = append(delayed, e.ID)
	}
	if !slices.Equal(pending, []string{"high", "mid", "mid", "low"}) || !slices.Equal(delayed, []string{"soon", "later"}) {
		t.Errorf("pending %v, delayed %v", pending, delayed)
	}
}

// TestClustersDoNotShareIDs: two clusters that did the same have different IDs, as
// a node that moves from one to the other, or a Consul that both use, relies on.
func TestClustersDoNotShareIDs(t *testing.T) {
	register := func(at time.Time) string {
		l := newLog(t)
		data, err := Encode(at, &RegisterJob{Job: job("web", 1)})
		if err != nil {
			t.Fatal(err)
		}
		return l.s.Apply(10, data).(*JobResult).EvalID
	}
	if a, b := register(epoch), register(epoch.Add(time.Nanosecond)); a == b {
		t.Errorf("both clusters have the evaluation %s", a)
	}
	if a, b := register(epoch), register(epoch); a != b {
		t.Errorf("two replicas of one log have evaluations %s and %s", a, b)
	}
}
