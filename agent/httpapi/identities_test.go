package httpapi

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/nodeapi"
	"github.com/selfheal/selfheal/agent/state"
)

// testSigner signs with words.
type testSigner struct{}

func (testSigner) SignTask(alloc *state.Alloc, _ *api.Job, task string, id *api.WorkloadIdentity) (Token, error) {
	return Token{JWT: strings.Join([]string{alloc.JobID, alloc.Group, task, id.Name}, "/")}, nil
}

func (testSigner) SignNode(n *state.Node, ttl time.Duration) (Token, error) {
	return Token{JWT: "node/" + n.Name + "/" + ttl.String()}, nil
}

func (testSigner) SignIntroduction(name, pool string, ttl time.Duration) (Token, error) {
	return Token{JWT: "intro/" + name + "/" + pool + "/" + ttl.String()}, nil
}

// TestNodeIdentities: a node gets the identities of its own allocations, as their job
// file names them, while they are to run, and no others.
func TestNodeIdentities(t *testing.T) {
	const other = "bbbbbbbb-0000-4000-8000-00000000000b"
	ag := keyed(t)
	ag.addNode(nodeID)
	ag.addNode(other)
	job := webJob("web")
	job.TaskGroups[0].Tasks[0].Identity = &api.WorkloadIdentity{Env: true}
	job.TaskGroups[0].Tasks[0].Identities = []*api.WorkloadIdentity{{Name: "db", Env: true}}
	ag.check(job)
	task := job.TaskGroups[0].Tasks[0].Name
	eval := ag.apply(&state.RegisterJob{Job: job}).(*state.JobResult).EvalID
	ag.place(eval, "web", 2, nodeID)
	mine, stopped := state.AllocID(eval, 0), state.AllocID(eval, 1)
	ag.must(&state.UpdateAllocs{NodeID: nodeID, Updates: []state.AllocUpdate{{ID: stopped, ClientStatus: "complete"}}})
	ask := func(node, secret string, wants ...nodeapi.TaskIdentity) (int, nodeapi.IdentitiesResponse, string) {
		t.Helper()
		body, err := json.Marshal(nodeapi.IdentitiesRequest{NodeID: node, Tasks: wants, Node: true})
		if err != nil {
			t.Fatal(err)
		}
		code, text, _ := callURL(t, ag.rpc.URL, "POST", nodeapi.PathIdentities, string(body), nodeHeader(node, secret))
		var resp nodeapi.IdentitiesResponse
		if code == 200 {
			if err := json.Unmarshal([]byte(text), &resp); err != nil {
				t.Fatal(err)
			}
		}
		return code, resp, text
	}
	for _, tc := range []struct {
		name string
		want nodeapi.TaskIdentity
		jwt  string
		err  string
	}{
		{"default", nodeapi.TaskIdentity{AllocID: mine, Task: task}, "web/web/" + task + "/", ""},
		{"default by name", nodeapi.TaskIdentity{AllocID: mine, Task: task, Name: "default"}, "web/web/" + task + "/", ""},
		{"named", nodeapi.TaskIdentity{AllocID: mine, Task: task, Name: "db"}, "web/web/" + task + "/db", ""},
		{"not in the job file", nodeapi.TaskIdentity{AllocID: mine, Task: task, Name: "admin"}, "", `has no identity "admin"`},
		{"no such task", nodeapi.TaskIdentity{AllocID: mine, Task: "x"}, "", `has no task "x"`},
		{"ended", nodeapi.TaskIdentity{AllocID: stopped, Task: task}, "", "is not to run any more"},
	} {
		code, resp, text := ask(nodeID, nodeKey, tc.want)
		if code != 200 || len(resp.Tasks) != 1 || resp.Tasks[0].JWT != tc.jwt || !strings.Contains(resp.Tasks[0].Error, tc.err) || (tc.err == "") != (resp.Tasks[0].Error == "") {
			t.Errorf("%s: %d %s", tc.name, code, text)
		}
	}
	if _, resp, text := ask(other, nodeKey, nodeapi.TaskIdentity{AllocID: mine, Task: task}); len(resp.Tasks) != 1 || resp.Tasks[0].JWT != "" || !strings.Contains(resp.Tasks[0].Error, "not one of this node") {
		t.Errorf("another node got %s", text)
	}
	if code, _, text := ask(nodeID, "guessed", nodeapi.TaskIdentity{AllocID: mine, Task: task}); code != 403 {
		t.Errorf("with a wrong secret: %d %s", code, text)
	}
	if code, _, _ := callURL(t, ag.http.URL, "POST", nodeapi.PathIdentities, `{}`, nil); code != 404 {
		t.Errorf("on the people's port: %d, want 404", code)
	}
	if _, resp, _ := ask(nodeID, nodeKey); resp.Node == nil || !strings.HasSuffix(resp.Node.JWT, "/24h0m0s") {
		t.Errorf("the node's own: %+v", resp.Node)
	}
}

func TestIntroductionToken(t *testing.T) {
	ag := keyed(t)
	for _, tc := range []struct {
		body, want string
		code       int
	}{
		{`{}`, "intro//default/5m0s", 200},
		{`{"TTL":1000000000,"NodeName":"n","NodePool":"gpu"}`, "intro/n/gpu/1s", 200},
		{`{"TTL":-1}`, "out of range", 400},
		{`{"TTL":86400000000000}`, "out of range", 400},
		{`{"NodePool":"a b"}`, "invalid node pool", 400},
		{`{"NodeName":"a:b"}`, "invalid node name", 400},
	} {
		code, body, _ := ag.call("PUT", "/v1/acl/identity/client-introduction-token", tc.body)
		if code != tc.code || !strings.Contains(body, tc.want) {
			t.Errorf("%s: %d %s", tc.body, code, body)
		}
	}
}
