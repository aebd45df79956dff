package httpapi

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/nomad/api"
)

// troublesome is a job ID that needs every kind of escaping.
const troublesome = "job-id/with\\troublesome:characters?&字"

func TestJobLife(t *testing.T) {
	for _, id := range []string{"web", troublesome, "a/plan"} {
		t.Run(id, func(t *testing.T) {
			ag := newAgent(t)
			jobs := ag.client().Jobs()

			if _, _, err := jobs.Info(id, nil); err == nil || !strings.Contains(err.Error(), "404 (job not found)") {
				t.Fatalf("unknown job: %v", err)
			}
			resp := ag.register(webJob(id))
			if resp.EvalID == "" || resp.EvalCreateIndex == 0 || resp.JobModifyIndex == 0 {
				t.Fatalf("register answered %+v", resp)
			}
			list, qm, err := jobs.List(nil)
			if err != nil || len(list) != 1 || list[0].ID != id || list[0].JobSummary == nil {
				t.Fatalf("list: %v %+v", err, list)
			}
			if qm.LastIndex == 0 || !qm.KnownLeader {
				t.Errorf("list meta %+v", qm)
			}
			job, _, err := jobs.Info(id, nil)
			if err != nil || *job.ID != id || *job.Status != "pending" || *job.Version != 0 {
				t.Fatalf("info: %v %+v", err, job)
			}
			evals, _, err := jobs.Evaluations(id, nil)
			if err != nil || len(evals) != 1 || evals[0].ID != resp.EvalID || evals[0].Priority != 50 {
				t.Fatalf("evaluations: %v %+v", err, evals)
			}
			if summary, _, err := jobs.Summary(id, nil); err != nil || summary.JobID != id {
				t.Fatalf("summary: %v %+v", err, summary)
			}
			if d, _, err := jobs.LatestDeployment(id, nil); err != nil || d != nil {
				t.Fatalf("latest deployment: %v %+v", err, d)
			}
			evalID, _, err := jobs.Deregister(id, false, nil)
			if err != nil || evalID == "" {
				t.Fatalf("deregister: %q %v", evalID, err)
			}
			if job, _, err = jobs.Info(id, nil); err != nil || !*job.Stop {
				t.Fatalf("after stop: %v %+v", err, job)
			}
			if _, _, err := jobs.Deregister(id, true, nil); err != nil {
				t.Fatal(err)
			}
			if _, _, err := jobs.Info(id, nil); err == nil {
				t.Error("purged job is still there")
			}
		})
	}
}

func TestDeregisterUnknownJobSucceeds(t *testing.T) {
	ag := newAgent(t)
	evalID, wm, err := ag.client().Jobs().Deregister("nope", false, nil)
	if err != nil || evalID != "" || wm.LastIndex == 0 {
		t.Errorf("got %q %+v %v", evalID, wm, err)
	}
	if n := ag.raft.applied(); n != 0 {
		t.Errorf("%d entries were written", n)
	}
}

