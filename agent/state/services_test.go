package state

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/nomad/api"
)

// serving reports an allocation with services of these IDs, each called "web".
func serving(alloc string, at int64, ids ...string) AllocUpdate {
	u := report(alloc, api.AllocClientStatusRunning, at)
	for _, id := range ids {
		u.Services = append(u.Services, &api.ServiceRegistration{ID: id, ServiceName: "web", Tags: []string{"a"}, Address: "10.0.0.1", Port: 80})
	}
	return u
}

// served places two instances of a job with a service, and registers "s0" and "s1".
func served(t *testing.T) (*log, []string) {
	l := newLog(t)
	for n := range 2 {
		l.must(&RegisterNode{Node: node(n)})
	}
	j := job("web", 2)
	j.TaskGroups[0].Services = []*api.Service{{Name: "web"}}
	evalID := l.must(&RegisterJob{Job: j}).(*JobResult).EvalID
	l.must(&ApplyPlans{Plans: []Plan{l.plan(evalID, "web", 2)}})
	ids := []string{AllocID(evalID, 0), AllocID(evalID, 1)}
	for n, id := range ids {
		l.must(&UpdateAllocs{NodeID: node(n).ID, Updates: []AllocUpdate{serving(id, 1, []string{"s0", "s1"}[n])}})
	}
	return l, ids
}

// registered are the IDs in the catalogue.
func (l *log) registered() []string {
	var out []string
	for s := range l.snap().Services(nil, AllNamespaces) {
		out = append(out, s.ID)
	}
	return out
}

func TestReportsRegisterServices(t *testing.T) {
	l, ids := served(t)
	got := l.snap().Service(nil, "s0")
	want := api.ServiceRegistration{
		ID: "s0", ServiceName: "web", Namespace: "default", NodeID: node(0).ID, Datacenter: "dc1", JobID: "web", AllocID: ids[0],
		Tags: []string{"a"}, Address: "10.0.0.1", Port: 80, CreateIndex: got.CreateIndex, ModifyIndex: got.CreateIndex,
	}
	if diff := cmp.Diff(want, got.ServiceRegistration); diff != "" || got.CreateIndex == 0 || got.Failing {
		t.Errorf("row %+v\n%s", got, diff)
	}
	if of := slices.Collect(l.snap().ServicesByAlloc(nil, ids[1])); len(of) != 1 || of[0].ID != "s1" {
		t.Errorf("services of the second allocation: %v", of)
	}

	before := save(t, l.s)
	l.must(&UpdateAllocs{NodeID: node(0).ID, Updates: []AllocUpdate{serving(ids[0], 1, "s0")}})
	if !slices.Equal(before, save(t, l.s)) {
		t.Error("the same report again changed the state")
	}
	failing := serving(ids[0], 1, "s0")
	failing.Failing = []string{"s0"}
	l.must(&UpdateAllocs{NodeID: node(0).ID, Updates: []AllocUpdate{failing}})
	if s := l.snap().Service(nil, "s0"); !s.Failing || s.CreateIndex != got.CreateIndex || s.ModifyIndex == got.ModifyIndex {
		t.Errorf("a failing check: %+v", s)
	}
	l.must(&UpdateAllocs{NodeID: node(0).ID, Updates: []AllocUpdate{serving(ids[0], 1, "s2", "s3")}})
	if diff := cmp.Diff([]string{"s1", "s2", "s3"}, l.registered()); diff != "" {
		t.Error("the set is not what was reported:", diff)
	}
	l.must(&UpdateAllocs{NodeID: node(0).ID, Updates: []AllocUpdate{serving(ids[0], 1, "s1")}})
	if s := l.snap().Service(nil, "s1"); s.AllocID != ids[1] {
		t.Error("an allocation took the registration of another")
	}
}

