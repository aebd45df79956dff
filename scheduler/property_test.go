package scheduler

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// scene draws a small cluster, some work of other jobs, and a job.
type scene struct {
	nodes  []string
	others []string
	job    []string
}

func drawScene(t *rapid.T, jobTypes ...string) scene {
	pick := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(t, label) }
	var s scene
	for i := range rapid.IntRange(1, 7).Draw(t, "nodes") {
		s.nodes = append(s.nodes, fmt.Sprintf("node n%d cpu=%s memory=%s dc=%s class=%s meta.rack=%s ports=20000-20004 %s %s", i+1,
			pick("cpu", "400", "1000", "4000"), pick("memory", "500", "2000"), pick("dc", "dc1", "dc2"),
			pick("class", "a", "b"), pick("rack", "r1", "r2", "r3"), pick("node", "ready", "ready", "ready", "ineligible", "down"), pick("hardware", "", "",
				"cores=4 numa=0-1/2-3", "cores=3 core-ids=1-3", "device.nvidia/gpu/t4=a:0,b:1 numa=0-1/2-3", "device.amd/gpu/mi=c volume.data=rw", "volume.data=rw max-allocs=2")))
	}
	s.job = drawJob(t, 0, pick("type", jobTypes...))
	for i := range rapid.IntRange(0, 4).Draw(t, "others") {
		s.others = append(s.others, fmt.Sprintf("alloc other%d/x[0] on n%d running cpu=%s memory=100 priority=%s port.http=%s", i,
			rapid.IntRange(1, len(s.nodes)).Draw(t, "on"), pick("used", "100", "300"), pick("priority", "20", "45", "70"), pick("port", "20001", "8080")))
	}
	return s
}

func drawJob(t *rapid.T, version int, kind string) []string {
	pick := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(t, label) }
	lines := []string{fmt.Sprintf("job web %s version=%d priority=50", kind, version)}
	rules := []string{
		"constraint ${meta.rack} != r1", "constraint ${node.class} = a", "constraint distinct_hosts",
		"constraint ${meta.rack} distinct_property 2", "constraint ${node.unique.id} != n2",
	}
	for _, r := range rules {
		if rapid.IntRange(0, 4).Draw(t, r) == 0 {
			lines = append(lines, r)
		}
	}
	wishes := []string{
		"affinity ${node.class} = a weight=50", "spread ${node.datacenter} weight=60", "spread ${meta.rack} weight=40 r1=50 r2=30",
	}
	for _, r := range wishes {
		if kind != "system" && kind != "sysbatch" && rapid.IntRange(0, 3).Draw(t, r) == 0 {
			lines = append(lines, r)
		}
	}
	for _, name := range []string{"g", "h"}[:rapid.IntRange(1, 2).Draw(t, "groups")] {
		update := pick("update", "", "max-parallel=1", "max-parallel=2 canary=1")
		switch kind {
		case "system":
			update = pick("update of system", "", "max-parallel=1", "max-parallel=2 canary=50")
		case "batch", "sysbatch":
			update = ""
		}
		lines = append(lines, fmt.Sprintf("group %s count=%d cpu=%s memory=100 spec=%s %s %s %s %s", name,
			rapid.IntRange(0, 5).Draw(t, "count"), pick("ask", "100", "300"), pick("spec", "x", "y"), update,
			pick("ports", "", "port.http=8080", "port.a=dynamic port.b=dynamic", "port.http=20001 port.a=dynamic"),
			pick("reschedule", "", "unlimited delay=30s", "attempts=1 interval=1h delay=5s lost-after=1m"),
			pick("hardware", "", "", "", "cores.t=1", "cores.t=2/require", "cores.t=1/prefer cores.u=1/require", "device.gpu=1", "cores.t=1/require/gpu device.t:gpu=1",
				"volume.data=single", "volume.data=sticky", "volume.data=rw")))
	}
	return lines
}

func (s scene) build(t testing.TB, reorder bool) *world {
	w := newWorld()
	nodes := slices.Clone(s.nodes)
	if reorder {
		slices.Reverse(nodes)
	}
	must(t, w, nodes...)
	must(t, w, s.job...)
	others := slices.Clone(s.others)
	if reorder {
		slices.Reverse(others)
	}
	must(t, w, others...)
	return w
}

func must(t testing.TB, w *world, lines ...string) {
	t.Helper()
	for _, l := range lines {
		if _, err := w.run(l); err != nil {
			t.Fatal(err)
		}
	}
}

