package scheduler

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// groupPlan reconciles one group of a service or batch job: what is there with what
// should be. Each step looks at what the steps before it left.
//
//	fates ─▶ reconnect ─▶ canaries ─▶ scale down ─▶ versions ─▶ replace ─▶ fill ─▶ update
type groupPlan struct {
	d     *decision
	g     *Group
	items []item
	batch bool
	up    *DesiredUpdates

	successors map[string]*item
	delays     map[string]time.Duration // of attempts that are due

	slots     []*item // what holds a slot of the count
	canaries  []*item // of the running rollout, beside the count
	stale     []*item // slots of other versions that need a new allocation
	pairs     []pairing
	halted    bool // the rollout may not go on: nothing changes version
	canarying bool // halted because canaries are not promoted
	wanted    int  // canaries that the rollout asks for

	wants []want
}

// want is an allocation to place.
type want struct {
	index    int
	job      *Job // the version
	group    *Group
	previous *item
	// release: previous stops only if a place is found, and its own place counts as free.
	release string // why it stops; "" = it has stopped already or stays
	event   *RescheduleEvent
	canary  bool
	avoid   []int32 // nodes where earlier attempts failed
	on      int32   // system jobs, and what is pinned: the node
	pinned  bool    // on that node or nowhere
}

// scheduleService plans a service or batch job.
func (d *decision) scheduleService() {
	d.stopStrangers()
	var wants []want
	for _, g := range d.job.Groups {
		p := d.reconcileGroup(g)
		wants = append(wants, p.wants...)
	}
	d.createDeployment()
	d.placeAll(wants)
}

func (d *decision) reconcileGroup(g *Group) *groupPlan {
	p := &groupPlan{
		d: d, g: g, items: d.itemsOf(g.Name), batch: d.job.Type == Batch,
		up: d.desired(g.Name), delays: map[string]time.Duration{},
	}
	p.decideFates()
	p.holdMoves()
	p.reconnect()
	p.takeSlots()
	p.scaleDown()
	p.compareVersions()
	p.steer()
	p.replace()
	p.fill()
	p.placeCanaries()
	p.update()
	p.dropPairs()
	return p
}

// takeSlots sorts the items into slots of the count and canaries, and ends what is
// neither.
func (p *groupPlan) takeSlots() {
	for i := range p.items {
		it := &p.items[i]
		switch {
		case it.fate == over:
		case it.fate == foreign:
			p.d.end(it, "belongs to an earlier job of the same name")
		case it.fate == lost && (it.a.Next != "" || p.successor(it.a.ID) != nil):
			p.d.end(it, "lost: its node is gone, and another runs in its place")
		case it.a.Canary && !p.d.rollout.keepsCanary(it.a, p.g.Name):
			p.d.end(it, "canary of a rollout that has ended")
		case it.a.Canary && p.d.rollout.canarying(p.g.Name):
			p.canaries = append(p.canaries, it)
		case it.fate == absent:
			p.takeAbsent(it)
		default:
			p.slots = append(p.slots, it)
		}
	}
}

func (p *groupPlan) takeAbsent(it *item) {
	now, already := p.replaceAbsent(it)
	switch {
	case already:
		p.up.Ignore++
	case now:
		it.fate = absent
		p.slots = append(p.slots, it)
		p.delays[it.a.ID] = 0
	default:
		it.fate = held
		p.slots = append(p.slots, it)
	}
}

// compareVersions moves slots of other versions to the job's in place where nothing that
// matters changed, and collects those that need a new allocation.
func (p *groupPlan) compareVersions() {
	var can *filter
	for _, it := range p.slots {
		failed := it.fate == held && it.a.Client == Failed
		switch {
		case it.fate != kept && !failed:
			if it.fate == held {
				p.up.Ignore++
			}
		case it.a.JobVersion == p.d.job.Version:
			p.up.Ignore++
		case !p.sameSpec(it):
			p.stale = append(p.stale, it)
		case failed:
			p.up.Ignore++
		default:
			if can == nil {
				can = newFilter(p.d.c, p.d.job, p.g, -1)
			}
			p.compareOne(it, can)
		}
	}
	for _, it := range p.canaries {
		if it.fate == kept || it.fate == held {
			p.up.Ignore++
		}
	}
	p.d.rollout.updating = p.d.rollout.updating || len(p.stale) > 0
}

