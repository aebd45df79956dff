package scheduler

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// drawLoaded draws the lines of a small cluster that runs some jobs.
func drawLoaded(t *rapid.T) []string {
	pick := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(t, label) }
	var lines []string
	for i := range rapid.IntRange(2, 5).Draw(t, "nodes") {
		lines = append(lines, fmt.Sprintf("node n%d cpu=%s meta.rack=%s %s", i+1,
			pick("cpu", "600", "1000", "1000", "3000"), pick("rack", "r1", "r2"), pick("status", "ready", "ready", "ready", "ineligible")))
	}
	for i := range rapid.IntRange(1, 3).Draw(t, "jobs") {
		lines = append(lines, fmt.Sprintf("job j%d %s priority=%s", i, pick("type", "service", "service", "batch", "system"), pick("priority", "30", "50", "70")))
		switch lines[len(lines)-1][7:9] {
		case "sy":
		default:
			if rule := pick("rule", "", "", "constraint distinct_hosts", "constraint ${meta.rack} = r1", "constraint ${meta.rack} distinct_property 2", "spread ${meta.rack} weight=50"); rule != "" {
				lines = append(lines, rule)
			}
		}
		lines = append(lines, fmt.Sprintf("group g%d count=%d cpu=%s memory=10", i, rapid.IntRange(1, 4).Draw(t, "count"), pick("ask", "100", "300", "500")))
		lines = append(lines, "schedule", "apply")
	}
	return lines
}

// TestResilienceOracle compares with what happens when the nodes are really taken away.
func TestResilienceOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lines := drawLoaded(t)
		settings := rapid.SampledFrom([]string{"settings binpack", "settings spread", "settings preempt-service preempt-batch"}).Draw(t, "settings")
		build := func() *world {
			w := newWorld()
			for _, l := range append([]string{settings}, lines...) {
				if _, err := w.run(l); err != nil {
					t.Fatal(err)
				}
			}
			return w
		}
		w := build()
		before := snapshot(w.cluster)
		cfg := DefaultResilience()
		cfg.Pairs, cfg.share = true, rapid.SampledFrom([]int{1, 7, 1000}).Draw(t, "share")
		q, r := FindResilience(w.cluster, w.source, cfg)
		for q.Step() {
			if diff := gocmp.Diff(before, snapshot(w.cluster)); diff != "" {
				t.Fatalf("between two steps the cluster is not as it was:\n%s", diff)
			}
		}
		if diff := gocmp.Diff(before, snapshot(w.cluster)); diff != "" {
			t.Fatalf("the question changed the cluster:\n%s", diff)
		}
		if !r.Single.Exhaustive() || !r.Pair.Exhaustive() {
			t.Fatalf("not exhaustive: %+v %+v", r.Single, r.Pair)
		}
		for _, n := range r.Nodes {
			if want := loseForReal(build(), n.NodeID); n.Survives != (want == 0) {
				t.Fatalf("lose %s: survives %v (%v), but %d are without a place", n.NodeID, n.Survives, n.Unplaced, want)
			}
		}
		checkPairs(t, r, build)
	})
}

func checkPairs(t *rapid.T, r *Resilience, build func() *world) {
	survived, worst := 0, 0
	ids := openOrLoaded(build())
	for i, a := range ids {
		for _, b := range ids[i+1:] {
			n := loseForReal(build(), a, b)
			worst = max(worst, n)
			if n == 0 {
				survived++
			}
		}
	}
	if survived != r.Pair.Survived {
		t.Fatalf("%d pairs survive, want %d (of %d)", r.Pair.Survived, survived, r.Pair.Total)
	}
	if got := r.WorstPair; worst > 0 && (got == nil || total(got.Unplaced) != worst) {
		t.Fatalf("worst pair %+v, want one that leaves %d without a place", got, worst)
	}
}

