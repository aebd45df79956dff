package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/nomad/api"
	"github.com/hashicorp/nomad/api/contexts"

	"github.com/selfheal/selfheal/agent/state"
)

func TestNodesAndAllocations(t *testing.T) {
	ag := newAgent(t)
	c := ag.client()
	if got, _, err := c.Nodes().Allocations("nope", nil); err != nil || len(got) != 0 {
		t.Errorf("allocations of an unknown node: %v %v", got, err)
	}
	if _, qm, err := c.Allocations().List(nil); err != nil || qm.LastIndex != 0 {
		t.Errorf("index of a table that was never written: %+v %v", qm, err)
	}
	ag.addNode(nodeID)
	ids := ag.place(ag.register(webJob("web")).EvalID, "web", 2, nodeID)

	nodes, _, err := c.Nodes().List(nil)
	if err != nil || len(nodes) != 1 || nodes[0].NodeResources != nil || nodes[0].Address != "10.0.0.9" || nodes[0].Version != "2.0.0" {
		t.Fatalf("nodes: %s %v", asJSON(t, nodes), err)
	}
	nodes, _, err = c.Nodes().List(&api.QueryOptions{Params: map[string]string{"resources": "true"}, Prefix: "1111"})
	if err != nil || len(nodes) != 1 || nodes[0].NodeResources == nil {
		t.Errorf("with resources: %s %v", asJSON(t, nodes), err)
	}
	_, body, _ := ag.call("GET", "/v1/node/"+nodeID, "")
	if raw := decodeAs[map[string]any](t, body); raw["SecretID"] != "" || raw["ID"] != nodeID || strings.Contains(body, nodeKey) {
		t.Errorf("node: %s", body)
	}
	allocs, qm, err := c.Allocations().List(nil)
	if err != nil || len(allocs) != 2 || allocs[0].JobType != "service" || allocs[0].NodeName == "" || qm.LastIndex == 0 {
		t.Fatalf("allocations: %s %v", asJSON(t, allocs), err)
	}
	alloc, _, err := c.Allocations().Info(ids[0], nil)
	if err != nil || alloc.Job == nil || *alloc.Job.ID != "web" {
		t.Fatalf("allocation: %s %v", asJSON(t, alloc), err)
	}
	if of, _, err := c.Nodes().Allocations(nodeID, nil); err != nil || len(of) != 2 || of[0].Job == nil {
		t.Errorf("of the node: %v", err)
	}
	if of, _, err := c.Jobs().Allocations("web", false, nil); err != nil || len(of) != 2 {
		t.Errorf("of the job: %v", err)
	}
	resp, err := c.Allocations().Stop(alloc, nil)
	if err != nil || resp.EvalID == "" || resp.LastIndex == 0 {
		t.Fatalf("stop: %+v %v", resp, err)
	}
	e, _, err := c.Evaluations().Info(resp.EvalID, nil)
	if err != nil || e.TriggeredBy != "alloc-stop" {
		t.Errorf("evaluation of a stop: %+v %v", e, err)
	}
	if of, _, err := c.Evaluations().Allocations(allocs[0].EvalID, nil); err != nil || len(of) != 2 {
		t.Errorf("of the evaluation: %v", err)
	}
	if n, _, err := c.Evaluations().Count(nil); err != nil || n.Count == 0 {
		t.Errorf("count: %+v %v", n, err)
	}
}

