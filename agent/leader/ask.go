package leader

import (
	"context"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
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
func (e *evaluator) answer(a ask, snap *state.Snapshot) WhatIf {
	next := *a.job
	ns, id := *next.Namespace, *next.ID
	var version, created uint64
	if present := snap.Job(nil, ns, id); present != nil {
		version, created = *present.Version, deref(present.CreateIndex)
		if deref(present.Stop) || !state.SameSpec(present, a.job) {
			version++
		}
	}
	next.Version, next.CreateIndex = &version, &created
	job := lowerJob(&next)
	p := scheduler.Schedule(scheduler.Request{
		Cluster: e.cluster, Now: time.Now(), Job: job, Namespace: ns, JobID: id,
		Versions: func(v uint64) *scheduler.Job {
			return e.lowered(snap.JobVersion(nil, ns, id, v))
		},
		Deployment: lowerDeployment(snap.LatestDeployment(nil, ns, id)),
		Settings:   lowerSettings(snap.SchedulerConfig(nil)), Trigger: "job-register",
	})
	return WhatIf{
		Annotations: &api.PlanAnnotations{DesiredTGUpdates: raiseDesired(p.Desired), PreemptedAllocs: preempted(snap, &p)},
		Failed:      raiseFailed(p.Failed),
	}
}

// preempted lists the allocations that a decision evicts.
func preempted(snap *state.Snapshot, p *scheduler.Plan) (out []*api.AllocationListStub) {
	for _, s := range p.Stops {
		if a := snap.Alloc(nil, s.ID); a != nil && s.Desired == scheduler.Evict {
			out = append(out, snap.API(a).Stub())
		}
	}
	return out
}
