package scheduler

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// balance asks what would balance the cluster.
func (w *world) balance(begun bool) *Balance {
	cfg := DefaultRebalance()
	cfg.Begun = begun
	cfg.Settled = func(id string) bool { return w.nodes[id].Meta["fresh"] == "" }
	q, out := Rebalance(w.cluster, w.source, cfg)
	for q.Step() {
	}
	return out
}

// rebalance tells what would balance the cluster, and with "do" does it.
func (w *world) rebalance(opts []string) string {
	out := w.balance(slices.Contains(opts, "begun"))
	var b strings.Builder
	for _, s := range out.Skews {
		fmt.Fprintf(&b, "%s/%s: %s %.0f %%, %s %.0f %%\n", s.Datacenter, s.Pool, s.Most, 100*s.High, s.Least, 100*s.Low)
	}
	for _, m := range out.Moves {
		fmt.Fprintf(&b, "move %s/%s to %s: %s\n", m.Alloc.Job, m.Alloc.ID, m.To, m.Why)
	}
	if len(out.Moves) == 0 {
		b.WriteString("nothing to move\n")
	}
	if !out.Later.IsZero() {
		fmt.Fprintf(&b, "later: in %s\n", out.Later.Sub(w.now))
	}
	if slices.Contains(opts, "do") {
		w.carryOut(out.Moves)
	}
	return b.String()
}

// carryOut does moves as the leader does: the successor is placed and runs, then the
// predecessor stops.
func (w *world) carryOut(moves []Move) {
	job, group := w.job, w.group
	defer func() { w.job, w.group = job, group }()
	for _, m := range moves {
		w.job = w.versions[m.Alloc.Job][m.Alloc.JobVersion]
		changed := copyOf(m.Alloc)
		changed.MoveTo = m.To
		w.cluster.UpsertAlloc(&changed)
		w.schedule()
		if len(w.plan.Placements) != 1 || w.plan.Placements[0].NodeID != m.To || len(w.plan.Stops) > 0 {
			panic(fmt.Sprintf("the move of %s to %s became %+v", m.Alloc.ID, m.To, w.plan))
		}
		w.apply()
		for _, a := range w.cluster.AllocsOfJob("default", m.Alloc.Job) {
			next := copyOf(a)
			switch {
			case a.Previous == m.Alloc.ID && a.Client == Pending:
				next.Client = Running
			case a.ID == m.Alloc.ID:
				next.Desired, next.MoveTo = Stop, ""
			default:
				continue
			}
			w.cluster.UpsertAlloc(&next)
		}
	}
}

// where lists what runs where, by job, group and index.
func (w *world) where() map[string]string {
	out := map[string]string{}
	for id := range w.cluster.allocs {
		a, _ := w.cluster.Alloc(id)
		if !Terminal(a) {
			out[fmt.Sprintf("%s.%s[%d]", a.Job, a.Group, a.Index)] = a.NodeID
		}
	}
	return out
}

// TestRebalanceConverges goes from one state of balance to the next until nothing moves any
// more: soon, with everything in its count and no node over its capacity, and without any
// allocation ever going back to a node that it has left.
func TestRebalanceConverges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld()
		for _, l := range append(drawLoaded(t), "settings "+rapid.SampledFrom([]string{"spread", "spread", "binpack"}).Draw(t, "algorithm"), "set * running") {
			if l == "set * running" && len(w.cluster.allocs) == 0 {
				return
			}
			if _, err := w.run(l); err != nil {
				t.Fatal(err)
			}
			t.Log(l)
		}
		for range rapid.IntRange(1, 2).Draw(t, "joining") { // what makes it worth while
			w.node(fmt.Sprintf("new%d", len(w.nodes)), []string{"cpu=" + rapid.SampledFrom([]string{"1000", "3000"}).Draw(t, "cpu"), "meta.rack=" + rapid.SampledFrom([]string{"r1", "r2", "r3"}).Draw(t, "rack")})
		}
		overfullBefore := overfull(w.cluster)
		visited := map[string][]string{}
		total, begun := len(w.where()), false
		for pass := 0; ; pass++ {
			before, snap := w.where(), snapshot(w.cluster)
			out := w.balance(begun)
			begun = out.Begun
			if diff := gocmp.Diff(snap, snapshot(w.cluster)); diff != "" {
				t.Fatalf("the question changed the cluster:\n%s", diff)
			}
			if len(out.Moves) == 0 {
				break
			}
			if pass > 40 {
				t.Fatal("it never ends")
			}
			perGroup := map[string]int{}
			for _, m := range out.Moves {
				perGroup[m.Alloc.Job+m.Alloc.Group]++
				if m.Gain < DefaultRebalance().MinGain {
					t.Fatalf("a move for nothing: %+v", m)
				}
				t.Log("move", m.Alloc.ID, "to", m.To, m.Why)
			}
			for group, n := range perGroup {
				if n > 1 { // migrate.max_parallel
					t.Fatalf("%d of group %s move at once", n, group)
				}
			}
			w.carryOut(out.Moves)
			w.now = w.now.Add(11 * time.Minute)
			for name, node := range w.where() {
				if before[name] == node {
					continue
				}
				if slices.Contains(visited[name], node) {
					t.Fatalf("%s is back on %s", name, node)
				}
				visited[name] = append(visited[name], before[name])
			}
		}
		if n := len(w.where()); n != total {
			t.Fatalf("%d run, %d did before", n, total)
		}
		for node, what := range overfull(w.cluster) {
			if overfullBefore[node] == "" {
				t.Fatalf("%s: %s", node, what)
			}
		}
		for id := range w.versions { // what moved is where the scheduler leaves it
			w.job = w.versions[id][0]
			if w.schedule(); len(w.plan.Stops) > 0 {
				t.Fatalf("job %s: %+v", id, w.plan)
			}
		}
	})
}

// BenchmarkRebalance looks for moves in a cluster that is level, and in one where a tenth of
// the nodes is empty.
func BenchmarkRebalance(b *testing.B) {
	for _, n := range []int{100, 1000, 10000} {
		for _, empty := range []bool{false, true} {
			b.Run(fmt.Sprintf("nodes=%d/joined=%v", n, empty), func(b *testing.B) {
				c, source := benchLoaded(n, 4000)
				if empty {
					joined := benchCluster(n/10, 0)
					for i := range n / 10 {
						node, _ := joined.Node(fmt.Sprintf("node-%05d", i))
						fresh := *node
						fresh.ID = "joined-" + fresh.ID
						c.UpsertNode(fresh)
					}
				}
				spread := func(namespace, id string) Request {
					req := source(namespace, id)
					req.Settings.Algorithm = "spread"
					return req
				}
				moves := 0
				for b.Loop() {
					q, out := Rebalance(c, spread, DefaultRebalance())
					reportSteps(b, q)
					moves = len(out.Moves)
				}
				b.ReportMetric(float64(moves), "moves")
			})
		}
	}
}