func TestNodeWrites(t *testing.T) {
	ag := newAgent(t)
	nodes := ag.client().Nodes()
	ag.addNode(nodeID)
	ag.place(ag.register(webJob("web")).EvalID, "web", 1, nodeID)

	elig, err := nodes.ToggleEligibility(nodeID, false, nil)
	if err != nil || elig.LastIndex == 0 || elig.NodeModifyIndex == 0 {
		t.Fatalf("eligibility: %+v %v", elig, err)
	}
	drain, err := nodes.UpdateDrain(nodeID, &api.DrainSpec{Deadline: time.Hour}, false, nil)
	if err != nil || len(drain.EvalIDs) == 0 {
		t.Fatalf("drain: %+v %v", drain, err)
	}
	n, _, err := nodes.Info(nodeID, nil)
	if err != nil || !n.Drain || n.DrainStrategy == nil || n.DrainStrategy.ForceDeadline.IsZero() || n.SchedulingEligibility != "ineligible" {
		t.Fatalf("draining node: %s %v", asJSON(t, n), err)
	}
	code, text, _ := ag.call("PUT", "/v1/node/"+nodeID+"/eligibility", `{"Eligibility":"eligible"}`)
	if code != 400 || !strings.Contains(text, "while it is draining") {
		t.Errorf("eligible while draining: %d %q", code, text)
	}
	if _, err := nodes.UpdateDrain(nodeID, nil, true, nil); err != nil {
		t.Fatal(err)
	}
	if n, _, _ = nodes.Info(nodeID, nil); n.Drain || n.SchedulingEligibility != "eligible" {
		t.Errorf("after the drain: %s", asJSON(t, n))
	}
	if evalID, _, err := nodes.ForceEvaluate(nodeID, nil); err != nil || evalID == "" {
		t.Errorf("evaluate: %q %v", evalID, err)
	}
	purged, qm, err := nodes.Purge(nodeID, nil)
	if err != nil || len(purged.EvalIDs) != 1 || qm.LastIndex == 0 {
		t.Errorf("purge: %+v %v", purged, err)
	}
	for _, c := range []struct {
		path, body string
		code       int
		text       string
	}{
		{"/v1/node/nope/drain", `{}`, 404, "node not found"},
		{"/v1/node/nope/eligibility", `{"Eligibility":"eligible"}`, 404, "node not found"},
		{"/v1/node/nope/purge", ``, 404, "node not found"},
		{"/v1/node/nope/evaluate", ``, 404, "node not found"},
		{"/v1/node/a/drain", `{"NodeID":"b"}`, 400, `NodeID "b" of the body does not match "a" of the path`},
		{"/v1/allocation/nope/stop", ``, 404, "alloc not found"},
		{"/v1/deployment/fail/nope", ``, 404, "deployment not found"},
		{"/v1/deployment/promote/nope", `{}`, 404, "deployment not found"},
	} {
		if code, text, _ := ag.call("PUT", c.path, c.body); code != c.code || text != c.text {
			t.Errorf("%s: got %d %q, want %d %q", c.path, code, text, c.code, c.text)
		}
	}
}

func TestPaginationWalk(t *testing.T) {
	ag := newAgent(t)
	var want []string
	for i := range 7 {
		id := fmt.Sprintf("job-%d", (i*5)%7)
		ag.register(webJob(id))
		want = append(want, id)
	}
	walk := func(path string, perPage int, reverse bool) (ids []string) {
		next := ""
		for range 20 {
			q := url.Values{"per_page": {fmt.Sprint(perPage)}, "next_token": {next}}
			if reverse {
				q.Set("reverse", "true")
			}
			code, body, h := ag.call("GET", path+"?"+q.Encode(), "")
			if code != 200 {
				t.Fatalf("%s: %d %s", path, code, body)
			}
			page := decodeAs[[]map[string]any](t, body)
			for _, row := range page {
				if id, ok := row["JobID"]; ok {
					ids = append(ids, id.(string))
				} else {
					ids = append(ids, row["ID"].(string))
				}
			}
			if next = h.Get("X-Nomad-NextToken"); next == "" {
				return ids
			}
			if len(page) != perPage {
				t.Errorf("%s: a page of %d with a next token", path, len(page))
			}
		}
		t.Fatalf("%s: no end of pages", path)
		return nil
	}
	sorted := slices.Sorted(slices.Values(want))
	backward := slices.Clone(want)
	slices.Reverse(backward)
	for _, perPage := range []int{1, 3, 7, 10} {
		if d := cmp.Diff(sorted, walk("/v1/jobs", perPage, false)); d != "" {
			t.Errorf("jobs by %d:\n%s", perPage, d)
		}
		if d := cmp.Diff(want, walk("/v1/evaluations", perPage, false)); d != "" {
			t.Errorf("evaluations by %d:\n%s", perPage, d)
		}
		if d := cmp.Diff(backward, walk("/v1/evaluations", perPage, true)); d != "" {
			t.Errorf("evaluations backwards by %d:\n%s", perPage, d)
		}
	}
}