// What ends an allocation, or hides it, takes its registrations along in the same entry.
func TestServicesGoWithTheirAllocation(t *testing.T) {
	tests := []struct {
		name string
		end  func(l *log, ids []string) Command
	}{
		{"it failed", func(_ *log, ids []string) Command {
			u := serving(ids[0], 2, "s0")
			u.ClientStatus = api.AllocClientStatusFailed
			return &UpdateAllocs{NodeID: node(0).ID, Updates: []AllocUpdate{u}}
		}},
		{"it serves no more", func(_ *log, ids []string) Command {
			return &UpdateAllocs{NodeID: node(0).ID, Updates: []AllocUpdate{serving(ids[0], 2)}}
		}},
		{"it is lost", func(l *log, ids []string) Command {
			return l.stopping(Stop{AllocID: ids[0], Desired: api.AllocDesiredStatusStop, Client: api.AllocClientStatusLost})
		}},
		{"it is unknown", func(l *log, ids []string) Command {
			return l.stopping(Stop{AllocID: ids[0], Desired: api.AllocDesiredStatusRun, Client: api.AllocClientStatusUnknown})
		}},
		{"it is forgotten", func(_ *log, ids []string) Command { return &Reap{Allocs: []string{ids[0]}} }},
		{"its node is down", func(*log, []string) Command {
			return &NodeStatus{Updates: []NodeStatusUpdate{{NodeID: node(0).ID, Status: api.NodeStatusDown}}}
		}},
		{"its node is disconnected", func(*log, []string) Command {
			return &NodeStatus{Updates: []NodeStatusUpdate{{NodeID: node(0).ID, Status: api.NodeStatusDisconnected}}}
		}},
		{"its node was rebooted", func(*log, []string) Command {
			n := node(0)
			n.BootID = "boot-2"
			return &RegisterNode{Node: n}
		}},
		{"somebody deletes it", func(*log, []string) Command { return &DeleteServices{IDs: []string{"s0"}} }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, ids := served(t)
			l.must(tt.end(l, ids))
			if diff := cmp.Diff([]string{"s1"}, l.registered()); diff != "" {
				t.Error(diff)
			}
			if at := l.snap().Index(TableServices); at != l.index {
				t.Errorf("the catalogue changed at %d, the entry is %d", at, l.index)
			}
		})
	}
}

// stopping is a plan that does one thing to an allocation.
func (l *log) stopping(s Stop) Command {
	l.t.Helper()
	evalID := l.must(&EvaluateJob{Namespace: "default", ID: "web"}).(*JobResult).EvalID
	return &ApplyPlans{Plans: []Plan{{EvalID: evalID, Namespace: "default", JobID: "web", Stops: []Stop{s}, Evals: []*api.Evaluation{l.ended(evalID)}}}}
}

// A node that comes back is made to say again what it serves; until it is ready,
// its reports register nothing.
func TestReturnedNodeIsAskedForItsServices(t *testing.T) {
	for _, status := range []string{api.NodeStatusDown, api.NodeStatusDisconnected} {
		t.Run(status, func(t *testing.T) {
			l, ids := served(t)
			l.must(&NodeStatus{Updates: []NodeStatusUpdate{{NodeID: node(0).ID, Status: status}}})
			l.must(&UpdateAllocs{NodeID: node(0).ID, Updates: []AllocUpdate{serving(ids[0], 2, "s0")}})
			if diff := cmp.Diff([]string{"s1"}, l.registered()); diff != "" {
				t.Error("a node that is not ready registered:", diff)
			}
			orders := l.snap().Alloc(nil, ids[0]).AllocModifyIndex
			l.must(&RegisterNode{Node: node(0)})
			if l.snap().Alloc(nil, ids[0]).AllocModifyIndex <= orders {
				t.Error("the node is not made to report again")
			}
			l.must(&UpdateAllocs{NodeID: node(0).ID, Updates: []AllocUpdate{serving(ids[0], 2, "s0")}})
			if diff := cmp.Diff([]string{"s0", "s1"}, l.registered()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDeleteServices(t *testing.T) {
	l, _ := served(t)
	if _, ok := l.apply(&DeleteServices{IDs: []string{"s9"}}).(ErrNotFound); !ok {
		t.Error("deleting an unknown registration is an error")
	}
}

// What is to stop is not offered any more, from the very entry that decides so; a report
// that its node made before does not bring it back.
func TestStoppedAllocationLeavesTheCatalogueAtOnce(t *testing.T) {
	l, ids := served(t)
	e := l.must(&EvaluateJob{Namespace: "default", ID: "web"}).(*JobResult).EvalID
	p := l.plan(e, "web", 0)
	p.Stops = []Stop{{AllocID: ids[0], Desired: api.AllocDesiredStatusStop, Description: "replaced"}}
	l.must(&ApplyPlans{Plans: []Plan{p}})
	if got := l.registered(); !slices.Equal(got, []string{"s1"}) {
		t.Errorf("registered after the decision: %v", got)
	}
	l.must(&UpdateAllocs{NodeID: node(0).ID, Updates: []AllocUpdate{serving(ids[0], 2, "s0")}})
	if got := l.registered(); !slices.Equal(got, []string{"s1"}) {
		t.Errorf("registered after a late report: %v", got)
	}
}
