package leader

import (
	"context"
	"fmt"
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

	// healthy is, by deployment, how many healthy allocations the last evaluation
	// that this loop asked for knew of. It saves evaluations and decides nothing.
	healthy map[string]int
}

func newRollout(l *Leader, f *feed) *rollout {
	return &rollout{l: l, log: l.log.Named("rollout"), feed: f, busy: l.cfg.Busy("rollout")}
}

func (r *rollout) run(ctx context.Context) error {
	r.healthy = map[string]int{}
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
	for id := range look {
		d := snap.Deployment(nil, id)
		if d == nil || !activeDeployment(d.Status) {
			delete(deadlines, id)
			delete(r.healthy, id)
			continue
		}
		var allocs []*state.Alloc
		for a := range snap.AllocsByDeployment(nil, id) {
			allocs = append(allocs, a)
		}
		step := rolloutStep(d, snap.JobVersion(nil, d.Namespace, d.JobID, d.JobVersion), allocs, previousStable(snap, d), time.Now())
		if step.deadline.IsZero() {
			delete(deadlines, id)
		} else {
			deadlines[id] = step.deadline
		}
		if step.cmd == nil && step.healthy != r.healthy[id] && d.Status == api.DeploymentStatusRunning {
			step.cmd = &state.UpdateDeployment{ID: id, Evaluate: true, ProgressBy: step.progressBy}
		}
		r.healthy[id] = step.healthy
		if step.cmd == nil {
			continue
		}
		if step.cmd.Status != "" {
			r.log.Info("deployment "+step.cmd.Status, "job", d.JobID, "deployment", id, "why", step.cmd.Description)
			delete(deadlines, id)
		}
		step.cmd.Trigger = "deployment-watcher"
		if _, err := r.l.apply(ctx, step.cmd); err != nil {
			return fmt.Errorf("deployment %s: %w", id, err)
		}
	}
	return nil
}

// previousStable is the version that a failed deployment goes back to: the
// newest stable one older than the deployment's; nil if there is none.
func previousStable(snap *state.Snapshot, d *api.Deployment) *uint64 {
	for _, j := range snap.JobVersions(nil, d.Namespace, d.JobID) {
		if deref(j.Stable) && *j.Version < d.JobVersion && deref(j.CreateIndex) == d.JobCreateIndex {
			return j.Version
		}
	}
	return nil
}

// rolloutPlan is what one look at a deployment asks for.
type rolloutPlan struct {
	cmd        *state.UpdateDeployment // nil: nothing but perhaps an evaluation
	healthy    int
	deadline   time.Time // when it fails unless something gets healthy; zero: never
	progressBy map[string]time.Time
}

// rolloutStep decides what becomes of a deployment. It is pure; the deployment's
// whole memory is in its row and its allocations.
func rolloutStep(d *api.Deployment, job *api.Job, allocs []*state.Alloc, stable *uint64, now time.Time) rolloutPlan {
	groups := tally(allocs)
	out := rolloutPlan{progressBy: map[string]time.Time{}}
	complete, promotable, canaries, revert := true, true, false, false
	var failed string
	for name, g := range d.TaskGroups {
		t := groups[name]
		out.healthy += t.healthy
		waiting := g.DesiredCanaries > 0 && !g.Promoted
		if waiting {
			canaries = true
			promotable = promotable && t.healthyCanaries >= g.DesiredCanaries
		}
		if t.healthy < max(g.DesiredTotal, g.DesiredCanaries) || waiting {
			complete = false
		}
		if t.unhealthy > 0 && g.ProgressDeadline == 0 {
			failed, revert = "Failed due to unhealthy allocations", revert || g.AutoRevert
		}
		done := t.healthy >= g.DesiredTotal || waiting && t.healthyCanaries >= g.DesiredCanaries
		if g.ProgressDeadline == 0 || done {
			continue
		}
		by := later(t.progress, time.Unix(0, d.CreateTime)).Add(g.ProgressDeadline)
		out.progressBy[name] = by
		if !now.Before(by) {
			failed, revert = "Failed due to progress deadline", revert || g.AutoRevert
		} else if out.deadline.IsZero() || by.Before(out.deadline) {
			out.deadline = by
		}
	}
	if d.Status == api.DeploymentStatusPaused {
		out.deadline = time.Time{}
		return out
	}
	out.cmd = conclude(d, failed, revert, stable, complete, canaries && promotable && autoPromotes(d, job))
	return out
}

// conclude makes the command that a deployment's tally calls for, nil for none.
func conclude(d *api.Deployment, failed string, revert bool, stable *uint64, complete, promote bool) *state.UpdateDeployment {
	switch {
	case failed != "" && revert && stable != nil:
		return &state.UpdateDeployment{
			ID: d.ID, Status: api.DeploymentStatusFailed, Revert: stable, Evaluate: true,
			Description: fmt.Sprintf("%s - rolling back to job version %d", failed, *stable),
		}
	case failed != "" && revert:
		return &state.UpdateDeployment{
			ID: d.ID, Status: api.DeploymentStatusFailed, Evaluate: true,
			Description: failed + " - no stable job version to auto revert to",
		}
	case failed != "":
		return &state.UpdateDeployment{ID: d.ID, Status: api.DeploymentStatusFailed, Description: failed, Evaluate: true}
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
	healthy, unhealthy, healthyCanaries int
	progress                            time.Time // when something last got placed first or healthy
}

func tally(allocs []*state.Alloc) map[string]groupTally {
	out := map[string]groupTally{}
	for _, a := range allocs {
		t := out[a.Group]
		s := a.DeploymentStatus
		switch {
		case s == nil || s.Healthy == nil:
		case *s.Healthy:
			t.progress = later(t.progress, s.Timestamp)
			if a.Desired == api.AllocDesiredStatusRun && !clientTerminal(a.Client) {
				t.healthy++
				if s.Canary {
					t.healthyCanaries++
				}
			}
		default:
			t.unhealthy++
		}
		out[a.Group] = t
	}
	return out
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
