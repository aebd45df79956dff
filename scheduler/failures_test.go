package scheduler

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestAlikeJobsFailAlike: what is remembered of a failure is what another look would find,
// and it is forgotten as soon as anything changes.
func TestAlikeJobsFailAlike(t *testing.T) {
	lines := []string{
		"node n1-3 cpu=1000 class=a", "node n4 meta.rack=r1 volume.data=rw",
		"alloc other/a[0-3] on n1-4 running cpu=800 memory=100 holds.data=single",
	}
	second := []string{"job second service", "constraint ${node.class} = a", "group g count=3 cpu=500 memory=100", "schedule"}
	fresh, used := newWorld(), newWorld()
	must(t, fresh, lines...)
	must(t, used, lines...)
	must(t, used, "job first service", "constraint ${node.class} = a", "group g count=2 cpu=500 memory=100", "schedule")
	for _, w := range []*world{fresh, used} {
		must(t, w, second...)
	}
	if used.cluster.failures.at != used.cluster.changes || len(used.cluster.failures.byAsk) != 1 {
		t.Errorf("%d failures are remembered, want the one that both share", len(used.cluster.failures.byAsk))
	}
	if diff := cmp.Diff(fresh.plan, used.plan); diff != "" {
		t.Errorf("remembered, it is not the same:\n%s", diff)
	}
	for _, change := range []string{
		"set other/a[0]@n1 complete", "node n2 cpu=4000", "node n5 class=a", "set other/a[2]@n3 cpu=100",
	} {
		must(t, used, "job third service", "constraint ${node.class} = a", "group g count=1 cpu=500 memory=100", "schedule")
		if len(used.plan.Placements) != 0 {
			t.Fatal("placed before there was room")
		}
		again := used.cluster.changes
		must(t, used, change, "schedule")
		if used.cluster.changes == again || len(used.plan.Placements) != 1 {
			t.Errorf("after %q: %s", change, used.render(&used.plan))
		}
		used = newWorld()
		must(t, used, lines...)
	}
}
