package leader

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
)

// batchLaunches bounds the launches of one log entry: many jobs come due together,
// at the full hour.
const batchLaunches = 256

// periodic launches periodic jobs by their schedules. Until when a schedule has been
// served is in the state: what was missed while nobody led is caught up with one
// launch, and a launch that an earlier leader made is not made again.
type periodic struct {
	l    *Leader
	log  hclog.Logger
	feed *feed
	busy Busy
	due  map[state.JobKey]time.Time // the next launch of each job that has one; owned by run
}

func newPeriodic(l *Leader, f *feed) *periodic {
	return &periodic{l: l, log: l.log.Named("periodic"), feed: f, busy: l.cfg.Busy("periodic")}
}

func (p *periodic) run(ctx context.Context) error {
	p.all()
	for {
		end := p.busy()
		next, err := p.launch(ctx, time.Now())
		end()
		if err != nil {
			return err
		}
		if err := p.wait(ctx, next); err != nil {
			return err
		}
	}
}

// all plans every periodic job, when this server starts to lead.
func (p *periodic) all() {
	p.due = map[state.JobKey]time.Time{}
	snap := p.l.cfg.State.Snapshot()
	for j := range snap.Jobs(nil, state.AllNamespaces, "") {
		if j.IsPeriodic() {
			p.plan(snap, state.JobKey{Namespace: *j.Namespace, ID: *j.ID})
		}
	}
}

// plan notes when a job is launched next.
func (p *periodic) plan(snap *state.Snapshot, key state.JobKey) {
	delete(p.due, key)
	j := snap.Job(nil, key.Namespace, key.ID)
	if j == nil {
		return
	}
	next, err := nextLaunch(j, snap.LastLaunch(nil, key.Namespace, key.ID))
	if err != nil { // it was checked when it was registered, by a version that may have known more
		p.log.Error("a periodic job is not launched: its schedule cannot be read", "job", key.ID, "err", err)
		return
	}
	if !next.IsZero() {
		p.due[key] = next
	}
}

// nextLaunch is the first time of a job's schedule, in its time zone, after the last
// launch and after the schedule was registered. Zero: never.
func nextLaunch(j *api.Job, last time.Time) (time.Time, error) {
	c := j.Periodic
	if c == nil || deref(j.Stop) || c.Enabled != nil && !*c.Enabled {
		return time.Time{}, nil
	}
	from := time.Unix(0, deref(j.SubmitTime))
	if last.After(from) {
		from = last
	}
	zone, err := c.GetLocation()
	if err != nil {
		return time.Time{}, fmt.Errorf("time_zone: %w", err)
	}
	return c.Next(from.In(zone))
}

// launch makes the launches that are due, and returns when the next one is.
func (p *periodic) launch(ctx context.Context, now time.Time) (next time.Time, err error) {
	for {
		cmd := &state.LaunchJobs{}
		next = time.Time{}
		for key, at := range p.due {
			switch {
			case at.After(now):
				if next.IsZero() || at.Before(next) {
					next = at
				}
			case len(cmd.Launches) < batchLaunches:
				child := key.ID + api.JobPeriodicLaunchSuffix + strconv.FormatInt(at.Unix(), 10)
				cmd.Launches = append(cmd.Launches, state.Launch{Namespace: key.Namespace, ID: key.ID, Child: child, Due: at})
			}
		}
		if len(cmd.Launches) == 0 {
			return next, nil
		}
		if err := p.commit(ctx, cmd); err != nil {
			return next, err
		}
	}
}

// commit makes a batch of launches, and plans those jobs again.
func (p *periodic) commit(ctx context.Context, cmd *state.LaunchJobs) error {
	result, err := p.l.apply(ctx, cmd)
	if err != nil {
		return fmt.Errorf("launch %d jobs: %w", len(cmd.Launches), err)
	}
	results, _ := result.([]state.LaunchResult)
	snap := p.l.cfg.State.Snapshot()
	for i, l := range cmd.Launches {
		key := state.JobKey{Namespace: l.Namespace, ID: l.ID}
		p.plan(snap, key)
		if i >= len(results) {
			continue
		}
		switch r := results[i]; {
		case r.Err != nil: // stopped or gone since: its change comes through the feed
			delete(p.due, key)
			p.log.Info("launch refused", "job", l.ID, "err", r.Err)
		case r.Skipped != "":
			p.log.Info("launch skipped: "+r.Skipped, "job", l.ID, "due", l.Due)
		default:
			p.log.Debug("launched", "job", l.ID, "child", r.Child)
		}
	}
	return nil
}

// longWait bounds a wait for a launch: clocks are set, and a timer does not notice.
const longWait = time.Minute

// wait returns when a launch may be due, or a periodic job has changed.
func (p *periodic) wait(ctx context.Context, next time.Time) error {
	var timer <-chan time.Time
	if !next.IsZero() {
		t := time.NewTimer(min(time.Until(next), longWait))
		defer t.Stop()
		timer = t.C
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer:
		return nil
	case <-p.feed.ready:
	}
	snap := p.l.cfg.State.Snapshot()
	for _, c := range p.feed.take() {
		if c.Table == state.TableRestore {
			p.all()
			return nil
		}
		for _, row := range []any{c.Before, c.After} {
			if j, ok := row.(*api.Job); ok && j.IsPeriodic() {
				p.plan(snap, state.JobKey{Namespace: *j.Namespace, ID: *j.ID})
			}
		}
	}
	return nil
}
