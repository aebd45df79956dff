package scheduler

// Effects lists the allocations that a plan changes or makes, as they are once it is done:
// first what it stops, then what it updates in place, then its placements. id names the
// placements by their ordinal. What is not in the cluster is left out.
//
// It is the one place that turns a plan into allocations: the evaluator occupies the
// cluster with them before the commit, a trial instead of it.
func Effects(req *Request, p *Plan, id func(ordinal int) string) []*Alloc {
	out := make([]*Alloc, 0, len(p.Stops)+len(p.Updates)+len(p.Placements))
	for i := range p.Stops {
		s := &p.Stops[i]
		a, ok := req.Cluster.Alloc(s.ID)
		if !ok {
			continue
		}
		next := *a
		if !s.KeepDesired {
			next.Desired = s.Desired
		}
		if s.Client != "" {
			next.Client = s.Client
		}
		if s.Client == Unknown {
			next.Change(func(_ *AllocGroup, x *AllocExtras) { x.UnknownAt = req.Now })
		}
		out = append(out, &next)
	}
	for _, u := range p.Updates {
		if a, ok := req.Cluster.Alloc(u.ID); ok && req.Job != nil {
			next := *a
			next.Change(func(g *AllocGroup, _ *AllocExtras) { g.JobVersion = req.Job.Version })
			out = append(out, &next)
		}
	}
	for i := range p.Placements {
		out = append(out, req.placed(&p.Placements[i], id(i)))
	}
	return out
}

// placed is the allocation that a placement makes.
func (req *Request) placed(p *Placement, id string) *Alloc {
	job := req.Job
	ran := job
	if p.JobVersion != job.Version && req.Versions != nil {
		ran = req.Versions(p.JobVersion)
	}
	g := &AllocGroup{
		Namespace: job.Namespace, Job: job.ID, JobVersion: p.JobVersion, JobCreateIndex: job.CreateIndex, JobType: job.Type,
		Group: p.Group, Priority: job.Priority,
	}
	x := &AllocExtras{Cores: p.Cores, Devices: p.Devices}
	if ran != nil {
		if asks := ran.group(p.Group); asks != nil {
			g, x.Volumes = asks.Common, asks.Holds(p.Index)
			if g == nil {
				g = ran.common(asks)
			}
		}
	}
	a := &Alloc{
		AllocGroup: g, AllocExtras: x, ID: id, Index: p.Index, NodeID: p.NodeID, Desired: Run, Client: Pending,
		Ports: p.Ports, Canary: p.Canary, Previous: p.Previous,
	}
	a.Compact()
	return a
}
