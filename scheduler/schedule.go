package scheduler

import (
	"cmp"
	"slices"
	"time"
)

// Schedule decides what becomes of one job. It changes nothing that can be observed;
// the caller applies the plan.
//
//	allocations ──▶ fates ──▶ stops, updates, wants ──▶ placements, explanations
//	                (reconcile, rollout, scale, system)   (feasible, rank, place, preempt)
func Schedule(req Request) Plan {
	d := newDecision(&req)
	defer d.c.undo()
	switch {
	case d.job == nil:
		d.stopAll("job is stopped")
	case d.job.Type == System || d.job.Type == SysBatch:
		d.scheduleSystem()
	default:
		d.scheduleService()
	}
	d.loseStopped()
	d.makeFollowups()
	return d.plan
}

// decision is one call of Schedule.
type decision struct {
	c         *Cluster
	req       *Request
	job       *Job // nil when nothing of the job may run
	items     []item
	rollout   rollout
	waiting   []later
	versions  map[uint64]*Job  // other versions of the job that were asked for
	placed    []int32          // nodes of plan.Placements
	evicted   map[*record]bool // allocations of other jobs that the plan preempts
	evictedOf map[groupKey]int
	plan      Plan
}

// item is an allocation of the job in this decision.
type item struct {
	rec     *record
	a       *Alloc
	node    *Node // nil when it is not known
	fate    fate
	stopped bool       // the plan stops it
	note    *StopAlloc // what the plan says of it while it stays wanted, nil for nothing
}

// present reports whether it holds resources and the plan lets it.
func (it *item) present() bool { return it.rec.live >= 0 && !it.stopped }

func newDecision(req *Request) *decision {
	d := &decision{c: req.Cluster, req: req, job: req.Job, evicted: map[*record]bool{}, evictedOf: map[groupKey]int{}}
	if d.job != nil && (d.job.Stopped || d.job.Periodic || d.job.Parameterized) {
		d.job = nil
	}
	d.plan = Plan{Failed: map[string]*Metric{}, Queued: map[string]int{}, Desired: map[string]*DesiredUpdates{}}
	tally := &d.c.scratch.onJob
	tally.reset(len(d.c.loads))
	records := d.c.sortedJob(req.Namespace, req.JobID)
	d.items = make([]item, len(records))
	for i, r := range records {
		d.items[i] = item{rec: r, a: r.alloc, node: d.c.slots[r.ord].node}
		if r.live >= 0 {
			tally.add(r.ord, 1)
		}
	}
	d.readDeployment()
	d.rollout.sawVersion = d.job != nil && slices.ContainsFunc(d.items, func(it item) bool {
		return it.a.JobVersion == d.job.Version && it.a.JobCreateIndex == d.job.CreateIndex
	})
	d.c.try()
	return d
}

// desired returns the counts of a group.
func (d *decision) desired(group string) *DesiredUpdates {
	u := d.plan.Desired[group]
	if u == nil {
		u = &DesiredUpdates{}
		d.plan.Desired[group] = u
	}
	return u
}

// itemsOf returns the items of a group; they are contiguous.
func (d *decision) itemsOf(group string) []item {
	low, _ := slices.BinarySearchFunc(d.items, group, func(it item, g string) int { return cmp.Compare(it.a.Group, g) })
	high := low
	for high < len(d.items) && d.items[high].a.Group == group {
		high++
	}
	return d.items[low:high]
}

// sortByNode orders wants of a system job, since ordinals depend on who came first.
func (d *decision) sortByNode(wants []want) {
	slices.SortFunc(wants, func(a, b want) int { return cmp.Compare(d.c.slots[a.on].id, d.c.slots[b.on].id) })
}

// stopAll ends whatever the job still runs.
func (d *decision) stopAll(why string) {
	for i := range d.items {
		d.end(&d.items[i], why)
	}
}

