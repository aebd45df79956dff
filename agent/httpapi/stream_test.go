package httpapi

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/nodeapi"
	"github.com/selfheal/selfheal/agent/state"
)

func TestEventStream(t *testing.T) {
	ag := newAgent(t)
	ag.addNode(nodeID)
	ag.register(webJob("old"))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stream := func(topics map[api.Topic][]string, index uint64) <-chan *api.Events {
		ch, err := ag.client().EventStream().Stream(ctx, topics, index, nil)
		if err != nil {
			t.Fatal(err)
		}
		return ch
	}
	// Index 0 begins with the oldest that is kept.
	ev := <-stream(map[api.Topic][]string{api.TopicNode: {nodeID}}, 0)
	if ev.Err != nil || len(ev.Events) != 1 {
		t.Fatalf("%+v", ev)
	}
	if n, err := ev.Events[0].Node(); err != nil || n.ID != nodeID {
		t.Errorf("%+v %v", n, err)
	}
	if secret, ok := ev.Events[0].Payload["Node"].(map[string]any)["SecretID"]; !ok || secret != "" {
		t.Errorf("secret %v", secret)
	}
	jobs := stream(map[api.Topic][]string{api.TopicJob: {"new"}}, 0)
	ag.register(webJob("new"))
	ev = <-jobs
	if ev.Err != nil || ev.Events[0].Key != "new" {
		t.Fatalf("%+v", ev)
	}
	// Resuming with an index gives that index again, not fewer.
	if again := <-stream(map[api.Topic][]string{api.TopicJob: {}}, ev.Index); again.Index != ev.Index {
		t.Errorf("resumed at %d, want %d", again.Index, ev.Index)
	}
	// The agent stops: the stream ends.
	ag.Close()
	if ev, ok := <-jobs; ok && ev.Err == nil {
		t.Errorf("after Close: %+v", ev)
	}
}

func TestEventsNameTheirNamespace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, raft := inBubble(t)
		for _, c := range []state.Command{
			&state.RegisterNode{Node: &state.Node{SecretID: nodeKey, Node: api.Node{ID: nodeID, Datacenter: "dc1", NodePool: "default"}}},
			&state.UpsertNamespace{Namespace: &api.Namespace{Name: "prod"}},
			&state.RegisterJob{Job: func() *api.Job { j := webJob("web"); j.Namespace = new("prod"); j.Canonicalize(); return j }()},
		} {
			data, err := state.Encode(time.Now(), c)
			if err != nil {
				t.Fatal(err)
			}
			if res, _, _ := raft.Apply(t.Context(), data); isError(res) {
				t.Fatal(res)
			}
		}
		stream := async(a, "/v1/event/stream?namespace=*")
		synctest.Wait()
		a.Close()
		<-stream.over
		var got []string
		for line := range strings.Lines(stream.rec.Body.String()) {
			for _, e := range decodeAs[struct{ Events []event }](t, line).Events {
				got = append(got, string(e.Topic)+" "+e.Namespace)
			}
		}
		if want := "[Node  Job prod Evaluation prod]"; fmt.Sprint(got) != want {
			t.Errorf("events %v, want %s", got, want)
		}
	})
}

func TestEventHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := inBubble(t)
		p := async(a, "/v1/event/stream")
		time.Sleep(61 * time.Second)
		a.Close()
		if got := p.result(); got != "200 {}\n{}\n{}\n" {
			t.Errorf("got %q", got)
		}
	})
}

