package leader

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-uuid"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
	"github.com/selfheal/selfheal/scheduler"
)

// batch bounds what goes into one log entry: more evaluations amortise the
// commit, fewer keep the entry small and the wait of the next one short.
const (
	batchEvals      = 256
	batchPlacements = 10_000
)

// evaluator is the one loop: pending evaluations, Schedule, one log entry. It
// alone owns the scheduler's index of the cluster.
type evaluator struct {
	l       *Leader
	feed    *feed
	busy    Busy
	cluster *scheduler.Cluster
	jobs    map[*api.Job]*scheduler.Job // rows are immutable, so a row's address names its version
	drains  map[string]time.Time        // deadlines of draining nodes: what time alone changes in the index
	asks    chan *question
	// questions that were asked and have no answer yet, oldest first.
	questions []*question
	resilient resilienceAnswers
	index     uint64 // of the snapshot that is decided on
	seen      uint64 // of the last change that cluster knows
}

func newEvaluator(l *Leader, f *feed) *evaluator {
	return &evaluator{l: l, feed: f, busy: l.cfg.Busy("evaluate"), asks: make(chan *question)}
}

func (e *evaluator) run(ctx context.Context) error {
	e.rebuild()
	defer e.dismiss()
	for {
		end := e.busy()
		e.hear()
		snap := e.look()
		e.consider()
		batch, next := due(snap, time.Now())
		if snap.SchedulerConfig(nil).PauseEvalBroker { // an operator repairs something: nothing is decided meanwhile
			batch, next = nil, time.Time{}
		}
		if len(batch) > 0 {
			err := e.decide(ctx, snap, batch)
			end()
			if err != nil {
				return err
			}
			continue
		}
		end()
		if err := e.wait(ctx, next); err != nil {
			return err
		}
	}
}

// wait returns when there is something to look at: a change, a delayed
// evaluation that is due, or a question. While one is open it does not wait.
func (e *evaluator) wait(ctx context.Context, next time.Time) error {
	if len(e.questions) > 0 {
		return ctx.Err()
	}
	var timer <-chan time.Time
	if !next.IsZero() {
		t := time.NewTimer(time.Until(next))
		defer t.Stop()
		timer = t.C
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-e.feed.ready:
	case <-timer:
	case q := <-e.asks:
		e.questions = append(e.questions, q)
	}
	return nil
}

// look takes a snapshot and brings the index up to it or beyond: an index that lacks
// what an evaluation was made for would find nothing to do, and end it.
func (e *evaluator) look() *state.Snapshot {
	snap := e.l.cfg.State.Told()
	e.absorb(e.feed.take())
	return snap
}

// rebuild reads the whole state once, when this server starts to lead. Changes
// that arrive meanwhile are in the feed too; absorbing them again is harmless.
func (e *evaluator) rebuild() {
	snap := e.l.cfg.State.Snapshot()
	e.cluster, e.jobs = scheduler.NewCluster(), map[*api.Job]*scheduler.Job{}
	e.drains, e.seen = map[string]time.Time{}, snap.LastIndex()
	for n := range snap.Nodes(nil) {
		e.upsertNode(n)
	}
	for a := range snap.Allocs(nil, "*", "") {
		e.cluster.UpsertAlloc(lowerAlloc(a, e.jobOf(snap, a)))
	}
}

// absorb brings the index up to the state, change by change.
func (e *evaluator) absorb(changes []state.Change) {
	if len(changes) == 0 {
		return
	}
	snap := e.l.cfg.State.Snapshot()
	for _, c := range changes {
		e.seen = max(e.seen, c.Index)
		switch row := c.After.(type) {
		case *state.Node:
			e.upsertNode(row)
		case *state.Alloc:
			e.cluster.UpsertAlloc(lowerAlloc(row, e.jobOf(snap, row)))
		case nil:
			e.forget(c)
		}
		if c.Table == state.TableRestore {
			e.rebuild()
			return
		}
	}
}