// loseStopped gives up on allocations that were to stop on nodes that are gone: nobody
// will ever say that they have.
func (d *decision) loseStopped() {
	for i := range d.items {
		it := &d.items[i]
		if it.a.Desired == Run || it.stopped || ClientTerminal(it.a) || it.node != nil && it.node.Status != NodeDown {
			continue
		}
		d.vacate(it)
		d.plan.Stops = append(d.plan.Stops, StopAlloc{
			ID: it.a.ID, Desired: it.a.Desired, Client: Lost, Description: "its node was gone before it had stopped", PreemptedBy: -1, Followup: -1,
		})
	}
}

// stopStrangers ends the allocations of groups that the job no longer has.
func (d *decision) stopStrangers() {
	for i := range d.items {
		it := &d.items[i]
		if d.job.group(it.a.Group) == nil {
			d.end(it, "group "+it.a.Group+" is no longer part of the job")
		}
	}
}

// end stops an allocation that is not over; on a node that is gone it is lost.
func (d *decision) end(it *item, why string) {
	if it.stopped || it.a.Desired != Run || ClientTerminal(it.a) {
		return
	}
	var client ClientStatus
	if nodeGone(it.node) {
		client = Lost
	}
	d.stop(it, client, why)
	d.desired(it.a.Group).Stop++
}

// stop puts a stop in the plan and frees what the allocation holds. It returns the
// ordinal in Plan.Stops.
func (d *decision) stop(it *item, client ClientStatus, why string) int {
	d.vacate(it)
	d.plan.Stops = append(d.plan.Stops, StopAlloc{
		ID: it.a.ID, Desired: Stop, Client: client, Description: why, PreemptedBy: -1, Followup: -1,
	})
	return len(d.plan.Stops) - 1
}

// vacate frees what an allocation of the job holds, for this decision.
func (d *decision) vacate(it *item) {
	if it.present() {
		d.c.release(it.rec.ord, usageOf(it.a))
		d.c.scratch.onJob.add(it.rec.ord, -1)
	}
	it.stopped = true
}

// version returns another version of the job, nil if it is gone.
func (d *decision) version(v uint64) *Job {
	if v == d.job.Version {
		return d.job
	}
	if d.req.Versions == nil {
		return nil
	}
	job, known := d.versions[v]
	if !known {
		if d.versions == nil {
			d.versions = map[uint64]*Job{}
		}
		job = d.req.Versions(v)
		d.versions[v] = job
	}
	return job
}

// group returns the group of that name, nil if there is none.
func (j *Job) group(name string) *Group {
	for _, g := range j.Groups {
		if g.Name == name {
			return g
		}
	}
	return nil
}

func nodeGone(n *Node) bool { return n == nil || n.Status == NodeDown || n.Status == NodeDisconnected }

// wait notes that an allocation waits for a follow-up.
func (d *decision) wait(it *item, at time.Time, trigger string) {
	d.waiting = append(d.waiting, later{at, trigger, it})
}

// makeFollowups makes one follow-up of all that fall due together, and puts the notes in
// the plan with the last follow-up that each waits for.
func (d *decision) makeFollowups() {
	d.waiting = slices.DeleteFunc(d.waiting, func(w later) bool { return w.it.stopped })
	slices.SortStableFunc(d.waiting, func(a, b later) int {
		return cmp.Or(cmp.Compare(b.trigger, a.trigger), a.at.Compare(b.at))
	})
	for _, w := range d.waiting {
		n := len(d.plan.Followups) - 1
		if n < 0 || d.plan.Followups[n].Trigger != w.trigger || w.at.Sub(d.plan.Followups[n].At) > lookAhead {
			d.plan.Followups = append(d.plan.Followups, Followup{At: w.at, Trigger: w.trigger})
			n++
		}
		d.plan.Followups[n].Allocs = append(d.plan.Followups[n].Allocs, w.it.a.ID)
		if note := w.it.note; note != nil && (note.Followup < 0 || d.plan.Followups[note.Followup].At.Before(w.at)) {
			note.Followup = n
		}
	}
	for i := range d.items {
		if it := &d.items[i]; it.note != nil && !it.stopped {
			d.plan.Stops = append(d.plan.Stops, *it.note)
		}
	}
}
