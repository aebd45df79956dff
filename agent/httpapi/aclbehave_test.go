package httpapi

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
)

func TestListsOverAllNamespacesShowWhatMayBeSeen(t *testing.T) {
	g := newGuarded(t)
	g.submit(webJob("secret"), "prod")
	g.submit(webJob("mine"), "other")
	some := g.may(fmt.Sprintf(whole, "other"))
	all := g.may(`namespace "*" { policy = "read" }`)
	for _, path := range []string{"/v1/jobs", "/v1/jobs/statuses", "/v1/evaluations", "/v1/namespaces"} {
		_, text := g.as(some, "GET", path+"?namespace=*", "")
		if !strings.Contains(text, "other") || strings.Contains(text, "secret") || strings.Contains(text, "prod") || strings.Contains(text, `"ID":"web"`) {
			t.Errorf("%s: %s", path, text)
		}
		if _, text = g.as(all, "GET", path+"?namespace=*", ""); !strings.Contains(text, "prod") || !strings.Contains(text, "other") {
			t.Errorf("%s, by who may see all: %s", path, text)
		}
		if code, text := g.as("", "GET", path+"?namespace=*", ""); code != 403 {
			t.Errorf("%s, by nobody: %d %s", path, code, text)
		}
	}
	if _, text := g.as(some, "GET", "/v1/allocations?namespace=*", ""); text != "[]\n" {
		t.Error(text)
	}
	if _, text := g.as(some, "GET", "/v1/evaluations/count?namespace=*", ""); !strings.Contains(text, `"Count":1`) {
		t.Error(text)
	}
	// A filter sees no more than the list shows.
	if _, text := g.as(some, "GET", "/v1/jobs?namespace=*&filter="+`Name+==+"secret"`, ""); text != "[]\n" {
		t.Error(text)
	}
	nodes := g.may(`node { policy = "read" }`)
	if _, text := g.as(nodes, "GET", "/v1/node/"+nodeID+"/allocations", ""); text != "[]\n" {
		t.Errorf("allocations of other namespaces on a node: %s", text)
	}
}

// What a request is about decides, not what it says it is about.
func TestTheObjectsOwnNamespaceCounts(t *testing.T) {
	g := newGuarded(t)
	foreign := g.may(fmt.Sprintf(whole, "other"))
	for _, c := range []struct{ method, path, body string }{
		{"GET", "/v1/allocation/" + g.alloc + "?namespace=other", ""},
		{"PUT", "/v1/allocation/" + g.alloc + "/stop?namespace=other", ""},
		{"GET", "/v1/client/fs/logs/" + g.alloc + "?namespace=other&task=app&type=stdout", ""},
		{"GET", "/v1/evaluation/" + g.eval + "?namespace=other", ""},
		{"GET", "/v1/evaluation/" + g.eval + "/allocations?namespace=other", ""},
		{"GET", "/v1/deployment/" + g.deploy + "?namespace=other", ""},
		{"PUT", "/v1/deployment/fail/" + g.deploy + "?namespace=other", "{}"},
		{"GET", "/v1/scaling/policy/" + g.scal + "?namespace=other", ""},
		{"PUT", "/v1/jobs", `{"Job": {"ID": "a", "Namespace": "default"}}`},
		{"PUT", "/v1/jobs?namespace=other", `{"Job": {"ID": "a", "Namespace": "default"}}`},
		{"PUT", "/v1/jobs?namespace=other", `{"Namespace": "prod", "Job": {"ID": "a"}}`},
		// Said twice in JSON the last counts, and a null undoes the first.
		{"PUT", "/v1/jobs", `{"Job": {"ID": "a", "Namespace": "other", "Namespace": null}}`},
		{"PUT", "/v1/jobs", `{"Job": {"Namespace": "other"}, "Job": null, "Job": {"ID": "a"}}`},
		{"PUT", "/v1/job/web/plan", `{"Job": {"ID": "web", "Namespace": "other", "namespace": null}}`},
		{"PUT", "/v1/job/web/plan?namespace=other", `{"Job": {"ID": "web", "Namespace": "default"}}`},
		{"GET", "/v1/job/web?namespace=*", ""},
		{"PUT", "/v1/job/web/evaluate?namespace=default", "{}"},
		{"DELETE", "/v1/job/web", ""},
		// What is not there and what may not be seen look alike.
		{"GET", "/v1/allocation/" + newID(), ""},
		{"GET", "/v1/evaluation/" + newID(), ""},
		{"GET", "/v1/deployment/" + newID(), ""},
		{"GET", "/v1/client/fs/ls/" + newID(), ""},
		{"GET", "/v1/job/nope", ""},
	} {
		if code, text := g.as(foreign, c.method, c.path, c.body); code != 403 && !(code == 400 && strings.Contains(c.path, "namespace=*")) {
			t.Errorf("%s %s: %d %s", c.method, c.path, code, text)
		}
	}
	// Who may see everything is told that there is nothing.
	all := g.may(`namespace "*" { policy = "read" }`)
	if code, text := g.as(all, "GET", "/v1/allocation/"+newID(), ""); code != 404 || text != "alloc not found" {
		t.Errorf("%d %s", code, text)
	}
	if code, text := g.as(g.may(ns("read-job")), "GET", "/v1/job/nope", ""); code != 404 {
		t.Errorf("a job that is not in my namespace: %d %s", code, text)
	}
}

