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
			next.UnknownAt = req.Now
		}
		out = append(out, &next)
	}
	for _, u := range p.Updates {
		if a, ok := req.Cluster.Alloc(u.ID); ok && req.Job != nil {
			next := *a
			next.JobVersion = req.Job.Version
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
	a := &Alloc{
		ID: id, Namespace: job.Namespace, Job: job.ID, JobVersion: p.JobVersion,
		JobCreateIndex: job.CreateIndex, JobType: job.Type, Group: p.Group, Index: p.Index, NodeID: p.NodeID,
		Priority: job.Priority, Desired: Run, Client: Pending,
		Ports: p.Ports, Cores: p.Cores, Devices: p.Devices, Canary: p.Canary, Previous: p.Previous,
	}
	if ran != nil {
		if g := ran.group(p.Group); g != nil {
			a.Used, a.Volumes = g.Resources, g.Holds(p.Index)
		}
	}
	return a
}
