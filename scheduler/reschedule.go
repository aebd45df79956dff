package scheduler

import "time"

// lookAhead is how early a replacement may come: attempts that fall due within it are
// made at once, and one follow-up serves all that fall due within it after the first.
const lookAhead = time.Second

// enabled reports whether the policy ever replaces anything.
func (r *Reschedule) enabled() bool { return r.Unlimited || r.Attempts > 0 }

// next says when an allocation that ended at failed may be replaced, and after which
// delay. ok is false when its attempts are used up.
func (r *Reschedule) next(a *Alloc, failed time.Time) (at time.Time, delay time.Duration, ok bool) {
	if !r.Allows(a.Reschedules, failed) {
		return time.Time{}, 0, false
	}
	delay = r.delay(a.Reschedules, failed)
	return failed.Add(delay), delay, true
}

// Allows reports whether an allocation that failed at that time, after the attempts so
// far, may be replaced at all: attempts count within the interval before it.
func (r *Reschedule) Allows(past []RescheduleEvent, failed time.Time) bool {
	if r.Unlimited {
		return true
	}
	start, n := failed.Add(-r.Interval), 0
	for _, e := range past {
		if e.At.After(start) {
			n++
		}
	}
	return n < r.Attempts
}

// delay is the pause before the attempt that follows events:
//
//	constant     delay, delay, delay ...
//	exponential  delay, 2 delay, 4 delay ...
//	fibonacci    delay, delay, 2 delay, 3 delay, 5 delay ...
//
// never more than MaxDelay, and from the start again for an allocation that ran longer
// than MaxDelay before it failed.
func (r *Reschedule) delay(events []RescheduleEvent, failed time.Time) time.Duration {
	if r.Function == "constant" || len(events) == 0 {
		return r.Delay
	}
	last := events[len(events)-1]
	if r.MaxDelay > 0 && failed.Sub(last.At) > r.MaxDelay {
		return r.Delay
	}
	next := last.Delay
	switch r.Function {
	case "fibonacci":
		if len(events) > 1 {
			next += events[len(events)-2].Delay
		}
	default:
		next *= 2
	}
	if r.MaxDelay > 0 && (next > r.MaxDelay || next < 0) {
		next = r.MaxDelay
	}
	return max(next, r.Delay)
}

// failedAt is the time from which a delay counts.
func failedAt(a *Alloc, now time.Time) time.Time {
	switch {
	case !a.FinishedAt.IsZero():
		return a.FinishedAt
	case !a.HealthAt.IsZero():
		return a.HealthAt
	}
	return now
}

// due reports whether an attempt planned for at is made now.
func due(at, now time.Time) bool { return !at.After(now.Add(lookAhead)) }

// followed reports whether a follow-up that comes by then is on its way already.
func (d *decision) followed(a *Alloc, by time.Time) bool {
	if a.FollowupEval == "" || d.req.Waiting == nil {
		return a.FollowupEval != ""
	}
	at, pending := d.req.Waiting(a.FollowupEval)
	return pending && !at.After(by.Add(lookAhead))
}

// later collects allocations that wait for a follow-up.
type later struct {
	at      time.Time
	trigger string
	it      *item
}

// The triggers of follow-up evaluations, as the API spells them.
const (
	triggerReschedule = "alloc-failure"
	triggerDisconnect = "max-disconnect-timeout"
)

// events of a replacement: the policy looks at few of them, and an unlimited one must not
// grow without bound.
func rescheduleEvent(it *item, delay time.Duration, now time.Time) *RescheduleEvent {
	return &RescheduleEvent{At: now, PrevID: it.a.ID, PrevNode: it.a.NodeID, Delay: delay}
}

// avoided lists the nodes where earlier attempts failed.
func (d *decision) avoided(a *Alloc) []int32 {
	var out []int32
	if ord, ok := d.c.ordinals[a.NodeID]; ok {
		out = append(out, ord)
	}
	for _, e := range a.Reschedules {
		if ord, ok := d.c.ordinals[e.PrevNode]; ok {
			out = append(out, ord)
		}
	}
	return out
}
