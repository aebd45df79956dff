package state

import (
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/nomad/api"
)

func TestUpdateAllocsIsIdempotentAndForwardOnly(t *testing.T) {
	l := newLog(t)
	_, ids := l.placed("web", 1)
	id, at := ids[0], node(0).ID
	steps := []struct {
		name   string
		update AllocUpdate
		want   string // client status
		news   bool   // the row changes
	}{
		{"starts", report(id, "running", 10), "running", true},
		{"the same again", report(id, "running", 10), "running", false},
		{"an older one", report(id, "pending", 9), "running", false},
		{"fails", report(id, "failed", 20), "failed", true},
		{"says that it runs", report(id, "running", 30), "failed", true}, // task states are kept
		{"completes", report(id, "complete", 40), "failed", true},
		{"no status that nodes report", report(id, "great", 40), "failed", true},
	}
	for _, s := range steps {
		before := l.snap().Alloc(nil, id)
		l.must(&UpdateAllocs{NodeID: at, Updates: []AllocUpdate{s.update}})
		after := l.snap().Alloc(nil, id)
		if after.Client != s.want || (before != after) != s.news {
			t.Errorf("%s: client %s (want %s), changed %v", s.name, after.Client, s.want, before != after)
		}
		if after.AllocModifyIndex != after.CreateIndex {
			t.Errorf("%s: a report moved AllocModifyIndex", s.name)
		}
	}
	if _, ok := l.apply(&UpdateAllocs{NodeID: "other", Updates: []AllocUpdate{report(id, "running", 99)}}).(ErrPermission); !ok {
		t.Error("a report of another node's allocation was taken")
	}
	l.must(&UpdateAllocs{NodeID: at, Updates: []AllocUpdate{report("forgotten", "running", 1)}})
}

func TestReportsThatEvaluate(t *testing.T) {
	tests := []struct {
		kind, desired, client string
		want                  []string
	}{
		{"service", "run", "failed", []string{"alloc-failure"}},
		{"service", "run", "complete", []string{"alloc-failure"}},
		{"service", "run", "running", nil},
		{"service", "stop", "failed", nil},
		{"batch", "run", "failed", []string{"alloc-failure"}},
		{"batch", "run", "complete", nil},
		{"system", "run", "complete", []string{"alloc-failure"}},
	}
	for _, tt := range tests {
		t.Run(tt.kind+" "+tt.desired+" "+tt.client, func(t *testing.T) {
			l := newLog(t)
			l.must(&RegisterNode{Node: node(0)})
			e := l.must(&RegisterJob{Job: typedJob("j", tt.kind, 1)}).(*JobResult).EvalID
			l.must(&ApplyPlans{Plans: []Plan{l.plan(e, "j", 1)}})
			e2 := l.must(&EvaluateJob{Namespace: "default", ID: "j"}).(*JobResult).EvalID
			l.must(&ApplyPlans{Plans: []Plan{{
				EvalID: e2, Namespace: "default", JobID: "j", Evals: []*api.Evaluation{l.ended(e2)},
				Stops: []Stop{{AllocID: AllocID(e, 0), Desired: tt.desired}},
			}}})
			l.must(&UpdateAllocs{NodeID: node(0).ID, Updates: []AllocUpdate{report(AllocID(e, 0), tt.client, 1)}})
			if got := l.pending("j"); !slices.Equal(got, tt.want) {
				t.Errorf("pending %v, want %v", got, tt.want)
			}
		})
	}
}

func TestUnknownReconnects(t *testing.T) {
	l := newLog(t)
	_, ids := l.placed("web", 1)
	l.must(&UpdateAllocs{NodeID: node(0).ID, Updates: []AllocUpdate{report(ids[0], "running", 10)}})
	e := l.must(&EvaluateJob{Namespace: "default", ID: "web"}).(*JobResult).EvalID
	l.must(&ApplyPlans{Plans: []Plan{{
		EvalID: e, Namespace: "default", JobID: "web", Evals: []*api.Evaluation{l.ended(e)},
		Stops: []Stop{{AllocID: ids[0], Desired: "run", Client: "unknown", FollowupEvalID: "later"}},
	}}})
	if a := l.snap().Alloc(nil, ids[0]); a.Client != "unknown" || a.Desired != "run" || a.FollowupEvalID != "later" {
		t.Fatalf("disconnected allocation: %s %s %s", a.Client, a.Desired, a.FollowupEvalID)
	}
	l.must(&UpdateAllocs{NodeID: node(0).ID, Updates: []AllocUpdate{report(ids[0], "running", 10)}})
	if a := l.snap().Alloc(nil, ids[0]); a.Client != "running" {
		t.Errorf("reconnected allocation: %s", a.Client)
	}
	if got := l.pending("web"); !slices.Equal(got, []string{"reconnect"}) {
		t.Errorf("pending %v", got)
	}
}

