package leader

import (
	"context"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/scheduler"
)

// ask is a question to the evaluator, which alone may read the index.
type ask struct {
	job   *api.Job
	reply chan WhatIf
}

// WhatIf is what a decision would be.
type WhatIf struct {
	Annotations *api.PlanAnnotations
	Failed      map[string]*api.AllocationMetric
	// Waiting describes the evaluation that would wait for what Failed names.
	Waiting string
}

// Plan says what registering job would do, and changes nothing. The job must be
// canonical and valid.
func (l *Leader) Plan(ctx context.Context, job *api.Job) (WhatIf, error) {
	a := ask{job: job, reply: make(chan WhatIf, 1)}
	select {
	case l.evaluate.asks <- a:
	case <-ctx.Done():
		return WhatIf{}, ctx.Err()
	}
	select {
	case out := <-a.reply:
		return out, nil
	case <-ctx.Done():
		return WhatIf{}, ctx.Err()
	}
}

// answer is the same decision that an evaluation would make, without the commit.
func (e *evaluator) answer(a ask) WhatIf {
	snap := e.l.cfg.State.Snapshot()
	next := *a.job
	ns, id := *next.Namespace, *next.ID
	var version, created uint64
	present := snap.Job(nil, ns, id)
	if present != nil {
		version, created = *present.Version+1, deref(present.CreateIndex)
	}
	next.Version, next.CreateIndex = &version, &created
	job := lowerJob(&next)
	if present != nil && sameShape(e.lowered(present), job) {
		job.Version = *present.Version // unchanged: the version would stay
	}
	p := scheduler.Schedule(scheduler.Request{
		Cluster: e.cluster, Now: time.Now(), Job: job, Namespace: ns, JobID: id,
		Versions: func(v uint64) *scheduler.Job {
			return e.lowered(snap.JobVersion(nil, ns, id, v))
		},
		Deployment: lowerDeployment(snap.LatestDeployment(nil, ns, id)),
		Settings:   lowerSettings(snap.SchedulerConfig(nil)), Trigger: "job-register",
	})
	return WhatIf{
		Annotations: &api.PlanAnnotations{DesiredTGUpdates: raiseDesired(p.Desired)},
		Failed:      raiseFailed(p.Failed),
		Waiting:     waiting(p.Failed),
	}
}

// sameShape reports whether two versions of a job ask for the same.
func sameShape(a, b *scheduler.Job) bool {
	if a.Stopped != b.Stopped || len(a.Groups) != len(b.Groups) {
		return false
	}
	for i := range a.Groups {
		if a.Groups[i].Shape != b.Groups[i].Shape {
			return false
		}
	}
	return true
}