func TestSearchFindsWhatMayBeSeen(t *testing.T) {
	g := newGuarded(t)
	g.submit(webJob("web-secret"), "prod")
	some := g.may(ns("list-jobs") + "\nnode_pool \"g*\" { policy = \"read\" }")
	var resp api.SearchResponse
	code, text := g.as(some, "PUT", "/v1/search?namespace=*", `{"Prefix": "", "Context": "all"}`)
	if err := json.Unmarshal([]byte(text), &resp); code != 200 || err != nil {
		t.Fatalf("%d %s", code, text)
	}
	if !slices.Equal(resp.Matches["jobs"], []string{"web"}) || !slices.Equal(resp.Matches["node_pools"], []string{"gpu"}) ||
		!slices.Equal(resp.Matches["namespaces"], []string{"default"}) || len(resp.Matches["nodes"]) != 0 || len(resp.Matches["allocs"]) != 0 {
		t.Errorf("%+v", resp.Matches)
	}
	for _, context := range []string{"nodes", "allocs", "evals"} {
		if code, text := g.as(some, "PUT", "/v1/search?namespace=*", `{"Context": "`+context+`"}`); code != 403 {
			t.Errorf("%s: %d %s", context, code, text)
		}
		if code, text := g.as(some, "PUT", "/v1/search/fuzzy?namespace=*", `{"Text": "web", "Context": "`+context+`"}`); code != 403 {
			t.Errorf("fuzzy %s: %d %s", context, code, text)
		}
	}
	if _, text := g.as(some, "PUT", "/v1/search/fuzzy?namespace=*", `{"Text": "web"}`); strings.Contains(text, "secret") || strings.Contains(text, "node-") {
		t.Error(text)
	}
	reader := g.may(`namespace "default" { policy = "read" }`)
	if _, text := g.as(reader, "PUT", "/v1/search/fuzzy?namespace=*", `{"Text": "web"}`); strings.Contains(text, "secret") || !strings.Contains(text, `"web"`) {
		t.Error(text)
	}
}

func TestAnonymousPolicy(t *testing.T) {
	g := newGuarded(t)
	g.apply(&state.UpsertACLPolicies{Policies: []*api.ACLPolicy{{Name: "anonymous", Rules: `namespace "default" { policy = "read" }`}}})
	if code, text := g.as("", "GET", "/v1/job/web", ""); code != 200 {
		t.Errorf("%d %s", code, text)
	}
	if code, _ := g.as("", "DELETE", "/v1/job/web", ""); code != 403 {
		t.Errorf("anonymous deregistered a job: %d", code)
	}
	if code, text := g.as(newID(), "GET", "/v1/job/web", ""); code != 403 || text != "ACL token not found" {
		t.Errorf("a wrong token was taken for none: %d %s", code, text)
	}
	g.apply(&state.DeleteACLPolicies{Names: []string{"anonymous"}})
	if code, _ := g.as("", "GET", "/v1/job/web", ""); code != 403 {
		t.Errorf("a deleted policy still grants: %d", code)
	}
}

