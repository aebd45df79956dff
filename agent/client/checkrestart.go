package client

import (
	"fmt"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/check"
)

// checkRestart is a job file's check_restart block: when an unhealthy check restarts
// its task. The zero value never does.
type checkRestart struct {
	limit          int           // unhealthy for limit-1 intervals; 0: never
	grace          time.Duration // after the task's start: until then nothing counts
	ignoreWarnings bool          // a warning is healthy
	interval       time.Duration // of the check
}

// checkRestartOf reads it. The service's own block was merged into it by Canonicalize.
func checkRestartOf(c *api.ServiceCheck) checkRestart {
	if c.CheckRestart == nil {
		return checkRestart{}
	}
	r := checkRestart{limit: c.CheckRestart.Limit, grace: time.Second, ignoreWarnings: c.CheckRestart.IgnoreWarnings, interval: c.Interval}
	set(&r.grace, c.CheckRestart.Grace)
	return r
}

// due is when a task that started at the given time is to be restarted if nothing
// changes; zero: not because of this check.
//
//	max(unhealthy since, start + grace) + (limit - 1) * interval
func (p checkRestart) due(started time.Time, r check.Result) time.Time {
	since := r.BadSince
	if p.ignoreWarnings && r.Status == check.Failure {
		since = r.Since
	}
	if p.limit < 1 || since.IsZero() || (p.ignoreWarnings && r.Status != check.Failure) {
		return time.Time{}
	}
	return later(since, started.Add(p.grace)).Add(time.Duration(p.limit-1) * p.interval)
}

// restartUnhealthy restarts the tasks whose checks have been unhealthy for as long as
// their check_restart allows, and says when the next may be.
func (a *alloc) restartUnhealthy(now time.Time) (look time.Time) {
	results := a.checkResults()
	for _, o := range a.offers {
		for _, c := range o.checks {
			for _, t := range a.tasks {
				if t.m.Phase != phaseRunning || !c.restarts(t.spec.Name) {
					continue
				}
				at := c.restart.due(t.m.State.StartedAt, results[c.spec.ID])
				switch {
				case at.IsZero():
				case now.Before(at):
					if look.IsZero() || at.Before(look) {
						look = at
					}
				default:
					t.apply(event{kind: evUnhealthy, reason: fmt.Sprintf("healthcheck: check %q unhealthy", c.shown.Check)})
				}
			}
		}
	}
	return look
}

func (c offeredCheck) restarts(task string) bool {
	for _, name := range c.tasks {
		if name == task {
			return true
		}
	}
	return false
}
