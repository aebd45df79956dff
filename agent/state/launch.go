package state

import (
	"maps"
	"strconv"
	"time"

	"github.com/hashicorp/go-memdb"
	"github.com/hashicorp/nomad/api"
)

// LastLaunch is until when the schedule of a periodic job has been served: the time
// of the entry that made, or skipped, the last launch. Zero: it never was.
func (s *Snapshot) LastLaunch(ws memdb.WatchSet, ns, id string) time.Time {
	if l := one[launched](s, ws, tableLaunch, byID, ns, id); l != nil {
		return time.Unix(0, l.At).UTC()
	}
	return time.Time{}
}

// applyLaunchJobs makes children of periodic and parameterized jobs.
func applyLaunchJobs(t *tx, c *LaunchJobs) any {
	results := make([]LaunchResult, len(c.Launches))
	for i := range c.Launches {
		results[i] = t.launch(&c.Launches[i])
	}
	return results
}

// launch makes one child, or says why not. What refuses comes before what writes.
func (t *tx) launch(l *Launch) LaunchResult {
	parent := t.Job(nil, l.Namespace, l.ID)
	switch {
	case parent == nil:
		return LaunchResult{Err: ErrNotFound{"job", l.ID}}
	case isTrue(parent.Stop):
		return LaunchResult{Err: invalidf("job %q is stopped: start it before it is launched", l.ID)}
	case !parent.IsPeriodic() && !parent.IsParameterized():
		return LaunchResult{Err: invalidf("job %q is neither periodic nor parameterized: it is not launched, it runs", l.ID)}
	case len(l.Child) <= len(l.ID)+1 || l.Child[:len(l.ID)+1] != l.ID+"/":
		return LaunchResult{Err: invalidf("launch job: the child's ID %q does not begin with %q", l.Child, l.ID+"/")}
	}
	if !l.Due.IsZero() {
		if why := t.serve(parent, l); why != "" {
			return LaunchResult{Skipped: why}
		}
	} else {
		if r := t.launchedBefore(parent, l.Token); r != nil {
			return LaunchResult{JobResult: *r}
		}
		l.Child = t.freeID(l.Namespace, l.Child)
	}
	child := t.storeJob(nil, childOf(parent, l))
	trigger := triggerJobRegister
	if parent.IsPeriodic() {
		trigger = triggerPeriodic
	}
	e := t.newEval(child, trigger, 0, nil)
	r := JobResult{Child: l.Child, EvalID: e.ID, EvalCreateIndex: t.index, JobModifyIndex: *child.JobModifyIndex}
	t.remember(launchToken(parent, l.Token), &r)
	return LaunchResult{JobResult: r}
}

// serve moves a periodic job's schedule on, past this launch and all that were missed
// before it, and says why the launch is not to be made, "" if it is.
func (t *tx) serve(parent *api.Job, l *Launch) string {
	ns, id := *parent.Namespace, *parent.ID
	if !parent.IsPeriodic() || parent.Periodic.Enabled != nil && !*parent.Periodic.Enabled {
		return "the job is not periodic any more"
	}
	if !t.LastLaunch(nil, ns, id).Before(l.Due) {
		return "it was made before"
	}
	t.insert(tableLaunch, &launched{ns, id, max(l.Due.UnixNano(), t.at)})
	t.tables[tableLaunch] = struct{}{}
	if t.Job(nil, ns, l.Child) != nil {
		return "it was made before"
	}
	if !isTrue(parent.Periodic.ProhibitOverlap) {
		return ""
	}
	if s := t.JobSummary(nil, ns, id); s != nil && s.Children != nil && s.Children.Pending+s.Children.Running > 0 {
		return "an earlier launch has not ended, and overlap is prohibited"
	}
	return ""
}

// launchedBefore is the answer to an earlier dispatch with the same token, nil if
// there was none. After the answer is forgotten the child still tells.
func (t *tx) launchedBefore(parent *api.Job, tok string) *JobResult {
	if tok == "" {
		return nil
	}
	if r, ok := t.repeated(launchToken(parent, tok)).(*JobResult); ok {
		return r
	}
	for j := range t.Jobs(nil, *parent.Namespace, *parent.ID+"/") {
		if j.ParentID != nil && *j.ParentID == *parent.ID && j.DispatchIdempotencyToken != nil && *j.DispatchIdempotencyToken == tok {
			return &JobResult{Child: *j.ID, JobModifyIndex: *j.JobModifyIndex}
		}
	}
	return nil
}

// launchToken keeps the tokens of launches apart from those of other requests, and of
// other parents.
func launchToken(parent *api.Job, tok string) string {
	if tok == "" {
		return ""
	}
	return "launch\x00" + *parent.Namespace + "\x00" + *parent.ID + "\x00" + tok
}

// freeID is id, or if a job has that one, the next that is free: the number at its end
// counted on (forced launches are named after the second), or one appended.
func (t *tx) freeID(ns, id string) string {
	end := len(id)
	for end > 0 && id[end-1] >= '0' && id[end-1] <= '9' {
		end--
	}
	stem := id[:end]
	n, err := strconv.ParseUint(id[end:], 10, 63)
	if err != nil {
		stem, n = id+"-", 0
	}
	for t.Job(nil, ns, id) != nil {
		n++
		id = stem + strconv.FormatUint(n, 10)
	}
	return id
}

// childOf is the job that a launch registers. What it shares with its parent is never
// changed.
func childOf(parent *api.Job, l *Launch) *api.Job {
	j := *parent
	j.ID, j.Name, j.ParentID = &l.Child, &l.Child, parent.ID
	if len(l.Meta) > 0 {
		j.Meta = maps.Clone(parent.Meta)
		if j.Meta == nil {
			j.Meta = map[string]string{}
		}
		maps.Copy(j.Meta, l.Meta)
	}
	if l.Priority > 0 {
		j.Priority = &l.Priority
	}
	if parent.IsPeriodic() {
		j.Periodic = nil
		return &j
	}
	j.Dispatched, j.Payload = true, l.Payload
	if l.Token != "" {
		j.DispatchIdempotencyToken = &l.Token
	}
	return &j
}

// forgetLaunches is the end of a job's part in launches: of its schedule, if it has
// one, and of its place among its parent's children. One that is forgotten before it
// ended is counted as dead.
func (t *tx) forgetLaunches(j *api.Job) {
	if l := one[launched](t.Snapshot, nil, tableLaunch, byID, *j.Namespace, *j.ID); l != nil {
		t.remove(tableLaunch, l)
		t.tables[tableLaunch] = struct{}{}
	}
	if parent := t.parentCounts(j); parent != nil {
		t.countChild(j, parent, jobDead)
	}
}
