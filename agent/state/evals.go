package state

import (
	"strconv"

	"github.com/hashicorp/nomad/api"
)

// Triggers of evaluations that the state makes itself; the API's names.
const (
	triggerJobRegister   = "job-register"
	triggerJobDeregister = "job-deregister"
	triggerNodeUpdate    = "node-update"
	triggerNodeDrain     = "node-drain"
	triggerAllocFailure  = "alloc-failure"
	triggerAllocStop     = "alloc-stop"
	triggerScaling       = "job-scaling"
	triggerReconnect     = "reconnect"
	triggerDeployment    = "deployment-watcher"
	triggerPeriodic      = "periodic-job"
)

// newEval makes a pending evaluation of a job. Its ID follows from the log index,
// its place within the entry, and the entry's time: another cluster, or another
// region, comes to the same index with the same job, and its allocations must not
// get the same IDs. Priority 0 is the job's.
func (t *tx) newEval(job *api.Job, trigger string, priority int, node *Node) *api.Evaluation {
	if priority == 0 {
		priority = *job.Priority
	}
	e := &api.Evaluation{
		ID:        deriveID("eval", strconv.FormatUint(t.index, 10), strconv.FormatInt(t.at, 10), strconv.Itoa(t.evals)),
		Namespace: *job.Namespace, JobID: *job.ID, Type: *job.Type, Priority: priority,
		TriggeredBy: trigger, Status: api.EvalStatusPending,
		JobModifyIndex: *job.JobModifyIndex, CreateTime: t.at,
	}
	if node != nil {
		e.NodeID, e.NodeModifyIndex = node.ID, node.ModifyIndex
	}
	t.evals++
	t.putEval(nil, e)
	return e
}

// evaluate sees to it that a job is evaluated after this entry, for a reason that
// nobody asked for by name: a pending evaluation is enough. That one is touched,
// so that a plan made from a snapshot before this entry does not end it (see
// endEval). It returns the evaluation's ID.
func (t *tx) evaluate(job *api.Job, trigger string, node *Node) string {
	key := JobKey{*job.Namespace, *job.ID}
	if id := t.evaluated[key]; id != "" {
		return id
	}
	id := ""
	for e := range t.openEvals(key.Namespace, key.ID) {
		if e.Status != api.EvalStatusPending || !e.WaitUntil.IsZero() {
			continue
		}
		if e.ModifyIndex != t.index {
			touched := *e
			t.putEval(e, &touched)
		}
		id = e.ID
		break
	}
	if id == "" {
		id = t.newEval(job, trigger, 0, node).ID
	}
	t.evaluated[key] = id
	return id
}

// putEval stores an evaluation and what hangs on it: the indexes, its job's status
// and queue counts, and that a job has at most one blocked evaluation.
func (t *tx) putEval(before, after *api.Evaluation) {
	after.CreateIndex, after.ModifyIndex, after.ModifyTime = t.index, t.index, t.at
	if before != nil {
		after.CreateIndex, after.CreateTime = before.CreateIndex, before.CreateTime
	} else if after.CreateTime == 0 {
		after.CreateTime = t.at
	}
	put(t, TableEvals, before, after)
	if after.JobID == "" {
		return
	}
	key := JobKey{after.Namespace, after.JobID}
	t.jobs[key] = struct{}{}
	if after.Status == api.EvalStatusComplete || after.Status == api.EvalStatusBlocked {
		t.queued[key] = after.QueuedAllocations
	}
	if after.Status == api.EvalStatusBlocked {
		t.cancelBlocked(key, after.ID, "superseded by evaluation "+after.ID)
	}
}

// cancelBlocked ends a job's blocked evaluations, but for one.
func (t *tx) cancelBlocked(key JobKey, except, why string) {
	t.cancelEvals(key, why, func(e *api.Evaluation) bool {
		return e.Status == api.EvalStatusBlocked && e.ID != except
	})
}

// cancelEvals ends those of a job's open evaluations for which pick is true.
func (t *tx) cancelEvals(key JobKey, why string, pick func(*api.Evaluation) bool) {
	var picked []*api.Evaluation // first collect: the index changes below
	for e := range t.openEvals(key.Namespace, key.ID) {
		if pick(e) {
			picked = append(picked, e)
		}
	}
	for _, e := range picked {
		c := *e
		c.Status, c.StatusDescription = api.EvalStatusCancelled, why
		t.putEval(e, &c)
	}
}

// applyUpsertEvals stores evaluations as given.
func applyUpsertEvals(t *tx, c *UpsertEvals) any {
	for _, e := range c.Evals {
		if e == nil || e.ID == "" || e.Status == "" {
			return invalidf("store evaluations: an evaluation has no ID or no status")
		}
		t.storeEval(e)
	}
	return nil
}

// storeEval stores an evaluation that a leader wrote. One that is over stays over.
func (t *tx) storeEval(e *api.Evaluation) {
	before := t.Eval(nil, e.ID)
	if before != nil && evalOver(before) {
		return
	}
	after := *e
	if after.Status == api.EvalStatusBlocked && after.SnapshotIndex > 0 && t.Index(capacityMark) > after.SnapshotIndex {
		// Capacity was freed after the snapshot that it was decided on.
		after.Status = api.EvalStatusPending
	}
	t.putEval(before, &after)
}

func evalOver(e *api.Evaluation) bool {
	return e.Status != api.EvalStatusPending && e.Status != api.EvalStatusBlocked
}

// capacityMark is the row of the index table that says when capacity was last freed or added.
const capacityMark = "capacity"

// wakeBlocked makes the blocked evaluations pending that may fit where capacity
// was freed or added.
func (t *tx) wakeBlocked() {
	if len(t.freed) == 0 {
		return
	}
	t.tables[capacityMark] = struct{}{}
	var woken []*api.Evaluation
	for e := range t.BlockedEvals(nil) {
		if job := t.Job(nil, e.Namespace, e.JobID); job == nil || t.mayFit(job) {
			woken = append(woken, e)
		}
	}
	for _, e := range woken {
		after := *e
		after.Status, after.StatusDescription = api.EvalStatusPending, ""
		t.putEval(e, &after)
	}
}

func (t *tx) mayFit(job *api.Job) bool {
	for c := range t.freed {
		if runsIn(job, c) {
			return true
		}
	}
	return false
}