func TestFilter(t *testing.T) {
	ag := newAgent(t)
	ag.addNode(nodeID)
	ag.register(webJob("web"))
	batch := webJob("batch")
	batch.Type, batch.Meta = new("batch"), map[string]string{"team": "a"}
	ag.register(batch)
	for _, c := range []struct {
		path, filter string
		n            int
		text         string
	}{
		{"/v1/jobs", `Type == "batch"`, 1, ""},
		{"/v1/jobs", `Meta["team"] == "a"`, 1, ""},
		{"/v1/jobs", `Meta["team"] != "a"`, 1, ""},
		{"/v1/jobs", `"dc1" in Datacenters`, 2, ""},
		{"/v1/jobs", `Periodic is empty`, 0, "400"},
		{"/v1/nodes", `Attributes["kernel.name"] == "linux"`, 1, ""},
		{"/v1/nodes", `Drivers["docker"].Healthy == true`, 0, ""},
		{"/v1/evaluations", `JobID == "web" and Status == "pending"`, 1, ""},
		{"/v1/jobs", `Nope == 1`, 0, "400 failed to create result paginator: failed to read filter expression: "},
		{"/v1/jobs", `Type`, 0, "400 failed to create result paginator: failed to read filter expression: "},
		{"/v1/jobs", `ID matches "("`, 0, "400 failed to create result paginator: failed to read filter expression: "},
		{"/v1/jobs", strings.Repeat("(", 9000), 0, "400 failed to create result paginator: failed to read filter expression: the expression is longer"},
		{"/v1/jobs", strings.Repeat("(", 8000), 0, "400 failed to create result paginator: failed to read filter expression: "},
	} {
		code, body, _ := ag.call("GET", c.path+"?filter="+url.QueryEscape(c.filter), "")
		if c.text != "" {
			if got := fmt.Sprint(code, " ", body); !strings.HasPrefix(got, c.text) {
				t.Errorf("%s %.40s: got %.200s, want %s", c.path, c.filter, got, c.text)
			}
			continue
		}
		if rows := decodeAs[[]json.RawMessage](t, body); code != 200 || len(rows) != c.n {
			t.Errorf("%s %s: %d rows, want %d", c.path, c.filter, len(rows), c.n)
		}
	}
	code, text, _ := ag.call("GET", "/v1/evaluations?status=pending&filter=x", "")
	if code != 400 || !strings.Contains(text, "filter can not be used") {
		t.Errorf("filter with status: %d %q", code, text)
	}
}

func TestEncodings(t *testing.T) {
	ag := newAgent(t)
	job := webJob("web")
	job.Meta = map[string]string{"html": "<&>", "long": strings.Repeat("x", 4000)}
	ag.register(job)
	_, body, h := ag.call("GET", "/v1/job/web?pretty", "")
	if !strings.Contains(body, "\n    \"") || !strings.Contains(body, `"<&>"`) {
		t.Errorf("pretty: %.200s", body)
	}
	if h.Get("X-Nomad-KnownLeader") != "true" || h.Get("X-Nomad-LastContact") != "0" || h.Get("X-Nomad-Index") == "" {
		t.Errorf("headers %v", h)
	}
	_, _, h = callURL(t, ag.http.URL, "GET", "/v1/job/web", "", map[string][]string{"Accept-Encoding": {"gzip"}})
	if h.Get("Content-Encoding") != "gzip" {
		t.Errorf("no gzip: %v", h)
	}
	code, body, _ := ag.call("HEAD", "/v1/jobs", "")
	if code != 200 || body != "" {
		t.Errorf("HEAD: %d %q", code, body)
	}
}

