package client

import (
	"os"
	"path/filepath"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/nodeapi"
)

// judgeHealth brings the health forward, and says when it may change by itself.
func (a *alloc) judgeHealth(now time.Time) time.Time {
	if a.ending != "" || a.health.Healthy != nil {
		return time.Time{}
	}
	p := healthPolicyOf(a.job, a.group, a.want)
	well := make([]wellness, len(a.tasks))
	for i, m := range a.members() {
		well[i] = wellness{m.role, m.phase, m.failed, m.started, a.tasks[i].m.State.StartedAt}
	}
	next, look := a.health.judge(p, well, a.checksSince(), now)
	if next.Healthy != nil {
		a.health = next
		a.changed = true
		a.save(false)
	}
	return look
}

// publish tells the servers the present state. While a start is under way the next
// change comes within milliseconds: then both go in one report.
func (a *alloc) publish() {
	status, description := clientStatus(a.members())
	if status != a.status {
		a.shared.metrics.AddCounter("client.allocs."+status, 1)
	}
	a.status = status
	a.setAloneFor()
	report := nodeapi.AllocStatus{
		ID: a.id, ClientStatus: status, ClientDescription: description,
		TaskStates: map[string]*api.TaskState{}, Healthy: a.health.Healthy, HealthyAt: a.health.At,
		Services: a.services, Failing: a.failing,
	}
	hold := false
	for _, t := range a.tasks {
		state := t.m.State
		report.TaskStates[t.spec.Name] = &state
		hold = hold || (t.m.Phase == phaseStarting && !t.held)
	}
	a.shared.report(report, hold)
	if terminalStatus(status) {
		for _, f := range a.whenTerminal {
			f()
		}
		a.whenTerminal = nil
	}
}

// save journals the allocation, and its job if that may be new.
func (a *alloc) save(job bool) {
	stored := *a.want
	stored.Job, stored.Metrics = nil, nil
	records := []record{put(bucketAllocs, a.id, allocRecord{Alloc: &stored, Health: a.health})}
	if job {
		records = append(records, put(bucketJobs, jobKey(a.want.JobRef), a.job))
	}
	if err := a.shared.journal.write(records...); err != nil {
		a.log.Error("journaling an allocation failed", "err", err)
	}
}

// remove deletes all that is left of the allocation: its directory first, so that
// a journal entry never lacks what it stands for.
func (a *alloc) remove() {
	if err := a.dir.destroy(); err != nil {
		a.log.Error("removing an allocation's directory failed", "err", err)
	}
	// Drivers have cleaned up behind the tasks that they forgot, not behind those
	// that were gone when they looked, as after the death of the host.
	if err := os.RemoveAll(filepath.Join(a.shared.taskStateDir, a.id)); err != nil {
		a.log.Error("removing the tasks' state failed", "err", err)
	}
	records := []record{{bucket: bucketAllocs, key: a.id}}
	for _, t := range a.tasks {
		records = append(records, record{bucket: bucketTasks, key: taskKey(a.id, t.spec.Name)})
	}
	if err := a.shared.journal.write(records...); err != nil {
		a.log.Error("forgetting an allocation failed", "err", err)
	}
	a.gone = true
	a.shared.removed(a.id)
}
