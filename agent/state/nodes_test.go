package state

import (
	"slices"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
)

func TestRegisterNode(t *testing.T) {
	l := newLog(t)
	l.must(&RegisterJob{Job: typedJob("everywhere", api.JobTypeSystem, 1)})
	l.finish("everywhere")
	l.must(&RegisterNode{Node: node(1)})
	n := l.snap().Node(nil, node(1).ID)
	if n.Status != "ready" || n.SchedulingEligibility != "eligible" || len(n.Events) != 1 {
		t.Errorf("new node: %s, %s, %d events", n.Status, n.SchedulingEligibility, len(n.Events))
	}
	if got := l.pending("everywhere"); !slices.Equal(got, []string{"node-update"}) {
		t.Errorf("a new node leads to %v for a system job", got)
	}
	l.must(&NodeEligibility{NodeID: n.ID, Eligibility: "ineligible"})
	before := save(t, l.s)
	l.must(&RegisterNode{Node: node(1)})
	if !slices.Equal(before, save(t, l.s)) {
		t.Error("the same registration again changed the state")
	}
	changed := node(1)
	changed.Attributes["driver.docker"] = "1"
	l.must(&RegisterNode{Node: changed})
	if n := l.snap().Node(nil, n.ID); n.SchedulingEligibility != "ineligible" || n.Attributes["driver.docker"] != "1" {
		t.Errorf("a changed node: %s, %v", n.SchedulingEligibility, n.Attributes)
	}
	stranger := node(1)
	stranger.SecretID = "other"
	if got := l.apply(&RegisterNode{Node: stranger}); got != (ErrPermission{"node secret ID does not match"}) {
		t.Errorf("a stranger's registration: %v", got)
	}
}

// finish completes a job's pending evaluations without a plan.
func (l *log) finish(job string) {
	l.t.Helper()
	var evals []*api.Evaluation
	for e := range l.snap().EvalsByJob(nil, "default", job) {
		if e.Status == api.EvalStatusPending {
			evals = append(evals, l.ended(e.ID))
		}
	}
	l.must(&UpsertEvals{Evals: evals})
}

func TestRebootMarksAllocations(t *testing.T) {
	l := newLog(t)
	_, ids := l.placed("web", 2)
	l.must(&UpdateAllocs{NodeID: node(0).ID, Updates: []AllocUpdate{report(ids[0], "running", 5)}})
	orders := l.snap().NodeOrdersIndex(nil, node(0).ID)
	again := node(0)
	again.BootID = "boot-2"
	l.must(&RegisterNode{Node: again})
	if s := l.snap(); !s.Alloc(nil, ids[0]).Rebooted || s.Alloc(nil, ids[1]).Rebooted || s.NodeOrdersIndex(nil, node(0).ID) <= orders {
		t.Error("the allocation of a rebooted node is not marked, or another one is")
	}
	l.must(&UpdateAllocs{NodeID: node(0).ID, Updates: []AllocUpdate{report(ids[0], "running", 6)}})
	if l.snap().Alloc(nil, ids[0]).Rebooted {
		t.Error("the mark outlived the next report")
	}
}

func TestNodeStatusEvaluates(t *testing.T) {
	l := newLog(t)
	l.placed("web", 2)
	r := l.must(&NodeStatus{Updates: []NodeStatusUpdate{{NodeID: node(0).ID, Status: "down"}}}).(*NodeResult)
	if got := l.pending("web"); len(r.EvalIDs) != 1 || !slices.Equal(got, []string{"node-update"}) {
		t.Errorf("node down: evaluations %v, pending %v", r.EvalIDs, got)
	}
	again := l.must(&NodeStatus{Updates: []NodeStatusUpdate{{NodeID: node(1).ID, Status: "down"}, {NodeID: "gone", Status: "down"}}}).(*NodeResult)
	if got := l.pending("web"); !slices.Equal(again.EvalIDs, r.EvalIDs) || len(got) != 1 {
		t.Errorf("a second reason has to use the pending evaluation: %v, %v", again.EvalIDs, got)
	}
	if a := l.snap().Alloc(nil, AllocID(l.snap().Eval(nil, r.EvalIDs[0]).ID, 0)); a != nil {
		t.Error("the state placed something by itself")
	}
	if _, ok := l.apply(&NodeStatus{Updates: []NodeStatusUpdate{{NodeID: "gone", Status: "down"}}}).(ErrNotFound); !ok {
		t.Error("an unknown node alone is an error")
	}
	if _, ok := l.apply(&NodeStatus{Updates: []NodeStatusUpdate{{NodeID: node(0).ID, Status: "tired"}}}).(ErrInvalid); !ok {
		t.Error("an unknown status is an error")
	}
}

func TestNodeDrain(t *testing.T) {
	l := newLog(t)
	l.placed("web", 1)
	id := node(0).ID
	strategy := &api.DrainStrategy{DrainSpec: api.DrainSpec{Deadline: time.Hour}, ForceDeadline: epoch.Add(time.Hour)}
	l.must(&NodeDrain{NodeID: id, Strategy: strategy, Meta: map[string]string{"message": "disk"}})
	n := l.snap().Node(nil, id)
	if !n.Drain || n.SchedulingEligibility != "ineligible" || n.LastDrain.Status != "draining" || n.LastDrain.Meta["message"] != "disk" {
		t.Errorf("draining node: %+v", n.LastDrain)
	}
	if got := l.pending("web"); !slices.Equal(got, []string{"node-drain"}) {
		t.Errorf("pending %v", got)
	}
	if _, ok := l.apply(&NodeEligibility{NodeID: id, Eligibility: "eligible"}).(ErrInvalid); !ok {
		t.Error("a draining node became eligible")
	}
	l.must(&NodeDrain{NodeID: id, Complete: true})
	n = l.snap().Node(nil, id)
	if n.Drain || n.SchedulingEligibility != "ineligible" || n.LastDrain.Status != "complete" || !n.LastDrain.StartedAt.Equal(epoch.Add(13*time.Second)) {
		t.Errorf("drained node: drain %v, %s, %+v", n.Drain, n.SchedulingEligibility, n.LastDrain)
	}
	before := save(t, l.s)
	l.must(&NodeDrain{NodeID: id, Complete: true})
	if !slices.Equal(before, save(t, l.s)) {
		t.Error("completing a drain twice changed the state")
	}
}

func TestNodeEventsAreBounded(t *testing.T) {
	l := newLog(t)
	l.must(&RegisterNode{Node: node(1)})
	for range 20 {
		l.must(&NodeStatus{Updates: []NodeStatusUpdate{{NodeID: node(1).ID, Status: "down"}}})
		l.must(&NodeStatus{Updates: []NodeStatusUpdate{{NodeID: node(1).ID, Status: "ready"}}})
	}
	if n := l.snap().Node(nil, node(1).ID); len(n.Events) != 10 || n.Events[9].CreateIndex != l.index {
		t.Errorf("%d events, the last of index %d", len(n.Events), n.Events[9].CreateIndex)
	}
}