func TestBearerToken(t *testing.T) {
	g := newGuarded(t)
	code, _, _ := callURL(t, g.http.URL, "GET", "/v1/jobs", "", http.Header{"Authorization": {"Bearer " + g.boss}})
	if code != 200 {
		t.Error(code)
	}
}

func TestPoliciesComeThroughRoles(t *testing.T) {
	g := newGuarded(t)
	g.apply(&state.UpsertACLPolicies{Policies: []*api.ACLPolicy{{Name: "read", Rules: `namespace "default" { policy = "read" }`}}})
	g.apply(&state.UpsertACLRoles{Roles: []*api.ACLRole{{ID: "r1", Name: "readers", Policies: []*api.ACLRolePolicyLink{{Name: "read"}}}}})
	secret := g.secret(&api.ACLToken{Type: tokenClient, Roles: []*api.ACLTokenRoleLink{{ID: "r1"}}})
	for path, want := range map[string]int{
		"/v1/job/web": 200, "/v1/acl/policy/read": 200, "/v1/acl/role/r1": 200, "/v1/acl/role/name/readers": 200, "/v1/acl/token/self": 200,
		"/v1/acl/policy/other": 403, "/v1/acl/role/r2": 403, "/v1/acl/token/" + newID(): 403,
	} {
		if code, text := g.as(secret, "GET", path, ""); code != want {
			t.Errorf("%s: %d %s", path, code, text)
		}
	}
	if _, text := g.as(secret, "GET", "/v1/acl/policies", ""); strings.Count(text, `"Name"`) != 1 {
		t.Errorf("policies of a client token: %s", text)
	}
	g.apply(&state.DeleteACLRoles{IDs: []string{"r1"}})
	if code, _ := g.as(secret, "GET", "/v1/job/web", ""); code != 403 {
		t.Error("a deleted role still grants")
	}
}

func TestVolumesNeedTheirOwnRight(t *testing.T) {
	g := newGuarded(t)
	job := webJob("db")
	job.Namespace = new("default")
	job.TaskGroups[0].Volumes = map[string]*api.VolumeRequest{"data": {Name: "data", Type: "host", Source: "data"}}
	body := asJSON(t, &api.JobRegisterRequest{Job: job})
	code, text := g.as(g.may(ns("submit-job")), "PUT", "/v1/jobs", body)
	if want := `Permission denied: group "web" mounts the host volume "data", which takes mount-readwrite of it`; code != 403 || text != want {
		t.Errorf("%d %s", code, text)
	}
	if code, _ := g.as(g.may(ns("submit-job")+"\nhost_volume \"data\" { policy = \"read\" }"), "PUT", "/v1/jobs", body); code != 403 {
		t.Errorf("reading is not writing: %d", code)
	}
	if code, text := g.as(g.may(ns("submit-job")+"\nhost_volume \"d*\" { policy = \"write\" }"), "PUT", "/v1/jobs", body); code == 403 {
		t.Errorf("%d %s", code, text)
	}
}

func TestRawExecNeedsTheNodesRight(t *testing.T) {
	g := newGuarded(t)
	path := "/v1/client/allocation/" + g.alloc + "/exec?task=app"
	if code, _ := g.as(g.may(ns("alloc-exec")), "GET", path, ""); code != 403 {
		t.Errorf("a command on the node by who may only run one in a task: %d", code)
	}
}

// identities are those that the test says are valid.
type identities map[string]Claims

func (i identities) Verify(token string) (Claims, error) {
	c, ok := i[token]
	if !ok {
		return Claims{}, errors.New("the signature is not ours")
	}
	return c, nil
}

