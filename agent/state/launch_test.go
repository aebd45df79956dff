package state

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/nomad/api"
)

// cron registers a periodic job.
func (l *log) cron(id string, overlap bool) {
	l.t.Helper()
	j := typedJob(id, api.JobTypeBatch, 1)
	j.Meta = map[string]string{"a": "1", "b": "2"}
	j.Periodic = &api.PeriodicConfig{Spec: new("* * * * *"), ProhibitOverlap: new(!overlap)}
	j.Canonicalize()
	l.must(&RegisterJob{Job: j})
}

// parameterized registers a parameterized job.
func (l *log) parameterized(id string) {
	l.t.Helper()
	j := typedJob(id, api.JobTypeBatch, 1)
	j.Meta = map[string]string{"a": "1", "b": "2"}
	j.ParameterizedJob = &api.ParameterizedJobConfig{}
	l.must(&RegisterJob{Job: j})
}

func (l *log) launch(x Launch) LaunchResult {
	l.t.Helper()
	x.Namespace = "default"
	return l.must(&LaunchJobs{Launches: []Launch{x}}).([]LaunchResult)[0]
}

func (l *log) children(id string) (out []string) {
	for j := range l.snap().Jobs(nil, "default", id+"/") {
		out = append(out, *j.ID)
	}
	return out
}

func TestScheduledLaunchIsMadeOnce(t *testing.T) {
	l := newLog(t)
	l.cron("cron", true)
	due := epoch.Add(time.Minute)
	first := l.launch(Launch{ID: "cron", Child: "cron/periodic-60", Due: due})
	if first.Child != "cron/periodic-60" || first.EvalID == "" || first.Skipped != "" {
		t.Fatalf("%+v", first)
	}
	child := l.snap().Job(nil, "default", "cron/periodic-60")
	if *child.ParentID != "cron" || *child.Name != *child.ID || child.IsPeriodic() || *child.Version != 0 || *child.Status != "pending" {
		t.Errorf("child %+v", child)
	}
	if e := l.snap().Eval(nil, first.EvalID); e.TriggeredBy != "periodic-job" || e.JobID != *child.ID {
		t.Errorf("evaluation %+v", e)
	}
	if again := l.launch(Launch{ID: "cron", Child: "cron/periodic-60", Due: due}); again.Skipped == "" {
		t.Errorf("launched twice: %+v", again)
	}
	l.must(&Reap{Jobs: []JobKey{{"default", "cron/periodic-60"}}})
	if again := l.launch(Launch{ID: "cron", Child: "cron/periodic-60", Due: due}); again.Skipped == "" {
		t.Errorf("launched again after its child was forgotten: %+v", again)
	}
	if got := l.snap().LastLaunch(nil, "default", "cron"); !got.Equal(due) {
		t.Errorf("last launch %v, want %v", got, due)
	}
	// What was missed before the entry's time is over with one launch.
	late := l.launch(Launch{ID: "cron", Child: "cron/periodic-61", Due: due.Add(time.Nanosecond)})
	if got := l.snap().LastLaunch(nil, "default", "cron"); late.Skipped != "" || !got.After(due) {
		t.Errorf("%+v, last launch %v", late, got)
	}
}

func TestOverlapIsProhibited(t *testing.T) {
	l := newLog(t)
	l.cron("cron", false)
	at := func(n int) Launch {
		return Launch{ID: "cron", Child: "cron/periodic-" + string(rune('0'+n)), Due: epoch.Add(time.Duration(n) * time.Hour)}
	}
	if r := l.launch(at(1)); r.Skipped != "" {
		t.Fatalf("%+v", r)
	}
	if r := l.launch(at(2)); r.Skipped == "" {
		t.Errorf("%+v", r)
	}
	if got := l.snap().LastLaunch(nil, "default", "cron"); !got.Equal(at(2).Due) {
		t.Errorf("a skipped launch did not move the schedule on: %v", got)
	}
	if r := l.launch(Launch{ID: "cron", Child: "cron/periodic-9"}); r.EvalID == "" {
		t.Errorf("a forced launch: %+v", r)
	}
	l.must(&DeregisterJob{Namespace: "default", ID: "cron/periodic-9"})
	l.must(&DeregisterJob{Namespace: "default", ID: "cron/periodic-1", Purge: true}) // counted as dead, not as running for ever
	if diff := cmp.Diff(&api.JobChildrenSummary{Dead: 2}, l.snap().JobSummary(nil, "default", "cron").Children); diff != "" {
		t.Error(diff)
	}
	if r := l.launch(at(3)); r.Skipped != "" {
		t.Errorf("%+v", r)
	}
}

