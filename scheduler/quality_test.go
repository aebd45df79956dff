package scheduler

import (
	"cmp"
	"fmt"
	"math"
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
		c.UpsertAlloc(&Alloc{
			AllocGroup:  &AllocGroup{Namespace: "default", Job: job.ID, Group: "g", Used: ask},
			AllocExtras: &AllocExtras{},
			ID:          job.ID, NodeID: p.Placements[0].NodeID, Desired: Run, Client: Running,
		})
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
// sees all of them, over several kinds of workload.
func TestPackingQuality(t *testing.T) {
	capacity := Resources{CPU: 16000, Memory: 65536}
	for _, kind := range []struct {
		name string
		draw func(n int, seed int64) []Resources
	}{{"mixed", workload}, {"small", smallWorkload}, {"two sizes", twoSizes}} {
		ours, best := 0, 0
		for seed := range int64(5) {
			asks := kind.draw(600, seed)
			ours += packed(t, 200, asks)
			best += oracle(asks, capacity)
		}
		t.Logf("%s: %d nodes used, best fit decreasing uses %d (%.1f %% more)", kind.name, ours, best, 100*float64(ours-best)/float64(best))
		if float64(ours) > 1.03*float64(best) {
			t.Errorf("%s: %d nodes used, the oracle uses %d: more than 3 %% worse", kind.name, ours, best)
		}
	}
}

func smallWorkload(n int, seed int64) []Resources {
	r := rand.New(rand.NewSource(seed))
	out := make([]Resources, n)
	for i := range out {
		out[i] = Resources{CPU: int64(50 + r.Intn(500)), Memory: int64(64 + r.Intn(4000))}
	}
	return out
}

// twoSizes is what leaves holes: many small ones among some that fill a third of a node.
func twoSizes(n int, seed int64) []Resources {
	r := rand.New(rand.NewSource(seed))
	out := make([]Resources, n)
	for i := range out {
		out[i] = Resources{CPU: 500, Memory: 2048}
		if r.Intn(5) == 0 {
			out[i] = Resources{CPU: 5000, Memory: 20000}
		}
	}
	return out
}

// optimum is the least number of nodes of a capacity that hold all asks: every way to put
// the kth ask on a node in use, or on the next one, is tried.
func optimum(asks, free []Resources, capacity Resources, best int) int {
	if len(free) >= best {
		return best
	}
	if len(asks) == 0 {
		return len(free)
	}
	ask := asks[0]
	for i := range free {
		if free[i].CPU >= ask.CPU && free[i].Memory >= ask.Memory {
			free[i].CPU, free[i].Memory = free[i].CPU-ask.CPU, free[i].Memory-ask.Memory
			best = optimum(asks[1:], free, capacity, best)
			free[i].CPU, free[i].Memory = free[i].CPU+ask.CPU, free[i].Memory+ask.Memory
		}
	}
	fresh := capacity
	fresh.CPU, fresh.Memory = fresh.CPU-ask.CPU, fresh.Memory-ask.Memory
	return optimum(asks[1:], append(free[:len(free):len(free)], fresh), capacity, best)
}

// TestPackingBesideTheOptimum compares with the exact optimum where that can be known. One
// job at a time, no scheduler can always reach it: one node more is allowed.
func TestPackingBesideTheOptimum(t *testing.T) {
	capacity := Resources{CPU: 16000, Memory: 65536}
	worse, cases := 0, 60
	for seed := range int64(cases) {
		r := rand.New(rand.NewSource(seed))
		asks := make([]Resources, 8)
		for i := range asks {
			asks[i] = Resources{CPU: int64(1000 + r.Intn(9000)), Memory: int64(4000 + r.Intn(40000))}
		}
		ours, best := packed(t, 9, asks), optimum(asks, nil, capacity, len(asks)+1)
		if ours > best+1 {
			t.Errorf("seed %d: %d nodes, %d would do", seed, ours, best)
		}
		if ours > best {
			worse++
		}
	}
	t.Logf("%d of %d at the optimum, the others one node above it", cases-worse, cases)
}

// TestPlacesWhateverFits is the brute-force oracle of feasibility: on a tiny cluster, for
// one job of equal allocations, the scheduler places as many as there are places.
func TestPlacesWhateverFits(t *testing.T) {
	for seed := range int64(300) {
		r := rand.New(rand.NewSource(seed))
		w := newWorld()
		room := 0
		ask := Resources{CPU: int64(100 + r.Intn(900)), Memory: int64(100 + r.Intn(900))}
		distinct := r.Intn(3) == 0
		for n := range 1 + r.Intn(4) {
			cpu, memory := int64(r.Intn(4000)), int64(r.Intn(4000))
			must(t, w, fmt.Sprintf("node n%d cpu=%d memory=%d", n, cpu, memory))
			k := int(min(cpu/ask.CPU, memory/ask.Memory))
			if distinct {
				k = min(k, 1)
			}
			room += k
		}
		must(t, w, "job web service", fmt.Sprintf("group g count=20 cpu=%d memory=%d", ask.CPU, ask.Memory))
		if distinct {
			must(t, w, "constraint distinct_hosts")
		}
		w.schedule()
		if got := len(w.plan.Placements); got != min(20, room) {
			t.Errorf("seed %d: %d placed, there is room for %d", seed, got, room)
		}
	}
}

// baselines are simpler ways to choose a node: the first that fits, and the best of
// log2(n) random ones, which is how schedulers that sample do it.
var baselines = []struct {
	name   string
	choose func(r *rand.Rand, free []Resources, ask, capacity Resources) int
}{
	{"first-fit", func(_ *rand.Rand, free []Resources, ask, _ Resources) int {
		return slices.IndexFunc(free, func(f Resources) bool { return f.CPU >= ask.CPU && f.Memory >= ask.Memory })
	}},
	{"random-sample", func(r *rand.Rand, free []Resources, ask, capacity Resources) int {
		best, score, seen := -1, -1.0, 0
		for _, i := range r.Perm(len(free)) {
			f := free[i]
			if f.CPU < ask.CPU || f.Memory < ask.Memory {
				continue
			}
			left := math.Pow(10, float64(f.CPU-ask.CPU)/float64(capacity.CPU)) + math.Pow(10, float64(f.Memory-ask.Memory)/float64(capacity.Memory))
			if s := (20 - left) / 18; s > score {
				best, score = i, s
			}
			if seen++; seen >= int(math.Ceil(math.Log2(float64(len(free))))) {
				break
			}
		}
		return best
	}},
}

// BenchmarkQuality packs the same workload with each baseline, with best fit decreasing and
// with the scheduler, and reports the nodes in use and the share of their cpu and memory
// that stays free.
func BenchmarkQuality(b *testing.B) {
	const nodes, jobs = 1000, 3000
	capacity := Resources{CPU: 16000, Memory: 65536}
	asks := workload(jobs, 1)
	var sum Resources
	for _, ask := range asks {
		sum.CPU, sum.Memory = sum.CPU+ask.CPU, sum.Memory+ask.Memory
	}
	report := func(b *testing.B, used int) {
		b.ReportMetric(float64(used), "nodes")
		b.ReportMetric(100*(1-float64(sum.CPU)/float64(int64(used)*capacity.CPU)), "%cpu-stranded")
		b.ReportMetric(100*(1-float64(sum.Memory)/float64(int64(used)*capacity.Memory)), "%memory-stranded")
	}
	b.Run("scheduler", func(b *testing.B) {
		for range b.N {
			report(b, packed(b, nodes, asks))
		}
	})
	b.Run("best-fit-decreasing", func(b *testing.B) {
		for range b.N {
			report(b, oracle(asks, capacity))
		}
	})
	for _, base := range baselines {
		b.Run(base.name, func(b *testing.B) {
			for range b.N {
				r := rand.New(rand.NewSource(1))
				free := slices.Repeat([]Resources{capacity}, nodes)
				for _, ask := range asks {
					i := base.choose(r, free, ask, capacity)
					if i < 0 {
						b.Fatal("no room")
					}
					free[i].CPU, free[i].Memory = free[i].CPU-ask.CPU, free[i].Memory-ask.Memory
				}
				used := 0
				for _, f := range free {
					if f.CPU < capacity.CPU {
						used++
					}
				}
				report(b, used)
			}
		})
	}
}