func TestRegisterRefusals(t *testing.T) {
	ag := newAgent(t)
	ag.register(webJob("web"))
	wrap := func(change func(*api.Job)) string {
		job := webJob("web")
		change(job)
		return asJSON(t, &api.JobRegisterRequest{Job: job})
	}
	ok := wrap(func(*api.Job) {})
	before := ag.raft.applied()
	for _, c := range []struct {
		name, path, body string
		code             int
		text             string
	}{
		{"empty body", "/v1/jobs", "", 400, "Request body is empty"},
		{"blank body", "/v1/jobs", " \n", 400, "Request body is empty"},
		{"null", "/v1/jobs", "null", 400, "Request body is empty"},
		{"no job", "/v1/jobs", "{}", 400, "Job must be specified"},
		{"no id", "/v1/jobs", `{"Job":{}}`, 400, "Job ID is missing"},
		{"cut off", "/v1/jobs", `{"Job":{`, 400, "decode request body: line 1, column 8: unexpected end of JSON input"},
		{"trailing", "/v1/jobs", "{}\n x", 400, "decode request body: line 2, column 2: invalid character 'x' after top-level value"},
		{"wrong type", "/v1/jobs", `{"Job":{"ID":"a",` + "\n" + `"Priority":"high"}}`, 400, "decode request body: line 2, column 17: Job.Priority must be an integer, not string"},
		{"array", "/v1/jobs", `[]`, 400, "decode request body: line 1, column 1: the body must be an object, not array"},
		{"path and body", "/v1/job/other", ok, 400, `Job ID "web" does not match "other" of the path`},
		{"two namespaces", "/v1/jobs?namespace=x", wrap(func(j *api.Job) { j.Namespace = new("y") }), 400,
			`the request names two namespaces, "x" and "y": query and job must agree`},
		{"unknown namespace", "/v1/jobs?namespace=x", ok, 400, `namespace "x" does not exist: create it first, or choose another`},
		{"other region", "/v1/jobs", wrap(func(j *api.Job) { j.Region = new("mars") }), 400,
			`the job is for region "mars", this is region "global": send it with ?region=mars`},
		{"eval priority", "/v1/jobs", `{"Job":{"ID":"a"},"EvalPriority":101}`, 400, "EvalPriority must be from 1 to 100, or 0 for the job's own (is 101)"},
		{"enforce", "/v1/jobs", `{"EnforceIndex":true,"JobModifyIndex":3,` + ok[1:], 409,
			"Enforcing job modify index 3: job exists with conflicting job modify index: 10"},
		{"too large", "/v1/jobs", `{"Job":"` + strings.Repeat("x", 1<<20) + `"}`, 413, "Request body is larger than 1048576 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, text, h := ag.call(http.MethodPut, c.path, c.body)
			if code != c.code || text != c.text {
				t.Errorf("got %d %q, want %d %q", code, text, c.code, c.text)
			}
			if got := h.Get("Content-Type"); got != "text/plain; charset=utf-8" {
				t.Errorf("content type %q", got)
			}
		})
	}
	snap := ag.store.Snapshot()
	if job := snap.Job(nil, "default", "web"); *job.Version != 0 {
		t.Error("a refused registration changed the job")
	}
	if n := ag.raft.applied() - before; n > 2 {
		t.Errorf("%d refused requests reached the log; only those that state decides may", n)
	}
}

func TestRegisterInvalidJobNamesEverything(t *testing.T) {
	ag := newAgent(t)
	job := webJob("web")
	job.TaskGroups[0].Count = new(-1)
	job.TaskGroups[0].Tasks[0].Driver = ""
	_, _, err := ag.client().Jobs().Register(job, nil)
	if err == nil || !strings.Contains(err.Error(), "400") || !strings.Contains(err.Error(), "count") || !strings.Contains(err.Error(), "driver") {
		t.Errorf("got %v", err)
	}
	v, _, err := ag.client().Jobs().Validate(job, nil)
	if err != nil || len(v.ValidationErrors) < 2 || v.Error == "" {
		t.Errorf("validate: %+v %v", v, err)
	}
}

