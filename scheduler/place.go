package scheduler

import "slices"

// placeAll finds nodes for everything that is wanted. Wants of one group and version
// share a ranking.
func (d *decision) placeAll(wants []want) {
	d.plan.Placements = slices.Grow(d.plan.Placements, len(wants))
	for len(wants) > 0 {
		first := &wants[0]
		n := 1
		for n < len(wants) && wants[n].group == first.group && (!perIndex(first.group) || wants[n].index == first.index) {
			n++
		}
		group, alike := wants[:n], d.alike(wants[:n])
		wants = wants[n:]
		if alike && d.failAlike(group) {
			continue
		}
		index := -1
		if perIndex(first.group) {
			index = first.index
		}
		p := newPass(d, first.job, first.group, d.itemsOf(first.group.Name), index)
		for i := range group {
			p.place(&group[i])
		}
		p.finish()
		if m := d.plan.Failed[first.group.Name]; alike && m != nil && len(d.plan.Placements) == 0 {
			failed := *m
			d.c.remember(first.group.Ask, &failed)
		}
	}
}

// finish gives the working space back.
func (p *pass) finish() {
	if len(p.dims) == 0 {
		p.c.scratch.entries = p.buckets[0].heaps[0][:0]
	}
}

// place puts one want into the plan, or explains why it could not.
func (p *pass) place(w *want) bool {
	if w.pinned {
		return p.placePinned(w)
	}
	var freed int32 = -1
	if w.release != "" && w.previous.present() {
		freed = w.previous.rec.ord
		p.c.release(freed, usageOf(w.previous.a))
		w.previous.stopped = true
		p.move(freed, -1)
	}
	ord, norm, victims, ok := p.find(w)
	if !ok {
		p.fail()
		p.explainHome(w)
		if freed >= 0 {
			w.previous.stopped = false
			p.c.take(freed, usageOf(w.previous.a))
			p.move(freed, 1)
		}
		return false
	}
	p.commit(w, ord, norm, victims)
	return true
}

// find returns the node for a want, and who has to leave it.
func (p *pass) find(w *want) (ord int32, norm float64, victims []*record, ok bool) {
	if ord, norm, ok = p.keepHome(w); ok {
		return ord, norm, nil, true
	}
	if home := p.bound(w); home >= 0 {
		e, ok := eviction{}, false
		if p.d.mayPreempt() && p.judge(home).kind == exhaustedNode {
			e, ok = p.evictionOn(home)
		}
		return home, 0, e.victims, ok
	}
	if ord, norm, ok = p.choose(w.avoid); !ok {
		ord, victims, ok = p.preempt()
	}
	return ord, norm, victims, ok
}

// bound returns the node that a successor must go to, because a sticky volume is there;
// -1 if there is none. A node that was forgotten binds nobody.
func (p *pass) bound(w *want) int32 {
	if w.previous == nil || w.previous.node == nil || !p.group.sticky() {
		return -1
	}
	return w.previous.rec.ord
}

// explainHome says what keeps a want off the node that it is bound to.
func (p *pass) explainHome(w *want) {
	m := p.d.plan.Failed[p.group.Name]
	home := p.bound(w)
	if home < 0 || m.CoalescedFailures > 0 {
		return
	}
	m.Hint = "needs node " + p.c.slots[home].node.Name + ", which has its sticky volume"
	if text, short := p.lackOf(home); short {
		m.Hint += ": " + text
	}
}

// keepHome returns the node of the predecessor if the group's disk or a volume is sticky
// and the node will do.
func (p *pass) keepHome(w *want) (ord int32, norm float64, ok bool) {
	if p.bound(w) < 0 && (!p.group.Sticky || w.previous == nil || w.event != nil) {
		return 0, 0, false
	}
	ord = w.previous.rec.ord
	if p.judge(ord).kind != candidateNode {
		return 0, 0, false
	}
	c, parts := p.candidate(ord)
	return ord, normalise(c.sum, parts, p.buckets[p.bucketOf(ord)].boost), true
}

// move counts by more allocations on a node and ranks it again. A node that takes no new
// work is not ranked, but its values count.
func (p *pass) move(ord, by int32) {
	if p.buckets == nil { // a system job ranks nothing
		p.c.scratch.onJob.add(ord, by)
		return
	}
	p.count(ord, by)
	if p.ranked(ord) {
		p.refresh(ord)
		if p.evictions != nil {
			p.offer(ord)
		}
	}
	if by < 0 && p.evictions != nil {
		p.reconsider()
	}
}

