package simnode

import (
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
)

func group(configs ...map[string]any) *api.TaskGroup {
	g := &api.TaskGroup{}
	for _, c := range configs {
		g.Tasks = append(g.Tasks, &api.Task{Config: c})
	}
	return g
}

func TestLifeOf(t *testing.T) {
	for _, tt := range []struct {
		name   string
		group  *api.TaskGroup
		runFor time.Duration
		code   int
	}{
		{"for ever", group(nil), 0, 0},
		{"a while", group(map[string]any{"run_for": "3s"}), 3 * time.Second, 0},
		{"the longest, the first failure", group(map[string]any{"run_for": "3s", "exit_code": 2.0}, map[string]any{"run_for": "5s", "exit_code": "3"}), 5 * time.Second, 2},
		{"one for ever", group(map[string]any{"run_for": "3s", "exit_code": 1}, map[string]any{}), 0, 0},
		{"another driver's", group(map[string]any{"command": "sleep", "run_for": 3}), 0, 0},
	} {
		if runFor, code := lifeOf(tt.group); runFor != tt.runFor || code != tt.code {
			t.Errorf("%s: %v and %d, want %v and %d", tt.name, runFor, code, tt.runFor, tt.code)
		}
	}
}

func TestHealthAfter(t *testing.T) {
	update := func(min time.Duration, check string) *api.TaskGroup {
		return &api.TaskGroup{Update: &api.UpdateStrategy{MinHealthyTime: &min, HealthCheck: &check}}
	}
	for _, tt := range []struct {
		name     string
		kind     string
		group    *api.TaskGroup
		deployed bool
		after    time.Duration
		asked    bool
	}{
		{"deployment", "service", update(2*time.Second, "checks"), true, 2 * time.Second, true},
		{"manual", "service", update(2*time.Second, "manual"), true, 2 * time.Second, false},
		{"no deployment", "service", update(2*time.Second, "checks"), false, 10 * time.Second, true},
		{"batch", "batch", &api.TaskGroup{}, false, 0, false},
	} {
		after, asked := healthAfter(&api.Job{Type: &tt.kind}, tt.group, tt.deployed)
		if after != tt.after || asked != tt.asked {
			t.Errorf("%s: %v %v", tt.name, after, asked)
		}
	}
}

func TestNewRefusesWhatCannotBe(t *testing.T) {
	for _, cfg := range []Config{
		{Nodes: 0, Servers: []string{"a:1"}},
		{Nodes: 1},
		{Nodes: 1, Servers: []string{"a:1"}, Lease: time.Second},
	} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%+v is accepted", cfg)
		}
	}
}

// A seed makes the same nodes again, and another one others.
func TestSeed(t *testing.T) {
	ids := func(seed string) map[string]bool {
		f, err := New(Config{Nodes: 300, Servers: []string{"a:1"}, Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]bool{}
		for _, n := range f.nodes {
			out[n.id] = true
			if n.id == n.secret {
				t.Errorf("%s is its own secret", n.id)
			}
		}
		return out
	}
	a, b := ids("x"), ids("y")
	if len(a) != 300 {
		t.Errorf("%d IDs", len(a))
	}
	for id := range ids("x") {
		if !a[id] || b[id] {
			t.Errorf("node %s", id)
		}
	}
}
