package scheduler

import (
	"cmp"
	"math"
	"slices"
	"strings"
)

// preemptGap is how much lower the priority of a victim must be.
const preemptGap = 10

// mayPreempt reports whether the operator allows this job's type to evict others.
func (d *decision) mayPreempt() bool {
	s := &d.req.Settings
	switch d.job.Type {
	case System:
		return s.PreemptSystem
	case SysBatch:
		return s.PreemptSysBatch
	case Batch:
		return s.PreemptBatch
	}
	return s.PreemptService
}

// eviction is a node and the allocations that would have to leave it.
type eviction struct {
	ord     int32
	victims []*record
	cost    float64
}

// preempt finds the node where room is made at the least cost: the lowest highest
// priority evicted, then the fewest, then the lowest sum.
func (p *pass) preempt(w *want) (ord int32, victims []*record, ok bool) {
	if !p.d.mayPreempt() || p.barren {
		return 0, nil, false
	}
	best := eviction{cost: math.Inf(1)}
	var tie uint64
	for ord := range p.c.loads {
		o := p.judge(int32(ord))
		if o.kind != exhaustedNode {
			continue
		}
		e, found := p.evictionOn(int32(ord))
		if !found {
			continue
		}
		t := mix(p.c.slots[ord].hash ^ p.seed)
		if e.cost < best.cost || e.cost == best.cost && t < tie {
			best, tie = e, t
		}
	}
	if math.IsInf(best.cost, 1) {
		p.barren = true
		return 0, nil, false
	}
	return best.ord, best.victims, true
}

// evictionOn finds a minimal set of victims on one node: victims are added from the
// lowest priority and the largest up until the group fits, then each that turns out not
// to be needed is spared, from the highest priority down.
func (p *pass) evictionOn(ord int32) (eviction, bool) {
	e := eviction{ord: ord}
	pool := p.preemptible(ord)
	if len(pool) == 0 {
		return e, false
	}
	n := 0
	for ; n < len(pool) && p.c.shortOf(ord, p.group) != fits; n++ {
		p.c.apply(ord, usageOf(pool[n].alloc), -1)
	}
	enough := p.c.shortOf(ord, p.group) == fits
	var needed []*record
	for i := n - 1; i >= 0; i-- {
		u := usageOf(pool[i].alloc)
		p.c.apply(ord, u, 1)
		if enough && p.c.shortOf(ord, p.group) != fits {
			p.c.apply(ord, u, -1)
			needed = append(needed, pool[i])
		}
	}
	for _, r := range needed {
		p.c.apply(ord, usageOf(r.alloc), 1)
	}
	if !enough {
		return e, false
	}
	e.victims = needed
	for _, r := range needed {
		e.cost = max(e.cost, float64(r.alloc.Priority)*1e9)
	}
	for _, r := range needed {
		e.cost += 1e6 + float64(r.alloc.Priority)
	}
	return e, true
}

// preemptible lists what may be evicted from a node, the cheapest first.
func (p *pass) preemptible(ord int32) []*record {
	var out []*record
	for _, r := range p.c.slots[ord].live {
		a := r.alloc
		if p.job.Priority-a.Priority < preemptGap || p.d.evicted[r] || a.Namespace == p.job.Namespace && a.Job == p.job.ID {
			continue
		}
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b *record) int {
		return cmp.Or(
			cmp.Compare(a.alloc.Priority, b.alloc.Priority),
			cmp.Compare(weight(b.alloc), weight(a.alloc)),
			strings.Compare(a.alloc.ID, b.alloc.ID),
		)
	})
	return out
}

// weight compares the size of allocations roughly: MHz and MB alike.
func weight(a *Alloc) int64 { return a.Used.CPU + a.Used.Memory }
