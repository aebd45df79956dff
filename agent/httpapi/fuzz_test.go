package httpapi

import (
	"io"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/selfheal/selfheal/agent/nodeapi"
	"github.com/selfheal/selfheal/agent/state"
)

// FuzzRequests sends any method, path and body to both ports of an agent with a
// job, a node and an allocation. No answer may be a panic (the 500 that recover
// gives), and a job that was refused must not be there.
func FuzzRequests(f *testing.F) {
	for line := range strings.Lines(contract) {
		if fields := strings.Fields(line); len(fields) > 1 {
			path := strings.Replace(strings.Replace(fields[1], "/job/x", "/job/web", 1), "/node/x", "/node/"+nodeID, 1)
			f.Add(fields[0], path, `{}`)
			f.Add(fields[0], path+"?namespace=*&per_page=1&reverse", `{"Job":{"ID":"web","TaskGroups":[null,{}]},"Eligibility":"eligible","Target":{"Group":"web"},"Count":1}`)
			f.Add(fields[0], path+"?filter=ID&prefix=w&next_token=1.x", `{"Job":{"ID":"web","Namespace":"default","TaskGroups":[{"Name":"web","Tasks":[null]}],"Periodic":{}}}`)
		}
	}
	f.Add("PUT", nodeapi.PathStatus, `{"NodeID":"`+nodeID+`","Allocs":[{"ID":"x","TaskStates":{"a":null}}]}`)
	f.Add("PUT", nodeapi.PathRegister, `{"Node":{"ID":"`+nodeID+`","Name":"n","Datacenter":"d"},"SecretID":"`+nodeKey+`"}`)
	f.Add("PUT", nodeapi.PathAllocs, `{"NodeID":"`+nodeID+`","Wait":1}`)
	f.Add("PUT", "/v1/namespace", `null`)
	f.Add("PUT", "/v1/node/pools", `null`)
	f.Add("PUT", "/v1/jobs", `{"PreserveCounts":true,"PreserveResources":true,"Job":{"ID":"web","TaskGroups":[null,{"Name":"web","Tasks":[null]}]}}`)
	f.Add("PUT", "/v1/node/pools", `{"Name":"x","NodeIdentityTTL":{}}`)
	f.Add("GET", "/v1/job/%2F%00", ``)
	f.Fuzz(func(t *testing.T, method, target, body string) {
		u, err := url.Parse(target)
		if err != nil || !strings.HasPrefix(target, "/") || strings.ContainsAny(method, " \r\n") || method == "" {
			t.Skip()
		}
		// Streams and long polls end by themselves only after a while.
		if strings.Contains(u.Path, "event") || strings.Contains(u.Path, "monitor") || strings.Contains(u.Path, "pprof") || u.Query().Get("index") != "" {
			t.Skip()
		}
		a := fuzzAgent(t)
		defer a.Close()
		req := httptest.NewRequest("GET", "/", io.NopCloser(strings.NewReader(body)))
		req.Method, req.URL = method, u
		req.Header.Set(nodeapi.HeaderNode, nodeID)
		req.Header.Set(nodeapi.HeaderSecret, nodeKey)
		w := httptest.NewRecorder()
		a.ClusterHandler().ServeHTTP(w, req)
		if w.Code == 500 && strings.HasPrefix(w.Body.String(), "internal error") {
			t.Fatalf("%s %s %q panicked", method, target, body)
		}
		if w.Code >= 400 && method == "PUT" && strings.HasPrefix(u.Path, "/v1/job") {
			if n := len(a.cfg.State.Snapshot().JobVersions(nil, "default", "web")); n != 1 {
				t.Fatalf("%s %s %q was refused with %d and left %d versions", method, target, body, w.Code, n)
			}
		}
	})
}

// fuzzAgent is an agent with a job, a node and an allocation.
func fuzzAgent(t *testing.T) *API {
	store, err := state.New(state.Config{})
	if err != nil {
		t.Fatal(err)
	}
	ag := &agent{t: t, store: store, raft: &testRaft{store: store, index: 9, leader: true, known: true}}
	ag.API = newAPI(t, store, ag.raft)
	ag.API.cfg.Planner = &testPlanner{}
	ag.API.cfg.Limits.LeaderWait = time.Millisecond
	ag.addNode(nodeID)
	job := webJob("web")
	ag.check(job)
	res := ag.apply(&state.RegisterJob{Job: job}).(*state.JobResult)
	ag.place(res.EvalID, "web", 1, nodeID)
	return ag.API
}
