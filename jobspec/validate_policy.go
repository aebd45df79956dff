package jobspec

import (
	"time"

	"github.com/hashicorp/nomad/api"
)

// The shortest times that make sense: below them a failing task is a busy loop.
const (
	minRestartInterval    = 5 * time.Second
	minRescheduleDelay    = 5 * time.Second
	minRescheduleInterval = 15 * time.Second
)

// healthChecks are the ways to tell whether an allocation is healthy.
var healthChecks = []string{"checks", "task_states", "manual"}

// update judges how a new version is rolled out.
func (c checker) update(u *api.UpdateStrategy, kind jobKind) {
	if u == nil {
		return
	}
	c = c.in("update")
	c.atLeast("max_parallel", or(u.MaxParallel), 0)
	c.atLeast("canary", or(u.Canary), 0)
	if kind.perNode && or(u.Canary) > 100 {
		c.errorf("canary is a percentage of the nodes in a system job: at most 100 (is %d)", or(u.Canary))
	}
	c.oneOf("health_check", or(u.HealthCheck), healthChecks...)
	c.deadline(or(u.MinHealthyTime), or(u.HealthyDeadline))
	progress := or(u.ProgressDeadline)
	switch {
	case progress < 0:
		c.errorf("progress_deadline cannot be negative (is %s)", progress)
	case progress > 0 && progress <= or(u.HealthyDeadline):
		c.errorf("progress_deadline must be longer than healthy_deadline (is %s, healthy_deadline is %s)", progress, or(u.HealthyDeadline))
	}
	if or(u.AutoPromote) && or(u.Canary) == 0 {
		c.errorf("auto_promote needs canary to be at least 1")
	}
	if d := or(u.Stagger); d < 0 {
		c.errorf("stagger cannot be negative (is %s)", d)
	}
}

// deadline judges the two times that update and migrate share.
func (c checker) deadline(healthy, deadline time.Duration) {
	switch {
	case healthy < 0:
		c.errorf("min_healthy_time cannot be negative (is %s)", healthy)
	case deadline <= 0:
		c.errorf("healthy_deadline must be positive (is %s)", deadline)
	case healthy >= deadline:
		c.errorf("healthy_deadline must be longer than min_healthy_time (is %s, min_healthy_time is %s)", deadline, healthy)
	}
}

// migrate judges how allocations leave a node that is drained.
func (c checker) migrate(m *api.MigrateStrategy) {
	if m == nil {
		return
	}
	c = c.in("migrate")
	c.atLeast("max_parallel", or(m.MaxParallel), 0)
	c.oneOf("health_check", or(m.HealthCheck), "checks", "task_states")
	c.deadline(or(m.MinHealthyTime), or(m.HealthyDeadline))
}

// restart judges how often a task is started again on its node.
func (c checker) restart(r *api.RestartPolicy) {
	if r == nil {
		return
	}
	attempts, delay, interval := or(r.Attempts), or(r.Delay), or(r.Interval)
	c.oneOf("mode", or(r.Mode), api.RestartPolicyModeDelay, api.RestartPolicyModeFail)
	c.atLeast("attempts", attempts, 0)
	if delay < 0 {
		c.errorf("delay cannot be negative (is %s)", delay)
	}
	if interval < minRestartInterval {
		c.errorf("interval must be at least %s (is %s)", minRestartInterval, interval)
	}
	if attempts == 0 && or(r.Mode) == api.RestartPolicyModeDelay {
		c.errorf(`mode "delay" with 0 attempts would never start the task again; use mode "fail"`)
	}
	// The product of attempts and delay could overflow; the quotient cannot.
	if attempts > 0 && delay > 0 && delay > interval/time.Duration(attempts) {
		c.errorf("%d attempts with a delay of %s do not fit into an interval of %s", attempts, delay, interval)
	}
}

// reschedule judges how a failed allocation moves to another node.
func (c checker) reschedule(r *api.ReschedulePolicy) {
	if r == nil {
		return
	}
	c = c.in("reschedule")
	attempts, interval, delay := or(r.Attempts), or(r.Interval), or(r.Delay)
	c.atLeast("attempts", attempts, 0)
	if attempts <= 0 && !or(r.Unlimited) {
		return // never rescheduled: the rest has no meaning
	}
	c.oneOf("delay_function", or(r.DelayFunction), "constant", "exponential", "fibonacci")
	if delay < minRescheduleDelay {
		c.errorf("delay must be at least %s (is %s)", minRescheduleDelay, delay)
	}
	if or(r.DelayFunction) != "constant" && or(r.MaxDelay) < delay {
		c.errorf("max_delay must be at least delay (is %s, delay is %s)", or(r.MaxDelay), delay)
	}
	if or(r.Unlimited) {
		if attempts > 0 {
			c.warnf("attempts has no effect because unlimited is true")
		}
		return
	}
	if interval < minRescheduleInterval {
		c.errorf("interval must be at least %s (is %s)", minRescheduleInterval, interval)
	}
	if attempts > 0 && delay > interval/time.Duration(attempts) {
		c.warnf("%d attempts with a delay of %s do not fit into an interval of %s", attempts, delay, interval)
	}
}

// disconnect judges what happens when a node is out of reach.
func (c checker) disconnect(d *api.DisconnectStrategy) {
	if d == nil {
		return
	}
	c = c.in("disconnect")
	lost, stop := or(d.LostAfter), or(d.StopOnClientAfter)
	if lost < 0 {
		c.errorf("lost_after cannot be negative (is %s)", lost)
	}
	if stop < 0 {
		c.errorf("stop_on_client_after cannot be negative (is %s)", stop)
	}
	if lost > 0 && d.StopOnClientAfter != nil {
		c.errorf("lost_after and stop_on_client_after exclude each other")
	}
	c.oneOf("reconcile", string(or(d.Reconcile)), "", "best_score", "keep_original", "keep_replacement", "longest_running")
}