func TestWorkloadIdentity(t *testing.T) {
	ids := identities{}
	g := newGuarded(t, func(c *Config) { c.Identities = ids })
	ids["a.b.c"] = Claims{Namespace: "default", JobID: "web", Group: "web", Task: "app", AllocID: g.alloc}
	ids["g.o.ne"] = Claims{Namespace: "default", JobID: "web", AllocID: newID()}
	for _, c := range []struct {
		token, path string
		code        int
	}{
		{"a.b.c", "/v1/services", 200},
		{"a.b.c", "/v1/service/web", 200},
		{"a.b.c", "/v1/services?namespace=prod", 403},
		{"a.b.c", "/v1/jobs", 403},
		{"a.b.c", "/v1/acl/policy/self", 200},
		{"a.b.c", "/v1/acl/token/self", 403},
		{"x.y.z", "/v1/services", 403},
		{"g.o.ne", "/v1/services", 403},
	} {
		if code, text := g.as(c.token, "GET", c.path, ""); code != c.code {
			t.Errorf("%s %s: %d %s", c.token, c.path, code, text)
		}
	}
	policy := &api.ACLPolicy{Name: "web", Rules: `namespace "prod" { policy = "read" }`, JobACL: &api.JobACL{Namespace: "default", JobID: "web", Group: "web", Task: "app"}}
	g.apply(&state.UpsertACLPolicies{Policies: []*api.ACLPolicy{policy}})
	if code, text := g.as("a.b.c", "GET", "/v1/jobs?namespace=prod", ""); code != 200 {
		t.Errorf("a policy attached to the task: %d %s", code, text)
	}
	other := *policy
	other.JobACL = &api.JobACL{Namespace: "default", JobID: "web", Group: "web", Task: "sidecar"}
	g.apply(&state.UpsertACLPolicies{Policies: []*api.ACLPolicy{&other}})
	if code, _ := g.as("a.b.c", "GET", "/v1/jobs?namespace=prod", ""); code != 403 {
		t.Error("a policy of another task holds")
	}
	// Variables: what is meant for the task, without any policy.
	r := &request{caller: caller{claims: &Claims{Namespace: "default", JobID: "web", Group: "web", Task: "app"}}}
	if r.caller.acl = nil; r.mayVariable("default", "nomad/jobs/web", "read") {
		t.Error("nobody's rights grant a variable")
	}
}

// stream opens the event stream and gives its lines.
func (g *guarded) stream(secret, query string) (lines <-chan string, code int) {
	g.t.Helper()
	req, err := http.NewRequestWithContext(g.t.Context(), http.MethodGet, g.http.URL+"/v1/event/stream?"+query, nil)
	if err != nil {
		g.t.Fatal(err)
	}
	req.Header.Set("X-Nomad-Token", secret)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { resp.Body.Close() })
	out := make(chan string, 100)
	go func() {
		defer close(out)
		for sc := bufio.NewScanner(resp.Body); sc.Scan(); {
			out <- sc.Text()
		}
	}()
	return out, resp.StatusCode
}

// next is a stream's next line; ok false: it ended.
func next(t *testing.T, lines <-chan string) (line string, ok bool) {
	t.Helper()
	select {
	case line, ok = <-lines:
		return line, ok
	case <-time.After(10 * time.Second):
		t.Fatal("nothing came")
	}
	return "", false
}

func TestEventStreamShowsWhatMayBeSeen(t *testing.T) {
	g := newGuarded(t)
	some := g.may(ns("read-job"))
	for query, want := range map[string]int{
		"topic=Job": 200, "topic=Node": 403, "topic=Job&topic=Node": 403, "topic=ACLToken": 403, "": 403, "topic=*": 403, "topic=Job&namespace=prod": 403,
	} {
		if _, code := g.stream(some, query); code != want {
			t.Errorf("%q: %d", query, code)
		}
	}
	lines, _ := g.stream(some, "topic=Job&topic=Evaluation&namespace=*")
	next(t, lines) // {}
	g.submit(webJob("hidden"), "prod")
	g.submit(webJob("shown"), "default")
	for {
		line, ok := next(t, lines)
		if !ok || strings.Contains(line, "hidden") {
			t.Fatalf("%v %s", ok, line)
		}
		if strings.Contains(line, "shown") {
			return
		}
	}
}