func (e *evaluator) upsertNode(n *state.Node) {
	e.cluster.UpsertNode(lowerNode(n, time.Now()))
	delete(e.drains, n.ID)
	if d := n.DrainStrategy; d != nil && !d.ForceDeadline.IsZero() {
		e.drains[n.ID] = d.ForceDeadline
	}
}

// force tells the index of drains whose deadline has passed.
func (e *evaluator) force(snap *state.Snapshot, now time.Time) {
	for id, deadline := range e.drains {
		if n := snap.Node(nil, id); n != nil && !now.Before(deadline) {
			e.cluster.UpsertNode(lowerNode(n, now))
			delete(e.drains, id)
		}
	}
}

func (e *evaluator) forget(c state.Change) {
	switch row := c.Before.(type) {
	case *state.Node:
		delete(e.drains, row.ID)
		e.cluster.DeleteNode(row.ID)
	case *state.Alloc:
		e.cluster.DeleteAlloc(row.ID)
	case *api.Job:
		delete(e.jobs, row)
	}
}

// jobOf is the version of the job that an allocation runs, nil when it is gone.
func (e *evaluator) jobOf(snap *state.Snapshot, a *state.Alloc) *scheduler.Job {
	return e.lowered(snap.JobVersion(nil, a.Namespace, a.JobID, a.JobVersion))
}

// lowered is lowerJob, remembered.
func (e *evaluator) lowered(j *api.Job) *scheduler.Job {
	if j == nil {
		return nil
	}
	if out, ok := e.jobs[j]; ok {
		return out
	}
	if len(e.jobs) > 20_000 { // old versions; what is still needed comes back at once
		clear(e.jobs)
	}
	out := lowerJob(j)
	e.jobs[j] = out
	return out
}

// due lists the evaluations to decide now, grouped by job, most important first,
// and when the next delayed one is due.
func due(snap *state.Snapshot, now time.Time) (batch [][]*api.Evaluation, next time.Time) {
	byJob := map[state.JobKey]int{}
	add := func(ev *api.Evaluation) {
		key := state.JobKey{Namespace: ev.Namespace, ID: ev.JobID}
		i, ok := byJob[key]
		if !ok {
			i = len(batch)
			byJob[key] = i
			batch = append(batch, nil)
		}
		batch[i] = append(batch[i], ev)
	}
	for ev := range snap.DelayedEvals(nil) {
		if ev.WaitUntil.After(now) {
			next = ev.WaitUntil
			break
		}
		add(ev)
	}
	for ev := range snap.PendingEvals(nil) {
		if len(batch) >= 2*batchEvals {
			break
		}
		add(ev)
	}
	slices.SortStableFunc(batch, func(a, b []*api.Evaluation) int {
		return cmp.Or(-cmp.Compare(priority(a), priority(b)), cmp.Compare(a[0].CreateIndex, b[0].CreateIndex))
	})
	return batch, next
}

func priority(evals []*api.Evaluation) int {
	p := 0
	for _, ev := range evals {
		p = max(p, ev.Priority)
	}
	return p
}

// decide plans for as many jobs as fit into one entry and commits it.
func (e *evaluator) decide(ctx context.Context, snap *state.Snapshot, batch [][]*api.Evaluation) error {
	cmd := &state.ApplyPlans{}
	e.force(snap, time.Now())
	e.index = snap.LastIndex()
	placed := 0
	for _, evals := range batch {
		if len(cmd.Plans) >= batchEvals || placed >= batchPlacements {
			break
		}
		plan := e.plan(snap, evals)
		placed += len(plan.Placements)
		cmd.Plans = append(cmd.Plans, plan)
	}
	result, err := e.l.apply(ctx, cmd)
	if err != nil {
		return fmt.Errorf("commit %d plans: %w", len(cmd.Plans), err)
	}
	if r, ok := result.(*state.PlanResult); ok {
		for _, id := range r.Refused { // a node went down between the decision and the commit
			e.cluster.DeleteAlloc(id)
		}
	}
	return nil
}

