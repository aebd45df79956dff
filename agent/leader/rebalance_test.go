package leader

import (
	"context"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/healapi"
	"github.com/selfheal/selfheal/agent/state"
)

func TestJudgeMove(t *testing.T) {
	yes, no := true, false
	for name, tt := range map[string]struct {
		successor func(w *world, old, to string) // what became of the move
		after     time.Duration
		want      moveVerdict
	}{
		"its evaluation is still to be decided": {
			successor: func(*world, string, string) {},
			want:      moveVerdict{limit: time.Unix(1_000_000, 0).Add(moveLimit)},
		},
		"it found no room": {
			successor: func(w *world, _, _ string) { w.decided(nil) },
			want:      moveVerdict{off: "node b has no room any more, or the job changes"},
		},
		"its successor starts": {
			successor: func(w *world, old, to string) { w.succeed(old, to, "pending", nil) },
			want:      moveVerdict{limit: time.Unix(1_000_000, 0).Add(moveLimit)},
		},
		"its successor is healthy": {
			successor: func(w *world, old, to string) { w.succeed(old, to, "running", &yes) },
			want:      moveVerdict{done: true},
		},
		"its successor is not healthy": {
			successor: func(w *world, old, to string) { w.succeed(old, to, "running", &no) },
			want:      moveVerdict{off: "its successor on node b is not healthy"},
		},
		"its successor failed": {
			successor: func(w *world, old, to string) { w.succeed(old, to, "failed", nil) },
			want:      moveVerdict{off: "its successor on node b is failed"},
		},
		"its successor says nothing for too long": {
			successor: func(w *world, old, to string) { w.succeed(old, to, "running", nil) },
			after:     moveLimit,
			want:      moveVerdict{off: "its successor on node b was not healthy within 10m0s"},
		},
		"it ended by itself, its successor runs": {
			successor: func(w *world, old, to string) {
				w.succeed(old, to, "running", nil)
				w.client(w.store.Snapshot().Alloc(nil, old).NodeID, old, "failed")
			},
			want: moveVerdict{done: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			a, b := w.node(1), w.node(2)
			w.rename(b, "b")
			old := w.job("web", "service", 1, a)[0]
			w.apply(&state.BeginMoves{Moves: []state.AskedMove{{AllocID: old, NodeID: b, Why: "w"}}})
			tt.successor(w, old, b)
			snap := w.store.Snapshot()
			if got := judgeMove(snap, snap.Alloc(nil, old), w.now.Add(tt.after)); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

// decided ends the pending evaluation of web with some placements.
func (w *world) decided(placed []state.Placement, nodes ...string) (eval string) {
	w.t.Helper()
	for ev := range w.store.Snapshot().PendingEvals(nil) {
		done := *ev
		done.Status = api.EvalStatusComplete
		w.apply(&state.ApplyPlans{Plans: []state.Plan{{EvalID: ev.ID, Namespace: "default", JobID: "web", Nodes: nodes, Placements: placed, Evals: []*api.Evaluation{&done}}}})
		return ev.ID
	}
	w.t.Fatal("nothing is to be decided")
	return ""
}

// succeed places the successor of an allocation, which reports.
func (w *world) succeed(old, node, status string, healthy *bool) {
	w.t.Helper()
	eval := w.decided([]state.Placement{{Group: "group", Metric: -1, Previous: old}}, node)
	w.apply(&state.UpdateAllocs{NodeID: node, Updates: []state.AllocUpdate{{ID: state.AllocID(eval, 0), ClientStatus: status, Healthy: healthy}}})
}

func (w *world) rename(id, name string) {
	n := *w.store.Snapshot().Node(nil, id)
	n.Name = name
	w.apply(&state.RegisterNode{Node: &n})
}

func TestRebalanceMode(t *testing.T) {
	for _, tt := range []struct{ cluster, job, want string }{
		{"propose", "", "propose"},
		{"propose", "on", "on"},
		{"propose", "off", "off"},
		{"on", "propose", "propose"},
		{"on", "maybe", "on"},
		{"off", "on", "off"},
	} {
		job := api.NewServiceJob("web", "web", "global", 50)
		if tt.job != "" {
			job.SetMeta(healapi.MetaRebalance, tt.job)
		}
		c := healapi.DefaultRebalance()
		c.Mode = tt.cluster
		if got := rebalanceMode(c, job); got != tt.want {
			t.Errorf("cluster %s, job %q: %s, want %s", tt.cluster, tt.job, got, tt.want)
		}
	}
}

// Only the jobs that say so move while the cluster proposes.
func TestOneJobMovesByItself(t *testing.T) {
	w, _ := evaluating(t, func(w *world) { w.sized(1, 4000, 4000) })
	for _, id := range []string{"one", "two"} {
		w.registerWith(id, 2, func(j *api.Job) {
			if id == "two" {
				j.SetMeta(healapi.MetaRebalance, healapi.ModeOn)
			}
		})
	}
	w.mu.Lock()
	for a := range w.store.Snapshot().Allocs(nil, "*", "") {
		w.client(a.NodeID, a.ID, "running")
	}
	w.apply(&state.SetRebalance{Update: healapi.RebalanceUpdate{Cooldown: ptr(time.Duration(0)), Settle: ptr(time.Duration(0))}})
	w.sized(2, 4000, 4000)
	w.mu.Unlock()
	r, err := w.l.Rebalance(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Proposed) != 2 || r.Proposed[0].Mode != "propose" || r.Proposed[1].Mode != "on" || r.Proposed[1].JobID != "two" {
		t.Fatalf("each job has two on one node: %+v", r.Proposed)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	w.l.balancer.feed.open()
	go func() { done <- w.l.balancer.run(ctx) }()
	w.until(func(s *state.Snapshot) bool {
		moving := 0
		for a := range s.Allocs(nil, "*", "") {
			if a.Moves() {
				moving++
				if a.JobID != "two" {
					t.Errorf("an allocation of job %s moves", a.JobID)
				}
			}
		}
		return moving == 1
	})
	cancel()
	<-done
}

// A job that is told how to be balanced is not restarted for it.
func TestOwnMetaRestartsNothing(t *testing.T) {
	spec := func(key string) string {
		job := api.NewServiceJob("web", "web", "global", 50)
		job.AddTaskGroup(api.NewTaskGroup("group", 1).AddTask(api.NewTask("task", "mock_driver")))
		if key != "" {
			job.SetMeta(key, "on")
		}
		job.Canonicalize()
		return lowerJob(job).Groups[0].Spec
	}
	if spec("") != spec(healapi.MetaRebalance) {
		t.Error("the key of ours makes another allocation necessary")
	}
	if spec("") == spec("other") {
		t.Error("another key does not")
	}
}
