package state

import (
	"github.com/hashicorp/nomad/api"
)

// applyPlans commits the leader's decisions. The order within a plan is fixed:
// deployment, stops, updates, placements, evaluations.
func applyPlans(t *tx, c *ApplyPlans) any {
	result := &PlanResult{}
	for i := range c.Plans {
		p := &c.Plans[i]
		if p.EvalID == "" {
			return invalidf("apply plan: it names no evaluation")
		}
		if e := t.Eval(nil, p.EvalID); e != nil {
			if evalOver(e) {
				continue // applied before
			}
			p.EvalID, p.Namespace, p.JobID = e.ID, e.Namespace, e.JobID // the strings that are kept anyway
		}
		t.applyPlan(p, result)
	}
	return result
}

func (t *tx) applyPlan(p *Plan, result *PlanResult) {
	job := t.Job(nil, p.Namespace, p.JobID)
	if p.Deployment != nil && job != nil {
		t.createDeployment(p, job)
	}
	if d := p.DeploymentSet; d != nil {
		t.setTotals(d.ID, d.Totals)
		if d.Status != "" {
			t.setDeploymentStatus(d.ID, d.Status, d.Description)
		}
	}
	for i := range p.Stops {
		t.stop(&p.Stops[i])
	}
	x := &expander{tx: t, plan: p, job: job, versions: map[uint64]*jobVersion{}, placed: map[string]*placedIn{}}
	for _, u := range p.Updates {
		x.update(u)
	}
	x.nodes = make([]*Node, len(p.Nodes))
	for i, id := range p.Nodes {
		x.nodes[i] = t.Node(nil, id)
	}
	for i := range p.Placements {
		x.place(i)
	}
	t.countPlaced(x.placed)
	result.Refused = append(result.Refused, x.refused...)
	t.endEvals(p, job, x.stale)
}

// endEvals stores the plan's evaluations as they are from now on, and makes a new
// one where something happened that the plan could not know.
func (t *tx) endEvals(p *Plan, job *api.Job, stale bool) {
	complete, blocked := false, false
	again := "" // the trigger of a new evaluation
	if stale {
		again = triggerNodeUpdate
	}
	for _, e := range p.Evals {
		if e == nil || e.ID == "" {
			continue
		}
		known := t.Eval(nil, e.ID)
		if known != nil && known.Status == api.EvalStatusPending && e.Status != api.EvalStatusPending &&
			e.SnapshotIndex > 0 && known.ModifyIndex > e.SnapshotIndex {
			again = known.TriggeredBy // it was touched after the snapshot that the plan was made from
		}
		blocked = blocked || e.Status == api.EvalStatusBlocked
		complete = complete || e.Status == api.EvalStatusComplete
		t.storeEval(e)
	}
	key := JobKey{p.Namespace, p.JobID}
	if complete && !blocked {
		t.cancelEvals(key, "evaluation "+p.EvalID+" placed everything", func(e *api.Evaluation) bool {
			return e.Status == api.EvalStatusBlocked && e.ModifyIndex < t.index
		})
	}
	if again != "" && job != nil {
		delete(t.evaluated, key) // what it names may just have ended
		t.evaluate(job, again, nil)
	}
}

// stop ends an allocation, or marks it lost or unknown.
func (t *tx) stop(s *Stop) {
	a := t.allocs.get(s.AllocID)
	if a == nil {
		return
	}
	b := *a
	if s.Desired != "" && (a.Desired == api.AllocDesiredStatusRun || s.Desired != api.AllocDesiredStatusRun) {
		b.Desired = t.s.pool.text(s.Desired)
	}
	if s.Client != "" && !a.ClientTerminal() {
		b.Client = t.s.pool.text(s.Client)
		b.ClientDescription = t.s.pool.text(s.Description)
		if s.Client == api.AllocClientStatusUnknown && a.Client != s.Client {
			b.UnknownAt = t.at
		}
	}
	if s.Description != "" && b.Desired != api.AllocDesiredStatusRun && a.Desired != b.Desired { // why it was to stop stays known
		b.DesiredDescription = t.s.pool.text(s.Description)
	}
	if s.FollowupEvalID != "" {
		b.FollowupEvalID = s.FollowupEvalID
	}
	if s.PreemptedBy != "" {
		b.PreemptedBy = s.PreemptedBy
	}
	same := a.Desired == b.Desired && a.Client == b.Client && a.DesiredDescription == b.DesiredDescription &&
		a.ClientDescription == b.ClientDescription && a.FollowupEvalID == b.FollowupEvalID && a.PreemptedBy == b.PreemptedBy
	if !same {
		t.putAlloc(a, &b, true)
	}
}

