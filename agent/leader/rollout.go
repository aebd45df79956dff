package leader

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
)

// rollout moves deployments on: the next wave the moment the last one is
// healthy, promotion, success, failure, revert. Which allocations are replaced
// next is the scheduler's decision; the rollout only asks for it.
type rollout struct {
	l    *Leader
	log  hclog.Logger
	feed *feed
	busy Busy

	// seen is, by deployment, the log index of the last good news of health that this
	// loop had the job evaluated for. It saves evaluations and decides nothing.
	seen map[string]uint64
}

func newRollout(l *Leader, f *feed) *rollout {
	return &rollout{l: l, log: l.log.Named("rollout"), feed: f, busy: l.cfg.Busy("rollout")}
}

func (r *rollout) run(ctx context.Context) error {
	r.seen = map[string]uint64{}
	deadlines := map[string]time.Time{}
	look := map[string]bool{}
	for d := range r.l.cfg.State.Snapshot().Deployments(nil, "*", "") {
		look[d.ID] = true
	}
	for {
		end := r.busy()
		err := r.pass(ctx, look, deadlines)
		end()
		if err != nil {
			return err
		}
		if look, err = r.wait(ctx, deadlines); err != nil {
			return err
		}
	}
}

// wait returns the deployments to look at: those that changed, those whose
// allocations changed, and those whose deadline has come.
func (r *rollout) wait(ctx context.Context, deadlines map[string]time.Time) (map[string]bool, error) {
	var next time.Time
	for _, at := range deadlines {
		if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	var timer <-chan time.Time
	if !next.IsZero() {
		t := time.NewTimer(time.Until(next))
		defer t.Stop()
		timer = t.C
	}
	look := map[string]bool{}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-timer:
		now := time.Now()
		for id, at := range deadlines {
			if !now.Before(at) {
				look[id] = true
			}
		}
	case <-r.feed.ready:
		for _, c := range r.feed.take() {
			switch row := c.After.(type) {
			case *api.Deployment:
				look[row.ID] = true
			case *state.Alloc:
				if row.DeploymentID != "" {
					look[row.DeploymentID] = true
				}
			}
		}
	}
	return look, nil
}

func (r *rollout) pass(ctx context.Context, look map[string]bool, deadlines map[string]time.Time) error {
	snap := r.l.cfg.State.Snapshot()
	for _, id := range slices.Sorted(maps.Keys(look)) {
		d := snap.Deployment(nil, id)
		if d == nil || !activeDeployment(d.Status) || superseded(snap, d) {
			delete(deadlines, id)
			delete(r.seen, id)
			continue
		}
		var allocs []*state.Alloc
		for a := range snap.AllocsByDeployment(nil, id) {
			allocs = append(allocs, a)
		}
		step := rolloutStep(d, snap.JobVersion(nil, d.Namespace, d.JobID, d.JobVersion), allocs, time.Now())
		if step.deadline.IsZero() {
			delete(deadlines, id)
		} else {
			deadlines[id] = step.deadline
		}
		if err := r.take(ctx, d, step); err != nil {
			return fmt.Errorf("deployment %s: %w", id, err)
		}
	}
	return nil
}

// superseded reports whether the job has another version already, or is stopped: its
// evaluation cancels the deployment, and nothing may overtake that.
func superseded(snap *state.Snapshot, d *api.Deployment) bool {
	job := snap.Job(nil, d.Namespace, d.JobID)
	return job == nil || deref(job.CreateIndex) != d.JobCreateIndex || *job.Version != d.JobVersion
}

// take commits what one look at a deployment asks for.
func (r *rollout) take(ctx context.Context, d *api.Deployment, step rolloutPlan) error {
	if step.cmd == nil && len(step.reschedule) > 0 {
		cmd := &state.TransitionAllocs{Allocs: map[string]*api.DesiredTransition{}, Trigger: triggerWatcher}
		for _, id := range step.reschedule {
			cmd.Allocs[id] = &api.DesiredTransition{Reschedule: new(true)}
		}
		if _, err := r.l.apply(ctx, cmd); err != nil {
			return fmt.Errorf("reschedule %d allocations: %w", len(step.reschedule), err)
		}
	}
	if step.cmd == nil && step.news != r.seen[d.ID] && d.Status == api.DeploymentStatusRunning {
		step.cmd = &state.UpdateDeployment{ID: d.ID, Evaluate: true}
	}
	r.seen[d.ID] = step.news
	if step.cmd == nil {
		return nil
	}
	if step.cmd.Status != "" {
		r.log.Info("deployment "+step.cmd.Status, "job", d.JobID, "deployment", d.ID, "why", step.cmd.Description)
	}
	step.cmd.Trigger = triggerWatcher
	_, err := r.l.apply(ctx, step.cmd)
	return err
}

const triggerWatcher = "deployment-watcher"

// rolloutPlan is what one look at a deployment asks for.
type rolloutPlan struct {
	cmd        *state.UpdateDeployment // nil: nothing but perhaps an evaluation
	reschedule []string                // allocations that are no good and run on: another is to take their place
	news       uint64                  // log index of the last good news of health, 0: none
	deadline   time.Time               // when it fails unless something gets healthy; zero: never
}

