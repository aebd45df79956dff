package state

import (
	"bytes"
	"encoding/json"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"
)

// applyRegisterJob stores a job and an evaluation of it.
func applyRegisterJob(t *tx, c *RegisterJob) any {
	if r := t.repeated(c.Token); r != nil {
		return r
	}
	if err := t.checkJob(c.Job); err != nil {
		return err
	}
	old := t.Job(nil, *c.Job.Namespace, *c.Job.ID)
	if c.EnforceIndex {
		if err := checkIndex(old, c.JobModifyIndex); err != nil {
			return err
		}
	}
	job := t.storeJob(old, c.Job)
	if c.Submission != nil {
		t.putSubmission(job, c.Submission)
	}
	result := &JobResult{JobModifyIndex: *job.JobModifyIndex}
	if !job.IsPeriodic() && !job.IsParameterized() {
		trigger := c.Trigger
		if trigger == "" {
			trigger = triggerJobRegister
		}
		result.EvalID, result.EvalCreateIndex = t.newEval(job, trigger, c.EvalPriority, nil).ID, t.index
	}
	t.remember(c.Token, result)
	return result
}

// checkJob refuses what the tables cannot hold. That the job makes sense was
// checked before it came into the log.
func (t *tx) checkJob(j *api.Job) error {
	if err := checkShape(j); err != nil {
		return err
	}
	switch {
	case t.Namespace(nil, *j.Namespace) == nil:
		return invalidf("namespace %q does not exist: create it first, or choose another", *j.Namespace)
	case j.NodePool != nil && *j.NodePool != "" && t.NodePool(nil, *j.NodePool) == nil:
		return invalidf("node pool %q does not exist: create it first, or choose another", *j.NodePool)
	}
	return nil
}

// checkShape refuses a job without the parts that this package counts on.
func checkShape(j *api.Job) error {
	switch {
	case j == nil || j.ID == nil || *j.ID == "":
		return invalidf("register job: the job has no ID")
	case strings.ContainsRune(*j.ID, 0):
		return invalidf("register job: the ID has a zero byte")
	case j.Namespace == nil || j.Type == nil || j.Priority == nil:
		return invalidf("register job: namespace, type or priority is missing")
	}
	for _, g := range j.TaskGroups {
		if g == nil || g.Name == nil || *g.Name == "" {
			return invalidf("register job: a group has no name")
		}
		if slices.Contains(g.Tasks, nil) {
			return invalidf("register job: group %q has an empty task", *g.Name)
		}
	}
	return nil
}

// checkIndex is the check of EnforceIndex.
func checkIndex(old *api.Job, want uint64) error {
	const prefix = api.RegisterEnforceIndexErrPrefix
	switch {
	case want == 0 && old != nil:
		return conflictf("%s 0: job already exists", prefix)
	case want != 0 && old == nil:
		return conflictf("%s %d: job does not exist", prefix, want)
	case want != 0 && *old.JobModifyIndex != want:
		return conflictf("%s %d: job exists with conflicting job modify index: %d", prefix, want, *old.JobModifyIndex)
	}
	return nil
}

// storeJob stores job as the version after old, or returns old when it says the same.
func (t *tx) storeJob(old, job *api.Job) *api.Job {
	if old != nil && SameSpec(old, job) && !isTrue(old.Stop) {
		return old
	}
	version, created, status := uint64(0), t.index, jobPending
	if old != nil {
		version, created, status = *old.Version+1, *old.CreateIndex, *old.Status
	}
	j := *job
	j.Version, j.CreateIndex, j.Status = &version, &created, &status
	j.ModifyIndex, j.JobModifyIndex, j.SubmitTime = new(t.index), new(t.index), new(t.at)
	j.Stop, j.Stable, j.StatusDescription, j.VersionTag = new(false), new(false), new(""), nil
	t.putJob(old, &j)
	t.pruneVersions(&j)
	return &j
}

// SameSpec reports whether two canonical jobs say the same, apart from what servers set:
// registering the one after the other makes no new version.
func SameSpec(a, b *api.Job) bool {
	ja, errA := json.Marshal(specOf(a))
	jb, errB := json.Marshal(specOf(b))
	return errA == nil && errB == nil && bytes.Equal(ja, jb)
}

