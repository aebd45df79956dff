package command

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
)

// restarting is a fake job of four allocations, of which one may not restart.
func restarting(t *testing.T, broken string) (*httptest.Server, *[]string) {
	t.Helper()
	answers := cluster()
	ids := []string{"10000000", "20000000", "30000000", "40000000"}
	var stubs []*api.AllocationListStub
	for i, id := range ids {
		id += "-0000-0000-0000-000000000000"
		stubs = append(stubs, &api.AllocationListStub{
			ID: id, Name: "web.web[" + string(rune('0'+i)) + "]", Namespace: "default", NodeID: nodeA, JobID: "web", TaskGroup: "web", DesiredStatus: "run", ClientStatus: "running",
			TaskStates: map[string]*api.TaskState{"server": {State: "running", StartedAt: at.Add(-time.Hour)}},
		})
		again := &api.TaskState{State: "running", StartedAt: at, LastRestart: at, Restarts: 1}
		answers["GET /v1/allocation/"+id] = turns{
			&api.Allocation{ID: id, ClientStatus: "running", TaskStates: map[string]*api.TaskState{"server": {State: "running", StartedAt: at.Add(-time.Hour)}}},
			&api.Allocation{ID: id, ClientStatus: "running", TaskStates: map[string]*api.TaskState{"server": {State: "pending"}}},
			&api.Allocation{ID: id, ClientStatus: "running", TaskStates: map[string]*api.TaskState{"server": again}},
		}
	}
	answers["GET /v1/job/web/allocations"] = stubs
	fake := newFakeAgent(t, answers)
	var mu sync.Mutex
	var done []string
	mux := http.NewServeMux()
	mux.HandleFunc("/", fake.serve)
	mux.HandleFunc("/v1/client/allocation/{id}/restart", func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		id := r.PathValue("id")[:8]
		if id == broken {
			http.Error(w, "the task does not stop", http.StatusInternalServerError)
			return
		}
		done = append(done, id)
		w.Write([]byte("{}"))
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	answers["GET /v1/node/"+nodeA].(*api.Node).HTTPAddr = strings.TrimPrefix(server.URL, "http://")
	return server, &done
}

func TestJobRestart(t *testing.T) {
	agent, done := restarting(t, "")
	r := execute(t, agent.URL, "", "job", "restart", "-batch-size", "50%", "web")
	if r.code != 0 || len(*done) != 4 || !strings.Contains(r.err, "Batch 2 of 2: 2 allocations") || r.out != "Restarted 4 allocations of job \"web\".\n" {
		t.Errorf("exit %d after %q: %s%s", r.code, *done, r.out, r.err)
	}
	agent, done = restarting(t, "20000000")
	r = execute(t, agent.URL, "", "job", "restart", "-batch-wait", "1ms", "-group", "web", "web")
	want := "To go on with the rest: selfheal job restart -since 2026-11-20T12:00:00Z -batch-wait 1ms -group web web"
	if r.code != 1 || len(*done) != 1 || !strings.Contains(r.err, "the task does not stop") || !strings.Contains(r.err, want) {
		t.Errorf("an error: exit %d after %q: %s", r.code, *done, r.err)
	}
	agent, done = restarting(t, "20000000")
	if r = execute(t, agent.URL, "", "job", "restart", "-yes", "web"); r.code != 1 || len(*done) != 3 {
		t.Errorf("in spite of an error: exit %d after %q: %s", r.code, *done, r.err)
	}
	agent, done = restarting(t, "")
	if r = execute(t, agent.URL, "", "job", "restart", "-since", "2026-11-20T10:00:00Z", "web"); r.code != 1 || !strings.Contains(r.err, "nothing of this runs") {
		t.Errorf("since: exit %d after %q: %s", r.code, *done, r.err)
	}
	for line, want := range map[string]string{
		"-task sevrer web":       "did you mean server?",
		"-group wbe web":         "did you mean web?",
		"-all-tasks -task a web": "contradict",
		"-batch-size 0 web":      "want a number above 0",
		"-no-shutdown-delay web": "wants -reschedule",
		"-since yesterday web":   "want a time such as",
	} {
		if r := execute(t, agent.URL, "", append([]string{"job", "restart"}, strings.Fields(line)...)...); r.code != 1 || !strings.Contains(r.err, want) {
			t.Errorf("%s: exit %d: %s", line, r.code, r.err)
		}
	}
}
