package scheduler

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestPreemptionProof proves every eviction with the scheduler itself, in all dimensions
// at once: with the victims gone the job is placed without evicting, with any one of them
// back it is not; and each has a priority lower by ten.
func TestPreemptionProof(t *testing.T) {
	evicted := 0
	prove := func(r *rapid.T) {
		pick := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(r, label) }
		var lines []string
		say := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
		nodes := rapid.IntRange(1, 3).Draw(r, "nodes")
		for n := range nodes {
			say("node n%d cpu=1000 memory=1000 disk=1000 cores=4 numa=0-1/2-3 ports=20000-20001 volume.data=rw device.nvidia/gpu/t4=a:0,b:1 max-allocs=%s",
				n+1, pick("most", "0", "4"))
		}
		for i := range rapid.IntRange(1, 8).Draw(r, "others") {
			kind := pick("kind", "cpu=300", "cpu=500", "memory=400", "memory=700", "cpu=200 memory=300", "port.x=20000", "port.x=20001", "port.x=8080",
				"cores=0 cpu=0", "cores=2,3 cpu=0", "holds.data=rw", "holds.data=single")
			say("alloc o%d/x[%d] on n%d running memory=50 cpu=50 %s priority=%s migrate-max=%s", i/2, i,
				rapid.IntRange(1, nodes).Draw(r, "on"), kind, pick("priority", "10", "20", "40", "41", "60"), pick("max", "0", "1"))
		}
		say("settings preempt-service")
		say("job web service priority=50")
		say("group g %s", pick("ask", "cpu=900 memory=10", "cpu=600 memory=600", "memory=900", "port.a=8080", "port.a=dynamic port.b=dynamic",
			"cores.t=2/require memory=10", "cores.t=4 memory=10", "volume.data=single", "device.gpu=2", "disk=900 cpu=800"))
		w := newWorld()
		must(t, w, lines...)
		w.schedule()
		if len(w.plan.Placements) == 0 || len(w.plan.Placements[0].Preempts) == 0 {
			return
		}
		evicted++
		victims := w.plan.Placements[0].Preempts
		for spared := -1; spared < len(victims); spared++ {
			again := newWorld()
			must(t, again, lines...)
			for i, id := range victims {
				if a, _ := again.cluster.Alloc(id); again.job.Priority-a.Priority < preemptGap {
					r.Fatalf("%s has priority %d", id, a.Priority)
				}
				if i != spared {
					again.cluster.DeleteAlloc(id)
				}
			}
			again.settings.PreemptService = false
			for id := range again.nodes { // only the node in question
				if id != w.plan.Placements[0].NodeID {
					again.cluster.DeleteNode(id)
				}
			}
			again.schedule()
			if placed := len(again.plan.Placements) == 1; placed != (spared < 0) {
				r.Fatalf("victims %v, spared %d: placed %v\n%s", victims, spared, placed, strings.Join(lines, "\n"))
			}
		}
	}
	for range 20 { // -short checks few cases at a time
		if rapid.Check(t, prove); evicted >= 5 {
			return
		}
	}
	t.Errorf("only %d evictions were looked at", evicted)
}
