package scheduler

import (
	"cmp"
	"fmt"
	"math/rand"
	"slices"
	"testing"
)

// workload is many jobs of one instance, of sizes that a cluster sees.
func workload(n int, seed int64) []Resources {
	r := rand.New(rand.NewSource(seed))
	out := make([]Resources, n)
	for i := range out {
		out[i] = Resources{CPU: int64(100 * (1 + r.Intn(30))), Memory: int64(128 * (1 + r.Intn(60)))}
	}
	return out
}

// packed schedules the workload one job after another and counts the nodes in use.
func packed(tb testing.TB, nodes int, asks []Resources) int {
	c := benchCluster(nodes, 0)
	used := map[string]bool{}
	for i, ask := range asks {
		job := benchJob(1, func(j *Job) {
			j.ID = fmt.Sprint("job-", i)
			j.Groups[0].Resources = ask
		})
		p := Schedule(Request{Cluster: c, Job: job, Namespace: "default", JobID: job.ID})
		if len(p.Placements) != 1 {
			tb.Fatalf("job %d is not placed: %+v", i, p.Failed["g"])
		}
		used[p.Placements[0].NodeID] = true
		c.UpsertAlloc(&Alloc{ID: job.ID, Namespace: "default", Job: job.ID, Group: "g", NodeID: p.Placements[0].NodeID,
			Desired: Run, Client: Running, Used: ask})
	}
	return len(used)
}

// oracle packs the whole workload at once, largest first, each onto the node where the
// least stays free: best fit decreasing.
func oracle(asks []Resources, capacity Resources) int {
	size := func(r Resources) float64 {
		return max(float64(r.CPU)/float64(capacity.CPU), float64(r.Memory)/float64(capacity.Memory))
	}
	sorted := slices.Clone(asks)
	slices.SortFunc(sorted, func(a, b Resources) int { return cmp.Compare(size(b), size(a)) })
	var free []Resources
	for _, ask := range sorted {
		best, least := -1, 3.0
		for i, f := range free {
			if f.CPU < ask.CPU || f.Memory < ask.Memory {
				continue
			}
			left := float64(f.CPU-ask.CPU)/float64(capacity.CPU) + float64(f.Memory-ask.Memory)/float64(capacity.Memory)
			if left < least {
				best, least = i, left
			}
		}
		if best < 0 {
			free = append(free, capacity)
			best = len(free) - 1
		}
		free[best].CPU -= ask.CPU
		free[best].Memory -= ask.Memory
	}
	return len(free)
}

// TestPackingQuality holds bin packing, which sees one job at a time, to the oracle, which
// sees all of them.
func TestPackingQuality(t *testing.T) {
	capacity := Resources{CPU: 16000, Memory: 65536}
	ours, best := 0, 0
	for seed := range int64(5) {
		asks := workload(600, seed)
		ours += packed(t, 200, asks)
		best += oracle(asks, capacity)
	}
	t.Logf("%d nodes used, best fit decreasing uses %d (%.1f %% more)", ours, best, 100*float64(ours-best)/float64(best))
	if float64(ours) > 1.03*float64(best) {
		t.Errorf("%d nodes used, the oracle uses %d: more than 3 %% worse", ours, best)
	}
}