// rolloutStep decides what becomes of a deployment. It is pure; the deployment's
// whole memory is in its row and its allocations.
func rolloutStep(d *api.Deployment, job *api.Job, allocs []*state.Alloc, now time.Time) rolloutPlan {
	groups := tally(allocs, job)
	out := rolloutPlan{}
	complete, promotable, canaries, revert := true, true, false, false
	var failed string
	for name, g := range d.TaskGroups {
		t := groups[name]
		out.news = max(out.news, t.news)
		out.reschedule = append(out.reschedule, t.reschedule...)
		waiting := g.DesiredCanaries > 0 && !g.Promoted
		if waiting {
			canaries = true
			promotable = promotable && t.healthyCanaries >= g.DesiredCanaries
		}
		if t.healthy < max(g.DesiredTotal, g.DesiredCanaries) || waiting {
			complete = false
		}
		if t.hopeless > 0 || t.unhealthy > 0 && g.ProgressDeadline == 0 {
			failed, revert = "Failed due to unhealthy allocations", revert || g.AutoRevert
		}
		done := t.healthy >= g.DesiredTotal || waiting && t.healthyCanaries >= g.DesiredCanaries
		if g.ProgressDeadline == 0 || done {
			continue
		}
		by := later(requiredBy(d, g), t.setback.Add(g.ProgressDeadline))
		if !now.Before(by) {
			failed, revert = cmp.Or(failed, "Failed due to progress deadline"), revert || g.AutoRevert
		} else if out.deadline.IsZero() || by.Before(out.deadline) {
			out.deadline = by
		}
	}
	slices.Sort(out.reschedule)
	if d.Status == api.DeploymentStatusPaused {
		return rolloutPlan{news: out.news}
	}
	out.cmd = conclude(d, failed, revert, complete, canaries && promotable && autoPromotes(d, job))
	if out.cmd != nil && out.cmd.Status != "" {
		out.deadline = time.Time{}
	}
	return out
}

// requiredBy is by when a group has to make progress.
func requiredBy(d *api.Deployment, g *api.DeploymentState) time.Time {
	if g.RequireProgressBy.IsZero() { // of a version that set it with the first placement
		return time.Unix(0, d.CreateTime).Add(g.ProgressDeadline)
	}
	return g.RequireProgressBy
}

// conclude makes the command that a deployment's tally calls for, nil for none. What a
// revert comes to is told by the state, which carries it out.
func conclude(d *api.Deployment, failed string, revert, complete, promote bool) *state.UpdateDeployment {
	switch {
	case failed != "":
		return &state.UpdateDeployment{ID: d.ID, Status: api.DeploymentStatusFailed, Description: failed, AutoRevert: revert, Evaluate: true}
	case complete:
		return &state.UpdateDeployment{
			ID: d.ID, Status: api.DeploymentStatusSuccessful, Description: "Deployment completed successfully", Stable: true,
		}
	case promote:
		return &state.UpdateDeployment{ID: d.ID, PromoteAll: true, Evaluate: true}
	}
	return nil
}

// autoPromotes reports whether every group with canaries promotes by itself.
func autoPromotes(d *api.Deployment, job *api.Job) bool {
	if job == nil {
		return false
	}
	for name, state := range d.TaskGroups {
		g := job.LookupTaskGroup(name)
		if state.DesiredCanaries > 0 && (g == nil || g.Update == nil || !deref(g.Update.AutoPromote)) {
			return false
		}
	}
	return true
}

// groupTally counts a group's allocations in a deployment.
type groupTally struct {
	healthy, healthyCanaries int
	unhealthy, hopeless      int       // of those that should run; hopeless ones may not be rescheduled
	reschedule               []string  // unhealthy ones that may, and were not asked to
	news                     uint64    // log index at which something last got healthy
	setback                  time.Time // when one that was healthy last ended: its successor has a deadline of its own
}

func tally(allocs []*state.Alloc, job *api.Job) map[string]groupTally {
	out := map[string]groupTally{}
	for _, a := range allocs {
		s := a.DeploymentStatus
		if s == nil || s.Healthy == nil {
			continue
		}
		t := out[a.Group]
		wanted := a.Desired == api.AllocDesiredStatusRun
		switch {
		case *s.Healthy && wanted && !clientTerminal(a.Client):
			t.healthy++
			if s.Canary {
				t.healthyCanaries++
			}
		case *s.Healthy:
			t.setback = later(t.setback, time.Unix(0, a.ModifyTime))
		case wanted && a.Next == "":
			t.unhealthy++
			switch {
			case !mayReschedule(a, job):
				t.hopeless++
			case !clientTerminal(a.Client) && (a.Transition == nil || !deref(a.Transition.Reschedule)):
				t.reschedule = append(t.reschedule, a.ID)
			}
		}
		if *s.Healthy {
			t.news = max(t.news, s.ModifyIndex)
		}
		out[a.Group] = t
	}
	return out
}

// mayReschedule reports whether the reschedule block allows an unhealthy allocation
// another try.
func mayReschedule(a *state.Alloc, job *api.Job) bool {
	if job == nil {
		return false
	}
	g := job.LookupTaskGroup(a.Group)
	if g == nil {
		return false
	}
	policy := lowerReschedule(*job.Type, g.ReschedulePolicy)
	return policy.Allows(lowerReschedules(a.Reschedule), a.DeploymentStatus.Timestamp)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
