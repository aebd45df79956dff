package state

import (
	"slices"
	"testing"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/healapi"
)

// succeed places the successor of an allocation that moves, for the pending evaluation of web.
func (l *log) succeed(old, to string) string {
	l.t.Helper()
	e := slices.Collect(l.snap().PendingEvals(nil))[0]
	l.must(&ApplyPlans{Plans: []Plan{{
		EvalID: e.ID, Namespace: "default", JobID: "web", Nodes: []string{to},
		Placements: []Placement{{Group: "web", Metric: -1, Previous: old}}, Evals: []*api.Evaluation{l.ended(e.ID)},
	}}})
	return AllocID(e.ID, 0)
}

func TestMoveIsDone(t *testing.T) {
	l := newLog(t)
	_, ids := l.placed("web", 2)
	l.must(&BeginMoves{Moves: []AskedMove{{ids[0], node(1).ID, "n"}}, Begun: true})
	a := l.snap().Alloc(nil, ids[0])
	if !a.Moves() || a.Move.To != node(1).ID || a.Desired != "run" || a.DesiredDescription != "moving to balance: n" {
		t.Fatalf("%+v", a)
	}
	if got := l.pending("web"); !slices.Equal(got, []string{"rebalance"}) {
		t.Fatalf("pending %v", got)
	}
	if !l.snap().Rebalancing(nil).Begun {
		t.Error("it does not know that balancing has begun")
	}
	next := l.succeed(ids[0], node(1).ID)
	well := report(next, "running", 1)
	well.Healthy = new(true)
	l.must(&UpdateAllocs{NodeID: node(1).ID, Updates: []AllocUpdate{well}})
	if s := l.snap().Alloc(nil, next).DeploymentStatus; s == nil || !*s.Healthy {
		t.Error("the successor's health is not kept: the move cannot end")
	}
	l.must(&EndMoves{Done: []string{ids[0], "gone"}})
	a = l.snap().Alloc(nil, ids[0])
	if a.Move != nil || a.Desired != "stop" || a.DesiredDescription != "moved to balance: n" || a.Next != next {
		t.Errorf("%+v", a)
	}
	if b := l.snap().Alloc(nil, next); b.Desired != "run" {
		t.Errorf("%+v", b)
	}
	if got := l.pending("web"); !slices.Equal(got, []string{"rebalance"}) {
		t.Errorf("pending %v", got)
	}
}

func TestMoveIsCalledOff(t *testing.T) {
	l := newLog(t)
	_, ids := l.placed("web", 2)
	l.must(&BeginMoves{Moves: []AskedMove{{ids[0], node(1).ID, "n"}}})
	next := l.succeed(ids[0], node(1).ID)
	l.must(&EndMoves{Off: []OffMove{{ids[0], "it failed"}}})
	a, b := l.snap().Alloc(nil, ids[0]), l.snap().Alloc(nil, next)
	if a.Moves() || a.Move == nil || a.Move.At == 0 || a.Desired != "run" || a.DesiredDescription != "" || a.Next != "" {
		t.Errorf("the allocation goes on as before, and knows when it was left alone: %+v", a)
	}
	if b.Desired != "stop" || b.DesiredDescription != "move called off: it failed" {
		t.Errorf("%+v", b)
	}
	before := save(t, l.s)
	l.must(&EndMoves{Done: []string{ids[0]}, Off: []OffMove{{ids[0], "again"}}})
	if !slices.Equal(records(t, before)[recAlloc], records(t, save(t, l.s))[recAlloc]) {
		t.Error("ending a move twice changed something")
	}
}

func TestMovesThatAreNotBegun(t *testing.T) {
	l := newLog(t)
	_, ids := l.placed("web", 3)
	l.must(&UpdateAllocs{NodeID: node(1).ID, Updates: []AllocUpdate{report(ids[1], "complete", 1)}})
	l.must(&NodeStatus{Updates: []NodeStatusUpdate{{NodeID: node(2).ID, Status: "down"}}})
	for name, m := range map[string]AskedMove{
		"to where it is": {ids[0], node(0).ID, ""}, "to a node that is down": {ids[0], node(2).ID, ""}, "to no node": {ids[0], "gone", ""},
		"of what has ended": {ids[1], node(0).ID, ""}, "of nothing": {"gone", node(0).ID, ""},
	} {
		l.must(&BeginMoves{Moves: []AskedMove{m}})
		if a := l.snap().Alloc(nil, m.AllocID); a != nil && a.Moves() {
			t.Errorf("a move %s was begun", name)
		}
	}
}

func TestSetRebalance(t *testing.T) {
	l := newLog(t)
	if got := l.snap().Rebalancing(nil).Config; got != healapi.DefaultRebalance() {
		t.Errorf("by default %+v", got)
	}
	row := l.must(&SetRebalance{Update: healapi.RebalanceUpdate{Mode: new("on"), MaxParallel: new(2)}}).(*Rebalancing)
	want := healapi.DefaultRebalance()
	want.Mode, want.MaxParallel = "on", 2
	if row.Config != want || l.snap().Rebalancing(nil).Config != want {
		t.Errorf("%+v", row)
	}
	for _, bad := range []healapi.RebalanceUpdate{
		{Mode: new("yes")}, {Threshold: new(0.0)}, {Goal: new(0.3)}, {MinGain: new(2.0)}, {MaxParallel: new(0)}, {Cooldown: new(-want.Cooldown)},
	} {
		if _, refused := l.apply(&SetRebalance{Update: bad}).(error); !refused {
			t.Errorf("%+v was taken", bad)
		}
	}
	restored, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := restored.Restore(bytesReader(save(t, l.s))); err != nil {
		t.Fatal(err)
	}
	if got := restored.Snapshot().Rebalancing(nil).Config; got != want {
		t.Errorf("restored %+v", got)
	}
}
