package state

import (
	"maps"
	"slices"
	"time"

	"github.com/hashicorp/nomad/api"
)

var deploymentEnds = []string{api.DeploymentStatusSuccessful, api.DeploymentStatusFailed, api.DeploymentStatusCancelled}

func deploymentOver(status string) bool { return slices.Contains(deploymentEnds, status) }

// copyDeployment is a copy whose groups may be changed.
func copyDeployment(d *api.Deployment) *api.Deployment {
	c := *d
	c.TaskGroups = make(map[string]*api.DeploymentState, len(d.TaskGroups))
	for name, g := range d.TaskGroups {
		gc := *g
		gc.PlacedCanaries = slices.Clone(g.PlacedCanaries)
		c.TaskGroups[name] = &gc
	}
	return &c
}

func (t *tx) putDeployment(before, after *api.Deployment) {
	after.ModifyIndex, after.ModifyTime = t.index, t.at
	put(t, TableDeployments, before, after)
}

// createDeployment stores the deployment that a plan begins.
func (t *tx) createDeployment(p *Plan, current *api.Job) {
	id := DeploymentID(p.EvalID)
	v := t.JobVersion(nil, p.Namespace, p.JobID, p.Deployment.JobVersion)
	if v == nil || t.Deployment(nil, id) != nil {
		return
	}
	d := &api.Deployment{
		ID: id, Namespace: p.Namespace, JobID: p.JobID, JobVersion: *v.Version,
		JobModifyIndex: *v.ModifyIndex, JobSpecModifyIndex: *v.JobModifyIndex, JobCreateIndex: *current.CreateIndex,
		Status:      api.DeploymentStatusRunning,
		TaskGroups:  map[string]*api.DeploymentState{},
		CreateIndex: t.index, CreateTime: t.at,
	}
	for name, g := range p.Deployment.Groups {
		if g != nil {
			gc := *g
			t.extend(&gc)
			d.TaskGroups[name] = &gc
		}
	}
	d.StatusDescription = runningDescription(d, v)
	t.putDeployment(nil, d)
}

// extend starts a group's progress deadline anew. It runs from the deployment's
// beginning, so that one that can place nothing ends too.
func (t *tx) extend(g *api.DeploymentState) {
	if g.ProgressDeadline > 0 {
		g.RequireProgressBy = t.time().Add(g.ProgressDeadline)
	}
}

// setDeploymentStatus moves a deployment to another status; an end is final. One that
// goes on after a pause has its whole deadline again, and says itself what it waits for.
func (t *tx) setDeploymentStatus(id, status, description string) {
	d := t.Deployment(nil, id)
	if d == nil || deploymentOver(d.Status) {
		return
	}
	c := copyDeployment(d)
	if status == api.DeploymentStatusRunning {
		if v := t.JobVersion(nil, d.Namespace, d.JobID, d.JobVersion); v != nil {
			description = runningDescription(d, v)
		}
	}
	if d.Status == status && d.StatusDescription == description {
		return
	}
	if status == api.DeploymentStatusRunning && d.Status == api.DeploymentStatusPaused {
		for _, g := range c.TaskGroups {
			t.extend(g)
		}
	}
	c.Status, c.StatusDescription = status, description
	t.putDeployment(d, c)
}

// setTotals changes how many allocations a deployment waits for.
func (t *tx) setTotals(id string, totals map[string]int) {
	d := t.Deployment(nil, id)
	if d == nil || deploymentOver(d.Status) || len(totals) == 0 {
		return
	}
	c := copyDeployment(d)
	for name, total := range totals {
		if g := c.TaskGroups[name]; g != nil {
			g.DesiredTotal = total
		}
	}
	t.putDeployment(d, c)
}

// placedIn collects what a plan places for one deployment.
type placedIn struct {
	id     string
	groups map[string]*placedGroup
	exists bool
}

type placedGroup struct {
	placed   int
	canaries []string
}

