package scheduler

import (
	"fmt"
	"slices"
)

// A system job has one allocation of each group on every node that may run it, a sysbatch
// job one until it has succeeded there. Nothing is ranked: every node is asked.
//
//	items ─▶ fates ─▶ occupied nodes ─▶ stale ones within the limit ─▶ vacant nodes

// systemPlan reconciles one group of a system or sysbatch job.
type systemPlan struct {
	groupPlan
	pass     *pass
	counts   *counts
	occupied map[int32]bool
	outside  int            // occupied nodes that keep another version whatever the rollout does
	again    map[int32]bool // nodes whose canary leaves while the rollout is halted: another takes its place
	before   *systemPlan    // the version that vacant nodes get while the rollout is halted, nil for the job's
}

func (d *decision) scheduleSystem() {
	d.stopStrangers()
	plans := make([]*systemPlan, len(d.job.Groups))
	for i, g := range d.job.Groups {
		plans[i] = d.reconcileSystem(g)
	}
	for _, p := range plans {
		p.place()
		if p.before != nil {
			p.before.place()
		}
	}
	d.createDeployment()
	d.adjustTotals()
}

func (d *decision) newSystemPlan(job *Job, g *Group) *systemPlan {
	p := &systemPlan{
		groupPlan: groupPlan{d: d, g: g, items: d.itemsOf(g.Name), up: d.desired(g.Name)},
		occupied:  map[int32]bool{}, again: map[int32]bool{},
	}
	p.pass = &pass{d: d, c: d.c, job: job, group: g, filter: newFilter(d.c, job, g, 0), seed: hashString(job.ID + "\x00" + g.Name)}
	p.pass.hostsOfJob = hasDistinctHosts(job.Constraints)
	p.pass.dims = slices.DeleteFunc(newDimensions(job, g), func(dim *dimension) bool { return dim.limit == 0 })
	p.counts = newCounts(p.pass)
	return p
}

func (d *decision) reconcileSystem(g *Group) *systemPlan {
	p := d.newSystemPlan(d.job, g)
	for i := range p.items {
		p.decide(&p.items[i])
	}
	p.steer()
	if p.halted {
		if job, group := p.olderVersion(); group != nil {
			p.before = d.newSystemPlan(job, group)
		}
	}
	p.fillNodes()
	p.placeSystemCanaries()
	p.update()
	return p
}

// decide gives one allocation its fate and its node its occupant.
func (p *systemPlan) decide(it *item) {
	it.fate = p.systemFate(it)
	if it.a.Canary && (it.fate == migrating || it.fate == failing) && p.d.rollout.canarying(p.g.Name) {
		p.again[it.rec.ord] = true
	}
	switch it.fate {
	case over:
		return
	case foreign:
		p.d.end(it, "belongs to an earlier job of the same name")
		return
	case lost:
		p.d.stop(it, Lost, "lost: its node is gone")
		p.up.Stop++
		return
	case migrating:
		p.d.stop(it, "", "migrated")
		p.up.Stop++
		return
	case failing:
		p.d.stop(it, "", "rescheduled by request")
		p.up.RescheduleNow++
		return
	}
	if p.occupied[it.rec.ord] || p.g.Count <= 0 {
		p.d.end(it, "not needed: its node has another of the group")
		return
	}
	if it.fate == kept && !nodeGone(it.node) && p.pass.filter.node(it.rec.ord) != stagePasses {
		p.d.end(it, "its node may no longer run the job")
		return
	}
	p.occupied[it.rec.ord] = true
	p.compareSystem(it)
}

// systemFate is fateOf without a reschedule policy: a system allocation that failed for
// good stays so until somebody asks for another or a new version comes.
func (p *systemPlan) systemFate(it *item) fate {
	a := it.a
	switch {
	case a.JobCreateIndex != p.d.job.CreateIndex:
		if Terminal(a) {
			return over
		}
		return foreign
	case a.Desired != Run:
		if a.NoReplace {
			return held
		}
		return over
	case a.Client == Lost:
		return over
	case a.Client == Failed && a.ForceReschedule:
		return failing
	case ClientTerminal(a):
		return held
	case nodeGone(it.node):
		return p.fateOfUnreachable(it)
	case a.Migrate:
		return migrating
	}
	return kept
}

// compareSystem is compareVersions for one allocation.
func (p *systemPlan) compareSystem(it *item) {
	current := it.a.JobVersion == p.d.job.Version
	done := p.d.job.Type == SysBatch && it.a.Client == Complete
	switch {
	case current:
		p.up.Ignore++
	case done, it.fate == absent, p.sameSpec(it) && it.fate == held,
		it.node == nil, !Open(it.node), p.pass.filter.node(it.rec.ord) != stagePasses:
		p.outside++
		p.up.Ignore++
	case p.sameSpec(it):
		p.d.plan.Updates = append(p.d.plan.Updates, UpdateAlloc{ID: it.a.ID})
		p.d.rollout.updating = true
		p.up.InPlaceUpdate++
	default:
		p.stale = append(p.stale, it)
		p.d.rollout.updating = true
	}
	if it.a.Canary && p.d.rollout.canarying(p.g.Name) {
		p.canaries = append(p.canaries, it)
	}
}

