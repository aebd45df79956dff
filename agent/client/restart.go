package client

import (
	"fmt"
	"hash/fnv"
	"strconv"
	"time"

	"github.com/hashicorp/nomad/api"
)

// restartPolicy is a job file's restart block, with its defaults filled in.
type restartPolicy struct {
	Attempts int           // restarts allowed within Interval
	Interval time.Duration // counted from the first of them
	Delay    time.Duration // before each, plus up to a quarter of it
	Wait     bool          // mode "delay": when they are used up, wait for the interval to end
}

// restartWindow counts the restarts of the current interval.
type restartWindow struct {
	Start time.Time
	Count int
}

// restartVerdict is what the policy says about one ended run.
type restartVerdict struct {
	Restart bool
	Delay   time.Duration
	Reason  string // in the words of the API's events
}

// jitterShare is the largest part of the delay that is added to it, so that tasks
// that fell together do not rise together.
const jitterShare = 4

// restart decides whether a task that just ended, or failed to start, runs again.
// seed spreads the delays of different tasks; the same seed gives the same delay.
func (p restartPolicy) restart(w restartWindow, now time.Time, seed uint64) (restartWindow, restartVerdict) {
	if w.Count == 0 || now.Sub(w.Start) > p.Interval {
		w = restartWindow{Start: now}
	}
	if w.Count < p.Attempts {
		w.Count++
		return w, restartVerdict{true, p.Delay + jitter(p.Delay, seed), api.AllocRestartReasonWithinPolicy}
	}
	if p.Wait {
		delay := max(w.Start.Add(p.Interval).Sub(now), p.Delay)
		return restartWindow{}, restartVerdict{true, delay + jitter(p.Delay, seed), reasonDelay}
	}
	return w, restartVerdict{Reason: fmt.Sprintf(
		"Exceeded allowed attempts %d in interval %v and mode is \"fail\"", p.Attempts, p.Interval)}
}

const reasonDelay = "Exceeded allowed attempts, applying a delay"

// jitter is between 0 and a quarter of the delay.
func jitter(delay time.Duration, seed uint64) time.Duration {
	return delay / jitterShare * time.Duration(seed%1000) / 1000
}

// restartSeed spreads the delays of an allocation's tasks and of their attempts.
func restartSeed(allocID, task string, attempt uint64) uint64 {
	h := fnv.New64a()
	h.Write([]byte(allocID + "/" + task + "/" + strconv.FormatUint(attempt, 10)))
	return h.Sum64()
}

// restartPolicyOf reads a task's policy: its own fields over its group's over the
// defaults of the job's type.
func restartPolicyOf(jobType string, group *api.TaskGroup, spec *api.Task) restartPolicy {
	p := restartPolicy{Attempts: 2, Interval: 30 * time.Minute, Delay: 15 * time.Second}
	if jobType == api.JobTypeBatch || jobType == api.JobTypeSysbatch {
		p.Attempts, p.Interval = 3, 24*time.Hour
	}
	for _, block := range []*api.RestartPolicy{group.RestartPolicy, spec.RestartPolicy} {
		if block == nil {
			continue
		}
		set(&p.Attempts, block.Attempts)
		set(&p.Interval, block.Interval)
		set(&p.Delay, block.Delay)
		if block.Mode != nil {
			p.Wait = *block.Mode == api.RestartPolicyModeDelay
		}
	}
	return p
}

// set overwrites dst where the job file said something.
func set[T any](dst, src *T) {
	if src != nil {
		*dst = *src
	}
}
