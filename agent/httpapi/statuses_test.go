package httpapi

import (
	"fmt"
	"testing"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
)

func TestJobsStatuses(t *testing.T) {
	ag := newAgent(t)
	ag.addNode(nodeID)
	web := ag.register(webJob("web"))
	ag.place(web.EvalID, "web", 2, nodeID)
	ag.apply(&state.UpdateAllocs{NodeID: nodeID, Updates: []state.AllocUpdate{{ID: state.AllocID(web.EvalID, 0), ClientStatus: "running"}}})
	ag.register(parameterized("video", "optional"))
	if _, _, err := ag.client().Jobs().Dispatch("video", map[string]string{"who": "a"}, nil, "", nil); err != nil {
		t.Fatal(err)
	}
	names := func(method, path, body string) []string {
		t.Helper()
		code, text, _ := ag.call(method, path, body)
		if code != 200 {
			t.Fatalf("%s %s: %d %s", method, path, code, text)
		}
		var out []string
		for _, j := range decodeAs[[]api.JobListStub](t, text) {
			if j.ParentID != "" {
				j.ID = "child of " + j.ParentID
			}
			out = append(out, j.ID)
		}
		return out
	}
	for _, tt := range []struct{ method, path, body, want string }{
		{"GET", "/v1/jobs/statuses", "", "[web video]"},
		{"GET", "/v1/jobs/statuses?reverse=true", "", "[video web]"},
		{"GET", "/v1/jobs/statuses?include_children=true", "", "[web video child of video]"},
		{"GET", "/v1/jobs/statuses?filter=Type+==+service", "", "[web]"},
		{"POST", "/v1/jobs/statuses", `{"Jobs":[{"ID":"video"},{"ID":"nope"}]}`, "[video]"},
		{"PUT", "/v1/jobs/statuses", `{"IncludeChildren":true}`, "[web video child of video]"},
	} {
		if got := fmt.Sprint(names(tt.method, tt.path, tt.body)); got != tt.want {
			t.Errorf("%s %s %s: %s, want %s", tt.method, tt.path, tt.body, got, tt.want)
		}
	}
	_, text, head := ag.call("GET", "/v1/jobs/statuses?per_page=1", "")
	first := decodeAs[[]jobStatus](t, text)[0]
	if len(first.Allocs) != 2 || first.GroupCounts["web"] != 2 || first.NodePool != "default" {
		t.Fatalf("%s", text)
	}
	running := 0
	for _, a := range first.Allocs {
		if a.ClientStatus == "running" && a.NodeID == nodeID && a.TaskGroup == "web" {
			running++
		}
	}
	if running != 1 {
		t.Errorf("%d allocations run: %s", running, text)
	}
	if got := fmt.Sprint(names("GET", "/v1/jobs/statuses?next_token="+head.Get("X-Nomad-NextToken"), "")); got != "[video]" {
		t.Errorf("second page: %s", got)
	}
}
