package state

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/nomad/api"
)

func TestRegisterJobVersions(t *testing.T) {
	l := newLog(t)
	first := l.must(&RegisterJob{Job: job("web", 1)}).(*JobResult)
	same := l.must(&RegisterJob{Job: job("web", 1)}).(*JobResult)
	if first.EvalID == "" || first.EvalID == same.EvalID {
		t.Errorf("each registration makes its own evaluation: %q, %q", first.EvalID, same.EvalID)
	}
	j := l.snap().Job(nil, "default", "web")
	if *j.Version != 0 || *j.JobModifyIndex != first.JobModifyIndex || *j.CreateIndex != first.JobModifyIndex {
		t.Errorf("unchanged job: version %d, job modify index %d", *j.Version, *j.JobModifyIndex)
	}
	if want := epoch.UnixNano() + 10e9; *j.SubmitTime != want {
		t.Errorf("submit time %d, want the entry's %d", *j.SubmitTime, want)
	}
	changed := l.must(&RegisterJob{Job: job("web", 2)}).(*JobResult)
	j = l.snap().Job(nil, "default", "web")
	if *j.Version != 1 || *j.JobModifyIndex != changed.JobModifyIndex || *j.CreateIndex != first.JobModifyIndex {
		t.Errorf("changed job: version %d, indexes %d %d", *j.Version, *j.JobModifyIndex, *j.CreateIndex)
	}
	for n := 3; n <= 12; n++ {
		l.must(&RegisterJob{Job: job("web", n)})
		if n == 4 {
			l.must(&MarkJobStable{Namespace: "default", ID: "web", Version: 2, Stable: true})
		}
	}
	var kept []uint64
	for _, v := range l.snap().JobVersions(nil, "default", "web") {
		kept = append(kept, *v.Version)
	}
	if want := []uint64{11, 10, 9, 8, 7, 6, 2}; !slices.Equal(kept, want) {
		t.Errorf("kept versions %v, want the newest and the stable one: %v", kept, want)
	}
}

func TestRegisterJobRefusals(t *testing.T) {
	l := newLog(t)
	l.must(&RegisterJob{Job: job("web", 1)})
	with := func(change func(*RegisterJob)) *RegisterJob {
		c := &RegisterJob{Job: job("web", 2)}
		change(c)
		return c
	}
	tests := []struct {
		name string
		cmd  *RegisterJob
		want error
	}{
		{"exists", with(func(c *RegisterJob) { c.EnforceIndex = true }),
			ErrConflict{"Enforcing job modify index 0: job already exists"}},
		{"other index", with(func(c *RegisterJob) { c.EnforceIndex, c.JobModifyIndex = true, 5 }),
			ErrConflict{"Enforcing job modify index 5: job exists with conflicting job modify index: 10"}},
		{"not there", with(func(c *RegisterJob) { c.EnforceIndex, c.JobModifyIndex, c.Job.ID = true, 5, new("db") }),
			ErrConflict{"Enforcing job modify index 5: job does not exist"}},
		{"namespace", with(func(c *RegisterJob) { c.Job.Namespace = new("prod") }),
			ErrInvalid{`namespace "prod" does not exist: create it first, or choose another`}},
		{"pool", with(func(c *RegisterJob) { c.Job.NodePool = new("gpu") }),
			ErrInvalid{`node pool "gpu" does not exist: create it first, or choose another`}},
		{"no job", with(func(c *RegisterJob) { c.Job = nil }), ErrInvalid{"register job: the job has no ID"}},
		{"group without name", with(func(c *RegisterJob) { c.Job.TaskGroups[0].Name = nil }), ErrInvalid{"register job: a group has no name"}},
	}
	before := save(t, l.s)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := l.apply(tt.cmd); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
	if !slices.Equal(before, save(t, l.s)) {
		t.Error("a refused command changed the state")
	}
}

func TestTokenRepeatsAnswer(t *testing.T) {
	l := newLog(t)
	cmds := []Command{
		&RegisterJob{Job: job("web", 1), Token: "a"},
		&EvaluateJob{Namespace: "default", ID: "web", Token: "b"},
		&DeregisterJob{Namespace: "default", ID: "web", Token: "c", Purge: true},
	}
	for _, c := range cmds {
		first := l.must(c)
		before := save(t, l.s)
		if diff := cmp.Diff(first, l.must(c)); diff != "" {
			t.Errorf("%T repeated: %s", c, diff)
		}
		if !slices.Equal(before, save(t, l.s)) {
			t.Errorf("%T repeated changed the state", c)
		}
	}
	if n := len(slices.Collect(l.snap().Evals(nil, "*", ""))); n != 3 {
		t.Errorf("%d evaluations, want 3", n)
	}
}