// TestHistories drives one job through random events and checks after every decision what
// must always hold.
func TestHistories(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawScene(t, "service", "service", "batch", "system", "sysbatch")
		w := newWorld()
		for _, l := range slices.Concat(s.nodes, s.job, s.others) {
			step(t, w, l)
		}
		if rapid.Bool().Draw(t, "preempt") {
			step(t, w, "settings preempt-service preempt-system preempt-batch")
		}
		version := 0
		for range rapid.IntRange(1, 8).Draw(t, "steps") {
			for _, l := range drawEvent(t, w, &version) {
				step(t, w, l)
			}
			decide(t, w)
		}
	})
}

func step(t *rapid.T, w *world, line string) {
	if _, err := w.run(line); err != nil {
		t.Fatal(err)
	}
	t.Log(line)
}

// drawEvent is something that happens to the job or its nodes.
func drawEvent(t *rapid.T, w *world, version *int) []string {
	node := fmt.Sprintf("node n%d", rapid.IntRange(1, len(w.nodes)).Draw(t, "which"))
	var live []string
	for _, a := range w.cluster.AllocsOfJob("default", "web") {
		if !Terminal(a) {
			live = append(live, a.ID)
		}
	}
	events := []string{"nothing", "version", "down", "ready", "drain", "disconnected", "stop"}
	if len(live) > 0 {
		events = append(events, "running", "fail", "complete", "healthy", "migrate", "promote", "unhealthy")
	}
	event := rapid.SampledFrom(events).Draw(t, "event")
	one := func(flags string) []string {
		return []string{`set "` + rapid.SampledFrom(live).Draw(t, "alloc") + `" ` + flags}
	}
	switch event {
	case "version":
		*version++
		return drawJob(t, *version, string(w.job.Type))
	case "stop":
		if rapid.IntRange(0, 3).Draw(t, "really") > 0 {
			return nil
		}
		*version++
		return []string{fmt.Sprintf("job web %s version=%d stopped", w.job.Type, *version)}
	case "down", "ready", "disconnected":
		return []string{node + " " + event}
	case "drain":
		return []string{node + " draining"}
	case "running":
		return []string{`set "` + strings.Join(live, ",") + `" running`}
	case "fail":
		return one("failed finished=-" + rapid.SampledFrom([]string{"1s", "10s", "2h"}).Draw(t, "ago"))
	case "complete":
		return one("complete finished=-1s")
	case "healthy", "migrate":
		return one(event)
	case "unhealthy":
		return one("unhealthy reschedule")
	case "promote":
		if w.deployment != nil {
			return []string{"deployment " + w.deployment.ID + " g.promoted h.promoted", `set "` + strings.Join(live, ",") + `" promoted`}
		}
	}
	return []string{"wait 20s"}
}

// decide schedules, checks, applies, and schedules again.
func decide(t *rapid.T, w *world) {
	before := snapshot(w.cluster)
	w.schedule()
	t.Log("\n" + w.render(&w.plan))
	if diff := cmp.Diff(before, snapshot(w.cluster)); diff != "" {
		t.Fatalf("Schedule changed the cluster:\n%s", diff)
	}
	if again := Schedule(w.request()); cmp.Diff(w.plan, again) != "" {
		t.Fatalf("same request, another plan:\n%s", cmp.Diff(w.plan, again))
	}
	checkEvictions(t, w)
	checkStops(t, w)
	checkPins(t, w)
	full := overfull(w.cluster)
	w.apply()
	for node, what := range overfull(w.cluster) {
		if full[node] == "" {
			t.Fatalf("%s is over capacity after the plan: %s", node, what)
		}
	}
	checkCounts(t, w)
	second := Schedule(w.request())
	if len(w.plan.Failed) > 0 {
		return // a later step may have freed what an earlier one lacked: the job stays blocked and is woken
	}
	if len(second.Placements)+len(second.Stops)+len(second.Updates) > 0 || second.Deployment != nil {
		t.Fatalf("a second run wants more:\n%s", w.render(&second))
	}
	if w.job.Stopped && len(w.plan.Placements) > 0 {
		t.Fatal("a stopped job was placed")
	}
}

