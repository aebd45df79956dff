package state

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/nomad/api"
)

// read takes n batches off a subscription as "index topic type key" lines.
func read(t *testing.T, sub *Subscription, n int) []string {
	t.Helper()
	var out []string
	for range n {
		ev, err := sub.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range ev.Events {
			if e.Index != ev.Index {
				t.Errorf("event of index %d in a batch of %d", e.Index, ev.Index)
			}
			key := e.Key
			if len(key) == 36 {
				key = "id"
			}
			out = append(out, strings.Join([]string{string(e.Topic), e.Type, key}, " "))
		}
	}
	return out
}

func TestEventStream(t *testing.T) {
	l := newLog(t)
	all := l.s.Events().Subscribe(0, nil, "*")
	jobs := l.s.Events().Subscribe(0, map[string][]string{"Job": {"web"}}, "default")
	allocs := l.s.Events().Subscribe(0, map[string][]string{"Allocation": {"web"}}, "default")
	other := l.s.Events().Subscribe(0, map[string][]string{"*": {"*"}}, "other")
	l.placed("web", 1)
	l.must(&RegisterJob{Job: job("db", 1)})
	l.must(&DeregisterJob{Namespace: "default", ID: "web", Purge: true})
	want := []string{
		"Node NodeRegistration id",
		"Job JobRegistered web", "Evaluation EvaluationUpdated id",
		"Allocation PlanResult id", "Evaluation EvaluationUpdated id", "Job JobRegistered web",
		"Job JobRegistered db", "Evaluation EvaluationUpdated id",
		"Job JobDeregistered web", "Evaluation EvaluationUpdated id", "Job JobDeregistered web",
	}
	if diff := cmp.Diff(want, read(t, all, 5)); diff != "" {
		t.Errorf("all events: %s", diff)
	}
	want = []string{"Job JobRegistered web", "Job JobRegistered web", "Job JobDeregistered web", "Job JobDeregistered web"}
	if diff := cmp.Diff(want, read(t, jobs, 3)); diff != "" {
		t.Errorf("events of job web: %s", diff)
	}
	if diff := cmp.Diff([]string{"Allocation PlanResult id"}, read(t, allocs, 1)); diff != "" {
		t.Errorf("allocations by job: %s", diff)
	}
	if diff := cmp.Diff([]string{"Node NodeRegistration id"}, read(t, other, 1)); diff != "" {
		t.Errorf("another namespace: %s", diff)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := all.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a reader whose context ended: %v", err)
	}
}

func TestEventPayloadDecodes(t *testing.T) {
	l := newLog(t)
	sub := l.s.Events().Subscribe(0, map[string][]string{"Node": nil, "Allocation": nil}, "*")
	l.placed("web", 1)
	for range 2 {
		ev, err := sub.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		wire, err := json.Marshal(ev)
		if err != nil {
			t.Fatal(err)
		}
		var back api.Events
		if err := json.Unmarshal(wire, &back); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(wire), "secret-0") {
			t.Error("the node's secret is on the event stream")
		}
		if back.Events[0].Topic == api.TopicAllocation {
			if a, err := back.Events[0].Allocation(); err != nil || a.NodeName != "node-0" {
				t.Errorf("decoded allocation %+v: %v", a, err)
			}
		}
	}
}

func TestEventStreamResumesAndTellsSlowReaders(t *testing.T) {
	s, err := New(Config{EventBuffer: 4})
	if err != nil {
		t.Fatal(err)
	}
	l := &log{t: t, s: s, index: 9}
	slow := s.Events().Subscribe(0, nil, "*")
	for _, id := range []string{"a", "b", "c", "d", "e", "f"} { // entries 10 to 15
		l.must(&RegisterJob{Job: job(id, 1)})
	}
	resumed := s.Events().Subscribe(13, map[string][]string{"Job": nil}, "*")
	if got, want := read(t, resumed, 2), []string{"Job JobRegistered e", "Job JobRegistered f"}; !slices.Equal(got, want) {
		t.Errorf("resumed after 13: %v, want %v", got, want)
	}
	old := s.Events().Subscribe(1, map[string][]string{"Job": nil}, "*")
	var gap ErrEventGap
	if _, err := old.Next(t.Context()); !errors.As(err, &gap) || gap != (ErrEventGap{First: 2, Last: 11}) {
		t.Errorf("an index older than the buffer: %v", err)
	}
	if got := read(t, old, 1); got[0] != "Job JobRegistered c" {
		t.Errorf("an index older than the buffer starts with %v", got)
	}
	if _, err := slow.Next(t.Context()); !errors.Is(err, ErrSlowReader) {
		t.Errorf("a slow reader: %v", err)
	}
}

// TestEventGaps: who asks for what is not there any more is told so, once; who is ahead
// of this server is not told again what it knows.
func TestEventGaps(t *testing.T) {
	l := newLog(t)
	l.placed("web", 1)
	first := l.s.Snapshot().LastIndex()
	for i := range 1050 { // more than are buffered
		l.must(&UpsertNodePool{Pool: &api.NodePool{Name: "pool", Description: strconv.Itoa(i)}})
	}
	last := l.s.Snapshot().LastIndex()

	old := l.s.Events().Subscribe(first, nil, "*")
	var gap ErrEventGap
	if _, err := old.Next(t.Context()); !errors.As(err, &gap) || gap.First != first+1 || gap.Last != last-1000 {
		t.Errorf("an index that is gone: %v, want a gap from %d to %d", err, first+1, last-1000)
	}
	if ev, err := old.Next(t.Context()); err != nil || ev.Index != last-999 {
		t.Errorf("after the gap: %d %v, want %d", ev.Index, err, last-999)
	}
	if ev, err := l.s.Events().Subscribe(last-1000, nil, "*").Next(t.Context()); err != nil || ev.Index != last-999 {
		t.Errorf("the oldest index that is there: %d %v, want %d and no gap", ev.Index, err, last-999)
	}

	ahead := l.s.Events().Subscribe(last+2, nil, "*")
	for i := range 3 {
		l.must(&UpsertNodePool{Pool: &api.NodePool{Name: "pool", Description: strings.Repeat("y", i)}})
	}
	if ev, err := ahead.Next(t.Context()); err != nil || ev.Index != last+3 {
		t.Errorf("who has seen %d is sent %d %v next", last+2, ev.Index, err)
	}

	var saved bytes.Buffer
	if _, err := l.s.Snapshot().WriteTo(&saved); err != nil {
		t.Fatal(err)
	}
	follower, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := follower.Restore(&saved); err != nil {
		t.Fatal(err)
	}
	if _, err := follower.Events().Subscribe(last, nil, "*").Next(t.Context()); !errors.As(err, &gap) || gap.Last != last+3 {
		t.Errorf("what only the snapshot knows: %v, want a gap to %d", err, last+3)
	}
}
