package command

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
	"github.com/hashicorp/nomad/api"
	"pgregory.net/rapid"
)

// topStory is a small cluster that has just been read.
func topStory() topLoaded {
	node := func(id, name string) *api.NodeListStub {
		return &api.NodeListStub{
			ID: id, Name: name, Status: "ready", SchedulingEligibility: "eligible", Datacenter: "dc1", NodePool: "default",
			NodeResources: &api.NodeResources{Cpu: api.NodeCpuResources{CpuShares: 4000}, Memory: api.NodeMemoryResources{MemoryMB: 8192}},
		}
	}
	alloc := func(id, name, node string, index uint64) *api.AllocationListStub {
		return &api.AllocationListStub{
			ID: id, Name: name, Namespace: "default", NodeID: node, JobID: "web", TaskGroup: "web", DesiredStatus: "run", ClientStatus: "running", CreateIndex: index,
			AllocatedResources: &api.AllocatedResources{Tasks: map[string]*api.AllocatedTaskResources{
				"server": {Cpu: api.AllocatedCpuResources{CpuShares: 1000}, Memory: api.AllocatedMemoryResources{MemoryMB: 1024}},
			}},
		}
	}
	return topLoaded{
		at: at, leader: "10.0.0.1:4647",
		nodes:  []*api.NodeListStub{node(nodeB, "client-2"), node(nodeA, "client-1"), nil},
		allocs: []*api.AllocationListStub{alloc(alloc0, "web.web[0]", nodeA, 20), alloc(alloc1, "web.web[1]", nodeB, 21)},
		jobs: []*api.JobListStub{
			{ID: "web", Namespace: "default", Type: "service", Status: "running", JobSummary: &api.JobSummary{Summary: map[string]api.TaskGroupSummary{"web": {Running: 2}}}},
			{ID: "backup", Namespace: "default", Type: "batch", Periodic: true, Status: "running"},
			{ID: "old", Namespace: "default", Type: "batch", Status: "dead", Stop: true},
		},
		deployments: []*api.Deployment{webDeployment("running", 1)},
	}
}

// topLoss is client-2 dying, and the allocation that takes the place of its own.
func topLoss() []any {
	after := func(d time.Duration) time.Time { return at.Add(d) }
	lost := &api.Allocation{ID: alloc1, Name: "web.web[1]", Namespace: "default", NodeID: nodeB, JobID: "web", TaskGroup: "web", DesiredStatus: "stop", ClientStatus: "lost", CreateIndex: 21, ClientDescription: "its node is down"}
	next := &api.Allocation{ID: "13333333-0000-0000-0000-000000000000", Name: "web.web[1]", Namespace: "default", NodeID: nodeA, JobID: "web", TaskGroup: "web", DesiredStatus: "run", ClientStatus: "pending", CreateIndex: 30, PreviousAllocation: alloc1}
	running := *next
	running.ClientStatus = "running"
	return []any{
		topChanged{at: after(time.Second), node: &api.Node{ID: nodeB, Name: "client-2", Status: "down", SchedulingEligibility: "eligible"}},
		topChanged{at: after(time.Second), alloc: lost},
		topChanged{at: after(1100 * time.Millisecond), alloc: next},
		topJobs{after(1100 * time.Millisecond), []*api.JobListStub{{ID: "web", Namespace: "default", Type: "service", Status: "running", JobSummary: &api.JobSummary{Summary: map[string]api.TaskGroupSummary{"web": {Running: 1, Starting: 1, Lost: 1}}}}}},
		topChanged{at: after(1200 * time.Millisecond), alloc: &running},
		topChanged{at: after(2 * time.Second), deployment: webDeployment("successful", 2)},
	}
}

func newTop() *topModel {
	return &topModel{topFrame: topFrame{t: &topState{}, width: 80, height: 24, address: "127.0.0.1:4646"}}
}

// press types keys: names of more than one letter stand in angle brackets.
func press(m *topModel, keys ...string) tea.Cmd {
	var last tea.Cmd
	for _, k := range keys {
		text := k
		if len([]rune(k)) > 1 {
			text = ""
		}
		last = m.key(k, text)
	}
	return last
}

func TestTopFrames(t *testing.T) {
	tests := []struct {
		name string
		play func(m *topModel)
	}{
		{"asking", func(m *topModel) {}},
		{"loaded", func(m *topModel) { m.Update(topStory()) }},
		{"loss", func(m *topModel) {
			m.Update(topStory())
			for _, msg := range topLoss() {
				m.Update(msg)
			}
		}},
		{"away", func(m *topModel) {
			m.Update(topStory())
			m.Update(topAway{at, "no agent answers at http://127.0.0.1:4646"})
			m.Update(topAway{at.Add(time.Second), "no agent answers at http://127.0.0.1:4646"})
		}},
		{"small", func(m *topModel) {
			m.Update(topStory())
			m.Update(tea.WindowSizeMsg{Width: 50, Height: 9})
			press(m, "down", "tab", "end")
		}},
		{"filter", func(m *topModel) {
			m.Update(topStory())
			press(m, "/", "w", "e", "x", "backspace", "b", "enter")
		}},
		{"node", func(m *topModel) { m.Update(topStory()); press(m, "enter") }},
		{"job", func(m *topModel) { m.Update(topStory()); press(m, "tab", "down", "enter") }},
		{"log", func(m *topModel) {
			m.Update(topStory())
			m.Update(topLog{alloc: alloc0, title: "LOG 11111111", lines: []string{"one", "two"}})
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := newTop()
			test.play(m)
			golden(t, "top/"+test.name+".frame", m.render()+"\n")
		})
	}
}