// compareOne updates an allocation in place if its node may still run the group.
func (p *groupPlan) compareOne(it *item, can *filter) {
	if it.node != nil && can.node(it.rec.ord) != stagePasses && !perIndex(p.g) {
		p.stale = append(p.stale, it)
		return
	}
	p.d.plan.Updates = append(p.d.plan.Updates, UpdateAlloc{ID: it.a.ID})
	p.d.rollout.updating = true
	p.up.InPlaceUpdate++
}

// sameSpec reports whether the allocation's version of the group asks for the same.
func (p *groupPlan) sameSpec(it *item) bool {
	if it.a.JobVersion == p.d.job.Version {
		return true
	}
	old := p.d.version(it.a.JobVersion)
	if old == nil {
		return false
	}
	g := old.group(p.g.Name)
	return g != nil && g.Spec == p.g.Spec
}

// replace plans the successors of what is lost, failing, migrating or absent.
func (p *groupPlan) replace() {
	for _, list := range [][]*item{p.slots, p.canaries} {
		for _, it := range list {
			p.replaceOne(it)
		}
	}
}

func (p *groupPlan) replaceOne(it *item) {
	w := want{index: it.a.Index, previous: it, canary: it.a.Canary && p.canarying && p.d.rollout.canarying(p.g.Name)}
	w.job, w.group = p.versionFor(it)
	switch it.fate {
	case lost:
		p.d.stop(it, Lost, "lost: its node is gone")
		p.up.Stop++
		p.up.Place++
	case absent:
		p.up.Place++
	case failing:
		w.release = "rescheduled because it failed"
		w.event = rescheduleEvent(it, p.delays[it.a.ID], p.d.req.Now)
		w.avoid = p.d.avoided(it.a)
		p.up.RescheduleNow++
		p.up.Place++
	case migrating:
		if !p.migrate(it, &w) {
			return
		}
	default:
		return
	}
	if w.canary {
		p.up.Place--
		p.up.Canary++
	}
	p.wants = append(p.wants, w)
}

// migrate plans a migration; false when nothing takes its place. On a draining node the
// allocation goes only when its successor has a place, until the drain's deadline.
func (p *groupPlan) migrate(it *item, w *want) bool {
	p.up.Migrate++
	if it.a.NoReplace {
		p.d.stop(it, "", "stopped at the drain's deadline")
		p.up.Migrate--
		p.up.Stop++
		return false
	}
	if !p.mayMigrate(it) {
		p.up.Migrate--
		p.up.Ignore++
		return false
	}
	if it.node.Draining && !it.node.DrainForced {
		w.release = "migrated: its node is draining"
		return true
	}
	p.d.stop(it, "", "migrated")
	return true
}

// mayMigrate shares the disruption budget of a running rollout with drains: what has to
// migrate waits while as many as max_parallel are on their way.
func (p *groupPlan) mayMigrate(it *item) bool {
	if p.halted || p.batch || p.g.Update == nil || !p.d.rollout.active || !it.node.Draining || it.node.DrainForced {
		return true
	}
	return p.room() > 0
}

// versionFor returns the version that replaces an allocation. While the rollout is
// halted that is its own, if it is still known and asks for something else.
func (p *groupPlan) versionFor(it *item) (*Job, *Group) {
	if p.halted && !it.a.Canary && it.a.JobVersion != p.d.job.Version {
		if old := p.d.version(it.a.JobVersion); old != nil {
			if g := old.group(p.g.Name); g != nil && g.Spec != p.g.Spec {
				return old, g
			}
		}
	}
	return p.d.job, p.g
}

