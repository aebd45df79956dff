package leader

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
)

// drainer empties nodes that an operator drains: it asks allocations to move, as
// many at a time as their group's migrate block allows; the scheduler moves them.
type drainer struct {
	l    *Leader
	feed *feed
	busy Busy
}

func newDrainer(l *Leader, f *feed) *drainer {
	return &drainer{l: l, feed: f, busy: l.cfg.Busy("drain")}
}

func (d *drainer) run(ctx context.Context) error {
	draining := map[string]bool{}
	for n := range d.l.cfg.State.Snapshot().Nodes(nil) {
		if n.DrainStrategy != nil {
			draining[n.ID] = true
		}
	}
	for {
		end := d.busy()
		next, err := d.pass(ctx, draining)
		end()
		if err != nil {
			return err
		}
		if err := d.wait(ctx, next, draining); err != nil {
			return err
		}
	}
}

// wait returns when something changed that a drain may depend on.
func (d *drainer) wait(ctx context.Context, next time.Time, draining map[string]bool) error {
	for {
		var timer <-chan time.Time
		if !next.IsZero() {
			t := time.NewTimer(time.Until(next))
			defer t.Stop()
			timer = t.C
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer:
			return nil
		case <-d.feed.ready:
			for _, c := range d.feed.take() {
				if n, ok := c.After.(*state.Node); ok && n.DrainStrategy != nil {
					draining[n.ID] = true
				}
			}
			if len(draining) > 0 {
				return nil
			}
		}
	}
}

// pass looks at every draining node once. It returns the next deadline.
func (d *drainer) pass(ctx context.Context, draining map[string]bool) (next time.Time, err error) {
	snap := d.l.cfg.State.Snapshot()
	now := time.Now()
	ids := make([]string, 0, len(draining))
	for id := range draining {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	budget := migrateBudget{snap: snap, used: map[groupKey]int{}}
	for _, id := range ids {
		n := snap.Node(nil, id)
		if n == nil || n.DrainStrategy == nil {
			delete(draining, id)
			continue
		}
		step := drainStep(snap, n, &budget, now)
		if !step.next.IsZero() && (next.IsZero() || step.next.Before(next)) {
			next = step.next
		}
		if len(step.migrate) > 0 {
			if _, err := d.l.apply(ctx, &state.TransitionAllocs{Allocs: step.migrate, Trigger: "node-drain"}); err != nil {
				return next, fmt.Errorf("migrate %d allocations of node %s: %w", len(step.migrate), id, err)
			}
		}
		if step.done {
			delete(draining, id)
			cmd := &state.NodeDrain{NodeID: id, Complete: true, Event: event(now, "Node drain complete")}
			if _, err := d.l.apply(ctx, cmd); err != nil {
				return next, fmt.Errorf("complete the drain of node %s: %w", id, err)
			}
		}
	}
	return next, nil
}

// drainPlan is what one look at a draining node asks for.
type drainPlan struct {
	migrate map[string]*api.DesiredTransition
	done    bool
	next    time.Time // the deadline, while it lies ahead
}

// drainStep decides what of a node moves now. Services move within their group's
// budget; batch work may end by itself until the deadline and is then stopped;
// system jobs go last, unless they are ignored.
func drainStep(snap *state.Snapshot, n *state.Node, budget *migrateBudget, now time.Time) drainPlan {
	out := drainPlan{migrate: map[string]*api.DesiredTransition{}}
	yes := true
	deadline, force := n.DrainStrategy.ForceDeadline, drainForced(n.DrainStrategy, now)
	left := 0
	var system []*state.Alloc
	for a := range snap.AllocsByNode(nil, n.ID) {
		if clientTerminal(a.Client) || a.Desired != api.AllocDesiredStatusRun && a.Client == api.AllocClientStatusUnknown {
			continue
		}
		job := snap.JobVersion(nil, a.Namespace, a.JobID, a.JobVersion)
		kind := api.JobTypeService
		if job != nil {
			kind = *job.Type
		}
		if kind == api.JobTypeSystem || kind == api.JobTypeSysbatch {
			system = append(system, a)
			continue
		}
		left++
		if a.Desired != api.AllocDesiredStatusRun || a.Transition != nil && deref(a.Transition.Migrate) {
			continue
		}
		switch {
		case kind == api.JobTypeBatch && force:
			out.migrate[a.ID] = &api.DesiredTransition{Migrate: &yes, MigrateDisablePlacement: &yes}
		case kind == api.JobTypeBatch:
		case force || budget.take(a, job):
			out.migrate[a.ID] = &api.DesiredTransition{Migrate: &yes}
		}
	}
	if left == 0 && !n.DrainStrategy.IgnoreSystemJobs {
		for _, a := range system {
			left++
			if a.Desired == api.AllocDesiredStatusRun && (a.Transition == nil || !deref(a.Transition.Migrate)) {
				out.migrate[a.ID] = &api.DesiredTransition{Migrate: &yes}
			}
		}
	}
	out.done = left == 0
	if !force && !deadline.IsZero() {
		out.next = deadline
	}
	return out
}

type groupKey struct{ namespace, job, group string }

// migrateBudget counts, within one pass, how many allocations of a group may
// still be asked to move.
type migrateBudget struct {
	snap *state.Snapshot
	used map[groupKey]int
}

// take asks for one move: allowed while more allocations of the group run than
// count - max_parallel.
func (b *migrateBudget) take(a *state.Alloc, job *api.Job) bool {
	if job == nil {
		return true
	}
	g := job.LookupTaskGroup(a.Group)
	if g == nil {
		return true
	}
	parallel := 1
	if g.Migrate != nil && g.Migrate.MaxParallel != nil {
		parallel = max(1, *g.Migrate.MaxParallel)
	}
	key := groupKey{a.Namespace, a.JobID, a.Group}
	if _, ok := b.used[key]; !ok {
		running := 0
		for other := range b.snap.AllocsByJob(nil, a.Namespace, a.JobID) {
			if other.Group == a.Group && other.Desired == api.AllocDesiredStatusRun && other.Client == api.AllocClientStatusRunning &&
				(other.Transition == nil || !deref(other.Transition.Migrate)) && settled(b.snap, other, g) {
				running++
			}
		}
		b.used[key] = max(0, running-(deref(g.Count)-parallel))
	}
	if b.used[key] == 0 {
		return false
	}
	b.used[key]--
	return true
}

// settled reports whether an allocation counts as up: its health says so, or nobody asks
// for it, which is so of those that were neither deployed nor placed for one that had to
// leave its node.
func settled(snap *state.Snapshot, a *state.Alloc, g *api.TaskGroup) bool {
	switch {
	case a.DeploymentStatus != nil && a.DeploymentStatus.Healthy != nil:
		return *a.DeploymentStatus.Healthy
	case a.DeploymentID != "":
		return g.Update == nil
	}
	return g.Migrate == nil || deref(g.Migrate.HealthCheck) == "manual" || !snap.Succeeds(a)
}

func clientTerminal(status string) bool {
	switch status {
	case api.AllocClientStatusComplete, api.AllocClientStatusFailed, api.AllocClientStatusLost:
		return true
	}
	return false
}