// snapshot is everything of a cluster that a decision could have disturbed.
func snapshot(c *Cluster) string {
	var b strings.Builder
	for i := range c.loads {
		cores := c.slots[i].cores
		for len(cores) > 0 && cores[len(cores)-1] == 0 {
			cores = cores[:len(cores)-1]
		}
		fmt.Fprintln(&b, c.slots[i].id, c.loads[i], c.slots[i].ports, len(c.slots[i].live), cores, inUse(c.slots[i].devices), inUse(c.slots[i].volumes))
	}
	return b.String()
}

// inUse leaves out what nobody holds any more.
func inUse[K, V comparable](m map[K]V) map[K]V {
	var none V
	m = maps.Clone(m)
	maps.DeleteFunc(m, func(_ K, v V) bool { return v == none })
	return m
}

func checkEvictions(t *rapid.T, w *world) {
	for _, p := range w.plan.Placements {
		for _, id := range p.Preempts {
			if a, _ := w.cluster.Alloc(id); w.job.Priority-a.Priority < preemptGap {
				t.Fatalf("evicts %s of priority %d for %d", id, a.Priority, w.job.Priority)
			}
		}
	}
}

func checkStops(t *rapid.T, w *world) {
	seen := map[string]bool{}
	for _, s := range w.plan.Stops {
		if seen[s.ID] {
			t.Fatalf("%s is stopped twice", s.ID)
		}
		seen[s.ID] = true
	}
}

// overfull adds up from scratch what runs on every node.
func overfull(c *Cluster) map[string]string {
	out := map[string]string{}
	byNode := map[string][]*Alloc{}
	for _, r := range c.allocs {
		if HoldsResources(r.alloc) {
			byNode[r.alloc.NodeID] = append(byNode[r.alloc.NodeID], r.alloc)
		}
	}
	for id, allocs := range byNode {
		if n, ok := c.Node(id); ok {
			if what := tooMuch(n, allocs); what != "" {
				out[id] = what
			}
		}
	}
	return out
}

// tooMuch says what a node has less of than its allocations hold.
func tooMuch(n *Node, allocs []*Alloc) string {
	var sum Resources
	held := map[string]int{}
	writers, single := map[string]int{}, map[string]bool{}
	for _, a := range allocs {
		sum.CPU, sum.Memory, sum.Disk, sum.Cores = sum.CPU+a.Used.CPU, sum.Memory+a.Used.Memory, sum.Disk+a.Used.Disk, sum.Cores+a.Used.Cores
		for _, p := range a.Ports {
			if !p.Shared {
				held[fmt.Sprint("port ", p.HostIP, p.Value)]++
			}
		}
		for _, core := range a.Cores {
			held[fmt.Sprint("core ", core)]++
		}
		for _, g := range a.Devices {
			for _, id := range g.IDs {
				held["device "+g.Vendor+g.Type+g.Name+id]++
			}
		}
		for _, v := range a.Volumes {
			if !v.ReadOnly {
				writers[v.Name]++
				single[v.Name] = single[v.Name] || v.SingleWriter
			}
		}
	}
	if n.Capacity.Cores > 0 {
		sum.CPU += int64(sum.Cores) * (n.Capacity.CPU / int64(n.Capacity.Cores))
	}
	var what []string
	if sum.CPU > n.Capacity.CPU || sum.Memory > n.Capacity.Memory || sum.Disk > n.Capacity.Disk || sum.Cores > n.Capacity.Cores {
		what = append(what, fmt.Sprintf("uses %+v", sum))
	}
	if n.MaxAllocs > 0 && len(allocs) > n.MaxAllocs {
		what = append(what, fmt.Sprintf("%d allocations", len(allocs)))
	}
	for key, times := range held {
		if times > 1 {
			what = append(what, key+" twice")
		}
	}
	for name, times := range writers {
		if single[name] && times > 1 {
			what = append(what, "volume "+name+" has two writers")
		}
	}
	return strings.Join(what, ", ")
}

