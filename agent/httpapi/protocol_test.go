package httpapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
)

// TestErrorsHaveMeta: an answer that refuses carries the headers of a query too, so
// that a client can wait for what is not there.
func TestErrorsHaveMeta(t *testing.T) {
	ag := newAgent(t)
	ag.register(webJob("web"))
	for _, path := range []string{"/v1/job/nope", "/v1/node/nope", "/v1/allocation/nope", "/v1/evaluation/nope", "/v1/deployment/nope",
		"/v1/volume/csi/nope", "/v1/volume/host/nope", "/v1/namespace/nope", "/v1/node/pool/nope"} {
		code, text, h := ag.call("GET", path, "")
		if code != 404 || h.Get("X-Nomad-Index") == "" || h.Get("X-Nomad-KnownLeader") != "true" || h.Get("X-Nomad-LastContact") != "0" {
			t.Errorf("%s: %d %s, headers %v", path, code, text, h)
		}
	}
	if code, text, _ := ag.call("GET", "/v1/nothing/here", ""); code != 404 || text != "" {
		t.Errorf("an unknown path: %d %q", code, text)
	}
	if code, text, _ := ag.call("DELETE", "/v1/jobs", ""); code != 405 || text != "Invalid method" {
		t.Errorf("a wrong method: %d %q", code, text)
	}
}

// TestBlockingWaitsForWhatIsNotThere: and returns when it comes.
func TestBlockingWaitsForWhatIsNotThere(t *testing.T) {
	ag := newAgent(t)
	_, _, h := ag.call("GET", "/v1/job/web", "")
	answer := async(ag.API, "/v1/job/web?wait=30s&index="+h.Get("X-Nomad-Index"))
	select {
	case <-answer.over:
		t.Fatalf("it did not wait: %d %s", answer.rec.Code, answer.rec.Body)
	case <-time.After(50 * time.Millisecond):
	}
	ag.register(webJob("web"))
	<-answer.over
	if answer.rec.Code != http.StatusOK {
		t.Errorf("when it came: %d %s", answer.rec.Code, answer.rec.Body)
	}
}

// TestBlockingWakesOnItsOwnTableOnly: what changes elsewhere leaves a query waiting.
func TestBlockingWakesOnItsOwnTableOnly(t *testing.T) {
	ag := newAgent(t)
	ag.addNode(nodeID)
	ag.register(webJob("web"))
	alloc := ag.place(ag.register(webJob("api")).EvalID, "api", 1, nodeID)[0]
	change := map[string]func(i int){
		"job": func(i int) { ag.register(withMeta(webJob("other"), i)) },
		"pool": func(i int) {
			ag.apply(&state.UpsertNodePool{Pool: &api.NodePool{Name: "p", Description: fmt.Sprint(i)}})
		},
		"namespace": func(i int) {
			ag.apply(&state.UpsertNamespace{Namespace: &api.Namespace{Name: "n", Description: fmt.Sprint(i)}})
		},
		"volume": func(i int) {
			ag.apply(&state.UpsertCSIVolume{Volume: &api.CSIVolume{ID: "v", Namespace: "default", PluginID: "p", Capacity: int64(i)}})
		},
		"node": func(i int) {
			ag.addNode(nodeKey, func(n *state.Node) { n.Meta = map[string]string{"i": fmt.Sprint(i)} })
		},
		"alloc": func(i int) {
			ag.apply(&state.UpdateAllocs{NodeID: nodeID, Updates: []state.AllocUpdate{{ID: alloc, ClientStatus: "running", TaskStates: map[string]*api.TaskState{
				"app": {State: "running", Events: []*api.TaskEvent{{Type: "Started", Time: int64(i)}}}}}}})
		},
	}
	for i, tc := range []struct {
		path  string
		wakes []string
	}{
		{"/v1/jobs", []string{"job"}},
		{"/v1/job/web", nil},
		{"/v1/job/web/allocations", nil}, // another job's
		{"/v1/job/api/allocations", []string{"alloc"}},
		{"/v1/job/web/versions", nil},
		{"/v1/job/web/summary", nil},
		{"/v1/job/web/actions", nil},
		{"/v1/nodes", []string{"node"}},
		{"/v1/node/" + nodeID, nil}, // another node
		{"/v1/node/" + nodeID + "/allocations", []string{"alloc"}},
		{"/v1/allocations", []string{"alloc"}},
		{"/v1/allocation/" + alloc, []string{"alloc"}},
		{"/v1/node/pools", []string{"pool"}},
		{"/v1/node/pool/default", nil},
		{"/v1/namespaces", []string{"namespace"}},
		{"/v1/volumes", []string{"volume"}},
		{"/v1/volumes?type=host", nil},
		{"/v1/deployments", nil},
		{"/v1/operator/scheduler/configuration", nil},
		{"/v1/operator/autopilot/configuration", nil},
		{"/v1/plugins", nil},
	} {
		for name, do := range change {
			do(1000 + i) // it is there
			_, _, h := ag.call("GET", tc.path, "")
			sep := "?"
			if strings.Contains(tc.path, "?") {
				sep = "&"
			}
			wait := "20ms"
			if slices.Contains(tc.wakes, name) {
				wait = "10s" // it returns at once
			}
			answer := async(ag.API, tc.path+sep+"wait="+wait+"&index="+h.Get("X-Nomad-Index"))
			began := time.Now()
			do(2000 + i)
			<-answer.over
			woke := answer.rec.Header().Get("X-Nomad-Index") != h.Get("X-Nomad-Index")
			if want := slices.Contains(tc.wakes, name); woke != want {
				t.Errorf("%s, and a %s changes: woke %t after %v, want %t", tc.path, name, woke, time.Since(began), want)
			}
		}
	}
}