// fill plans allocations for slots that nobody holds, the lowest index first. While the
// rollout is halted only what the version before it had is filled, at that version.
func (p *groupPlan) fill() {
	free := p.g.Count - len(p.slots)
	if free <= 0 {
		return
	}
	names := p.names()
	before := p.orphans()
	for ; free > 0; free-- {
		index := names.take()
		w := want{index: index, job: p.d.job, group: p.g, previous: before[index]}
		if w.previous != nil {
			w.job, w.group = p.versionFor(w.previous)
		} else if p.halted {
			if w.job, w.group = p.olderVersion(); w.group == nil || index >= w.group.Count {
				continue
			}
			if w.group.Spec == p.g.Spec { // it would be moved to the job's version at once
				w.job, w.group = p.d.job, p.g
			}
		}
		p.wants = append(p.wants, w)
		p.up.Place++
	}
}

// olderVersion returns the latest version before the job's that is still known and that
// some allocation had; nil if there is none.
func (p *groupPlan) olderVersion() (*Job, *Group) {
	var latest *Alloc
	for i := range p.items {
		a := p.items[i].a
		if a.JobCreateIndex == p.d.job.CreateIndex && a.JobVersion != p.d.job.Version &&
			(latest == nil || a.JobVersion > latest.JobVersion) {
			latest = a
		}
	}
	if latest == nil {
		return nil, nil
	}
	old := p.d.version(latest.JobVersion)
	if old == nil {
		return nil, nil
	}
	return old, old.group(p.g.Name)
}

// orphans returns, by index, the allocations that were lost or evicted and that nothing
// has replaced.
func (p *groupPlan) orphans() map[int]*item {
	out := map[int]*item{}
	for i := range p.items {
		it := &p.items[i]
		if it.fate == over && (it.a.Client == Lost || it.a.Desired == Evict) &&
			it.a.JobCreateIndex == p.d.job.CreateIndex && !it.a.Canary &&
			it.a.Next == "" && p.successor(it.a.ID) == nil {
			out[it.a.Index] = it
		}
	}
	return out
}

// update plans the stale slots that the rollout allows now, by index. A successor has the
// name of its predecessor, unless a promoted canary has that already.
func (p *groupPlan) update() {
	n := min(p.limit(), len(p.stale))
	slices.SortStableFunc(p.stale, func(a, b *item) int { // what has to leave its node anyhow goes first
		return cmp.Or(drainRank(a)-drainRank(b), a.a.Index-b.a.Index)
	})
	names := p.names()
	for _, it := range p.stale[:n] {
		index := it.a.Index
		if names.held[index] > 1 && p.d.job.Type == Service {
			names.held[index]--
			index = names.take()
		}
		p.wants = append(p.wants, want{
			index: index, job: p.d.job, group: p.g, previous: it,
			release: fmt.Sprintf("replaced by version %d", p.d.job.Version),
		})
	}
	p.up.DestructiveUpdate += uint64(n)
	p.up.Ignore += uint64(len(p.stale) - n)
}

func drainRank(it *item) int { return rank(it.node != nil && it.node.Draining) }

// indexes gives out the lowest index that nobody has.
type indexes struct {
	held map[int]int // by index: how many have it
	next int
}

// names returns the indexes that slots and wants have.
func (p *groupPlan) names() *indexes {
	x := &indexes{held: make(map[int]int, len(p.slots))}
	for _, it := range p.slots {
		x.held[it.a.Index]++
	}
	for i := range p.wants {
		if w := &p.wants[i]; w.previous == nil || x.held[w.index] == 0 {
			x.held[w.index]++
		}
	}
	return x
}

func (x *indexes) take() int {
	for x.held[x.next] > 0 {
		x.next++
	}
	x.held[x.next]++
	return x.next
}