// checkPins holds every placement to the NUMA node that its tasks require.
func checkPins(t *rapid.T, w *world) {
	for _, pl := range w.plan.Placements {
		g := w.versions["web"][pl.JobVersion].group(pl.Group)
		n, _ := w.cluster.Node(pl.NodeID)
		at := pl.Cores
		for _, pin := range g.Pins {
			mine := at[:pin.Count]
			at = at[pin.Count:]
			on := map[int]bool{}
			for _, core := range mine {
				if n.CoreIDs != nil && !slices.Contains(n.CoreIDs, core) {
					t.Fatalf("core %d of %s may not be pinned", core, n.ID)
				}
				for k, list := range n.NUMA {
					if slices.Contains(list, core) {
						on[k] = true
					}
				}
			}
			for _, grant := range pl.Devices {
				d := n.Devices[slices.IndexFunc(n.Devices, func(d Device) bool { return d.Vendor == grant.Vendor && d.Name == grant.Name })]
				if grant.Task == pin.Task && slices.Contains(pin.Devices, "gpu") && len(n.NUMA) > 1 {
					on[d.NUMA[grant.IDs[0]]] = true
				}
			}
			if pin.Affinity == "require" && len(on) > 1 {
				t.Fatalf("task %s of %s has cores %v and %v on several NUMA nodes", pin.Task, pl.Group, mine, pl.Devices)
			}
		}
		if len(at) > 0 {
			t.Fatalf("%s has cores that nobody asked for: %v", pl.Group, at)
		}
	}
}

// checkCounts holds the job to its count plus canaries; what waits on an unreachable node
// is beside it.
func checkCounts(t *rapid.T, w *world) {
	live := map[string]int{}
	onNode := map[string]int{}
	for _, a := range w.cluster.AllocsOfJob("default", "web") {
		n, known := w.cluster.Node(a.NodeID)
		if !Terminal(a) && known && n.Status == NodeReady {
			live[a.Group]++
			onNode[a.Group+a.NodeID]++
		}
	}
	for group, n := range live {
		g := w.job.group(group)
		limit := 0
		if g != nil && !w.job.Stopped {
			limit = g.Count
			if g.Update != nil {
				limit += g.Update.Canary
			}
			if w.job.Type == System || w.job.Type == SysBatch {
				limit = len(w.nodes)
			}
		}
		if n > limit {
			t.Fatalf("%d of %s live, %d allowed:\n%s", n, group, limit, w.show())
		}
	}
	for key, n := range onNode {
		if n > 1 && (w.job.Type == System || w.job.Type == SysBatch) {
			t.Fatalf("%d of a system job on %s", n, key)
		}
	}
}

// TestOrderDoesNotMatter inserts nodes and allocations in another order.
func TestOrderDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		s := drawScene(r, "service", "batch", "system")
		a, b := s.build(t, false), s.build(t, true)
		for _, w := range []*world{a, b} {
			w.settings = Settings{PreemptService: true, PreemptSystem: true}
		}
		if diff := cmp.Diff(a.schedule(), b.schedule()); diff != "" {
			r.Fatalf("order matters:\n%s\n%s", strings.Join(slices.Concat(s.nodes, s.others, s.job), "\n"), diff)
		}
		if diff := cmp.Diff(a.plan, b.plan); diff != "" {
			r.Fatalf("order matters for explanations:\n%s", diff)
		}
	})
}

// TestFewerRulesPlaceNoFewer removes one constraint of a job with one group.
func TestFewerRulesPlaceNoFewer(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		s := drawScene(r, "service", "batch")
		w := s.build(t, false)
		w.job.Groups = w.job.Groups[:1]
		w.schedule()
		strict := len(w.plan.Placements)
		if len(w.job.Constraints) == 0 {
			return
		}
		gone := rapid.IntRange(0, len(w.job.Constraints)-1).Draw(r, "gone")
		text := w.job.Constraints[gone].text()
		w.job.Constraints = slices.Delete(slices.Clone(w.job.Constraints), gone, gone+1)
		w.schedule()
		if len(w.plan.Placements) < strict {
			r.Fatalf("without %s %d are placed, with it %d:\n%s", text, len(w.plan.Placements), strict,
				strings.Join(slices.Concat(s.nodes, s.others, s.job), "\n"))
		}
	})
}

// TestDelays holds the delay functions to their definition.
func TestDelays(t *testing.T) {
	now := time.Unix(1000, 0)
	for _, tt := range []struct {
		function string
		want     []time.Duration
	}{
		{"constant", []time.Duration{5, 5, 5, 5, 5, 5}},
		{"exponential", []time.Duration{5, 10, 20, 40, 60, 60}},
		{"fibonacci", []time.Duration{5, 5, 10, 15, 25, 40}},
	} {
		r := Reschedule{Delay: 5 * time.Second, Function: tt.function, MaxDelay: time.Minute, Unlimited: true}
		var events []RescheduleEvent
		var got []time.Duration
		for range tt.want {
			d := r.delay(events, now)
			got = append(got, d/time.Second)
			events = append(events, RescheduleEvent{At: now, Delay: d})
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %s", tt.function, diff)
		}
	}
}
