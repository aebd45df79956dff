package scheduler

import (
	"cmp"
	"container/heap"
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

// overMigrate is added to the priority of a victim when more of its group would leave at
// once than its migrate block allows: others go first, however close their priority is.
const overMigrate = 50

// eviction is a node and the allocations that would have to leave it.
type eviction struct {
	ord     int32
	gen     uint32
	victims []*record
	cost    evictionCost
	tie     uint64
}

// evictionCost orders evictions: the lowest highest priority evicted, then the fewest
// victims, then the lowest sum of priorities. Priorities include overMigrate.
type evictionCost struct{ highest, victims, sum int }

func (a evictionCost) compare(b evictionCost) int {
	return cmp.Or(cmp.Compare(a.highest, b.highest), cmp.Compare(a.victims, b.victims), cmp.Compare(a.sum, b.sum))
}

// groupKey names a group of a job.
type groupKey struct{ namespace, job, group string }

func groupOf(a *Alloc) groupKey { return groupKey{a.Namespace, a.Job, a.Group} }

// evictions is a heap, cheapest first. A cost in it may be too low, as victims of other
// nodes count against the same migrate block; it is never too high.
type evictions []eviction

func (h evictions) Len() int      { return len(h) }
func (h evictions) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *evictions) Push(x any)   { *h = append(*h, x.(eviction)) }
func (h evictions) Less(i, j int) bool {
	return cmp.Or(h[i].cost.compare(h[j].cost), cmp.Compare(h[i].tie, h[j].tie)) < 0
}

func (h *evictions) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// preempt finds the node where room is made at the least cost. The evictions of all nodes
// are worked out once; after that only those of nodes that changed.
func (p *pass) preempt() (ord int32, victims []*record, ok bool) {
	if !p.d.mayPreempt() {
		return 0, nil, false
	}
	if p.evictions == nil {
		p.evictions = &evictions{}
		for ord := range p.c.loads {
			p.offer(int32(ord))
		}
	}
	for p.evictions.Len() > 0 {
		e := heap.Pop(p.evictions).(eviction)
		switch cost := p.d.costOf(e.victims); {
		case e.gen != p.gen[e.ord]:
			continue
		case cost != e.cost:
			e.cost = cost
			heap.Push(p.evictions, e)
			continue
		case p.judge(e.ord).kind != exhaustedNode:
			p.aside = append(p.aside, e) // a distinct property is used up, and may be given back
			continue
		}
		heap.Push(p.evictions, e) // commit makes it stale; without one it still holds
		return e.ord, e.victims, true
	}
	return 0, nil, false
}

// reconsider puts back the evictions that a distinct property closed.
func (p *pass) reconsider() {
	for _, e := range p.aside {
		heap.Push(p.evictions, e)
	}
	p.aside = p.aside[:0]
}

// offer adds what an eviction on a node would cost, if one is possible there.
func (p *pass) offer(ord int32) {
	if p.judge(ord).kind != exhaustedNode {
		return
	}
	if e, ok := p.evictionOn(ord); ok {
		e.gen, e.tie = p.gen[ord], mix(p.c.slots[ord].hash^p.seed)
		heap.Push(p.evictions, e)
	}
}

// evictionOn finds a minimal set of victims on one node: victims are added from the
// lowest priority and the largest up until the group fits, then each that turns out not
// to be needed is spared, from the highest priority down. Room only grows with every
// victim, so no other member of what is left can be spared either.
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
	e.victims, e.cost = needed, p.d.costOf(needed)
	return e, true
}

// costOf weighs a set of victims, after those that the plan evicts already.
func (d *decision) costOf(victims []*record) evictionCost {
	cost := evictionCost{victims: len(victims)}
	for i, r := range victims {
		n := d.evictedOf[groupOf(r.alloc)]
		for _, other := range victims[:i] {
			if groupOf(other.alloc) == groupOf(r.alloc) {
				n++
			}
		}
		priority := r.alloc.Priority + penalty(r.alloc, n)
		cost.highest, cost.sum = max(cost.highest, priority), cost.sum+priority
	}
	return cost
}

// penalty is for evicting one more of a group of which n leave already.
func penalty(a *Alloc, n int) int {
	if a.MigrateMax > 0 && n >= a.MigrateMax {
		return overMigrate
	}
	return 0
}

// preemptible lists what may be evicted from a node, the cheapest first.
func (p *pass) preemptible(ord int32) []*record {
	var out []*record
	limited := false // by a migrate block
	for _, r := range p.c.slots[ord].live {
		a := r.alloc
		if p.job.Priority-a.Priority < preemptGap || p.d.evicted[r] || a.Namespace == p.job.Namespace && a.Job == p.job.ID {
			continue
		}
		out = append(out, r)
		limited = limited || a.MigrateMax > 0
	}
	slices.SortFunc(out, compareVictims)
	if !limited {
		return out
	}
	leaving := map[groupKey]int{}
	dear := map[*record]int{}
	for _, r := range out {
		key := groupOf(r.alloc)
		dear[r] = penalty(r.alloc, p.d.evictedOf[key]+leaving[key])
		leaving[key]++
	}
	slices.SortStableFunc(out, func(a, b *record) int {
		return cmp.Compare(a.alloc.Priority+dear[a], b.alloc.Priority+dear[b])
	})
	return out
}

func compareVictims(a, b *record) int {
	return cmp.Or(
		cmp.Compare(a.alloc.Priority, b.alloc.Priority),
		cmp.Compare(weight(b.alloc), weight(a.alloc)),
		strings.Compare(a.alloc.ID, b.alloc.ID),
	)
}

// weight compares the size of allocations roughly: MHz and MB alike.
func weight(a *Alloc) int64 { return a.Used.CPU + a.Used.Memory }