// openOrLoaded lists the nodes whose loss may matter.
func openOrLoaded(w *world) []string {
	var out []string
	for id := range w.nodes {
		n, _ := w.cluster.Node(id)
		carries := slices.ContainsFunc(w.cluster.AllocsOnNode(id), replaced)
		if Open(n) || carries {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}

// loseForReal forgets nodes, schedules the jobs that lost something, and those that lost
// something to them, and counts what is without a place in the end.
func loseForReal(w *world, nodes ...string) int {
	var gone []*Alloc
	for _, id := range nodes {
		gone = append(gone, w.cluster.AllocsOnNode(id)...)
	}
	for _, id := range nodes {
		w.cluster.DeleteNode(id)
	}
	gone = slices.DeleteFunc(gone, func(a *Alloc) bool { return !replaced(a) })
	missing := 0
	queue := jobsOf(gone)
	for len(queue) > 0 {
		job := queue[0]
		lost := 0
		for _, a := range gone {
			if a.Job == job {
				lost++
			}
		}
		w.job = w.versions[job][0]
		w.schedule()
		replacedNow := 0
		for _, p := range w.plan.Placements {
			if slices.ContainsFunc(gone, func(a *Alloc) bool { return a.ID == p.Previous }) {
				replacedNow++
			}
		}
		queued := 0
		for _, n := range w.plan.Queued {
			queued += n
		}
		missing += min(lost-replacedNow, queued)
		gone = slices.DeleteFunc(gone, func(a *Alloc) bool { return a.Job == job })
		var victims []*Alloc
		for _, s := range w.plan.Stops {
			if a, ok := w.cluster.Alloc(s.ID); ok && s.Desired == Evict {
				victims = append(victims, a)
			}
		}
		w.apply()
		gone = append(gone, victims...)
		queue = append(queue[1:], jobsOf(victims)...)
	}
	return missing
}

func jobsOf(allocs []*Alloc) []string {
	var out []string
	sorted := slices.Clone(allocs)
	slices.SortFunc(sorted, func(a, b *Alloc) int {
		return cmp.Or(cmp.Compare(b.Priority, a.Priority), cmp.Compare(a.Job, b.Job))
	})
	for _, a := range sorted {
		if !slices.Contains(out, a.Job) {
			out = append(out, a.Job)
		}
	}
	return out
}

// TestDrainOracle compares a drain plan with the drain itself.
func TestDrainOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld()
		for _, l := range drawLoaded(t) {
			if _, err := w.run(l); err != nil {
				t.Fatal(err)
			}
		}
		before := snapshot(w.cluster)
		q, plan := Drain(w.cluster, w.source, []string{"n1"})
		for q.Step() {
		}
		if diff := gocmp.Diff(before, snapshot(w.cluster)); diff != "" {
			t.Fatalf("the question changed the cluster:\n%s", diff)
		}
		want := map[string]string{}
		for _, m := range plan.Moves {
			want[m.Alloc.ID] = m.NodeID
		}
		got := map[string]string{}
		w.node("n1", []string{"draining"})
		var moving []*Alloc
		for _, a := range w.cluster.AllocsOnNode("n1") {
			got[a.ID] = ""
			if a.JobType == Service {
				w.run("set " + a.ID + " migrate")
				moving = append(moving, a)
			}
		}
		for _, job := range jobsOf(moving) {
			w.job = w.versions[job][0]
			w.schedule()
			for _, p := range w.plan.Placements {
				if _, ok := got[p.Previous]; ok {
					got[p.Previous] = p.NodeID
				}
			}
			w.apply()
		}
		if diff := gocmp.Diff(got, want); diff != "" {
			t.Fatalf("the drain went otherwise than planned (-drain +plan):\n%s", diff)
		}
	})
}