// specOf is the job without what servers set.
func specOf(j *api.Job) *api.Job {
	s := *j
	s.Stop, s.Status, s.StatusDescription, s.Stable, s.VersionTag, s.NomadTokenID = nil, nil, nil, nil, nil, nil
	s.Version, s.SubmitTime, s.CreateIndex, s.ModifyIndex, s.JobModifyIndex = nil, nil, nil, nil, nil
	return &s
}

// putJob stores the current version of a job.
func (t *tx) putJob(before, after *api.Job) {
	after.ModifyIndex = new(t.index)
	put(t, TableJobs, before, after)
	v := &jobVersion{job: after}
	if before != nil && *before.Version == *after.Version {
		v.shared = t.version(nil, *after.Namespace, *after.ID, *after.Version).shared
	} else {
		v.shared = sharedResources(after)
	}
	t.insert(TableVersions, v)
	t.tables[TableVersions] = struct{}{}
	t.jobs[JobKey{*after.Namespace, *after.ID}] = struct{}{}
}

func (t *tx) putSubmission(j *api.Job, s *api.JobSubmission) {
	t.insert(TableSubmissions, &submission{*j.Namespace, *j.ID, *j.Version, s})
	t.tables[TableSubmissions] = struct{}{}
}

// pruneVersions forgets the oldest versions beyond the limit, but for the newest
// stable one, which a revert may need, and those that allocations still run. Tagged
// ones stay and do not count.
func (t *tx) pruneVersions(j *api.Job) {
	versions := slices.DeleteFunc(t.JobVersions(nil, *j.Namespace, *j.ID), func(v *api.Job) bool { return v.VersionTag != nil })
	excess := len(versions) - 1 - t.s.versions
	if excess <= 0 {
		return
	}
	keep := map[uint64]bool{*j.Version: true}
	for _, v := range versions {
		if isTrue(v.Stable) {
			keep[*v.Version] = true
			break
		}
	}
	for a := range t.AllocsByJob(nil, *j.Namespace, *j.ID) {
		if !a.ClientTerminal() {
			keep[a.JobVersion] = true
		}
	}
	for _, v := range slices.Backward(versions) {
		if excess > 0 && !keep[*v.Version] {
			t.dropVersion(v)
			excess--
		}
	}
}

func (t *tx) dropVersion(j *api.Job) {
	t.remove(TableVersions, &jobVersion{job: j})
	t.tables[TableVersions] = struct{}{}
	if s := one[submission](t.Snapshot, nil, TableSubmissions, byID, *j.Namespace, *j.ID, *j.Version); s != nil {
		t.remove(TableSubmissions, s)
		t.tables[TableSubmissions] = struct{}{}
	}
}

// applyDeregisterJob stops a job, or forgets it.
func applyDeregisterJob(t *tx, c *DeregisterJob) any {
	if r := t.repeated(c.Token); r != nil {
		return r
	}
	job := t.Job(nil, c.Namespace, c.ID)
	if job == nil {
		return ErrNotFound{"job", c.ID}
	}
	key := JobKey{c.Namespace, c.ID}
	t.cancelEvals(key, "job was stopped", func(e *api.Evaluation) bool {
		return e.Status == api.EvalStatusBlocked || !e.WaitUntil.IsZero()
	})
	if c.NoShutdownDelay {
		t.skipShutdownDelay(key)
	}
	if !isTrue(job.Stop) {
		stopped := *job
		stopped.Stop, stopped.Stable, stopped.VersionTag = new(true), new(false), nil
		stopped.Version, stopped.JobModifyIndex, stopped.SubmitTime = new(*job.Version+1), new(t.index), new(t.at)
		t.putJob(job, &stopped)
		t.pruneVersions(&stopped)
		job = &stopped
	}
	result := &JobResult{JobModifyIndex: *job.JobModifyIndex}
	if !job.IsPeriodic() && !job.IsParameterized() {
		result.EvalID, result.EvalCreateIndex = t.newEval(job, triggerJobDeregister, c.EvalPriority, nil).ID, t.index
	}
	if c.Purge {
		t.purgeJob(job)
		result.JobModifyIndex = t.index
	}
	t.remember(c.Token, result)
	return result
}

func (t *tx) skipShutdownDelay(key JobKey) {
	var live []*Alloc
	for a := range t.AllocsByJob(nil, key.Namespace, key.ID) {
		if !a.ClientTerminal() {
			live = append(live, a)
		}
	}
	for _, a := range live {
		t.transition(a, &api.DesiredTransition{NoShutdownDelay: new(true)})
	}
}