// A follower asks its leader about a token that it has not heard of yet.
func TestFollowerKnowsTheLeadersTokens(t *testing.T) {
	leader := newGuarded(t)
	follower := newGuarded(t)
	follower.raft.set(false, true)
	follower.peers.setLeader(leader.rpcAddr())
	if code, text := follower.as(leader.boss, "GET", "/v1/nodes?stale", ""); code != 200 {
		t.Errorf("%d %s", code, text)
	}
	if code, text := follower.as(newID(), "GET", "/v1/nodes?stale", ""); code != 403 || text != "ACL token not found" {
		t.Errorf("%d %s", code, text)
	}
	reader := leader.may(`node { policy = "read" }`)
	if code, _ := follower.as(reader, "GET", "/v1/jobs?stale", ""); code != 403 {
		t.Errorf("%d", code)
	}
}

// A client agent asks a server, believes it for a while, and goes on to when no server answers.
func TestClientAgentResolvesThroughAServer(t *testing.T) {
	server := newGuarded(t)
	at := time.Now()
	client := newAgent(t, func(c *Config) {
		c.State, c.Raft = nil, nil
		c.ACL = ACL{Enabled: true, TokenTTL: 30 * time.Second}
		c.Owner = func(id string) (Owner, bool) { return Owner{Namespace: "default"}, id == server.alloc }
		c.Allocs = &testNode{alloc: server.alloc}
		c.AgentSelf = func() *api.AgentSelf { return &api.AgentSelf{} }
	})
	client.API.now = func() time.Time { return at }
	client.peers.servers = map[string][]string{"global": {server.rpcAddr()}}
	as := func(secret, path string) int {
		code, _, _ := callURL(t, client.http.URL, "GET", path, "", http.Header{"X-Nomad-Token": {secret}})
		return code
	}
	tok := &api.ACLToken{Type: tokenClient, Policies: []string{"p1"}}
	reader, foreign := server.may(`agent { policy = "read" }`), server.may(fmt.Sprintf(whole, "other"))
	second := server.secret(tok)
	stats := "/v1/client/allocation/" + server.alloc + "/stats"
	for _, c := range []struct {
		secret, path string
		code         int
	}{
		{reader, "/v1/agent/self", 200}, {second, "/v1/agent/self", 200}, {foreign, "/v1/agent/self", 403}, {"", "/v1/agent/self", 403},
		{newID(), "/v1/agent/self", 403}, {foreign, stats, 403}, {server.boss, stats, 200}, {server.boss, "/v1/nodes", 200}, {foreign, "/v1/nodes", 403},
		{"", "/v1/agent/health", 200},
	} {
		if got := as(c.secret, c.path); got != c.code {
			t.Errorf("%s with %.8s: %d, want %d", c.path, c.secret, got, c.code)
		}
	}
	server.apply(&state.DeleteACLTokens{AccessorIDs: []string{tok.AccessorID}})
	if got := as(second, "/v1/agent/self"); got != 200 {
		t.Errorf("within the TTL: %d", got)
	}
	at = at.Add(31 * time.Second)
	if got := as(second, "/v1/agent/self"); got != 403 {
		t.Errorf("after the TTL: %d", got)
	}
	client.peers.servers = map[string][]string{"global": {"127.0.0.1:1"}}
	at = at.Add(time.Hour)
	if got := as(reader, "/v1/agent/self"); got != 200 {
		t.Errorf("while no server answers: %d", got)
	}
	if got := as(second, "/v1/agent/self"); got != 500 {
		t.Errorf("an unknown token while no server answers: %d", got)
	}
}
