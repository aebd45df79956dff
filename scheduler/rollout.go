package scheduler

import "slices"

// rollout is what the job's deployment means for this decision.
type rollout struct {
	same   *Deployment // the deployment of this very version, whatever its status
	active bool        // same is not over
	failed bool        // same has failed
	paused bool        // same is paused

	sawVersion bool           // some allocation already has the job's version
	updating   bool           // some allocation changes version
	canaries   map[string]int // by group: canaries of the rollout to create
	totals     map[string]int // by group of a system job: nodes that run it or will
}

// deploymentOver lists the statuses that a deployment does not leave.
var deploymentOver = []string{"failed", "successful", "cancelled"}

// readDeployment relates the latest deployment to the job, and cancels one of an older
// version.
func (d *decision) readDeployment() {
	d.rollout.canaries, d.rollout.totals = map[string]int{}, map[string]int{}
	dep := d.req.Deployment
	if dep == nil {
		return
	}
	active := !slices.Contains(deploymentOver, dep.Status)
	switch {
	case d.job == nil:
		if active {
			d.plan.Deployment = &DeploymentChange{Status: "cancelled", Description: "Cancelled because job is stopped"}
		}
	case dep.JobVersion == d.job.Version && dep.JobCreateIndex == d.job.CreateIndex:
		d.rollout.same, d.rollout.active = dep, active
		d.rollout.failed = dep.Status == "failed"
		d.rollout.paused = dep.Status == "paused"
	case active:
		d.plan.Deployment = &DeploymentChange{Status: "cancelled", Description: "Cancelled due to newer version of job"}
	}
}

// canarying reports whether the running rollout waits for the group's canaries.
func (r *rollout) canarying(group string) bool {
	if !r.active {
		return false
	}
	g := r.same.Groups[group]
	return g.DesiredCanaries > 0 && !g.Promoted
}

// keepsCanary reports whether an allocation that is marked as a canary still has a
// purpose: its rollout runs, or promoted it.
func (r *rollout) keepsCanary(a *Alloc, group string) bool {
	if r.same == nil || r.failed || a.DeploymentID != "" && a.DeploymentID != r.same.ID {
		return false
	}
	return r.active || r.same.Status == "successful"
}

// steer decides whether the group may change version now, and how many canaries it needs.
func (p *groupPlan) steer() {
	r := &p.d.rollout
	u := p.g.Update
	p.halted = r.failed || r.paused
	if p.batch || u == nil {
		return
	}
	wanted := u.Canary
	switch {
	case r.canarying(p.g.Name):
		p.canarying = true
		wanted = r.same.Groups[p.g.Name].DesiredCanaries
	case r.same == nil && !p.d.job.Stable && u.Canary > 0 && u.MaxParallel > 0 && len(p.stale) > 0:
		p.canarying = true
		r.canaries[p.g.Name] = u.Canary
	}
	if !p.canarying {
		return
	}
	if !p.halted {
		p.wanted = wanted
	}
	p.halted = true
}

// placeCanaries plans the canaries that are missing under the names of the allocations
// that they are to replace.
func (p *groupPlan) placeCanaries() {
	n := p.wanted - len(p.canaries)
	names := &indexes{held: map[int]int{}}
	for _, it := range p.canaries {
		names.held[it.a.Index]++
	}
	for _, it := range p.stale {
		if n > 0 && names.held[it.a.Index] == 0 {
			n--
			p.wantCanary(it.a.Index)
			names.held[it.a.Index]++
		}
	}
	for ; n > 0; n-- {
		p.wantCanary(names.take())
	}
}

func (p *groupPlan) wantCanary(index int) {
	p.wants = append(p.wants, want{index: index, job: p.d.job, group: p.g, canary: true})
	p.up.Canary++
}

// limit is how many allocations may be replaced by the new version now: max_parallel less
// those of the rollout that are not healthy yet and those that this plan adds; none as
// long as one is unhealthy.
func (p *groupPlan) limit() int {
	u := p.g.Update
	switch {
	case p.halted:
		return 0
	case p.batch || u == nil || u.MaxParallel == 0:
		return len(p.stale)
	}
	if p.d.rollout.active && p.d.troubled(p.items) {
		return 0
	}
	return max(0, p.room())
}

// room is max_parallel less what is on its way: allocations of the rollout that are not
// healthy yet, and those that this plan adds.
func (p *groupPlan) room() int {
	n := p.g.Update.MaxParallel
	for i := range p.items {
		if it := &p.items[i]; p.d.rollout.active && p.d.rolling(it) && it.a.Health == HealthUnset {
			n--
		}
	}
	for i := range p.wants {
		if p.wants[i].job == p.d.job {
			n--
		}
	}
	return n
}

// rolling reports whether an allocation belongs to the running rollout and goes on.
func (d *decision) rolling(it *item) bool {
	return it.a.DeploymentID == d.rollout.same.ID && it.a.Desired == Run && !it.stopped && it.a.Client != Lost
}

// troubled reports whether an allocation of the running rollout is unhealthy.
func (d *decision) troubled(items []item) bool {
	return slices.ContainsFunc(items, func(it item) bool { return d.rolling(&it) && it.a.Health == Unhealthy })
}

// createDeployment starts a rollout when the version is new and there is something that a
// rollout would watch.
func (d *decision) createDeployment() {
	if d.rollout.same != nil || d.rollout.sawVersion && !d.rollout.updating {
		return
	}
	groups := map[string]NewDeploymentGroup{}
	for _, g := range d.job.Groups {
		u := g.Update
		if u == nil || u.MaxParallel == 0 || g.Count <= 0 && d.job.Type == Service {
			continue
		}
		groups[g.Name] = NewDeploymentGroup{
			DesiredTotal:     d.deploymentTotal(g),
			DesiredCanaries:  d.rollout.canaries[g.Name],
			AutoRevert:       u.AutoRevert,
			AutoPromote:      u.AutoPromote,
			ProgressDeadline: u.ProgressDeadline,
		}
	}
	if len(groups) == 0 || d.job.Type == Batch || d.job.Type == SysBatch {
		return
	}
	if d.plan.Deployment == nil {
		d.plan.Deployment = &DeploymentChange{}
	}
	d.plan.Deployment.Create = groups
}

// adjustTotals keeps a system job's rollout in step with the nodes: it is over when every
// node that may run the job runs this version, also those that joined meanwhile, and does
// not wait for those that left.
func (d *decision) adjustTotals() {
	if !d.rollout.active {
		return
	}
	for name, total := range d.rollout.totals {
		g, ok := d.rollout.same.Groups[name]
		if !ok || g.DesiredTotal == total {
			continue
		}
		if d.plan.Deployment == nil {
			d.plan.Deployment = &DeploymentChange{}
		}
		if d.plan.Deployment.Totals == nil {
			d.plan.Deployment.Totals = map[string]int{}
		}
		d.plan.Deployment.Totals[name] = total
	}
}

// deploymentTotal is how many allocations the rollout has to make healthy.
func (d *decision) deploymentTotal(g *Group) int {
	if d.job.Type == Service {
		return g.Count
	}
	return d.rollout.totals[g.Name]
}
