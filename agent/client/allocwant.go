package client

import (
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/nodeapi"
)

// update takes over what the servers say now. It confirms the allocation.
func (a *alloc) update(want *nodeapi.Alloc, job *api.Job) {
	touched := want.AllocModifyIndex > a.want.AllocModifyIndex
	if touched || want.AllocModifyIndex == a.want.AllocModifyIndex {
		if err := a.specify(want, job); err != nil {
			a.log.Error("taking over an update failed", "err", err)
		}
		a.respecify()
		if want.DeploymentID != a.health.DeploymentID {
			a.health = health{DeploymentID: want.DeploymentID, Since: time.Now()}
		}
		a.save(true)
		a.follow()
	}
	a.confirm()
	if want.ClientStatus != a.status || touched && len(a.offers) > 0 { // they may have taken its registrations away
		a.changed = true
	}
}

// respecify gives each task its new specification. An update in place never adds
// or removes tasks.
func (a *alloc) respecify() {
	for _, t := range a.tasks {
		for _, spec := range a.group.Tasks {
			if spec.Name == t.spec.Name {
				t.specify(spec)
			}
		}
	}
}

// confirm lets starts go ahead that waited for the servers' word.
func (a *alloc) confirm() {
	if a.confirmed {
		return
	}
	a.confirmed = true
	for _, t := range a.tasks {
		if t.held && a.ending == "" {
			t.start()
		}
	}
}

// follow obeys the desired status.
func (a *alloc) follow() {
	if a.want.DesiredStatus == api.AllocDesiredStatusRun || a.want.DesiredStatus == "" {
		return
	}
	reason := a.want.DesiredDescription
	if reason == "" {
		reason = "the servers want it to " + a.want.DesiredStatus
	}
	a.noDelay = a.want.DesiredTransition.NoShutdownDelay != nil && *a.want.DesiredTransition.NoShutdownDelay
	a.end(reason)
}

// end stops all tasks in order, after the group's shutdown_delay.
func (a *alloc) end(reason string) {
	if a.ending != "" {
		return
	}
	a.ending, a.endAt = reason, time.Now()
	a.setAloneFor()
	if delay := a.group.ShutdownDelay; delay != nil && !a.noDelay {
		a.endAt = a.endAt.Add(*delay)
	}
}

// endNow stops all tasks without any delay but their kill_timeout.
func (a *alloc) endNow(reason string) {
	a.noDelay = true
	a.end(reason)
	a.endAt = time.Now()
}

// destroy stops everything and removes the allocation with its directory.
func (a *alloc) destroy(reason string) {
	a.removing = true
	a.endNow(reason)
	for _, t := range a.tasks { // nobody waits for poststop tasks of what must vanish
		t.apply(event{kind: evKill, reason: reason, noWait: true})
	}
}
