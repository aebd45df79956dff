package httpapi

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"github.com/hashicorp/nomad/api"
)

// parameterized is a job that may be dispatched.
func parameterized(id, payload string) *api.Job {
	job := webJob(id)
	job.Type = new(api.JobTypeBatch)
	job.Update, job.TaskGroups[0].Update = nil, nil
	for _, g := range job.TaskGroups {
		g.Services = nil
		for _, task := range g.Tasks {
			task.Services = nil
		}
	}
	job.ParameterizedJob = &api.ParameterizedJobConfig{Payload: payload, MetaRequired: []string{"who"}, MetaOptional: []string{"how"}}
	return job
}

func TestDispatch(t *testing.T) {
	ag := newAgent(t)
	ag.register(parameterized("work", "required"))
	ag.register(parameterized("bare", "forbidden"))
	ag.register(webJob("web"))
	jobs := ag.client().Jobs()
	meta := map[string]string{"who": "me", "how": "fast"}
	resp, _, err := jobs.Dispatch("work", meta, []byte("hello"), "run-${meta.how}", &api.WriteOptions{IdempotencyToken: "t1"})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(resp.DispatchedJobID, "work/dispatch-run-fast-") || resp.EvalID == "" || resp.JobCreateIndex == 0 || resp.EvalCreateIndex == 0 {
		t.Errorf("%+v", resp)
	}
	child, _, err := jobs.Info(resp.DispatchedJobID, nil)
	if err != nil || *child.ParentID != "work" || !child.Dispatched || string(child.Payload) != "hello" || child.Meta["who"] != "me" {
		t.Errorf("%+v, %v", child, err)
	}
	again, _, err := jobs.Dispatch("work", meta, []byte("hello"), "", &api.WriteOptions{IdempotencyToken: "t1"})
	if err != nil || again.DispatchedJobID != resp.DispatchedJobID || again.EvalID != resp.EvalID {
		t.Errorf("the same token again: %+v, %v", again, err)
	}

	large := base64.StdEncoding.EncodeToString(make([]byte, maxPayload+1))
	for _, c := range []struct {
		path, body string
		code       int
		text       string
	}{
		{"/v1/job/nope/dispatch", ``, 404, "job not found"},
		{"/v1/job/web/dispatch", ``, 400, `job "web" is not parameterized: it cannot be dispatched`},
		{"/v1/job/work/dispatch", `{"Meta":{"who":"me"}}`, 400, `the payload is missing: job "work" requires one`},
		{"/v1/job/bare/dispatch", `{"Payload":"aGk=","Meta":{"who":"me"}}`, 400, `job "bare" takes no payload: send none`},
		{"/v1/job/bare/dispatch", ``, 400, "required meta keys are missing: who"},
		{"/v1/job/bare/dispatch", `{"Meta":{"who":"me","x":"y"}}`, 400, `meta key "x" is in neither meta_required nor meta_optional of job "bare"`},
		{"/v1/job/bare/dispatch", `{"Meta":{"who":"me"},"Priority":101}`, 400, "priority must be from 1 to 100, or 0 for the job's own (is 101)"},
		{"/v1/job/bare/dispatch", `{"Meta":{"who":"me"},"IdPrefixTemplate":"a/b"}`, 400, `the ID prefix must have at most 128 characters, no space and no slash (is "a/b")`},
		{"/v1/job/bare/dispatch", `{"JobID":"work"}`, 400, `JobID "work" of the body does not match "bare" of the path`},
		{"/v1/job/work/dispatch", `{"Payload":"` + large + `"}`, 400, "the payload is too large: 16385 bytes, at most 16384 are allowed"},
	} {
		if code, text, _ := ag.call(http.MethodPost, c.path, c.body); code != c.code || text != c.text {
			t.Errorf("%s %s: got %d %q, want %d %q", c.path, c.body[:min(len(c.body), 60)], code, text, c.code, c.text)
		}
	}
	if _, _, err := jobs.Deregister("bare", false, nil); err != nil {
		t.Fatal(err)
	}
	if code, text, _ := ag.call(http.MethodPost, "/v1/job/bare/dispatch", `{"Meta":{"who":"me"}}`); code != 400 || !strings.Contains(text, "stopped") {
		t.Errorf("a stopped job: %d %q", code, text)
	}
}