func TestDeregisterJob(t *testing.T) {
	l := newLog(t)
	l.placed("web", 2)
	l.must(&DeregisterJob{Namespace: "default", ID: "web"})
	j := l.snap().Job(nil, "default", "web")
	if !*j.Stop || *j.Version != 1 || *j.Status != "dead" {
		t.Errorf("stopped job: stop %v, version %d, status %s", *j.Stop, *j.Version, *j.Status)
	}
	if got := l.pending("web"); !slices.Equal(got, []string{"job-deregister"}) {
		t.Errorf("pending evaluations %v", got)
	}
	l.must(&RegisterJob{Job: job("web", 2)})
	j = l.snap().Job(nil, "default", "web")
	if *j.Stop || *j.Version != 2 || *j.Status != "running" {
		t.Errorf("started again: stop %v, version %d, status %s", *j.Stop, *j.Version, *j.Status)
	}
	l.must(&DeregisterJob{Namespace: "default", ID: "web", Purge: true})
	if s := l.snap(); s.Job(nil, "default", "web") != nil || len(s.JobVersions(nil, "default", "web")) != 0 || s.JobSummary(nil, "default", "web") != nil {
		t.Error("a purged job is still there")
	}
	var notFound ErrNotFound
	if err, _ := l.apply(&DeregisterJob{Namespace: "default", ID: "web"}).(error); !errors.As(err, &notFound) || err.Error() != "job not found" {
		t.Errorf("stopping an unknown job: %v", err)
	}
}

func TestJobStatusAndSummary(t *testing.T) {
	l := newLog(t)
	l.must(&RegisterNode{Node: node(0)})
	e := l.must(&RegisterJob{Job: typedJob("sum", api.JobTypeBatch, 2)}).(*JobResult).EvalID
	check := func(status string, want api.TaskGroupSummary) {
		t.Helper()
		if got := *l.snap().Job(nil, "default", "sum").Status; got != status {
			t.Errorf("status %q, want %q", got, status)
		}
		if diff := cmp.Diff(want, l.snap().JobSummary(nil, "default", "sum").Summary["web"]); diff != "" {
			t.Errorf("summary: %s", diff)
		}
	}
	check("pending", api.TaskGroupSummary{})
	p := l.plan(e, "sum", 1)
	p.Placements = append(p.Placements, Placement{Group: "web", Index: 1})
	p.Evals[0].QueuedAllocations = map[string]int{"web": 3}
	l.must(&ApplyPlans{Plans: []Plan{p}})
	check("running", api.TaskGroupSummary{Starting: 2, Queued: 3})
	a, b := AllocID(e, 0), AllocID(e, 1)
	l.must(&UpdateAllocs{NodeID: node(0).ID, Updates: []AllocUpdate{report(a, "running", 1), report(b, "complete", 1)}})
	check("running", api.TaskGroupSummary{Running: 1, Complete: 1, Queued: 3})
	l.must(&UpdateAllocs{NodeID: node(0).ID, Updates: []AllocUpdate{report(a, "complete", 2)}})
	check("dead", api.TaskGroupSummary{Complete: 2, Queued: 3})
}

func TestPeriodicAndParameterizedAreNotEvaluated(t *testing.T) {
	l := newLog(t)
	for id, change := range map[string]func(*api.Job){
		"cron":  func(j *api.Job) { j.Periodic = &api.PeriodicConfig{Spec: new("@daily")} },
		"batch": func(j *api.Job) { j.ParameterizedJob = &api.ParameterizedJobConfig{} },
	} {
		j := typedJob(id, api.JobTypeBatch, 1)
		change(j)
		if r := l.must(&RegisterJob{Job: j}).(*JobResult); r.EvalID != "" {
			t.Errorf("%s: evaluation %s", id, r.EvalID)
		}
		if got := *l.snap().Job(nil, "default", id).Status; got != "running" {
			t.Errorf("%s: status %s", id, got)
		}
		child := typedJob(id+"/1", api.JobTypeBatch, 1)
		child.ParentID = &id
		l.must(&RegisterJob{Job: child})
		want := &api.JobChildrenSummary{Pending: 1}
		if diff := cmp.Diff(want, l.snap().JobSummary(nil, "default", id).Children); diff != "" {
			t.Errorf("%s: children: %s", id, diff)
		}
		l.must(&DeregisterJob{Namespace: "default", ID: *child.ID})
		want = &api.JobChildrenSummary{Dead: 1}
		if diff := cmp.Diff(want, l.snap().JobSummary(nil, "default", id).Children); diff != "" {
			t.Errorf("%s: children after stop: %s", id, diff)
		}
	}
}