// plan decides one job. Its newest evaluation carries the decision; older ones
// of the same job end with it, because they asked for the same.
func (e *evaluator) plan(snap *state.Snapshot, evals []*api.Evaluation) state.Plan {
	now := time.Now()
	main := slices.MaxFunc(evals, func(a, b *api.Evaluation) int { return cmp.Compare(a.CreateIndex, b.CreateIndex) })
	row := snap.Job(nil, main.Namespace, main.JobID)
	job := e.lowered(row)
	dep := snap.LatestDeployment(nil, main.Namespace, main.JobID)
	req := scheduler.Request{
		Cluster: e.cluster, Now: now, Job: job, Namespace: main.Namespace, JobID: main.JobID,
		Versions: func(v uint64) *scheduler.Job {
			return e.lowered(snap.JobVersion(nil, main.Namespace, main.JobID, v))
		},
		Deployment: lowerDeployment(dep), Settings: lowerSettings(snap.SchedulerConfig(nil)), Trigger: main.TriggeredBy,
		Waiting: func(id string) (time.Time, bool) {
			ev := snap.Eval(nil, id)
			if ev == nil || ev.Status != api.EvalStatusPending || !ev.WaitUntil.After(now) {
				return time.Time{}, false
			}
			return ev.WaitUntil, true
		},
	}
	decision := scheduler.Schedule(req)
	timed(&decision, time.Since(now))
	current := ""
	if job != nil && dep != nil && dep.JobVersion == job.Version && dep.JobCreateIndex == job.CreateIndex && activeDeployment(dep.Status) {
		current = dep.ID
	}
	out := raisePlan(&decision, main, job, current, e.cluster)
	if d := decision.Deployment; d != nil && (d.Status != "" || d.Totals != nil) && dep != nil {
		out.DeploymentSet = &state.DeploymentSet{ID: dep.ID, Status: d.Status, Description: d.Description, Totals: d.Totals}
	}
	e.finish(&out, &decision, main, evals, row, now)
	if current != "" { // also where nothing was placed for it
		out.Evals[0].DeploymentID = current
	}
	e.occupy(&req, &decision, main)
	return out
}

// finish adds the evaluations as they are from now on: the decided ones, one
// that waits for capacity, and one for each later moment.
func (e *evaluator) finish(out *state.Plan, p *scheduler.Plan, main *api.Evaluation, evals []*api.Evaluation, job *api.Job, now time.Time) {
	done := *main
	done.Status, done.StatusDescription = api.EvalStatusComplete, ""
	done.SnapshotIndex = e.index
	done.FailedTGAllocs, done.QueuedAllocations = raiseFailed(p.Failed), p.Queued
	done.StatusDescription = hints(p.Failed)
	done.BlockedEval, done.NextEval = "", ""
	if out.Deployment != nil {
		done.DeploymentID = state.DeploymentID(main.ID)
	} else if len(out.Placements) > 0 && out.Placements[0].Deployment != "" {
		done.DeploymentID = out.Placements[0].Deployment
	}
	var more []*api.Evaluation
	if len(p.Failed) > 0 && job != nil {
		// One that placed nothing goes on waiting. One that placed something is over: its
		// allocations are named after it, and a second decision would give the names again.
		if main.TriggeredBy == triggerQueued && len(out.Placements) == 0 {
			done.Status = api.EvalStatusBlocked
		} else {
			b := follow(main, triggerQueued, now)
			b.Status, b.StatusDescription = api.EvalStatusBlocked, waiting(p.Failed)
			b.FailedTGAllocs, b.QueuedAllocations = done.FailedTGAllocs, p.Queued
			b.SnapshotIndex = e.seen // capacity that came since wakes it at once
			done.BlockedEval = b.ID
			more = append(more, b)
		}
	}
	for _, f := range p.Followups {
		next := follow(main, f.Trigger, now)
		next.Status, next.WaitUntil = api.EvalStatusPending, f.At
		done.NextEval = next.ID
		more = append(more, next)
		link(out, f.Allocs, next.ID)
	}
	more = append(more, e.evicted(p, main, now)...)
	out.Evals = append(out.Evals, &done)
	for _, ev := range evals {
		if ev != main {
			same := done
			same.ID, same.CreateIndex, same.CreateTime, same.TriggeredBy, same.PreviousEval = ev.ID, ev.CreateIndex, ev.CreateTime, ev.TriggeredBy, ev.PreviousEval
			same.Status = api.EvalStatusComplete
			out.Evals = append(out.Evals, &same)
		}
	}
	out.Evals = append(out.Evals, more...)
}