// inBubble makes an API for handlers called directly, in virtual time.
func inBubble(t *testing.T) (*API, *testRaft) {
	t.Helper()
	store, err := state.New(state.Config{})
	if err != nil {
		t.Fatal(err)
	}
	raft := &testRaft{store: store, index: 9, leader: true, known: true}
	return newAPI(t, store, raft), raft
}

func TestBlocking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, raft := inBubble(t)
		put := func(cmd state.Command) {
			data, err := state.Encode(time.Now(), cmd)
			if err != nil {
				t.Fatal(err)
			}
			if res, _, _ := raft.Apply(context.Background(), data); isError(res) {
				t.Fatal(res)
			}
		}
		register := func(id string) {
			job := webJob(id)
			a.check(job)
			put(&state.RegisterJob{Job: job})
		}
		register("web")
		index := a.cfg.State.Snapshot().Job(nil, "default", "web").ModifyIndex

		// A job that changes wakes its watcher and only its watcher.
		web := async(a, fmt.Sprintf("/v1/job/web?index=%d&wait=60s", *index))
		nodes := async(a, "/v1/nodes?index=1&wait=10s")
		time.Sleep(5 * time.Second)
		register("other")
		synctest.Wait()
		if web.done() || nodes.done() {
			t.Fatal("a query woke for what it did not read")
		}
		job := webJob("web")
		job.Priority = new(60)
		a.check(job)
		put(&state.RegisterJob{Job: job})
		synctest.Wait()
		if !web.done() {
			t.Fatal("the watcher of a changed job did not wake")
		}
		if got := web.result(); !strings.Contains(got, `"Priority":60`) {
			t.Errorf("got %.200s", got)
		}
		// The other one ends with its wait, up to a sixteenth longer.
		start := time.Now()
		nodes.result()
		if took := time.Since(start); took < 5*time.Second || took > 6*time.Second {
			t.Errorf("a wait of 10 s took 5 s and %v", took)
		}
		// The longest wait is 300 s.
		start = time.Now()
		async(a, "/v1/nodes?index=1&wait=20h").result()
		if took := time.Since(start); took < 300*time.Second || took > 320*time.Second {
			t.Errorf("the longest wait took %v", took)
		}
		// Close ends what waits, with an answer.
		last := async(a, "/v1/nodes?index=1")
		synctest.Wait()
		a.Close()
		if got := last.result(); got != "200 []\n" {
			t.Errorf("after Close: %q", got)
		}
	})
}

func isError(v any) bool { _, ok := v.(error); return ok }

func TestSearch(t *testing.T) {
	ag := newAgent(t)
	ag.addNode(nodeID)
	ag.register(webJob("web-1"))
	ag.register(webJob("web-2"))
	c := ag.client()
	resp, _, err := c.Search().PrefixSearch("web", contexts.Jobs, nil)
	if err != nil || !slices.Equal(resp.Matches[contexts.Jobs], []string{"web-1", "web-2"}) {
		t.Errorf("jobs: %+v %v", resp, err)
	}
	resp, _, err = c.Search().PrefixSearch("1111", contexts.All, nil)
	if err != nil || !slices.Equal(resp.Matches[contexts.Nodes], []string{nodeID}) {
		t.Errorf("all: %+v %v", resp, err)
	}
	fz, _, err := c.Search().FuzzySearch("BIN", contexts.All, nil)
	want := []api.FuzzyMatch{
		{ID: "/bin/sleep", Scope: []string{"default", "web-1", "web", "app"}},
		{ID: "/bin/sleep", Scope: []string{"default", "web-2", "web", "app"}},
	}
	if d := cmp.Diff(want, fz.Matches[contexts.Commands]); err != nil || d != "" {
		t.Errorf("fuzzy: %v\n%s", err, d)
	}
	for body, text := range map[string]string{
		`{"Prefix":"a","Context":"x"}`: `invalid context "x"`,
		`{"Text":"a"}`:                 "fuzzy search query must be at least 2 characters, got 1",
		`{"Text":"ab","Context":"x"}`:  `invalid context "x"`,
	} {
		path := "/v1/search"
		if strings.Contains(body, "Text") {
			path += "/fuzzy"
		}
		if code, got, _ := ag.call("PUT", path, body); code != 400 || got != text {
			t.Errorf("%s: %d %q", body, code, got)
		}
	}
}

