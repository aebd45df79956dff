package scheduler

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// dice deals choices from bytes; when they are used up every choice is the first.
type dice struct{ bytes []byte }

func (d *dice) n(most int) int {
	if len(d.bytes) == 0 {
		return 0
	}
	b := int(d.bytes[0])
	d.bytes = d.bytes[1:]
	return b % most
}

func (d *dice) pick(from ...string) string { return from[d.n(len(from))] }

// script is a cluster and a job that the bytes describe.
func (d *dice) script() []string {
	var lines []string
	say := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	nodes := 1 + d.n(6)
	for i := range nodes {
		say("node n%d cpu=%d memory=%d dc=%s class=%s %s %s %s", i, 200+d.n(20)*200, 200+d.n(20)*200, d.pick("dc1", "dc2"), d.pick("a", "b"),
			d.pick("", "meta.rack=r1", "meta.rack=r2"), d.pick("ready", "ready", "ready", "down", "draining", "ineligible"),
			d.pick("", "cores=4 numa=0-1/2-3", "device.nvidia/gpu/t4=a,b", "volume.data=rw", "ports=20000-20001", "max-allocs=2", "net.public=1.2.3.4/80"))
	}
	for i := range d.n(5) {
		say("alloc o%d/x[0] on n%d running cpu=%d memory=%d priority=%d %s", i, d.n(nodes), d.n(8)*100, d.n(8)*100, d.n(10)*10,
			d.pick("", "port.p=80", "port.p=20000", "holds.data=single", "cores=1,2"))
	}
	if d.n(2) == 1 {
		say("settings preempt-service preempt-batch preempt-system preempt-sysbatch %s", d.pick("binpack", "spread"))
	}
	kind := d.pick("service", "batch", "system", "sysbatch")
	say("job web %s priority=50 dc=%s", kind, d.pick("*", "dc1", "d*2"))
	for range d.n(3) {
		say("constraint %s", d.pick("distinct_hosts", "${meta.rack} distinct_property 2", "${node.class} = a", "${attr.kernel.name} regexp ^l",
			"${meta.rack} is_set", "${node.unique.id} != n1", "${meta.gone} version \">= 1\""))
	}
	if kind == "service" || kind == "batch" {
		for range d.n(3) {
			say("%s", d.pick("affinity ${node.class} = a weight=50", "spread ${node.datacenter} weight=50", "spread ${meta.rack} weight=50 r1=70", "affinity ${meta.rack} = r1 weight=-20"))
		}
	}
	for i := range 1 + d.n(2) {
		say("group g%d count=%d cpu=%d memory=%d %s %s", i, d.n(8), d.n(8)*100, d.n(8)*100,
			d.pick("", "port.a=80", "port.a=dynamic port.b=dynamic", "port.a=80@public", "port.a=80!"),
			d.pick("", "cores.t=2/require", "cores.t=1 cores.u=2/prefer", "device.gpu=1", "volume.data=single", "disk=60000", "driver=docker"))
	}
	return lines
}

// FuzzSchedule: whatever the cluster and the job, nothing panics, no node is over its
// capacity, the same request gives the same plan, nothing but the plan changes, and what
// was placed is not placed again.
func FuzzSchedule(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("three nodes, a job, and some constraints on top of it all"))
	f.Add([]byte{5, 9, 9, 0, 1, 1, 3, 0, 200, 17, 33, 2, 91, 4, 4, 8, 60, 61, 62, 63, 7, 7, 7, 1, 0, 2, 1, 5, 5, 5, 3, 2, 1, 0, 99, 98, 97})
	f.Fuzz(func(t *testing.T, data []byte) {
		d := dice{data}
		lines := d.script()
		w := newWorld()
		must(t, w, lines...)
		full, before := overfull(w.cluster), snapshot(w.cluster)
		w.schedule()
		if diff := cmp.Diff(before, snapshot(w.cluster)); diff != "" {
			t.Fatalf("the cluster changed:\n%s\n%s", strings.Join(lines, "\n"), diff)
		}
		if again := Schedule(w.request()); cmp.Diff(w.plan, again) != "" {
			t.Fatalf("another plan:\n%s\n%s", strings.Join(lines, "\n"), cmp.Diff(w.plan, again))
		}
		failed := len(w.plan.Failed) > 0
		w.apply()
		for node, what := range overfull(w.cluster) {
			if full[node] == "" {
				t.Fatalf("%s: %s\n%s", node, what, strings.Join(lines, "\n"))
			}
		}
		if second := Schedule(w.request()); !failed && len(second.Placements)+len(second.Stops)+len(second.Updates) > 0 {
			t.Fatalf("a second run wants more:\n%s\n%s", strings.Join(lines, "\n"), w.render(&second))
		}
	})
}
