package client

import (
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/nodeapi"
)

// health is what the node says about one allocation in one deployment. Once said,
// it stays: a later failure is the business of restarts and rescheduling.
type health struct {
	DeploymentID string    // this judgement is for; "" outside of deployments
	Since        time.Time // when the judging began
	Healthy      *bool     `json:",omitempty"`
	At           time.Time `json:",omitzero"`
}

// healthPolicy is what makes an allocation healthy.
type healthPolicy struct {
	judge      bool          // somebody wants to know
	checks     bool          // checks have to pass too
	minHealthy time.Duration // everything is well for this long, without a break
	deadline   time.Duration // since health.Since: then it is unhealthy
}

// healthPolicyOf reads it: from the update block inside a deployment, from the
// migrate block for other service jobs, where a drain waits for it.
func healthPolicyOf(job *api.Job, group *api.TaskGroup, alloc *nodeapi.Alloc) healthPolicy {
	p := healthPolicy{minHealthy: 10 * time.Second, deadline: 5 * time.Minute, checks: true, judge: true}
	mode := "checks"
	switch {
	case alloc.DeploymentID != "":
		for _, block := range []*api.UpdateStrategy{job.Update, group.Update} {
			if block != nil {
				set(&p.minHealthy, block.MinHealthyTime)
				set(&p.deadline, block.HealthyDeadline)
				set(&mode, block.HealthCheck)
			}
		}
	case text(job.Type, api.JobTypeService) != api.JobTypeService:
		p.judge = false
	default:
		for _, block := range []*api.MigrateStrategy{job.Migrate, group.Migrate} {
			if block != nil {
				set(&p.minHealthy, block.MinHealthyTime)
				set(&p.deadline, block.HealthyDeadline)
				set(&mode, block.HealthCheck)
			}
		}
	}
	p.checks = mode == "checks"
	if mode == "manual" {
		p.judge = false
	}
	return p
}

// wellness is how a task looks to health.
type wellness struct {
	role      role
	phase     phase
	failed    bool
	started   bool
	startedAt time.Time
}

// judge says what is known at now, and when to look again (zero: on the next
// event). checksSince is since when all checks pass, zero while they do not, nil
// where there are none; it is looked at only where the policy wants checks.
func (h health) judge(p healthPolicy, tasks []wellness, checksSince *time.Time, now time.Time) (health, time.Time) {
	if !p.judge || h.Healthy != nil {
		return h, time.Time{}
	}
	well, since, broken := allWell(tasks)
	if broken {
		return h.said(false, now), time.Time{}
	}
	deadline := h.Since.Add(p.deadline)
	if well && p.checks && checksSince != nil {
		well = !checksSince.IsZero()
		since = later(since, *checksSince)
	}
	since = later(since, h.Since)
	if well && !now.Before(since.Add(p.minHealthy)) && !since.Add(p.minHealthy).After(deadline) {
		return h.said(true, now), time.Time{}
	}
	if !now.Before(deadline) {
		return h.said(false, now), time.Time{}
	}
	if well && since.Add(p.minHealthy).Before(deadline) {
		return h, since.Add(p.minHealthy)
	}
	return h, deadline
}

// allWell tells whether all tasks are as they should be and since when, or that
// one will never be.
func allWell(tasks []wellness) (well bool, since time.Time, broken bool) {
	well = true
	for _, t := range tasks {
		switch {
		case t.role.poststop():
		case t.phase == phaseDead && (t.failed || !t.role.ephemeral()):
			return false, since, true
		case t.role.ephemeral() && t.role.hook == api.TaskLifecycleHookPrestart:
			well = well && t.phase == phaseDead
		case t.role.ephemeral(): // a poststart task may take its time
			well = well && t.started
		default:
			well = well && t.phase == phaseRunning
			since = later(since, t.startedAt)
		}
	}
	return well, since, false
}

func (h health) said(healthy bool, now time.Time) health {
	h.Healthy, h.At = &healthy, now
	return h
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
