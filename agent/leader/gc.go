package leader

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
)

// GC says how long things are kept that nobody needs any more, counted from
// their last change. Longer keeps more history to look at, and its memory.
type GC struct {
	Interval                    time.Duration // pause between two collections
	Eval, Job, Node, Deployment time.Duration
	// Batch bounds the rows of one log entry.
	Batch int
}

// DefaultGC is what users of this stack know: collect every 5 minutes;
// evaluations and deployments live 1 h, jobs 4 h, nodes 24 h.
func DefaultGC() GC {
	return GC{Interval: 5 * time.Minute, Eval: time.Hour, Job: 4 * time.Hour, Node: 24 * time.Hour, Deployment: time.Hour, Batch: 2000}
}

// collector is the garbage collection.
type collector struct {
	l     *Leader
	log   hclog.Logger
	busy  Busy
	force chan chan error
}

func newCollector(l *Leader) *collector {
	return &collector{l: l, log: l.log.Named("gc"), busy: l.cfg.Busy("gc"), force: make(chan chan error)}
}

// CollectGarbage reaps everything that can go, whatever its age.
func (l *Leader) CollectGarbage(ctx context.Context) error {
	done := make(chan error, 1)
	select {
	case l.gc.force <- done:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *collector) run(ctx context.Context) error {
	t := time.NewTicker(c.l.cfg.GC.Interval)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
			if err := c.collect(ctx, c.l.cfg.GC); err != nil {
				return err
			}
		case done := <-c.force:
			done <- c.collect(ctx, GC{Batch: c.l.cfg.GC.Batch})
		}
	}
}

func (c *collector) collect(ctx context.Context, gc GC) error {
	end := c.busy()
	defer end()
	cmd := garbage(c.l.cfg.State.Snapshot(), gc, time.Now())
	total := 0
	for _, part := range split(cmd, max(1, gc.Batch)) {
		if _, err := c.l.apply(ctx, part); err != nil {
			return fmt.Errorf("reap: %w", err)
		}
		total += size(part)
	}
	if total > 0 {
		c.log.Info("collected garbage", "evals", len(cmd.Evals), "allocs", len(cmd.Allocs), "jobs", len(cmd.Jobs), "nodes", len(cmd.Nodes), "deployments", len(cmd.Deployments))
	}
	return nil
}

// garbage lists what nobody needs any more. An evaluation goes together with its
// allocations, and only when all of them may go; a job when it is dead and
// nothing of it is left; a node when it is down and holds nothing.
func garbage(snap *state.Snapshot, gc GC, now time.Time) *state.Reap {
	out := &state.Reap{}
	old := func(ns int64, keep time.Duration) bool { return now.Sub(time.Unix(0, ns)) >= keep }
	kept := map[string]bool{} // evaluations that an allocation or a wait still needs
	for a := range snap.Allocs(nil, "*", "") {
		if mayReap(snap, a) && old(a.ModifyTime, gc.Eval) {
			continue
		}
		kept[a.EvalID] = true
	}
	for ev := range snap.Evals(nil, "*", "") {
		if evalEnded(ev.Status) && !kept[ev.ID] && old(ev.ModifyTime, gc.Eval) {
			out.Evals = append(out.Evals, ev.ID)
		}
	}
	busyJobs, busyNodes, busyDeployments := map[state.JobKey]bool{}, map[string]bool{}, map[string]bool{}
	for a := range snap.Allocs(nil, "*", "") {
		if !kept[a.EvalID] {
			out.Allocs = append(out.Allocs, a.ID)
			continue
		}
		busyJobs[state.JobKey{Namespace: a.Namespace, ID: a.JobID}] = true
		busyNodes[a.NodeID] = true
		busyDeployments[a.DeploymentID] = true
	}
	for d := range snap.Deployments(nil, "*", "") {
		if !activeDeployment(d.Status) && !busyDeployments[d.ID] && old(d.ModifyTime, gc.Deployment) {
			out.Deployments = append(out.Deployments, d.ID)
		}
	}
	for j := range snap.Jobs(nil, "*", "") {
		key := state.JobKey{Namespace: *j.Namespace, ID: *j.ID}
		ended := deref(j.Stop) || *j.Type == api.JobTypeBatch || *j.Type == api.JobTypeSysbatch
		template := j.Periodic != nil || j.ParameterizedJob != nil && !j.Dispatched
		if deref(j.Status) == "dead" && (deref(j.Stop) || ended && !template) && !busyJobs[key] && old(deref(j.SubmitTime), gc.Job) && !openEvals(snap, key) {
			out.Jobs = append(out.Jobs, key)
		}
	}
	for n := range snap.Nodes(nil) {
		if n.Status == api.NodeStatusDown && !busyNodes[n.ID] && old(time.Unix(n.StatusUpdatedAt, 0).UnixNano(), gc.Node) {
			out.Nodes = append(out.Nodes, n.ID)
		}
	}
	return out
}

// mayReap reports whether nobody needs an allocation: it ended, on its node too
// or the node is gone, and nothing will take its place later because of it.
func mayReap(snap *state.Snapshot, a *state.Alloc) bool {
	if !clientTerminal(a.Client) {
		return false
	}
	if a.Desired != api.AllocDesiredStatusRun {
		return true
	}
	job := snap.Job(nil, a.Namespace, a.JobID)
	if job == nil || deref(job.Stop) || deref(job.CreateIndex) != a.JobCreateIndex {
		return true
	}
	// A failed one that waits for its replacement, and a completed one of a batch job that
	// is still registered, say that the work is done: without them it would be done again.
	return a.Next != "" || deref(job.Status) == "dead"
}

func evalEnded(status string) bool {
	return status == api.EvalStatusComplete || status == api.EvalStatusFailed || status == api.EvalStatusCancelled
}

func openEvals(snap *state.Snapshot, key state.JobKey) bool {
	for ev := range snap.EvalsByJob(nil, key.Namespace, key.ID) {
		if !evalEnded(ev.Status) {
			return true
		}
	}
	return false
}

// split cuts a command into parts of at most n rows, children before parents so
// that a part that fails leaves nothing dangling.
func split(cmd *state.Reap, n int) []*state.Reap {
	var out []*state.Reap
	cut := func(ids []string, set func(*state.Reap, []string)) {
		for len(ids) > 0 {
			k := min(n, len(ids))
			part := &state.Reap{}
			set(part, ids[:k])
			out, ids = append(out, part), ids[k:]
		}
	}
	cut(cmd.Allocs, func(r *state.Reap, ids []string) { r.Allocs = ids })
	cut(cmd.Evals, func(r *state.Reap, ids []string) { r.Evals = ids })
	cut(cmd.Deployments, func(r *state.Reap, ids []string) { r.Deployments = ids })
	cut(cmd.Nodes, func(r *state.Reap, ids []string) { r.Nodes = ids })
	for jobs := cmd.Jobs; len(jobs) > 0; {
		k := min(n, len(jobs))
		out, jobs = append(out, &state.Reap{Jobs: jobs[:k]}), jobs[k:]
	}
	return out
}

func size(r *state.Reap) int {
	return len(r.Evals) + len(r.Allocs) + len(r.Deployments) + len(r.Nodes) + len(r.Jobs)
}
