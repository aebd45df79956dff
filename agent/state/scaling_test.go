package state

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/nomad/api"
)

func TestScaleJob(t *testing.T) {
	l := newLog(t)
	first := l.must(&RegisterJob{Job: job("web", 1)}).(*JobResult)
	scale := &ScaleJob{
		Namespace: "default", ID: "web", Group: "web", Count: new(3), JobModifyIndex: first.JobModifyIndex,
		Message: "load", Meta: map[string]any{"cpu": "high"}, Token: "t1",
	}
	before := l.snap().Job(nil, "default", "web")
	scaled := l.must(scale).(*JobResult)
	if diff := cmp.Diff(scaled, l.must(scale)); diff != "" {
		t.Errorf("the repeated request has another answer: %s", diff)
	}
	j := l.snap().Job(nil, "default", "web")
	if *j.Version != 1 || *j.TaskGroups[0].Count != 3 || *before.TaskGroups[0].Count != 1 {
		t.Errorf("version %d has count %d, the one before %d", *j.Version, *j.TaskGroups[0].Count, *before.TaskGroups[0].Count)
	}
	if e := l.snap().Eval(nil, scaled.EvalID); e == nil || e.TriggeredBy != "job-scaling" {
		t.Errorf("evaluation %+v", e)
	}
	noted := l.must(&ScaleJob{Namespace: "default", ID: "web", Group: "web", Message: "no data", Error: true}).(*JobResult)
	if want := (&JobResult{JobModifyIndex: scaled.JobModifyIndex}); !cmp.Equal(noted, want) {
		t.Errorf("an event alone changes nothing: %+v, want %+v", noted, want)
	}
	events, index := l.snap().ScalingEvents(nil, "default", "web")
	want := map[string][]api.ScalingEvent{"web": {
		{PreviousCount: 3, Error: true, Message: "no data", Time: uint64(epoch.UnixNano() + 13e9), CreateIndex: 13},
		{
			Count: new(int64(3)), PreviousCount: 1, Message: "load", Meta: map[string]any{"cpu": "high"}, EvalID: &scaled.EvalID,
			Time: uint64(epoch.UnixNano() + 11e9), CreateIndex: 11,
		},
	}}
	if diff := cmp.Diff(want, events); diff != "" || index != 13 {
		t.Errorf("events at %d: %s", index, diff)
	}
}

func TestScaleJobRefusals(t *testing.T) {
	l := newLog(t)
	l.must(&RegisterJob{Job: job("web", 1)})
	before := string(save(t, l.s))
	for _, tt := range []struct {
		cmd  ScaleJob
		want any
	}{
		{ScaleJob{ID: "db", Group: "web"}, &ErrNotFound{}},
		{ScaleJob{ID: "web", Group: "db"}, &ErrInvalid{}},
		{ScaleJob{ID: "web", Group: "web", Count: new(2), JobModifyIndex: 1}, &ErrConflict{}},
	} {
		tt.cmd.Namespace = "default"
		if err, _ := l.apply(&tt.cmd).(error); err == nil || !errors.As(err, tt.want) {
			t.Errorf("%+v: got %v, want a %T", tt.cmd, err, tt.want)
		}
	}
	if diff := cmp.Diff(before, string(save(t, l.s))); diff != "" {
		t.Errorf("a refused command changed: %s", diff)
	}
}

func TestScalingEventsAreBoundedAndGoWithTheJob(t *testing.T) {
	l := newLog(t)
	l.must(&RegisterJob{Job: job("web", 1)})
	for n := range keptScalings + 5 {
		l.must(&ScaleJob{Namespace: "default", ID: "web", Group: "web", Message: fmt.Sprint(n)})
	}
	events, _ := l.snap().ScalingEvents(nil, "default", "web")
	if got := events["web"]; len(got) != keptScalings || got[0].Message != fmt.Sprint(keptScalings+4) {
		t.Errorf("%d events, the newest %q", len(got), got[0].Message)
	}
	l.must(&DeregisterJob{Namespace: "default", ID: "web", Purge: true})
	if events, _ := l.snap().ScalingEvents(nil, "default", "web"); events != nil {
		t.Errorf("a purged job has events: %v", events)
	}
}
