package httpapi

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/nomad/api"
)

// templateJob is a job that waits to be dispatched.
func templateJob(payload string) *api.Job {
	task := api.NewTask("app", "raw_exec").SetConfig("command", "/bin/sleep").Require(&api.Resources{CPU: new(100), MemoryMB: new(64)})
	job := api.NewBatchJob("video", "video", "global", 50).AddDatacenter("dc1").AddTaskGroup(api.NewTaskGroup("g", 1).AddTask(task))
	job.Meta = map[string]string{"size": "small"}
	job.ParameterizedJob = &api.ParameterizedJobConfig{Payload: payload, MetaRequired: []string{"input"}, MetaOptional: []string{"size"}}
	return job
}

func TestDispatch(t *testing.T) {
	ag := newAgent(t)
	if resp := ag.register(templateJob("optional")); resp.EvalID != "" {
		t.Errorf("the template itself is evaluated: %s", resp.EvalID)
	}
	jobs := ag.client().Jobs()
	opts := &api.DispatchOptions{
		JobID: "video", Meta: map[string]string{"input": "a.mkv", "size": "big"}, Payload: []byte("data"), IdPrefixTemplate: "night", Priority: 70,
	}
	resp, _, err := jobs.DispatchOpts(opts, &api.WriteOptions{IdempotencyToken: "once"})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(resp.DispatchedJobID, "video/dispatch-night-") || resp.EvalID == "" || resp.JobCreateIndex == 0 {
		t.Errorf("%+v", resp)
	}
	child, _, err := jobs.Info(resp.DispatchedJobID, nil)
	if err != nil {
		t.Fatal(err)
	}
	if *child.ParentID != "video" || !child.Dispatched || string(child.Payload) != "data" || *child.Priority != 70 || *child.Status != "pending" {
		t.Errorf("child of %s, payload %q, priority %d, %s", *child.ParentID, child.Payload, *child.Priority, *child.Status)
	}
	if diff := cmp.Diff(opts.Meta, child.Meta); diff != "" {
		t.Errorf("meta: %s", diff)
	}
	if e := ag.store.Snapshot().Eval(nil, resp.EvalID); e == nil || e.JobID != resp.DispatchedJobID {
		t.Errorf("evaluation %+v", e)
	}
	again, _, err := jobs.DispatchOpts(opts, &api.WriteOptions{IdempotencyToken: "once"})
	if err != nil || again.DispatchedJobID != resp.DispatchedJobID || again.EvalID != resp.EvalID {
		t.Errorf("the same token: %+v %v", again, err)
	}
	other, _, err := jobs.DispatchOpts(opts, nil)
	if err != nil || other.DispatchedJobID == resp.DispatchedJobID {
		t.Errorf("without a token: %+v %v", other, err)
	}
	if s, _, err := jobs.Summary("video", nil); err != nil || s.Children.Pending != 2 {
		t.Errorf("summary %+v %v", s, err)
	}
}

func TestDispatchRefusals(t *testing.T) {
	ag := newAgent(t)
	ag.register(webJob("web"))
	ag.register(templateJob("forbidden"))
	needs, writes := templateJob("required"), templateJob("optional")
	needs.ID, writes.ID = new("needs"), new("writes")
	writes.TaskGroups[0].Tasks[0].DispatchPayload = &api.DispatchPayloadConfig{File: "in.txt"}
	ag.register(needs)
	ag.register(writes)
	before := ag.raft.applied()
	for _, tt := range []struct {
		path, body, want string
		code             int
	}{
		{"/v1/job/nope/dispatch", `{}`, "job not found", 404},
		{"/v1/job/web/dispatch", ``, `specified job "web" is not a parameterized job`, 400},
		{"/v1/job/video/dispatch", `{"JobID":"web"}`, `JobID "web" of the body does not match "video" of the path`, 400},
		{"/v1/job/video/dispatch", `{}`, "Dispatch did not provide required meta keys: [input]", 400},
		{"/v1/job/video/dispatch", `{"Meta":{"input":"a","color":"red"}}`, "Dispatch request included unpermitted metadata keys: [color]; the job takes [input size]", 400},
		{"/v1/job/video/dispatch", `{"Meta":{"input":"a"},"Payload":"eA=="}`, "Payload provided but forbidden by parameterized job", 400},
		{"/v1/job/needs/dispatch", `{"Meta":{"input":"a"}}`, "Payload is not provided but required by parameterized job", 400},
		{"/v1/job/needs/dispatch", `{"Payload":"` + strings.Repeat("AAAA", 6000) + `"}`, "Payload exceeds maximum size of 16384 bytes (is 18000)", 400},
		{"/v1/job/writes/dispatch", `{"Meta":{"input":"a"},"Payload":"eA=="}`, `writing the payload to a file of task "app" (dispatch_payload): not supported by this version yet`, 501},
		{"/v1/job/video/dispatch", `{"Meta":{"input":"a"},"Priority":101}`, "Priority must be from 1 to 100, or 0 for the job's own (is 101)", 400},
		{"/v1/job/video/dispatch", `{"Meta":{"input":"a"},"IdPrefixTemplate":"a b"}`, `IdPrefixTemplate "a b" may not hold spaces: it becomes part of a job ID`, 400},
	} {
		if code, body, _ := ag.call("PUT", tt.path, tt.body); code != tt.code || body != tt.want {
			t.Errorf("%s %.60s: %d %s, want %d %s", tt.path, tt.body, code, body, tt.code, tt.want)
		}
	}
	if n := ag.raft.applied(); n != before {
		t.Errorf("%d refused dispatches were written", n-before)
	}
}
