package driver

import (
	"context"
	"os"
	"slices"
	"sync"
	"time"
)

// tableAge is how old a reading of all processes may be: the tasks of a node
// are measured together, from one reading.
const tableAge = 500 * time.Millisecond

// procTable shares one reading of /proc among tasks.
type procTable struct {
	mu    sync.Mutex
	at    time.Time
	procs []procStat
}

func (t *procTable) read() ([]procStat, time.Time, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now := time.Now(); t.at.IsZero() || now.Sub(t.at) > tableAge {
		procs, err := listProcs()
		if err != nil {
			return nil, now, err
		}
		t.procs, t.at = procs, now
	}
	return t.procs, t.at, nil
}

func (t *rawTask) Stats(context.Context) (Stats, error) {
	t.mu.Lock()
	run, supervisor := t.run, t.supervisor
	t.mu.Unlock()
	if run.isOver() {
		return Stats{}, ErrNotRunning
	}
	procs, at, err := t.driver.table.read()
	if err != nil {
		return Stats{}, err
	}
	stats := measure(procs, supervisor)
	stats.At = at

	t.mu.Lock()
	defer t.mu.Unlock()
	if elapsed := at.Sub(t.last.At); t.last.At.IsZero() || elapsed <= 0 {
		stats.Percent = t.last.Percent
	} else {
		used := stats.User + stats.System - t.last.User - t.last.System
		// Less than before: a process ended and its parent did not wait for it.
		stats.Percent = max(0, 100*float64(used)/float64(elapsed))
	}
	t.last = stats
	return stats, nil
}

// measure sums up what is below a supervisor. What has ended is counted by
// whoever waited for it, up to the supervisor, whose own use is not the task's.
func measure(procs []procStat, supervisor procID) Stats {
	var user, system, pages uint64
	stats := Stats{PIDs: []int{}}
	for _, p := range procs {
		if p.procID == supervisor {
			user += p.ChildUser
			system += p.ChildSystem
		}
	}
	for _, p := range descendants(procs, supervisor.PID) {
		user += p.User + p.ChildUser
		system += p.System + p.ChildSystem
		pages += p.RSS
		stats.PIDs = append(stats.PIDs, p.PID)
	}
	slices.Sort(stats.PIDs)
	stats.User = time.Duration(user) * tick
	stats.System = time.Duration(system) * tick
	stats.RSS = pages * uint64(os.Getpagesize())
	return stats
}