// add counts a placement and marks a canary.
func (d *placedIn) add(a *Alloc, canary bool) {
	g := d.groups[a.Group]
	if g == nil {
		g = &placedGroup{}
		d.groups[a.Group] = g
	}
	g.placed++
	if canary {
		g.canaries = append(g.canaries, a.ID)
		a.DeploymentStatus = &api.AllocDeploymentStatus{Canary: true}
	}
}

// deployment is where the placements of a deployment are collected, nil if it does not exist.
func (x *expander) deployment(id string) *placedIn {
	if id == "" {
		return nil
	}
	d := x.placed[id]
	if d == nil {
		d = &placedIn{id: id, groups: map[string]*placedGroup{}}
		if row := x.Deployment(nil, id); row != nil {
			d.id, d.exists = row.ID, true
		}
		x.placed[id] = d
	}
	if !d.exists {
		return nil
	}
	return d
}

// countPlaced adds to the deployments what a plan placed for them.
func (t *tx) countPlaced(placed map[string]*placedIn) {
	for _, id := range slices.Sorted(maps.Keys(placed)) {
		d := t.Deployment(nil, id)
		if d == nil || len(placed[id].groups) == 0 {
			continue
		}
		c := copyDeployment(d)
		for name, p := range placed[id].groups {
			g := c.TaskGroups[name]
			if g == nil {
				continue
			}
			g.PlacedAllocs += p.placed
			g.PlacedCanaries = append(g.PlacedCanaries, p.canaries...)
		}
		t.putDeployment(d, c)
	}
}

// setHealth takes a report of an allocation's health for its deployment, or for the move
// that it is the successor of, and says whether it is news.
func (t *tx) setHealth(a *Alloc, healthy *bool, at time.Time) bool {
	if healthy == nil || a.DeploymentID == "" && !t.Succeeds(a) {
		return false
	}
	s := api.AllocDeploymentStatus{}
	if a.DeploymentStatus != nil {
		s = *a.DeploymentStatus
	}
	if s.Healthy != nil && *s.Healthy == *healthy {
		return false
	}
	s.Healthy, s.ModifyIndex, s.Timestamp = healthy, t.index, at
	if at.IsZero() {
		s.Timestamp = t.time()
	}
	a.DeploymentStatus = &s
	return true
}

// countHealth counts a change of health in the allocation's deployment, once. A
// newly healthy allocation is progress, and moves the deadline for more.
func (t *tx) countHealth(before, after *Alloc) {
	d := t.Deployment(nil, after.DeploymentID)
	if d == nil || d.TaskGroups[after.Group] == nil {
		return
	}
	c := copyDeployment(d)
	g := c.TaskGroups[after.Group]
	if s := before.DeploymentStatus; s != nil && s.Healthy != nil {
		*healthCounter(g, *s.Healthy)--
	}
	healthy := *after.DeploymentStatus.Healthy
	*healthCounter(g, healthy)++
	if healthy {
		t.extend(g)
	}
	t.putDeployment(d, c)
}

func healthCounter(g *api.DeploymentState, healthy bool) *int {
	if healthy {
		return &g.HealthyAllocs
	}
	return &g.UnhealthyAllocs
}

// applyUpdateDeployment changes a deployment and what hangs on it.
func applyUpdateDeployment(t *tx, c *UpdateDeployment) any {
	d := t.Deployment(nil, c.ID)
	if d == nil {
		return ErrNotFound{"deployment", c.ID}
	}
	if deploymentOver(d.Status) && (c.Status != "" && c.Status != d.Status || c.PromoteAll || len(c.Promote)+len(c.Healthy)+len(c.Unhealthy) > 0) {
		return conflictf("can't change deployment %s: it is over (%s)", d.ID, d.Status)
	}
	if err := t.healthByHand(d, c); err != nil {
		return err
	}
	if err := t.promote(c); err != nil {
		return err
	}
	result, outcome := &DeploymentResult{}, ""
	if c.AutoRevert && !deploymentOver(d.Status) { // once, also when the command is repeated
		result.RevertedJobVersion, outcome = t.autoRevert(d)
	}
	if c.Status != "" {
		t.setDeploymentStatus(c.ID, c.Status, c.Description+outcome)
	}
	if c.Stable {
		t.markStable(d.Namespace, d.JobID, d.JobVersion, true)
	}
	if job := t.Job(nil, d.Namespace, d.JobID); job != nil && c.Evaluate {
		result.EvalID = t.evaluateDeployment(job, c)
	}
	return result
}

