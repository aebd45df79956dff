package scheduler

import (
	"cmp"
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
	gen     uint32
	victims []*record
	cost    float64
	tie     uint64
}

// preempt finds the node where room is made at the least cost: the lowest highest
// priority evicted, then the fewest, then the lowest sum. The evictions of all nodes are
// worked out once; after that only those of nodes that changed.
func (p *pass) preempt() (ord int32, victims []*record, ok bool) {
	if !p.d.mayPreempt() {
		return 0, nil, false
	}
	if p.evictions == nil {
		p.evictions = []eviction{}
		for ord := range p.c.loads {
			p.offer(int32(ord))
		}
	}
	best := -1
	for i := 0; i < len(p.evictions); i++ {
		e := &p.evictions[i]
		if e.gen != p.gen[e.ord] {
			last := len(p.evictions) - 1
			p.evictions[i] = p.evictions[last]
			p.evictions = p.evictions[:last]
			i--
			continue
		}
		if best >= 0 && !e.cheaper(&p.evictions[best]) {
			continue
		}
		if p.judge(e.ord).kind == exhaustedNode {
			best = i
		}
	}
	if best < 0 {
		return 0, nil, false
	}
	return p.evictions[best].ord, p.evictions[best].victims, true
}

func (e *eviction) cheaper(other *eviction) bool {
	return e.cost < other.cost || e.cost == other.cost && e.tie < other.tie
}

// offer adds what an eviction on a node would cost, if one is possible there.
func (p *pass) offer(ord int32) {
	if p.judge(ord).kind != exhaustedNode {
		return
	}
	if e, ok := p.evictionOn(ord); ok {
		e.gen, e.tie = p.gen[ord], mix(p.c.slots[ord].hash^p.seed)
		p.evictions = append(p.evictions, e)
	}
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
	for ; n < len(pool) && p.filter.shortOf(ord) != fits; n++ {
		p.c.apply(ord, usageOf(pool[n].alloc), -1)
	}
	enough := p.filter.shortOf(ord) == fits
	var needed []*record
	for i := n - 1; i >= 0; i-- {
		u := usageOf(pool[i].alloc)
		p.c.apply(ord, u, 1)
		if enough && p.filter.shortOf(ord) != fits {
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
