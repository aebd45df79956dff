package state

import (
	"slices"

	"github.com/hashicorp/go-memdb"
	"github.com/hashicorp/nomad/api"
)

// keptScalings is how many scaling events a group remembers: enough to see what an
// autoscaler did lately, and a bound for one that reports every few seconds.
const keptScalings = 20

// ScaleJob sets the count of one group of a job, or (Count nil) only notes what
// an autoscaler has to say about it. Either way it becomes a scaling event of the
// group. Result: *JobResult; without a count its evaluation is empty.
type ScaleJob struct {
	Namespace, ID, Group string
	Count                *int
	// JobModifyIndex refuses a new count for a job that was changed since.
	JobModifyIndex uint64
	Message        string         `json:",omitempty"`
	Error          bool           `json:",omitempty"`
	Meta           map[string]any `json:",omitempty"`
	Token          string         `json:",omitempty"`
}

// Type ties the command to its number.
func (*ScaleJob) Type() Type { return TypeScaleJob }

// jobScalings is a row of tableScalings: what happened to a job's groups, the newest first.
type jobScalings struct {
	Namespace, JobID string
	Groups           map[string][]api.ScalingEvent
	ModifyIndex      uint64
}

// ScalingEvents are a job's scaling events by group, the newest first, and the
// index of the last one. They are shared and must not be changed.
func (s *Snapshot) ScalingEvents(ws memdb.WatchSet, ns, id string) (map[string][]api.ScalingEvent, uint64) {
	row := one[jobScalings](s, ws, tableScalings, byID, ns, id)
	if row == nil {
		return nil, 1
	}
	return row.Groups, row.ModifyIndex
}

// applyScaleJob stores a new version of the job with another count, and the event.
func applyScaleJob(t *tx, c *ScaleJob) any {
	if r := t.repeated(c.Token); r != nil {
		return r
	}
	job := t.Job(nil, c.Namespace, c.ID)
	if job == nil {
		return ErrNotFound{"job", c.ID}
	}
	at := slices.IndexFunc(job.TaskGroups, func(g *api.TaskGroup) bool { return *g.Name == c.Group })
	if at < 0 {
		return invalidf("task group %q specified for scaling does not exist in job", c.Group)
	}
	event := api.ScalingEvent{
		Message: c.Message, Error: c.Error, Meta: c.Meta, Time: uint64(t.at), CreateIndex: t.index,
	}
	if n := job.TaskGroups[at].Count; n != nil {
		event.PreviousCount = int64(*n)
	}
	result := &JobResult{JobModifyIndex: *job.JobModifyIndex}
	if c.Count != nil {
		if err := checkIndex(job, c.JobModifyIndex); err != nil {
			return err
		}
		job = t.storeJob(job, withCount(job, at, *c.Count))
		e := t.newEval(job, triggerScaling, 0, nil)
		event.Count, event.EvalID = new(int64(*c.Count)), &e.ID
		result = &JobResult{EvalID: e.ID, EvalCreateIndex: t.index, JobModifyIndex: *job.JobModifyIndex}
	}
	t.putScaling(job, c.Group, event)
	t.remember(c.Token, result)
	return result
}

// withCount is a copy of the job in which one group has another count.
func withCount(job *api.Job, group, count int) *api.Job {
	scaled, g := *job, *job.TaskGroups[group]
	g.Count = &count
	scaled.TaskGroups = slices.Clone(job.TaskGroups)
	scaled.TaskGroups[group] = &g
	return &scaled
}

// putScaling adds an event. Events of groups that the job no longer has go.
func (t *tx) putScaling(job *api.Job, group string, e api.ScalingEvent) {
	before, _ := t.ScalingEvents(nil, *job.Namespace, *job.ID)
	row := &jobScalings{Namespace: *job.Namespace, JobID: *job.ID, Groups: map[string][]api.ScalingEvent{}, ModifyIndex: t.index}
	for _, g := range job.TaskGroups {
		if past := before[*g.Name]; len(past) > 0 {
			row.Groups[*g.Name] = past
		}
	}
	past := row.Groups[group]
	row.Groups[group] = append([]api.ScalingEvent{e}, past[:min(len(past), keptScalings-1)]...)
	t.insert(tableScalings, row)
	t.tables[tableScalings] = struct{}{}
}

// dropScalings forgets the events of a job that is purged.
func (t *tx) dropScalings(ns, id string) {
	if row := one[jobScalings](t.Snapshot, nil, tableScalings, byID, ns, id); row != nil {
		t.remove(tableScalings, row)
		t.tables[tableScalings] = struct{}{}
	}
}