// evaluateDeployment makes an evaluation of its own for what a user asked (no
// trigger), and is content with a pending one for what the leader found.
func (t *tx) evaluateDeployment(job *api.Job, c *UpdateDeployment) string {
	if c.Trigger == "" {
		return t.newEval(job, triggerDeployment, 0, nil).ID
	}
	return t.evaluate(job, c.Trigger, nil)
}

// healthByHand sets the health of the named allocations.
func (t *tx) healthByHand(d *api.Deployment, c *UpdateDeployment) error {
	for _, list := range []struct {
		ids     []string
		healthy bool
	}{{c.Healthy, true}, {c.Unhealthy, false}} {
		for _, id := range list.ids {
			a := t.allocs.get(id)
			switch {
			case a == nil:
				return ErrNotFound{"alloc", id}
			case a.DeploymentID != d.ID:
				return invalidf("allocation %s is not part of deployment %s", id, d.ID)
			}
			b := *a
			if t.setHealth(&b, new(list.healthy), time.Time{}) {
				t.putAlloc(a, &b, false)
				t.countHealth(a, &b)
			}
		}
	}
	return nil
}

// promote promotes the canaries of the asked groups, which all have to be healthy.
func (t *tx) promote(c *UpdateDeployment) error {
	if !c.PromoteAll && len(c.Promote) == 0 {
		return nil
	}
	d := t.Deployment(nil, c.ID)
	after := copyDeployment(d)
	for _, name := range c.Promote {
		if d.TaskGroups[name] == nil {
			return invalidf("deployment has no group %q", name)
		}
	}
	any := false
	for _, name := range slices.Sorted(maps.Keys(after.TaskGroups)) {
		g := after.TaskGroups[name]
		if g.Promoted || g.DesiredCanaries == 0 || !c.PromoteAll && !slices.Contains(c.Promote, name) {
			continue
		}
		if healthy := t.healthyOf(g.PlacedCanaries); healthy < g.DesiredCanaries {
			return conflictf("can't promote group %q: %d/%d canaries are healthy", name, healthy, g.DesiredCanaries)
		}
		g.Promoted, any = true, true
		t.extend(g) // nobody knows how long the canaries waited
		t.endCanaries(g.PlacedCanaries)
	}
	if !any {
		return invalidf("deployment has no canaries to promote")
	}
	if v := t.JobVersion(nil, d.Namespace, d.JobID, d.JobVersion); v != nil && d.Status == api.DeploymentStatusRunning {
		after.StatusDescription = runningDescription(after, v)
	}
	t.putDeployment(d, after)
	return nil
}

func (t *tx) healthyOf(ids []string) int {
	n := 0
	for _, id := range ids {
		a := t.allocs.get(id)
		if a != nil && !a.ServerTerminal() && !a.ClientTerminal() && a.DeploymentStatus != nil && isTrue(a.DeploymentStatus.Healthy) {
			n++
		}
	}
	return n
}

// endCanaries makes canaries allocations like any other; their nodes are told, as
// tags of services depend on it.
func (t *tx) endCanaries(ids []string) {
	for _, id := range ids {
		a := t.allocs.get(id)
		if a == nil || a.DeploymentStatus == nil || !a.DeploymentStatus.Canary {
			continue
		}
		b, s := *a, *a.DeploymentStatus
		s.Canary, s.ModifyIndex = false, t.index
		b.DeploymentStatus = &s
		t.putAlloc(a, &b, true)
	}
}
