package state

import (
	"cmp"
	"maps"
	"slices"

	"github.com/hashicorp/nomad/api"
)

// Job statuses.
const (
	jobPending = "pending"
	jobRunning = "running"
	jobDead    = "dead"
)

// lifetime names one life of a job: a purged and re-registered one is another.
type lifetime struct {
	JobKey
	created uint64
}

// counters says which count a client status goes into.
var counters = map[string]func(*api.TaskGroupSummary) *int{
	api.AllocClientStatusPending:  func(s *api.TaskGroupSummary) *int { return &s.Starting },
	api.AllocClientStatusRunning:  func(s *api.TaskGroupSummary) *int { return &s.Running },
	api.AllocClientStatusComplete: func(s *api.TaskGroupSummary) *int { return &s.Complete },
	api.AllocClientStatusFailed:   func(s *api.TaskGroupSummary) *int { return &s.Failed },
	api.AllocClientStatusLost:     func(s *api.TaskGroupSummary) *int { return &s.Lost },
	api.AllocClientStatusUnknown:  func(s *api.TaskGroupSummary) *int { return &s.Unknown },
}

// count notes an allocation's change for its job's summary; before or after is nil
// for one that is made or forgotten. A forgotten one that had ended stays counted: it
// did run.
func (t *tx) count(before, after *Alloc) {
	row := after
	switch {
	case after == nil && before.ClientTerminal(), after != nil && before != nil && before.Client == after.Client:
		return
	case after == nil:
		row = before
	}
	life := lifetime{JobKey{row.Namespace, row.JobID}, row.JobCreateIndex}
	groups := t.counts[life]
	if groups == nil {
		groups = map[string]*api.TaskGroupSummary{}
		t.counts[life] = groups
		t.jobs[life.JobKey] = struct{}{}
	}
	delta := groups[row.Group]
	if delta == nil {
		delta = &api.TaskGroupSummary{}
		groups[row.Group] = delta
	}
	if before != nil {
		add(delta, before.Client, -1)
	}
	if after != nil {
		add(delta, after.Client, 1)
	}
}

func add(s *api.TaskGroupSummary, client string, n int) {
	if counter := counters[client]; counter != nil {
		*counter(s) += n
	}
}

// storeSummaries adds the collected changes to the summaries of the jobs.
func (t *tx) storeSummaries() {
	for _, key := range t.touchedJobs() {
		job := t.Job(nil, key.Namespace, key.ID)
		if job == nil {
			continue
		}
		before := t.JobSummary(nil, key.Namespace, key.ID)
		after := &api.JobSummary{JobID: key.ID, Namespace: key.Namespace, CreateIndex: t.index}
		if before != nil {
			*after = *before
		} else if job.IsPeriodic() || job.IsParameterized() {
			after.Children = &api.JobChildrenSummary{}
		}
		after.Summary = maps.Clone(after.Summary)
		if after.Summary == nil {
			after.Summary = map[string]api.TaskGroupSummary{}
		}
		t.addCounts(after, job)
		if before == nil || !maps.Equal(before.Summary, after.Summary) {
			after.ModifyIndex = t.index
			put(t, TableSummaries, before, after)
		}
	}
}

func (t *tx) addCounts(s *api.JobSummary, job *api.Job) {
	for group, d := range t.counts[lifetime{JobKey{s.Namespace, s.JobID}, *job.CreateIndex}] {
		g := s.Summary[group]
		g.Starting, g.Running, g.Complete = g.Starting+d.Starting, g.Running+d.Running, g.Complete+d.Complete
		g.Failed, g.Lost, g.Unknown = g.Failed+d.Failed, g.Lost+d.Lost, g.Unknown+d.Unknown
		s.Summary[group] = g
	}
	current := map[string]bool{}
	for _, g := range job.TaskGroups {
		current[*g.Name] = true
		s.Summary[*g.Name] = s.Summary[*g.Name] // every group has its row
	}
	if queued, decided := t.queued[JobKey{s.Namespace, s.JobID}]; decided {
		for group, g := range s.Summary {
			g.Queued = queued[group]
			s.Summary[group] = g
		}
	}
	maps.DeleteFunc(s.Summary, func(group string, g api.TaskGroupSummary) bool {
		g.Queued = 0 // nothing waits for a group that is gone
		return !current[group] && g == api.TaskGroupSummary{}
	})
}

// storeJobStatuses derives the statuses of the touched jobs, and tells their parents.
func (t *tx) storeJobStatuses() {
	for _, key := range t.touchedJobs() {
		job := t.Job(nil, key.Namespace, key.ID)
		if job == nil {
			continue
		}
		status := t.jobStatus(job)
		if children := t.parentCounts(job); children != nil {
			t.countChild(job, children, status)
		}
		if status != *job.Status {
			after := *job
			after.Status = &status
			t.putJob(job, &after)
		}
	}
}

// jobStatus is pending while something is still to be decided, running while
// something lives, dead when neither is true any more. A system job waits for nodes.
func (t *tx) jobStatus(j *api.Job) string {
	switch {
	case isTrue(j.Stop):
		return jobDead
	case j.IsPeriodic() || j.IsParameterized():
		return jobRunning
	}
	for _, g := range t.JobSummary(nil, *j.Namespace, *j.ID).Summary {
		if g.Starting+g.Running+g.Unknown > 0 {
			return jobRunning
		}
	}
	for range t.openEvals(*j.Namespace, *j.ID) {
		return jobPending
	}
	if *j.Type == api.JobTypeSystem {
		return jobPending
	}
	return jobDead
}

// parentCounts is the summary of the job that launched this one, nil if none did, or
// if it was purged since: another of that name does not count this child.
func (t *tx) parentCounts(j *api.Job) *api.JobSummary {
	if j.ParentID == nil || *j.ParentID == "" {
		return nil
	}
	s := t.JobSummary(nil, *j.Namespace, *j.ParentID)
	if s != nil && s.CreateIndex > *j.CreateIndex {
		return nil
	}
	return s
}

// countChild moves a child job from its old status to the new one in its parent's summary.
func (t *tx) countChild(j *api.Job, parent *api.JobSummary, status string) {
	isNew := *j.CreateIndex == t.index && *j.Version == 0
	if *j.Status == status && !isNew {
		return
	}
	children := api.JobChildrenSummary{}
	if parent.Children != nil {
		children = *parent.Children
	}
	cell := map[string]*int64{jobPending: &children.Pending, jobRunning: &children.Running, jobDead: &children.Dead}
	if n := cell[*j.Status]; n != nil && !isNew {
		*n--
	}
	*cell[status]++
	after := *parent
	after.Children, after.ModifyIndex = &children, t.index
	put(t, TableSummaries, parent, &after)
}

// touchedJobs are the jobs to look at, in a fixed order.
func (t *tx) touchedJobs() []JobKey {
	return slices.SortedFunc(maps.Keys(t.jobs), func(a, b JobKey) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.ID, b.ID))
	})
}