// fillNodes wants an allocation on every node that may run the group and has none.
func (p *systemPlan) fillNodes() {
	to := p
	if p.before != nil {
		to = p.before
	}
	for ord := range p.d.c.loads {
		l := &p.d.c.loads[ord]
		if !l.open || p.g.Count <= 0 {
			continue
		}
		if p.before != nil && p.pass.filter.node(int32(ord)) != stagePasses {
			continue // at whatever version, the next decision would stop it: see decide
		}
		if p.again[int32(ord)] && !p.occupied[int32(ord)] && p.halted {
			p.wants = append(p.wants, want{job: p.d.job, group: p.g, on: int32(ord), canary: true})
			p.counts.count(outcome{kind: candidateNode}, l.class)
			p.up.Canary++
			continue
		}
		stage := to.pass.filter.node(int32(ord))
		switch {
		case stage < stagePasses:
			continue
		case stage >= stageFails:
			to.counts.count(outcome{filteredCheck, stage - stageFails}, l.class)
			continue
		}
		to.counts.count(outcome{kind: candidateNode}, l.class)
		if !p.occupied[int32(ord)] {
			to.wants = append(to.wants, want{job: to.pass.job, group: to.g, on: int32(ord)})
			p.up.Place++
		}
	}
	p.d.sortByNode(to.wants)
	p.d.sortByNode(p.wants)
	p.d.rollout.totals[p.g.Name] = len(p.occupied) - p.outside + len(to.wants)
	if to != p {
		p.d.rollout.totals[p.g.Name] += len(p.wants)
	}
}

// placeSystemCanaries replaces a percentage of the nodes' allocations: on a node there is
// room for one only, so a canary takes the place of the old one.
func (p *systemPlan) placeSystemCanaries() {
	if !p.canarying || p.wanted == 0 {
		return
	}
	r := &p.d.rollout
	if !r.canarying(p.g.Name) {
		total := r.totals[p.g.Name]
		p.wanted = min(len(p.stale), (total*p.wanted+99)/100)
		r.canaries[p.g.Name] = p.wanted
	}
	coming := 0
	for i := range p.wants {
		if p.wants[i].canary {
			coming++
		}
	}
	n := min(max(0, p.wanted-len(p.canaries)-coming), len(p.stale))
	for _, it := range p.stale[:n] {
		p.wants = append(p.wants, want{
			job: p.d.job, group: p.g, previous: it, on: it.rec.ord, canary: true,
			release: fmt.Sprintf("replaced by a canary of version %d", p.d.job.Version),
		})
		p.up.Canary++
	}
	p.stale = p.stale[n:]
}

// place puts every want on its node, evicting where that is allowed.
func (p *systemPlan) place() {
	p.pass.metric = p.counts.metric()
	p.pass.items = p.items
	p.pass.countExisting()
	for i := range p.wants {
		w := &p.wants[i]
		if w.previous != nil {
			w.on = w.previous.rec.ord
		}
		p.placeOne(w)
	}
	if p.d.plan.Queued[p.g.Name] > 0 {
		m := p.counts.metric()
		m.CoalescedFailures = p.d.plan.Queued[p.g.Name] - 1
		m.Hint = p.pass.hint()
		p.d.plan.Failed[p.g.Name] = m
	}
}

func (p *systemPlan) placeOne(w *want) {
	c := p.d.c
	held := w.previous != nil && w.previous.present()
	if held {
		c.release(w.on, usageOf(w.previous.a))
		w.previous.stopped = true
		c.scratch.onJob.add(w.on, -1)
		p.countProperties(w.on, -1)
	}
	o := p.obstacle(w.on)
	var victims []*record
	if o.kind == exhaustedNode && p.d.mayPreempt() {
		if e, ok := p.pass.evictionOn(w.on); ok {
			o.kind, victims = candidateNode, e.victims
		}
	}
	if o.kind == candidateNode {
		p.pass.commit(w, w.on, 0, victims)
		p.countProperties(w.on, 1)
		return
	}
	if held {
		w.previous.stopped = false
		c.take(w.on, usageOf(w.previous.a))
		c.scratch.onJob.add(w.on, 1)
		p.countProperties(w.on, 1)
	}
	p.counts.count(o, c.loads[w.on].class)
	p.counts.evaluated-- // it was counted as a candidate
	if o.kind == exhaustedNode {
		p.d.plan.Queued[p.g.Name]++
	} else if w.previous == nil {
		p.up.Place--
		p.d.rollout.totals[p.g.Name]--
	}
}

// obstacle says what keeps the group off a node that passes every rule about nodes. That
// another group of the job is there (distinct_hosts), or a distinct property used up, is
// no failure: the node is not one of the group's.
func (p *systemPlan) obstacle(ord int32) outcome {
	if p.pass.hostsOfJob && p.d.c.scratch.onJob.counts[ord] > 0 {
		return outcome{kind: filteredHosts}
	}
	for i, dim := range p.pass.dims {
		if dim.full(dim.value(p.d.c.slots[ord].node)) {
			return outcome{filteredValue, int32(i)}
		}
	}
	if s := p.pass.filter.shortOf(ord); s != fits {
		return outcome{exhaustedNode, int32(s)}
	}
	return outcome{kind: candidateNode}
}

func (p *systemPlan) countProperties(ord, by int32) {
	for _, dim := range p.pass.dims {
		dim.used[dim.value(p.d.c.slots[ord].node)] += by
	}
}