func TestTopKeys(t *testing.T) {
	m := newTop()
	var asked string
	m.ask = func(alloc string) tea.Cmd { asked = alloc; return nil }
	m.Update(topStory())
	for _, msg := range topLoss() {
		m.Update(msg)
	}
	if press(m, "tab", "l"); asked != "13333333-0000-0000-0000-000000000000" {
		t.Errorf("the log of a job is that of %q: want its newest running allocation", asked)
	}
	press(m, "tab", "down", "enter", "l")
	if m.subject != asked || !strings.HasPrefix(m.detail.title, "EVENT") {
		t.Errorf("the log of an event is that of %q, detail %+v", asked, m.detail)
	}
	press(m, "esc")
	if m.detail != nil {
		t.Error("esc leaves the detail open")
	}
	if cmd := press(m, "/", "q"); cmd != nil || m.filter != "q" {
		t.Errorf("q in the filter: filter %q", m.filter)
	}
	press(m, "esc")
	if cmd := press(m, "q"); cmd == nil {
		t.Error("q does not quit")
	}
}

// A frame is never wider or higher than the terminal, whatever is on it.
func TestTopFits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newTop()
		m.Update(topStory())
		for _, msg := range topLoss() {
			m.Update(msg)
		}
		m.t.nodes[nodeA].Name = rapid.StringMatching(`[a-z漢字]{0,40}`).Draw(t, "name")
		m.color = rapid.Bool().Draw(t, "color")
		for i := range rapid.IntRange(0, 30).Draw(t, "events") {
			m.t.say(topEvent{at: at, text: fmt.Sprint("event ", i), style: red})
		}
		width, height := rapid.IntRange(1, 200).Draw(t, "width"), rapid.IntRange(9, 60).Draw(t, "height")
		m.Update(tea.WindowSizeMsg{Width: width, Height: height})
		for _, key := range rapid.SliceOf(rapid.SampledFrom([]string{"tab", "up", "down", "end", "home", "enter", "esc", "pgdown", "/", "x", "backspace", "l"})).Draw(t, "keys") {
			press(m, key)
		}
		lines := strings.Split(m.render(), "\n")
		if len(lines) != height {
			t.Fatalf("%d lines on a terminal of %d", len(lines), height)
		}
		for _, line := range lines {
			if lipgloss.Width(line) > width {
				t.Fatalf("%d columns on a terminal of %d: %q", lipgloss.Width(line), width, line)
			}
		}
	})
}

func TestTopOnce(t *testing.T) {
	agent := newFakeAgent(t, cluster())
	r := execute(t, agent.URL, "", "top", "-once")
	if r.code != 0 || !strings.Contains(r.out, "NODES (2)") || !strings.Contains(r.out, "client-2") || strings.Contains(r.out, "\x1b") {
		t.Errorf("exit %d:\n%s%s", r.code, r.out, r.err)
	}
	if r := execute(t, agent.URL, "", "top"); r.code != 1 || !strings.Contains(r.err, "wants a terminal; -once") {
		t.Errorf("without a terminal: exit %d: %s", r.code, r.err)
	}
}

// The feed reads everything, tells what the stream tells and no more, and begins
// anew when the stream broke.
func TestTopFeedComesBack(t *testing.T) {
	fake := newFakeAgent(t, cluster())
	streams := 0
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/jobs" && r.URL.Query().Get("index") != "" {
			<-r.Context().Done() // nothing changes
			return
		}
		fake.serve(w, r)
	})
	mux.HandleFunc("/v1/event/stream", func(w http.ResponseWriter, r *http.Request) {
		if streams++; r.URL.Query().Get("index") != "8" || r.URL.Query().Get("namespace") != "*" {
			t.Errorf("asked for %s", r.URL.RawQuery)
		}
		event := func(index uint64, status string) api.Event {
			return api.Event{Topic: api.TopicNode, Type: "NodeEvent", Index: index, Payload: map[string]any{"Node": map[string]any{"ID": nodeA, "Name": "client-1", "Status": status}}}
		}
		_ = json.NewEncoder(w).Encode(api.Events{Index: 9, Events: []api.Event{event(7, "old"), event(9, "down")}})
	})
	agent := httptest.NewServer(mux)
	defer agent.Close()
	s := &session{lookup: func(string) (string, bool) { return "", false }, now: func() time.Time { return at }}
	s.flags.address = agent.URL
	c, err := s.client()
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var told []string
	f := &topFeed{s: s, c: c}
	f.run(ctx, func(msg any) {
		switch m := msg.(type) {
		case topLoaded:
			told = append(told, "loaded")
		case topChanged:
			told = append(told, m.node.Status)
		case topAway:
			if told = append(told, "away"); streams == 2 {
				stop()
			}
		}
	})
	if got := strings.Join(told, " "); got != "loaded down away loaded down away" {
		t.Errorf("told %q", got)
	}
}