func TestPreserveCounts(t *testing.T) {
	ag := newAgent(t)
	ag.register(webJob("web"))
	job := webJob("web")
	job.TaskGroups[0].Count = new(7)
	job.TaskGroups[0].Tasks[0].Resources.CPU = new(999)
	_, _, err := ag.client().Jobs().RegisterOpts(job, &api.RegisterOptions{PreserveCounts: true, PreserveResources: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := ag.client().Jobs().Info("web", nil)
	if err != nil || *got.TaskGroups[0].Count != 2 || *got.TaskGroups[0].Tasks[0].Resources.CPU != 100 {
		t.Errorf("count %d cpu %d, %v", *got.TaskGroups[0].Count, *got.TaskGroups[0].Tasks[0].Resources.CPU, err)
	}
}

func TestIdempotencyToken(t *testing.T) {
	ag := newAgent(t)
	q := &api.WriteOptions{IdempotencyToken: "once"}
	first, _, err := ag.client().Jobs().Register(webJob("web"), q)
	if err != nil {
		t.Fatal(err)
	}
	second, _, err := ag.client().Jobs().Register(webJob("web"), q)
	if err != nil {
		t.Fatal(err)
	}
	if first.EvalID != second.EvalID || first.JobModifyIndex != second.JobModifyIndex {
		t.Errorf("the repeated request answered %+v, the first %+v", second, first)
	}
}

func TestVersionsRevertScale(t *testing.T) {
	ag := newAgent(t)
	jobs := ag.client().Jobs()
	job := webJob("web")
	sub := &api.JobSubmission{Source: "v0", Format: "hcl2"}
	if _, _, err := jobs.RegisterOpts(job, &api.RegisterOptions{Submission: sub}, nil); err != nil {
		t.Fatal(err)
	}
	if _, _, err := jobs.Scale("web", "web", new(5), "more", false, nil, nil); err != nil {
		t.Fatal(err)
	}
	status, _, err := jobs.ScaleStatus("web", nil)
	if err != nil || status.TaskGroups["web"].Desired != 5 {
		t.Fatalf("scale status %+v %v", status, err)
	}
	versions, diffs, _, err := jobs.Versions("web", true, nil)
	if err != nil || len(versions) != 2 || *versions[0].Version != 1 || len(diffs) != 1 {
		t.Fatalf("versions %d diffs %d %v", len(versions), len(diffs), err)
	}
	want := []*api.TaskGroupDiff{{Type: "Edited", Name: "web", Fields: []*api.FieldDiff{{Type: "Edited", Name: "Count", Old: "2", New: "5"}}}}
	if d := cmp.Diff(want, diffs[0].TaskGroups); d != "" {
		t.Errorf("diff (-want +got):\n%s", d)
	}
	if _, _, err := jobs.Revert("web", 0, new(uint64(7)), nil, "", ""); err == nil || !strings.Contains(err.Error(), "Current job has version 1; enforcing version 7") {
		t.Errorf("revert with a wrong prior version: %v", err)
	}
	if _, _, err := jobs.Revert("web", 0, new(uint64(1)), nil, "", ""); err != nil {
		t.Fatal(err)
	}
	if got, _, _ := jobs.Submission("web", 2, nil); got == nil || got.Source != "v0" {
		t.Errorf("submission of the reverted version: %+v", got)
	}
	if _, _, err := jobs.Submission("web", 9, nil); err == nil || !strings.Contains(err.Error(), "job source not found") {
		t.Errorf("unknown submission: %v", err)
	}
	if code, body, _ := ag.call("GET", "/v1/job/web/submission", ""); code != 200 || !strings.Contains(body, `"Source"`) {
		t.Errorf("submission of the present version: %d %s", code, body)
	}
	if _, _, err := jobs.Stable("web", 2, true, nil); err != nil {
		t.Fatal(err)
	}
	got, _, err := jobs.Info("web", nil)
	if err != nil || *got.TaskGroups[0].Count != 2 || *got.Version != 2 || !*got.Stable {
		t.Errorf("after revert: count %d version %d stable %v", *got.TaskGroups[0].Count, *got.Version, *got.Stable)
	}
}

func TestJobWriteRefusals(t *testing.T) {
	ag := newAgent(t)
	ag.register(webJob("web"))
	limited := webJob("limited")
	limited.TaskGroups[0].Scaling = &api.ScalingPolicy{Min: new(int64(1)), Max: new(int64(3))}
	ag.register(limited)
	for _, c := range []struct {
		path, body string
		code       int
		text       string
	}{
		{"/v1/job/nope/evaluate", "", 404, "job not found"},
		{"/v1/job/web/evaluate", `{"JobID":"x"}`, 400, `JobID "x" of the body does not match "web" of the path`},
		{"/v1/job/nope/revert", `{"JobVersion":1}`, 404, "job not found"},
		{"/v1/job/web/revert", ``, 400, "Request body is empty"},
		{"/v1/job/web/revert", `{"JobVersion":0}`, 400, "can't revert to current version 0"},
		{"/v1/job/web/revert", `{"JobVersion":4}`, 404, `job "web" in namespace "default" at version 4 not found`},
		{"/v1/job/web/scale", `{}`, 400, "missing task group name for scaling action: set Target.Group"},
		{"/v1/job/nope/scale", `{"Target":{"Group":"web"},"Count":1}`, 404, "job not found"},
		{"/v1/job/web/scale", `{"Target":{"Group":"db"},"Count":1}`, 400, `task group "db" specified for scaling does not exist in job`},
		{"/v1/job/web/scale", `{"Target":{"Group":"web"},"Count":-1}`, 400, "scaling action count can't be negative (is -1)"},
		{"/v1/job/web/scale", `{"Target":{"Group":"web"},"Count":1,"Error":true}`, 400, "scaling action should not contain count if error is true"},
		{"/v1/job/limited/scale", `{"Target":{"Group":"web"},"Count":0}`, 400, "group count was less than scaling policy minimum: 0 < 1"},
		{"/v1/job/limited/scale", `{"Target":{"Group":"web"},"Count":4}`, 400, "group count was greater than scaling policy maximum: 4 > 3"},
		{"/v1/job/web/periodic/force", ``, 400, "can't force launch non-periodic job"},
		{"/v1/job/web/plan", `{"Job":{"ID":"x"}}`, 400, `Job ID "x" does not match "web" of the path`},
		{"/v1/job/web/evaluate?namespace=*", ``, 400, `namespace "*" means all namespaces: name the one that is meant`},
	} {
		if code, text, _ := ag.call(http.MethodPost, c.path, c.body); code != c.code || text != c.text {
			t.Errorf("%s %s: got %d %q, want %d %q", c.path, c.body, code, text, c.code, c.text)
		}
	}
}

func TestPlan(t *testing.T) {
	ag := newAgent(t)
	ag.register(webJob("web"))
	job := webJob("web")
	job.TaskGroups[0].Count = new(4)
	before := ag.raft.applied()
	resp, _, err := ag.client().Jobs().Plan(job, true, nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp.JobModifyIndex == 0 || resp.Diff == nil || resp.Diff.Type != "Edited" || resp.Diff.TaskGroups[0].Updates["create"] != 2 {
		t.Errorf("plan: %s", asJSON(t, resp))
	}
	if planned := ag.cfg.Planner.(*testPlanner).job; *planned.Version != 1 {
		t.Errorf("the planner saw version %d", *planned.Version)
	}
	if ag.raft.applied() != before {
		t.Error("a plan wrote to the log")
	}
}

func TestParse(t *testing.T) {
	ag := newAgent(t)
	job, err := ag.client().Jobs().ParseHCL("job \"example\" {\n group \"g\" {\n task \"t\" {\n driver = \"raw_exec\"\n}\n}\n}", true)
	if err != nil || *job.ID != "example" || *job.Namespace != "default" {
		t.Fatalf("%+v %v", job, err)
	}
	code, text, _ := ag.call(http.MethodPut, "/v1/jobs/parse", `{"JobHCL":"job \"x\" {\n  grop \"g\" {}\n}"}`)
	if code != 400 || !strings.Contains(text, "job.hcl:2:3") || !strings.Contains(text, "group") {
		t.Errorf("got %d %q", code, text)
	}
	if code, text, _ := ag.call(http.MethodPut, "/v1/jobs/parse", `{}`); code != 400 || text != "Job spec is empty: JobHCL must hold the text of a job file" {
		t.Errorf("got %d %q", code, text)
	}
}