func TestForcedLaunchesHaveNamesOfTheirOwn(t *testing.T) {
	l := newLog(t)
	l.cron("cron", true)
	for range 3 {
		l.launch(Launch{ID: "cron", Child: "cron/periodic-1099"})
	}
	want := []string{"cron/periodic-1099", "cron/periodic-1100", "cron/periodic-1101"}
	if diff := cmp.Diff(want, l.children("cron")); diff != "" {
		t.Error(diff)
	}
	if !l.snap().LastLaunch(nil, "default", "cron").IsZero() {
		t.Error("a forced launch moved the schedule")
	}
}

func TestDispatch(t *testing.T) {
	l := newLog(t)
	l.parameterized("work")
	x := Launch{ID: "work", Child: "work/dispatch-1-aa", Meta: map[string]string{"b": "3", "c": "4"}, Payload: []byte("hello"), Priority: 70, Token: "t"}
	r := l.launch(x)
	j := l.snap().Job(nil, "default", "work/dispatch-1-aa")
	if !j.Dispatched || j.ParameterizedJob == nil || string(j.Payload) != "hello" || *j.Priority != 70 || *j.DispatchIdempotencyToken != "t" {
		t.Errorf("child %+v", j)
	}
	if diff := cmp.Diff(map[string]string{"a": "1", "b": "3", "c": "4"}, j.Meta); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]string{"a": "1", "b": "2"}, l.snap().Job(nil, "default", "work").Meta); diff != "" {
		t.Errorf("the parent changed: %s", diff)
	}
	x.Child = "work/dispatch-2-bb"
	if again := l.launch(x); again.Child != r.Child || again.EvalID != r.EvalID {
		t.Errorf("the same token: %+v, want %+v", again, r)
	}
	l.index += 3600 // an hour later the answer is forgotten, the child is not
	l.launch(Launch{ID: "work", Child: "work/dispatch-3-cc", Token: "other"})
	if again := l.launch(x); again.Child != r.Child || again.EvalID != "" {
		t.Errorf("the same token an hour later: %+v", again)
	}
	if n := len(l.children("work")); n != 2 {
		t.Errorf("%d children, want 2", n)
	}
	if diff := cmp.Diff(&api.JobChildrenSummary{Pending: 2}, l.snap().JobSummary(nil, "default", "work").Children); diff != "" {
		t.Error(diff)
	}
}

func TestLaunchesThatAreRefused(t *testing.T) {
	l := newLog(t)
	l.parameterized("work")
	l.parameterized("stopped")
	l.must(&DeregisterJob{Namespace: "default", ID: "stopped"})
	l.must(&RegisterJob{Job: job("web", 1)})
	results := l.must(&LaunchJobs{Launches: []Launch{
		{Namespace: "default", ID: "none", Child: "none/x"},
		{Namespace: "default", ID: "stopped", Child: "stopped/x"},
		{Namespace: "default", ID: "web", Child: "web/x"},
		{Namespace: "default", ID: "work", Child: "elsewhere"},
		{Namespace: "default", ID: "work", Child: "work/x", Due: epoch}, // it has no schedule
		{Namespace: "default", ID: "work", Child: "work/x"},
	}}).([]LaunchResult)
	for i, r := range results[:4] {
		if r.Err == nil || r.EvalID != "" {
			t.Errorf("launch %d: %+v", i, r)
		}
	}
	if results[4].Skipped == "" || results[5].EvalID == "" {
		t.Errorf("%+v", results[4:])
	}
}

// A parent that is purged and registered again does not count the children of the
// one before it.
func TestChildrenOfAPurgedParent(t *testing.T) {
	l := newLog(t)
	l.cron("cron", true)
	l.launch(Launch{ID: "cron", Child: "cron/periodic-1", Due: epoch})
	l.must(&DeregisterJob{Namespace: "default", ID: "cron", Purge: true})
	l.cron("cron", true)
	l.must(&DeregisterJob{Namespace: "default", ID: "cron/periodic-1"})
	if diff := cmp.Diff(&api.JobChildrenSummary{}, l.snap().JobSummary(nil, "default", "cron").Children); diff != "" {
		t.Error(diff)
	}
	if !l.snap().LastLaunch(nil, "default", "cron").IsZero() {
		t.Error("the schedule of the one before it goes on")
	}
}