func withMeta(job *api.Job, i int) *api.Job {
	job.Meta = map[string]string{"i": fmt.Sprint(i)}
	return job
}

// TestPaginationWhileThingsChange: a walk that is interrupted by changes after every
// page shows everything that was there throughout, once.
func TestPaginationWhileThingsChange(t *testing.T) {
	ag := newAgent(t)
	ag.addNode(nodeID)
	stays := map[string][]string{} // by list
	for i := range 9 {
		id := fmt.Sprintf("stay-%d", i)
		eval := ag.register(webJob(id)).EvalID
		stays["/v1/jobs"] = append(stays["/v1/jobs"], id)
		stays["/v1/evaluations"] = append(stays["/v1/evaluations"], eval)
		stays["/v1/allocations"] = append(stays["/v1/allocations"], ag.place(eval, id, 1, nodeID)...)
		ag.apply(&state.UpsertNodePool{Pool: &api.NodePool{Name: id}})
		ag.apply(&state.UpsertCSIVolume{Volume: &api.CSIVolume{ID: id, Namespace: "default", PluginID: "p"}})
		stays["/v1/node/pools"] = append(stays["/v1/node/pools"], id)
		stays["/v1/volumes"] = append(stays["/v1/volumes"], id)
	}
	step := 0
	disturb := func() { // something before, between and behind comes and goes, something there changes
		step++
		for _, id := range []string{fmt.Sprintf("a-%d", step), fmt.Sprintf("stay-%d-x", step), fmt.Sprintf("z-%d", step)} {
			eval := ag.register(webJob(id)).EvalID
			ag.place(eval, id, 1, nodeID)
			ag.apply(&state.UpsertNodePool{Pool: &api.NodePool{Name: id}})
			ag.apply(&state.UpsertCSIVolume{Volume: &api.CSIVolume{ID: id, Namespace: "default", PluginID: "p"}})
		}
		for _, id := range []string{fmt.Sprintf("stay-%d-x", step-1), fmt.Sprintf("z-%d", step-1)} {
			if step > 1 {
				ag.apply(&state.DeregisterJob{Namespace: "default", ID: id, Purge: true})
				ag.apply(&state.DeleteNodePool{Name: id})
				ag.apply(&state.DeregisterCSIVolume{Namespace: "default", ID: id})
			}
		}
		ag.register(withMeta(webJob(fmt.Sprintf("stay-%d", step%9)), step))
	}
	for path, want := range stays {
		for _, reverse := range []string{"", "&reverse=true"} {
			var seen []string
			token := ""
			for page := range 1000 { // more than there can be
				code, text, h := ag.call("GET", path+"?per_page=2"+reverse+"&next_token="+token, "")
				if code != 200 {
					t.Fatalf("%s: %d %s", path, code, text)
				}
				for _, item := range asList(t, text) {
					id, _ := item["ID"].(string)
					if id == "" {
						id, _ = item["Name"].(string)
					}
					seen = append(seen, id)
				}
				if token = h.Get("X-Nomad-NextToken"); token == "" {
					break
				}
				if page < 8 {
					disturb()
				}
			}
			for _, id := range want {
				if n := count(seen, id); n != 1 {
					t.Errorf("%s%s: %s came %d times", path, reverse, id, n)
				}
			}
			for _, id := range seen {
				if count(seen, id) > 1 {
					t.Errorf("%s%s: %s came twice", path, reverse, id)
				}
			}
		}
	}
}

func count(list []string, what string) int {
	n := 0
	for _, each := range list {
		if each == what {
			n++
		}
	}
	return n
}

func asList(t *testing.T, text string) []map[string]any {
	t.Helper()
	var list []map[string]any
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return list
}