// evicted makes an evaluation for every other job that lost an allocation to this
// decision: it looks for another place.
func (e *evaluator) evicted(p *scheduler.Plan, main *api.Evaluation, now time.Time) []*api.Evaluation {
	var out []*api.Evaluation
	seen := map[state.JobKey]bool{{Namespace: main.Namespace, ID: main.JobID}: true}
	for _, s := range p.Stops {
		a, ok := e.cluster.Alloc(s.ID)
		if !ok || s.Desired != scheduler.Evict || seen[state.JobKey{Namespace: a.Namespace, ID: a.Job}] {
			continue
		}
		seen[state.JobKey{Namespace: a.Namespace, ID: a.Job}] = true
		ev := follow(main, "preemption", now)
		ev.Status, ev.Namespace, ev.JobID, ev.Type, ev.Priority = api.EvalStatusPending, a.Namespace, a.Job, string(a.JobType), a.Priority
		out = append(out, ev)
	}
	return out
}

// waiting describes an evaluation that waits for room.
func waiting(failed map[string]*scheduler.Metric) string {
	const text = "created to place remaining allocations"
	if h := hints(failed); h != "" {
		return text + "; " + h
	}
	return text
}

// hints says, by group, the smallest change that would place what could not be placed.
func hints(failed map[string]*scheduler.Metric) string {
	var out []string
	for _, group := range slices.Sorted(maps.Keys(failed)) {
		if h := failed[group].Hint; h != "" {
			out = append(out, fmt.Sprintf("group %q: %s", group, h))
		}
	}
	return strings.Join(out, "; ")
}

const triggerQueued = "queued-allocs"

// follow is a new evaluation of the same job.
func follow(prev *api.Evaluation, trigger string, now time.Time) *api.Evaluation {
	return &api.Evaluation{
		ID: newID(), Namespace: prev.Namespace, JobID: prev.JobID, Type: prev.Type, Priority: prev.Priority,
		JobModifyIndex: prev.JobModifyIndex, TriggeredBy: trigger, PreviousEval: prev.ID,
		CreateTime: now.UnixNano(), ModifyTime: now.UnixNano(),
	}
}

// newID is a random UUID. The leader may roll dice: what it rolled is in the log.
func newID() string {
	id, err := uuid.GenerateUUID()
	if err != nil {
		panic(fmt.Sprintf("the system's random source failed: %v", err))
	}
	return id
}

// link notes on each waiting allocation which evaluation will come for it.
func link(out *state.Plan, allocs []string, eval string) {
	for _, id := range allocs {
		i := slices.IndexFunc(out.Stops, func(s state.Stop) bool { return s.AllocID == id })
		if i < 0 {
			out.Stops = append(out.Stops, state.Stop{AllocID: id, Desired: api.AllocDesiredStatusRun})
			i = len(out.Stops) - 1
		}
		out.Stops[i].FollowupEvalID = eval
	}
}

// occupy applies a decision to the index at once, so that the next job of the
// same batch sees it. The state's changes say the same again after the commit.
func (e *evaluator) occupy(req *scheduler.Request, p *scheduler.Plan, eval *api.Evaluation) {
	for _, a := range scheduler.Effects(req, p, func(i int) string { return state.AllocID(eval.ID, i) }) {
		e.cluster.UpsertAlloc(a)
	}
}