func TestNamespacesPoolsAndScheduler(t *testing.T) {
	ag := newAgent(t)
	c := ag.client()
	if _, err := c.Namespaces().Register(&api.Namespace{Name: "team"}, nil); err != nil {
		t.Fatal(err)
	}
	if list, qm, err := c.Namespaces().List(nil); err != nil || len(list) != 2 || qm.LastIndex == 0 {
		t.Errorf("namespaces: %v %v", list, err)
	}
	if _, err := c.Namespaces().Register(&api.Namespace{Name: "*"}, nil); err == nil || !strings.Contains(err.Error(), `invalid name "*".`) {
		t.Errorf("bad name: %v", err)
	}
	if _, _, err := c.Jobs().Register(webJob("web"), &api.WriteOptions{Namespace: "team"}); err != nil {
		t.Fatal(err)
	}
	if list, _, _ := c.Jobs().List(nil); len(list) != 0 {
		t.Error("a job shows in another namespace")
	}
	if list, _, _ := c.Jobs().List(&api.QueryOptions{Namespace: "*"}); len(list) != 1 || list[0].Namespace != "team" {
		t.Error("a job does not show in all namespaces")
	}
	if _, err := c.Namespaces().Delete("team", nil); err == nil {
		t.Error("deleted a namespace with a job")
	}
	if _, err := c.NodePools().Register(&api.NodePool{Name: "gpu", Description: "fast"}, nil); err != nil {
		t.Fatal(err)
	}
	ag.addNode(nodeID, func(n *state.Node) { n.NodePool = "gpu" })
	if list, _, err := c.NodePools().ListNodes("gpu", nil); err != nil || len(list) != 1 {
		t.Errorf("nodes of a pool: %v %v", list, err)
	}
	if list, _, err := c.NodePools().ListNodes("all", nil); err != nil || len(list) != 1 {
		t.Errorf("nodes of all: %v %v", list, err)
	}
	if _, _, err := c.NodePools().ListJobs("nope", nil); err == nil || !strings.Contains(err.Error(), "404 (node pool not found)") {
		t.Errorf("unknown pool: %v", err)
	}
	conf, _, err := c.Operator().SchedulerGetConfiguration(nil)
	if err != nil || conf.SchedulerConfig.SchedulerAlgorithm != "binpack" {
		t.Fatalf("scheduler: %+v %v", conf, err)
	}
	conf.SchedulerConfig.RejectJobRegistration = true
	if set, _, err := c.Operator().SchedulerSetConfiguration(conf.SchedulerConfig, nil); err != nil || !set.Updated {
		t.Fatalf("set: %+v %v", set, err)
	}
	if _, _, err := c.Jobs().Register(webJob("x"), nil); err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("registration while switched off: %v", err)
	}
	if _, _, err := c.Jobs().Scale("web", "web", new(2), "", false, nil, nil); err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("scaling while switched off: %v", err)
	}
	if _, _, err := c.Jobs().Dispatch("web", nil, nil, "", nil); err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("dispatch while switched off: %v", err)
	}
	conf.SchedulerConfig.ModifyIndex = 3
	if set, _, err := c.Operator().SchedulerCASConfiguration(conf.SchedulerConfig, nil); err != nil || set.Updated {
		t.Errorf("set with an old index: %+v %v", set, err)
	}
}