// choose returns the best node. Nodes to avoid carry the reschedule penalty.
func (p *pass) choose(avoid []int32) (ord int32, norm float64, ok bool) {
	for _, bad := range avoid {
		if p.ranked(bad) {
			p.withdraw(bad)
		}
	}
	cand, norm, ok := p.best()
	ord = cand.ord
	for i, bad := range avoid {
		if !p.ranked(bad) || slices.Contains(avoid[:i], bad) {
			continue
		}
		if p.judge(bad).kind == candidateNode {
			c, parts := p.candidate(bad)
			boost := p.buckets[p.bucketOf(bad)].boost
			if n := normalise(c.sum-1, parts+1, boost); !ok || n > norm {
				ord, norm, ok = bad, n, true
			}
		}
	}
	for _, bad := range avoid {
		if p.ranked(bad) {
			p.refresh(bad)
			if p.evictions != nil {
				p.offer(bad)
			}
		}
	}
	return ord, norm, ok
}

// ranked reports whether a node takes part in the ranking at all.
func (p *pass) ranked(ord int32) bool {
	return p.c.loads[ord].open && p.filter.class(p.c.loads[ord].class) >= stagePasses
}

// commit takes what the allocation needs on the chosen node and adds it to the plan.
func (p *pass) commit(w *want, ord int32, norm float64, victims []*record) {
	d, s := p.d, &p.c.slots[ord]
	metric := p.explained(w, ord, victims)
	preempts := d.evict(victims)
	d.desired(p.group.Name).Preemptions += uint64(len(victims))
	g := p.group
	ports, _ := p.c.pickPorts(ord, g.Ports, p.portSeed(w))
	var own pinned
	if p.filter.pins != nil {
		own, _ = p.filter.pins.fit(p.c, ord)
	}
	p.c.take(ord, usage{res: g.Resources, ports: ports, cores: own.cores, devices: own.devices, volumes: g.Holds(w.index)})
	d.placed = append(d.placed, ord)
	pl := Placement{
		Group: g.Name, Index: w.index, NodeID: s.id, JobVersion: p.job.Version,
		Canary: w.canary, Reschedule: w.event,
		Ports: ports, Cores: own.cores, Devices: own.devices, Preempts: preempts, Metric: metric,
	}
	if w.previous != nil {
		pl.Previous = w.previous.a.ID
	}
	d.plan.Placements = append(d.plan.Placements, pl)
	if w.release != "" {
		w.previous.stopped = true
		d.plan.Stops = append(d.plan.Stops, StopAlloc{
			ID: w.previous.a.ID, Desired: Stop, Description: w.release, PreemptedBy: -1, Followup: -1,
		})
	}
	p.move(ord, 1)
}

// portSeed differs between an allocation and its successor, and between two jobs.
func (p *pass) portSeed(w *want) uint64 {
	seed := p.seed ^ mix(uint64(w.index)+1) ^ mix(p.job.Version<<20+p.job.CreateIndex)
	if w.previous != nil {
		seed ^= hashString(w.previous.a.ID)
	}
	return mix(seed)
}

// fail counts a want without a place. The first of a group is explained in full.
func (p *pass) fail() {
	name := p.group.Name
	p.d.plan.Queued[name]++
	if m := p.d.plan.Failed[name]; m != nil {
		m.CoalescedFailures++
		return
	}
	m := p.survey(false)
	m.Scores = p.metric.Scores
	m.Hint = p.hint()
	p.d.plan.Failed[name] = m
}

// evict stops the victims of a preemption for the placement that comes next.
func (d *decision) evict(victims []*record) []string {
	var ids []string
	for _, r := range victims {
		d.c.release(r.ord, usageOf(r.alloc))
		d.evicted[r] = true
		d.evictedOf[groupOf(r.alloc)]++
		ids = append(ids, r.alloc.ID)
		d.plan.Stops = append(d.plan.Stops, StopAlloc{
			ID: r.alloc.ID, Desired: Evict, Description: "preempted by job " + d.job.ID,
			PreemptedBy: len(d.plan.Placements), Followup: -1,
		})
	}
	return ids
}