func TestMonitor(t *testing.T) {
	ag := newAgent(t)
	stop := make(chan struct{})
	defer close(stop)
	frames, errs := ag.client().Agent().Monitor(stop, &api.QueryOptions{Params: map[string]string{"log_level": "debug"}})
	deadline := time.After(5 * time.Second)
	for {
		ag.call("GET", "/v1/regions", "") // a request leaves a line
		select {
		case f := <-frames:
			if strings.Contains(string(f.Data), "[DEBUG]") && strings.Contains(string(f.Data), "request complete") {
				return
			}
		case err := <-errs:
			t.Fatal(err)
		case <-deadline:
			t.Fatal("no line")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func TestFrameHeartbeat(t *testing.T) {
	ag := newAgent(t)
	resp, err := http.Get(ag.http.URL + "/v1/agent/monitor?log_level=error")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	line, err := bufio.NewReader(resp.Body).ReadString('\n')
	if err != nil || line != "{}\n" {
		t.Errorf("got %q %v", line, err)
	}
}

func TestServices(t *testing.T) {
	ag := newAgent(t)
	ag.addNode(nodeID)
	alloc := ag.place(ag.register(webJob("web")).EvalID, "web", 1, nodeID)[0]
	reg := func(id, name string, tags ...string) *api.ServiceRegistration {
		return &api.ServiceRegistration{ID: id, ServiceName: name, Tags: tags, Address: "10.0.0.9", Port: 80}
	}
	status := nodeapi.AllocStatus{ID: alloc, ClientStatus: "running", Failing: []string{"1"}, Services: []*api.ServiceRegistration{
		reg("1", "web", "b", "a"), reg("2", "web", "a"), reg("3", "db"),
	}}
	if code, text := ag.asNode(nodeapi.PathStatus, nodeHeader(nodeID, nodeKey), &nodeapi.StatusRequest{NodeID: nodeID, Allocs: []nodeapi.AllocStatus{status}}); code != 200 {
		t.Fatalf("status: %d %s", code, text)
	}
	c := ag.client()
	list, _, err := c.Services().List(nil)
	if err != nil || len(list) != 1 || len(list[0].Services) != 2 || strings.Join(list[0].Services[1].Tags, ",") != "a,b" {
		t.Errorf("list %s %v", asJSON(t, list), err)
	}
	if got, _, err := c.Services().Get("web", nil); err != nil || len(got) != 2 || got[0].ID != "2" || got[1].ID != "1" {
		t.Errorf("get %s %v: the one that is well comes first", asJSON(t, got), err)
	}
	page, qm, err := c.Services().Get("web", &api.QueryOptions{PerPage: 1})
	if err != nil || len(page) != 1 || page[0].ID != "2" {
		t.Fatalf("first page %s %v", asJSON(t, page), err)
	}
	if page, _, err = c.Services().Get("web", &api.QueryOptions{PerPage: 1, NextToken: qm.NextToken}); err != nil || len(page) != 1 || page[0].ID != "1" {
		t.Errorf("second page %s %v", asJSON(t, page), err)
	}
	one, _, err := c.Services().Get("web", &api.QueryOptions{Params: map[string]string{"choose": "1|me"}})
	two, _, _ := c.Services().Get("web", &api.QueryOptions{Params: map[string]string{"choose": "1|me"}})
	if err != nil || len(one) != 1 || one[0].ID != two[0].ID {
		t.Errorf("choose %v %v %v", one, two, err)
	}
	if got, _, err := c.Jobs().Services("web", nil); err != nil || len(got) != 3 {
		t.Errorf("of the job %v %v", got, err)
	}
	if got, _, err := c.Allocations().Services(alloc, nil); err != nil || len(got) != 3 {
		t.Errorf("of the allocation %v %v", got, err)
	}
	if _, err := c.Services().Delete("web", "1", nil); err != nil {
		t.Error(err)
	}
	if _, err := c.Services().Delete("web", "1", nil); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("deleted twice: %v", err)
	}
}

func TestDeployments(t *testing.T) {
	ag := newAgent(t)
	ag.addNode(nodeID)
	evalID := ag.register(webJob("web")).EvalID
	e := *ag.store.Snapshot().Eval(nil, evalID)
	e.Status = api.EvalStatusComplete
	id := state.DeploymentID(evalID)
	ag.apply(&state.ApplyPlans{Plans: []state.Plan{{
		EvalID: evalID, Namespace: "default", JobID: "web", Nodes: []string{nodeID}, Evals: []*api.Evaluation{&e},
		Placements: []state.Placement{{Group: "web", Canary: true, Metric: -1, Deployment: id}},
		Deployment: &state.NewDeployment{Groups: map[string]*api.DeploymentState{"web": {DesiredCanaries: 1, DesiredTotal: 2}}},
	}}})
	d := ag.client().Deployments()
	list, _, err := d.List(nil)
	if err != nil || len(list) != 1 || list[0].Status != "running" {
		t.Fatalf("%s %v", asJSON(t, list), err)
	}
	if latest, _, err := ag.client().Jobs().LatestDeployment("web", nil); err != nil || latest == nil || latest.ID != id {
		t.Errorf("latest: %+v %v", latest, err)
	}
	allocs, _, err := d.Allocations(id, nil)
	if err != nil || len(allocs) != 1 {
		t.Fatalf("allocations: %v %v", allocs, err)
	}
	if _, _, err := d.PromoteAll(id, nil); err == nil || !strings.Contains(err.Error(), `Task group "web" has 0/1 healthy allocations`) {
		t.Errorf("promote before health: %v", err)
	}
	if _, _, err := d.PromoteGroups(id, []string{"db"}, nil); err == nil || !strings.Contains(err.Error(), `group "db" is not part of the deployment`) {
		t.Errorf("promote an unknown group: %v", err)
	}
	if _, _, err := d.SetAllocHealth(id, []string{allocs[0].ID}, nil, nil); err != nil {
		t.Fatal(err)
	}
	if resp, wm, err := d.PromoteAll(id, nil); err != nil || resp.EvalID == "" || wm.LastIndex == 0 {
		t.Errorf("promote: %+v %v", resp, err)
	}
	if _, _, err := d.Pause(id, true, nil); err != nil {
		t.Error(err)
	}
	if got, _, _ := d.Info(id, nil); got.Status != "paused" {
		t.Errorf("paused: %s", got.Status)
	}
	if _, _, err := d.Fail(id, nil); err != nil {
		t.Error(err)
	}
	if got, _, _ := d.Info(id, nil); got.Status != "failed" {
		t.Errorf("failed: %s", got.Status)
	}
	if _, _, err := d.Pause(id, false, nil); err == nil || !strings.Contains(err.Error(), "400 (can't change a deployment that is over (status failed))") {
		t.Errorf("resume a failed one: %v", err)
	}
}

func TestEvaluationsHaveLinesOfTheirOwn(t *testing.T) {
	eval, job := event{Event: api.Event{Topic: api.TopicEvaluation}}, event{Event: api.Event{Topic: api.TopicJob}}
	for _, c := range []struct {
		name   string
		events []event
		want   string
	}{
		{"heartbeat", nil, "0:0"},
		{"no evaluation", []event{job, job}, "9:2"},
		{"one", []event{job, eval, job}, "9:3"},
		{"three", []event{job, eval, eval, job, eval}, "8:2 8:2 9:1"},
	} {
		whole := eventLine{Events: c.events}
		if len(c.events) > 0 {
			whole.Index = 9
		}
		var got []string
		for _, line := range split(whole) {
			got = append(got, fmt.Sprintf("%d:%d", line.Index, len(line.Events)))
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v, want %s", c.name, got, c.want)
		}
	}
}
