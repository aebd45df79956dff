package check

import (
	"hash/fnv"
	"slices"
	"time"
)

// verdict is what one run found.
type verdict struct {
	status Status // Success, Warning, Failure
	output string
	code   int
	took   time.Duration
}

// state is a check's status and what the next verdict makes of it.
type state struct {
	Result
	passed bool // it has been Success once, or was said to be at the start
	good   int  // runs that passed, in a row
	bad    int  // runs that failed, in a row
}

// newState is a check that has not run yet.
func newState(spec Spec, now time.Time) state {
	s := state{Result: Result{ID: spec.ID, Status: Pending, Since: now}}
	if spec.Initial != "" {
		s.Status = spec.Initial
	}
	if s.Status == Warning || s.Status == Failure {
		s.BadSince = now
	}
	s.passed = s.Status == Success
	return s
}

// after is the state once a run that began at the given time, and ended at now, has
// found v.
func (s state) after(v verdict, spec Spec, began, now time.Time) state {
	s.At, s.Output, s.Code = now, v.output, v.code
	s.Runs = append(slices.Clip(s.Runs), Run{At: began, Took: v.took, OK: v.status == Success})
	if extra := len(s.Runs) - KeepRuns; extra > 0 {
		s.Runs = s.Runs[extra:]
	}
	next := s.Status
	switch v.status {
	case Success:
		s.good, s.bad = s.good+1, 0
		if s.good >= max(1, spec.SuccessBeforePassing) {
			next = Success
		}
	case Warning:
		s.good, s.bad = 0, 0
		next = Warning
	default:
		s.good, s.bad = 0, s.bad+1
		switch {
		case s.bad >= max(1, spec.FailuresBeforeCritical):
			next = Failure
		case spec.FailuresBeforeWarning > 0 && s.bad >= spec.FailuresBeforeWarning && next != Failure:
			next = Warning
		}
	}
	return s.become(next, now)
}

// become moves to another status.
func (s state) become(next Status, now time.Time) state {
	if next == s.Status {
		return s
	}
	wasBad := s.Status == Warning || s.Status == Failure
	isBad := next == Warning || next == Failure
	switch {
	case !isBad:
		s.BadSince = time.Time{}
	case !wasBad:
		s.BadSince = now
	}
	s.Status, s.Since = next, now
	s.passed = s.passed || next == Success
	return s
}

const (
	// startWithin is the time over which first runs are spread.
	startWithin = 250 * time.Millisecond
	// firstRetry is the pause after the first run that did not pass; it doubles.
	firstRetry = 500 * time.Millisecond
)

// firstRun is how long after Set a check runs first.
func firstRun(spec Spec) time.Duration {
	h := fnv.New64a()
	h.Write([]byte(spec.ID))
	return time.Duration(h.Sum64() % uint64(startWithin))
}

// gap is the time from the start of the nth run (from 1) to the start of the next.
func (s state) gap(spec Spec, n int) time.Duration {
	if s.passed {
		return spec.Interval
	}
	return min(spec.Interval, firstRetry<<min(n-1, 20))
}
