package scheduler

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestRolloutKeepsServing rolls a job from one version to the next with random counts,
// limits and canaries, and plays the leader: marks health, promotes. On the way never
// fewer than count - max_parallel run; at the end all names run once, at the new version.
func TestRolloutKeepsServing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from, to := rapid.IntRange(1, 6).Draw(t, "from"), rapid.IntRange(1, 6).Draw(t, "to")
		parallel, canary := rapid.IntRange(1, 3).Draw(t, "max_parallel"), rapid.IntRange(0, 3).Draw(t, "canary")
		w := newWorld()
		step(t, w, "node n1-4")
		step(t, w, "job web service version=0")
		step(t, w, fmt.Sprintf("group web count=%d spec=a max-parallel=1 cpu=100 memory=100", from))
		for i := range from {
			step(t, w, fmt.Sprintf("alloc web[%d] on n%d running", i, i%4+1))
		}
		step(t, w, "job web service version=1")
		step(t, w, fmt.Sprintf("group web count=%d spec=b max-parallel=%d canary=%d cpu=100 memory=100", to, parallel, canary))
		for round := 0; ; round++ {
			if round > 40 {
				t.Fatalf("the rollout does not end:\n%s", w.show())
			}
			t.Log("\n" + w.schedule())
			w.apply()
			if running := countRunning(w); running < min(from, to)-parallel {
				t.Fatalf("only %d run, of %d by %d", running, to, parallel)
			}
			if len(w.plan.Placements)+len(w.plan.Stops) == 0 && !advance(w) {
				break
			}
		}
		checkFinished(t, w, to)
	})
}

func countRunning(w *world) int {
	n := 0
	for _, a := range w.cluster.AllocsOfJob("default", "web") {
		if !Terminal(a) && a.Client == Running {
			n++
		}
	}
	return n
}

// advance makes what is pending healthy, or else promotes; false when nothing is left.
func advance(w *world) bool {
	var pending, canaries []string
	for _, a := range w.cluster.AllocsOfJob("default", "web") {
		switch {
		case Terminal(a):
		case a.Client == Pending || a.DeploymentID != "" && a.Health == HealthUnset:
			pending = append(pending, a.ID)
		case a.Canary:
			canaries = append(canaries, a.ID)
		}
	}
	if len(pending) > 0 {
		w.run(`set "` + strings.Join(pending, ",") + `" healthy`)
		return true
	}
	if len(canaries) > 0 {
		w.run("deployment " + w.deployment.ID + " web.promoted")
		w.run(`set "` + strings.Join(canaries, ",") + `" promoted`)
		return true
	}
	return false
}

func checkFinished(t *rapid.T, w *world, count int) {
	var names []int
	for _, a := range w.cluster.AllocsOfJob("default", "web") {
		if Terminal(a) {
			continue
		}
		names = append(names, a.Index)
		if a.JobVersion != 1 {
			t.Errorf("%s is still at version %d", a.ID, a.JobVersion)
		}
	}
	slices.Sort(names)
	for i, index := range names {
		if i != index {
			t.Errorf("names %v, want 0 to %d once each", names, count-1)
			break
		}
	}
	if len(names) != count {
		t.Errorf("%d run, want %d", len(names), count)
	}
}