func TestTransitionAllocs(t *testing.T) {
	l := newLog(t)
	_, ids := l.placed("web", 2)
	r := l.must(&TransitionAllocs{Trigger: "node-drain", Allocs: map[string]*api.DesiredTransition{
		ids[0]: {Migrate: new(true)}, ids[1]: {Migrate: new(true)}, "gone": {Migrate: new(true)},
	}}).(*TransitionResult)
	if len(r.EvalIDs) != 1 || r.EvalIDs["default\x00web"] == "" {
		t.Errorf("evaluations %v", r.EvalIDs)
	}
	l.must(&TransitionAllocs{Allocs: map[string]*api.DesiredTransition{ids[0]: {NoShutdownDelay: new(true)}}})
	a := l.snap().Alloc(nil, ids[0])
	if !a.Transition.ShouldMigrate() || !a.Transition.ShouldIgnoreShutdownDelay() || a.AllocModifyIndex != l.index {
		t.Errorf("transitions do not add up: %+v", a.Transition)
	}
	if _, ok := l.apply(&TransitionAllocs{Allocs: map[string]*api.DesiredTransition{"gone": {}}}).(ErrNotFound); !ok {
		t.Error("an unknown allocation alone is an error")
	}
}

func TestAPIJoins(t *testing.T) {
	l := newLog(t)
	n0 := node(0)
	n0.NodeResources.Networks = []*api.NetworkResource{{Device: "eth0", IP: "10.0.0.1"}}
	l.must(&RegisterNode{Node: n0})
	e := l.must(&RegisterJob{Job: job("web", 1)}).(*JobResult).EvalID
	p := l.plan(e, "web", 1)
	p.Placements[0].Ports = []api.PortMapping{{Label: "http", Value: 23456, HostIP: "10.0.0.1"}}
	l.must(&ApplyPlans{Plans: []Plan{p}})
	l.must(&RegisterJob{Job: job("web", 5)})
	s := l.snap()
	a := s.API(s.Alloc(nil, AllocID(e, 0)))
	if a.Name != "web.web[0]" || a.NodeName != "node-0" || *a.Job.Version != 0 || *a.Resources.CPU != 100 || *a.TaskResources["server"].MemoryMB != 64 {
		t.Errorf("joined allocation: %s on %s, job version %d", a.Name, a.NodeName, *a.Job.Version)
	}
	if n := a.AllocatedResources.Shared.Networks[0]; n.IP != "10.0.0.1" || n.DynamicPorts[0].Value != 23456 {
		t.Errorf("network %+v", n)
	}
	if n := a.NetworkStatus; n == nil || n.Address != "10.0.0.1" || n.InterfaceName != "eth0" {
		t.Errorf("network status %+v: it should be the node's", n)
	}
	if a.Metrics.NodesEvaluated != 1 {
		t.Errorf("metrics %+v", a.Metrics)
	}
}

func TestTaskStatesKeepWhatNodesReport(t *testing.T) {
	want := map[string]*api.TaskState{
		"server": {State: "dead", Failed: true, Restarts: 3, StartedAt: epoch, FinishedAt: epoch.Add(1), Events: []*api.TaskEvent{
			{Type: api.TaskReceived, Time: 1, Details: map[string]string{}},
			{Type: api.TaskTerminated, Time: 2, ExitCode: 1, Details: map[string]string{"exit_code": "1"}},
			{Type: api.TaskTerminated, Time: 3, ExitCode: 2, Details: map[string]string{"exit_code": "2"}},
		}},
		"sidecar": {State: "running"},
	}
	p := newPool()
	first, second := p.pack(want), p.pack(want)
	if diff := cmp.Diff(want, first.API()); diff != "" {
		t.Error(diff)
	}
	if first[0].Events[1].What != second[0].Events[1].What || first[0].Events[1].What == first[0].Events[2].What {
		t.Error("equal events have to be shared, and others not")
	}
	for i := range 3 * maxPooled {
		p.text(strconv.Itoa(i))
		p.event(&api.TaskEvent{Message: strconv.Itoa(i)})
	}
	if len(p.texts) > maxPooled || len(p.events) > maxPooled {
		t.Errorf("the pool holds %d texts and %d events", len(p.texts), len(p.events))
	}
	if got := p.pack(map[string]*api.TaskState{"a": nil, "b": {Events: []*api.TaskEvent{nil}}}); len(got) != 1 || len(got[0].Events) != 0 {
		t.Errorf("empty states: %+v", got)
	}
}
