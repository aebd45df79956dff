package httpapi

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
)

func TestScalingEvents(t *testing.T) {
	ag := newAgent(t)
	ag.register(webJob("web"))
	jobs := ag.client().Jobs()
	scaled, _, err := jobs.Scale("web", "web", new(3), "load", false, map[string]any{"cpu": "high"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := jobs.Scale("web", "web", nil, "no data", true, nil, nil); err != nil {
		t.Fatal(err)
	}
	status, meta, err := jobs.ScaleStatus("web", nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []api.ScalingEvent{
		{PreviousCount: 3, Error: true, Message: "no data"},
		{Count: new(int64(3)), PreviousCount: 2, Message: "load", Meta: map[string]any{"cpu": "high"}, EvalID: &scaled.EvalID},
	}
	got := status.TaskGroups["web"]
	if diff := cmp.Diff(want, got.Events, cmpopts.IgnoreFields(api.ScalingEvent{}, "Time", "CreateIndex")); diff != "" || got.Desired != 3 {
		t.Errorf("desired %d, events: %s", got.Desired, diff)
	}
	if meta.LastIndex != got.Events[0].CreateIndex {
		t.Errorf("the answer's index is %d: a blocking query would miss the event at %d", meta.LastIndex, got.Events[0].CreateIndex)
	}
}

func TestEvaluationsAreDeletedWhilePaused(t *testing.T) {
	ag := newAgent(t)
	first, second := ag.register(webJob("web")).EvalID, ag.register(webJob("db")).EvalID
	evals := ag.client().Evaluations()
	refuse := func(req api.EvalDeleteRequest, want string) {
		t.Helper()
		if _, _, err := evals.DeleteOpts(&req, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("delete %+v: %v, want %s", req, err, want)
		}
	}
	refuse(api.EvalDeleteRequest{EvalIDs: []string{first}}, "400 (eval broker is enabled")
	ag.apply(&state.SetSchedulerConfig{Config: &api.SchedulerConfiguration{PauseEvalBroker: true}})
	refuse(api.EvalDeleteRequest{}, "400 (evals must be deleted by either EvalIDs or Filter")
	refuse(api.EvalDeleteRequest{EvalIDs: []string{first, "nope"}}, "404 (eval not found")
	refuse(api.EvalDeleteRequest{Filter: "JobID =="}, "400 (")
	if resp, _, err := evals.DeleteOpts(&api.EvalDeleteRequest{Filter: `JobID == "db"`}, nil); err != nil || resp.Count != 1 {
		t.Errorf("delete by filter: %+v %v", resp, err)
	}
	snap := ag.store.Snapshot()
	if snap.Eval(nil, first) == nil || snap.Eval(nil, second) != nil {
		t.Error("the filter chose other evaluations")
	}
	if _, err := evals.Delete([]string{first}, nil); err != nil {
		t.Error(err)
	}
	if ag.store.Snapshot().Eval(nil, first) != nil {
		t.Error("the evaluation is still there")
	}
}

func TestOneLoopShowsAsOneWorker(t *testing.T) {
	ag := newAgent(t)
	info, err := ag.client().Agent().GetSchedulerWorkersInfo(nil)
	if err != nil || len(info.Schedulers) != 1 || info.Schedulers[0].Status != "Started" {
		t.Fatalf("%+v %v", info, err)
	}
	ag.raft.set(false, true)
	if info, err := ag.client().Agent().GetSchedulerWorkersInfo(nil); err != nil || info.Schedulers[0].Status != "Paused" {
		t.Errorf("a server that does not lead: %+v %v", info, err)
	}
	if conf, err := ag.client().Agent().GetSchedulerWorkerConfig(nil); err != nil || conf.NumSchedulers != 1 {
		t.Errorf("%+v %v", conf, err)
	}
	for want, args := range map[string]api.SchedulerWorkerPoolArgs{
		"400 (Invalid request)":                    {NumSchedulers: -1, EnabledSchedulers: []string{"_core"}},
		"400 (Invalid request: no scheduler \"x\"": {NumSchedulers: 2, EnabledSchedulers: []string{"x"}},
	} {
		if _, err := ag.client().Agent().SetSchedulerWorkerConfig(args, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("set %+v: %v, want %s", args, err, want)
		}
	}
	args := api.SchedulerWorkerPoolArgs{NumSchedulers: 2, EnabledSchedulers: []string{"_core"}}
	if conf, err := ag.client().Agent().SetSchedulerWorkerConfig(args, nil); err != nil || conf.NumSchedulers != 2 {
		t.Errorf("set %+v: %+v %v", args, conf, err)
	}
	if conf, err := ag.client().Agent().GetSchedulerWorkerConfig(nil); err != nil || conf.NumSchedulers != 2 {
		t.Errorf("after it was set: %+v %v", conf, err)
	}
}

func TestRequestsAreObserved(t *testing.T) {
	var mu sync.Mutex
	var seen []Observation
	ag := newAgent(t, func(c *Config) {
		c.Observe = func(o Observation) {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, o)
		}
	})
	ag.register(webJob("web"))
	ag.call("GET", "/v1/job/nope", "")
	ag.call("GET", "/v1/jobs?index=1&wait=1ms", "")
	ag.call("GET", "/nothing/here", "")
	ctx, cancel := context.WithCancel(t.Context())
	events, err := ag.client().EventStream().Stream(ctx, map[api.Topic][]string{api.TopicAll: {"*"}}, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	<-events
	cancel()
	ag.http.Close() // waits until every request has ended
	mu.Lock()
	defer mu.Unlock()
	type row struct {
		Method, Route string
		Code          int
		Timed         bool
	}
	var got []row
	for _, o := range seen {
		got = append(got, row{o.Method, o.Route, o.Code, o.Took > 0})
	}
	want := []row{
		{"PUT", "/v1/jobs", 200, true}, {"GET", "/v1/job/{id...}", 404, true},
		{"GET", "/v1/jobs", 200, false}, {"GET", "/v1/event/stream", 200, false},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