// TestInquirySeesTheWorldMoveOn changes the cluster between the steps of a question, and
// gives it up: nothing of the trial stays behind.
func TestInquirySeesTheWorldMoveOn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld()
		for _, l := range drawLoaded(t) {
			if _, err := w.run(l); err != nil {
				t.Fatal(err)
			}
		}
		if len(w.cluster.allocs) > 0 {
			w.run("set * running")
		}
		w.run("settings " + rapid.SampledFrom([]string{"spread", "binpack"}).Draw(t, "algorithm"))
		var q *Inquiry
		switch rapid.IntRange(0, 2).Draw(t, "question") {
		case 0:
			q, _ = FindResilience(w.cluster, w.source, ResilienceConfig{Pairs: true, Work: 1 << 20, share: 1})
		case 1:
			cfg := DefaultRebalance()
			cfg.share, cfg.Threshold, cfg.Goal = 1, 0.05, 0
			q, _ = Rebalance(w.cluster, w.source, cfg)
		case 2:
			q, _ = Drain(w.cluster, w.source, []string{"n1", "n2"})
		}
		for range rapid.IntRange(0, 30).Draw(t, "steps") {
			if !q.Step() {
				break
			}
			if len(w.cluster.allocs) == 0 {
				break
			}
			ids := w.match("*")
			id := rapid.SampledFrom(ids).Draw(t, "alloc")
			switch rapid.IntRange(0, 3).Draw(t, "event") {
			case 0:
				w.run("set " + id + " failed")
			case 1:
				w.cluster.DeleteAlloc(id)
			case 2:
				w.run("node n2 down")
			case 3:
				w.run("forget " + rapid.SampledFrom([]string{"n1", "n2", "n3"}).Draw(t, "node"))
			}
		}
		want := snapshot(w.cluster)
		if rapid.Bool().Draw(t, "give up") {
			q.Close()
		}
		for q.Step() {
		}
		if diff := gocmp.Diff(want, snapshot(w.cluster)); diff != "" {
			t.Fatalf("the question left something behind:\n%s", diff)
		}
	})
}

// BenchmarkResilience asks which nodes can be lost, of a cluster where every node carries
// about ten allocations of a hundred jobs and no two nodes are alike: roomy, where short cuts
// prove nearly everything, and full, where every loss has to be tried.
func BenchmarkResilience(b *testing.B) {
	for _, shape := range []struct {
		name string
		cpu  int64
	}{{"roomy", 16000}, {"full", 1500}} {
		for _, n := range []int{100, 1000, 10000} {
			b.Run(fmt.Sprintf("%s/nodes=%d", shape.name, n), func(b *testing.B) {
				c, source := benchLoaded(n, shape.cpu)
				for b.Loop() {
					cfg := DefaultResilience()
					cfg.Pairs = true
					q, r := FindResilience(c, source, cfg)
					reportSteps(b, q)
					b.ReportMetric(float64(r.Single.Examined)/float64(r.Single.Total)*100, "%singles")
					b.ReportMetric(float64(r.Pair.Examined)/float64(r.Pair.Total)*100, "%pairs")
				}
			})
		}
	}
}

// reportSteps takes all steps of a question and reports how long they are.
func reportSteps(b *testing.B, q *Inquiry) {
	steps, begun, longest := 0, time.Now(), time.Duration(0)
	for more := true; more; steps++ {
		at := time.Now()
		more = q.Step()
		longest = max(longest, time.Since(at))
	}
	b.ReportMetric(float64(time.Since(begun).Microseconds())/float64(steps), "µs/step")
	b.ReportMetric(float64(longest.Microseconds()), "µs/longest")
}

// benchLoaded has n nodes of some cpu with ten allocations each, of n/10 jobs.
func benchLoaded(n int, cpu int64) (*Cluster, Source) {
	c := benchCluster(n, 0)
	jobs := map[string]*Job{}
	for k := range max(1, n/10) {
		id := fmt.Sprint("job-", k)
		jobs[id] = &Job{Namespace: "default", ID: id, Type: Service, Priority: 50, Pool: "default", Groups: []*Group{
			{Name: "g", Count: 100, Resources: Resources{CPU: int64(100 + k%7*25), Memory: 128}, Spec: "a"},
		}}
	}
	for i := range n {
		node, _ := c.Node(fmt.Sprintf("node-%05d", i))
		sized := *node
		sized.Capacity.CPU = cpu
		c.UpsertNode(sized)
		for k := range 10 {
			job := jobs[fmt.Sprint("job-", (i*7+k*k*13)%len(jobs))]
			c.UpsertAlloc(&Alloc{
				AllocGroup:  &AllocGroup{Namespace: "default", Job: job.ID, JobType: Service, Group: "g", Priority: 50, Used: job.Groups[0].Resources},
				AllocExtras: &AllocExtras{},
				ID:          fmt.Sprintf("%d-%d", i, k), Index: i*10 + k, NodeID: node.ID, Desired: Run, Client: Running,
			})
		}
	}
	for _, j := range jobs {
		j.Groups[0].Count = len(c.AllocsOfJob("default", j.ID))
	}
	return c, func(namespace, id string) Request {
		return Request{Now: time.Unix(1, 0), Job: jobs[id], Namespace: namespace, JobID: id}
	}
}