// purgeJob forgets a job, its versions, its summary, and ends its deployment.
func (t *tx) purgeJob(j *api.Job) {
	ns, id := *j.Namespace, *j.ID
	for _, v := range t.JobVersions(nil, ns, id) {
		t.dropVersion(v)
	}
	t.dropScalings(ns, id)
	if s := t.JobSummary(nil, ns, id); s != nil {
		drop(t, TableSummaries, s)
	}
	if d := t.LatestDeployment(nil, ns, id); d != nil && !deploymentOver(d.Status) {
		c := copyDeployment(d)
		c.Status, c.StatusDescription = api.DeploymentStatusCancelled, "Cancelled because job is stopped"
		t.putDeployment(d, c)
	}
	t.forgetLaunches(j)
	drop(t, TableJobs, t.Job(nil, ns, id))
}

// applyEvaluateJob makes an evaluation of a job.
func applyEvaluateJob(t *tx, c *EvaluateJob) any {
	if r := t.repeated(c.Token); r != nil {
		return r
	}
	job := t.Job(nil, c.Namespace, c.ID)
	switch {
	case job == nil:
		return ErrNotFound{"job", c.ID}
	case job.IsPeriodic():
		return invalidf("can't evaluate periodic job")
	case job.IsParameterized():
		return invalidf("can't evaluate parameterized job")
	}
	if c.ForceReschedule {
		var failed []*Alloc
		for a := range t.AllocsByJob(nil, c.Namespace, c.ID) {
			if a.Client == api.AllocClientStatusFailed && a.Next == "" && a.JobCreateIndex == *job.CreateIndex {
				failed = append(failed, a)
			}
		}
		for _, a := range failed {
			t.transition(a, &api.DesiredTransition{ForceReschedule: new(true)})
		}
	}
	e := t.newEval(job, triggerJobRegister, 0, nil)
	result := &JobResult{EvalID: e.ID, EvalCreateIndex: t.index, JobModifyIndex: *job.JobModifyIndex}
	t.remember(c.Token, result)
	return result
}

// applyMarkJobStable sets the stable mark of a job version.
func applyMarkJobStable(t *tx, c *MarkJobStable) any {
	return t.markStable(c.Namespace, c.ID, c.Version, c.Stable)
}

// markStable returns nil or an error, as any for the untyped nil of a result.
func (t *tx) markStable(ns, id string, version uint64, stable bool) any {
	v := t.version(nil, ns, id, version)
	switch {
	case v == nil:
		return ErrNotFound{"job version", id}
	case isTrue(v.job.Stable) == stable:
		return nil
	}
	j := *v.job
	j.Stable = &stable
	t.putVersion(t.Job(nil, ns, id), v, &j)
	return nil
}

// runsIn says whether the job may run on nodes of that pool and datacenter.
func runsIn(j *api.Job, c capacity) bool {
	if p := j.NodePool; p != nil && *p != "" && *p != api.NodePoolAll && *p != c.pool {
		return false
	}
	if len(j.Datacenters) == 0 {
		return true
	}
	return slices.ContainsFunc(j.Datacenters, func(glob string) bool {
		ok, err := path.Match(glob, c.datacenter)
		return ok || err != nil // a pattern that is none excludes nothing
	})
}

func isTrue(b *bool) bool { return b != nil && *b }

// tokenLife is how long the answer to a request is remembered for its repetition:
// longer than any client retries.
const tokenLife = 10 * time.Minute

// repeated is the answer that was given to the request with this token, nil if it is new.
func (t *tx) repeated(tok string) any {
	if tok == "" {
		return nil
	}
	if r := one[token](t.Snapshot, nil, tableTokens, byID, tok); r != nil {
		answer := r.Result
		return &answer
	}
	return nil
}

// remember keeps the answer to a request and forgets those that are too old.
func (t *tx) remember(tok string, r *JobResult) {
	if tok == "" {
		return
	}
	var old []*token
	for o := range rows[token](t.Snapshot, nil, tableTokens, byAge) {
		if o.At > t.at-int64(tokenLife) || len(old) == 64 { // enough at once: more come than are made
			break
		}
		old = append(old, o)
	}
	for _, o := range old {
		t.remove(tableTokens, o)
	}
	t.insert(tableTokens, &token{Token: tok, At: t.at, Result: *r})
	t.tables[tableTokens] = struct{}{}
}
