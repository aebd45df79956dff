package httpapi

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hashicorp/nomad/api"
)

// TestTaggedVersions: a version with a name is found by it, compared with, and kept.
func TestTaggedVersions(t *testing.T) {
	ag := newAgent(t)
	ag.register(webJob("web"))
	jobs := ag.client().Jobs()
	if _, err := jobs.TagVersion("web", 0, "golden", "the first", nil); err != nil {
		t.Fatal(err)
	}
	for i := range 12 { // more than are kept
		job := webJob("web")
		job.Meta = map[string]string{"try": fmt.Sprint(i)}
		ag.register(job)
	}
	v, qm, err := jobs.VersionByTag("web", "golden", nil)
	if err != nil || *v.Version != 0 || v.VersionTag.Description != "the first" || v.VersionTag.TaggedTime == 0 {
		t.Fatalf("the tagged version: %+v %v", v, err)
	}
	versions, _, _, err := jobs.Versions("web", false, nil)
	if err != nil || len(versions) != 8 { // the present one, six before it, the tagged one
		t.Errorf("%d versions are kept: %v", len(versions), err)
	}
	_, diffs, _, err := jobs.VersionsOpts("web", &api.VersionsOptions{Diffs: true, DiffTag: "golden"}, nil)
	if err != nil || len(diffs) != 7 || diffs[0].Type != "Edited" {
		t.Errorf("differences from the tagged version: %d %v", len(diffs), err)
	}
	if _, err := jobs.TagVersion("web", 5, "golden", "", nil); err == nil || !strings.Contains(err.Error(), "404 (job version not found)") && !strings.Contains(err.Error(), "409 (tag") {
		t.Errorf("the tag is taken: %v", err)
	}
	if _, err := jobs.TagVersionOpts("web", "newest", &api.TagVersionRequest{Latest: true}, nil); err != nil {
		t.Fatal(err)
	}
	if v, now, err := jobs.VersionByTag("web", "newest", nil); err != nil || *v.Version != 12 || now.LastIndex <= qm.LastIndex {
		t.Errorf("the newest: %v %v", v, err)
	}
	if _, err := jobs.UntagVersion("web", "golden", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := jobs.UntagVersion("web", "golden", nil); err == nil || !strings.Contains(err.Error(), "404 (job version tag not found)") {
		t.Errorf("untag twice: %v", err)
	}
	job := webJob("web")
	job.Meta = map[string]string{"try": "last"}
	ag.register(job)
	if _, _, err := jobs.VersionByTag("web", "golden", nil); err == nil {
		t.Error("a version without its tag is kept")
	}
	for path, want := range map[string]string{
		"/v1/job/nope/versions/x/tag":                               "404 job not found",
		"/v1/job/web/versions/" + strings.Repeat("x", 200) + "/tag": "400 tag job version: the name",
	} {
		if code, text, _ := ag.call("PUT", path, `{"Latest":true}`); !strings.HasPrefix(fmt.Sprintf("%d %s", code, text), want) {
			t.Errorf("%s: %d %s, want %s", path, code, text, want)
		}
	}
}

func TestJobActions(t *testing.T) {
	server, alloc := execPair(t, cat)
	job := webJob("web")
	job.TaskGroups[0].Tasks[0].Actions = []*api.Action{{Name: "greet", Command: "echo", Args: []string{"hello"}}}
	code, text, _ := server.call("PUT", "/v1/jobs", asJSON(t, &api.JobRegisterRequest{Job: job}))
	if code != 200 {
		t.Fatalf("register a job with an action: %d %s", code, text)
	}
	if _, text, _ := server.call("GET", "/v1/job/web/actions", ""); text != `[{"Name":"greet","TaskName":"app","TaskGroupName":"web"}]`+"\n" {
		t.Errorf("actions: %s", text)
	}
	var out strings.Builder
	_, err := server.client().Jobs().ActionExec(t.Context(), &api.Allocation{ID: alloc, NodeID: nodeID, TaskGroup: "web"}, "web", "app", false,
		nil, "greet", strings.NewReader("input"), &out, &strings.Builder{}, nil, nil)
	if err != nil || out.String() != "input" {
		t.Errorf("run an action: %q %v", out.String(), err)
	}
}

func TestDispatchWithABody(t *testing.T) {
	ag := newAgent(t)
	job := webJob("hook")
	job.Type, job.TaskGroups[0].Update = new(api.JobTypeBatch), nil
	job.ParameterizedJob = &api.ParameterizedJobConfig{Payload: "required", MetaOptional: []string{"who"}}
	ag.register(job)
	code, text, _ := ag.call("PUT", "/v1/job/hook/dispatch/payload?meta=who=me", "any \x00 body")
	if code != 200 {
		t.Fatalf("%d %s", code, text)
	}
	for child := range ag.store.Snapshot().Jobs(nil, "default", "hook/dispatch-") {
		if string(child.Payload) != "any \x00 body" || child.Meta["who"] != "me" {
			t.Errorf("payload %q, meta %v", child.Payload, child.Meta)
		}
	}
	if code, text, _ := ag.call("PUT", "/v1/job/hook/dispatch/payload?meta=who", "x"); code != 400 || !strings.Contains(text, "key=value") {
		t.Errorf("meta without a value: %d %s", code, text)
	}
}