// expander makes rows out of one plan's compact placements.
type expander struct {
	*tx
	plan     *Plan
	job      *api.Job // current version, nil if purged
	nodes    []*Node  // by position in the plan
	versions map[uint64]*jobVersion
	placed   map[string]*placedIn // by deployment
	refused  []string             // allocations that were not made
	stale    bool                 // what they rest on changed after the decision: decide again
}

func (x *expander) version(v uint64) *jobVersion {
	if x.job == nil {
		return nil
	}
	r, ok := x.versions[v]
	if !ok {
		r = x.tx.version(nil, x.plan.Namespace, x.plan.JobID, v)
		x.versions[v] = r
	}
	return r
}

// group finds a group of a version, nil if it has none of that name.
func (v *jobVersion) group(name string) *api.TaskGroup {
	for _, g := range v.job.TaskGroups {
		if *g.Name == name {
			return g
		}
	}
	return nil
}

// place makes the plan's nth allocation.
func (x *expander) place(n int) {
	p := &x.plan.Placements[n]
	v := x.version(p.JobVersion)
	id := AllocID(x.plan.EvalID, n)
	if x.allocs.get(id) != nil {
		return
	}
	var g *api.TaskGroup
	var node *Node
	if v != nil && p.Node >= 0 && p.Node < len(x.nodes) {
		g, node = v.group(p.Group), x.nodes[p.Node]
	}
	if g == nil || node == nil || node.Status != api.NodeStatusReady {
		x.refused = append(x.refused, id)
		x.stale = x.stale || v == nil || g != nil // a group that was never there is no reason to try again
		return
	}
	a := &Alloc{
		ID: id, Namespace: *v.job.Namespace, JobID: *v.job.ID, JobVersion: p.JobVersion, JobCreateIndex: *v.job.CreateIndex,
		Group: *g.Name, Index: p.Index, NodeID: node.ID, EvalID: x.plan.EvalID,
		Desired: api.AllocDesiredStatusRun, Client: api.AllocClientStatusPending,
		Resources: withOwn(x.sharedBy(v, *g.Name), g, ownOfPlacement(p, node)), Cores: p.Cores,
		Reschedule: p.Reschedule, Preempted: p.Preempts,
		CreateIndex: x.index, CreateTime: x.at,
	}
	if p.Metric >= 0 && p.Metric < len(x.plan.Metrics) {
		a.Metric = x.plan.Metrics[p.Metric]
	}
	if d := x.deployment(p.Deployment); d != nil {
		a.DeploymentID = d.id
		d.add(a, p.Canary)
	}
	if prev := x.previous(p.Previous); prev != nil {
		a.Previous = prev.ID
		if prev.Next == "" {
			b := *prev
			b.Next = a.ID
			x.putAlloc(prev, &b, false)
		}
	}
	x.putAlloc(nil, a, true)
}

func (x *expander) previous(id string) *Alloc {
	if id == "" {
		return nil
	}
	return x.allocs.get(id)
}

// update moves an allocation to another version of its job in place.
func (x *expander) update(u InPlace) {
	a := x.allocs.get(u.AllocID)
	v := x.version(u.JobVersion)
	if a == nil || v == nil || a.ServerTerminal() || a.JobVersion == u.JobVersion && (u.Deployment == "" || u.Deployment == a.DeploymentID) {
		return
	}
	b := *a
	b.JobVersion = u.JobVersion
	if g := v.group(a.Group); g != nil {
		b.Resources = withOwn(x.sharedBy(v, a.Group), g, ownOf(a, x.Node(nil, a.NodeID)))
	}
	b.DeploymentID, b.DeploymentStatus = "", nil
	if d := x.deployment(u.Deployment); d != nil {
		b.DeploymentID = d.id
		d.add(&b, false)
	}
	x.putAlloc(a, &b, true)
}
