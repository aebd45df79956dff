package scheduler

// Many jobs wait for the same thing: when a node is freed, the first of them takes it, and
// each of the others would look at every node again to find that nothing fits. failures
// remembers what did not fit the cluster as it is now, so that the others cost nothing.
//
//	the same cluster, the same Ask  ─▶  the same failure, in the same words
//
// It is kept for jobs that have nothing in the cluster and may evict nobody: for those,
// nothing else decides.
type failures struct {
	at    uint64             // Cluster.changes when they were noted
	byAsk map[string]*Metric // never changed after it is stored
}

// maxFailures bounds what is remembered; beyond it all is forgotten.
const maxFailures = 4096

// changed is called whenever something is taken, freed, or becomes known.
func (c *Cluster) changed() { c.changes++ }

// recall returns the failure of an ask, nil if it is not known.
func (c *Cluster) recall(ask string) *Metric {
	if c.failures.at != c.changes {
		return nil
	}
	return c.failures.byAsk[ask]
}

func (c *Cluster) remember(ask string, m *Metric) {
	if c.failures.at != c.changes || c.failures.byAsk == nil || len(c.failures.byAsk) >= maxFailures {
		c.failures = failures{at: c.changes, byAsk: map[string]*Metric{}}
	}
	c.failures.byAsk[ask] = m
}

// alike reports whether the failure of these wants, all of one group, depends on the
// cluster and their Ask alone.
func (d *decision) alike(wants []want) bool {
	return wants[0].group.Ask != "" && len(d.items) == 0 && len(d.plan.Placements) == 0 && len(d.c.journal.entries) == 0 &&
		!d.mayPreempt() && !perIndex(wants[0].group)
}

// failAlike fails wants as others with their Ask failed; false if none did.
func (d *decision) failAlike(wants []want) bool {
	known := d.c.recall(wants[0].group.Ask)
	if known == nil {
		return false
	}
	m := *known
	m.CoalescedFailures = len(wants) - 1
	name := wants[0].group.Name
	d.plan.Failed[name], d.plan.Queued[name] = &m, len(wants)
	return true
}
