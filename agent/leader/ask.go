package leader

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
	"github.com/selfheal/selfheal/scheduler"
)

// ErrNotLeading: this server stopped leading before a question was answered.
var ErrNotLeading = errors.New("this server does not lead any more: ask again")

// question is asked of the evaluator, which alone may read the index.
type question struct {
	ctx context.Context // of who asks; its end gives the question up
	// begin answers at once and returns nil, or returns what is left to do, which is done
	// step by step between decisions.
	begin func(*evaluator) *scheduler.Inquiry
	work  *scheduler.Inquiry // nil: not begun
	err   error
	done  chan struct{} // closed when there is an answer, or err
}

// takeTurn waits until nobody else asks a question that takes seconds of work: one of them at
// a time is work enough, and who asks the same finds the answer there. release ends the turn.
func (l *Leader) takeTurn(ctx context.Context) (release func(), err error) {
	select {
	case l.turn <- struct{}{}:
		return func() { <-l.turn }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// askWait is how long a question waits for the evaluator to take it: longer than a new leader
// needs to read its state. A server that has stopped leading takes none.
const askWait = 10 * time.Second

// ask puts a question to the evaluator and waits for its answer.
func (l *Leader) ask(ctx context.Context, begin func(*evaluator) *scheduler.Inquiry) error {
	q := &question{ctx: ctx, begin: begin, done: make(chan struct{})}
	patience := time.NewTimer(askWait)
	defer patience.Stop()
	select {
	case l.evaluate.asks <- q:
	case <-patience.C:
		return ErrNotLeading
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-q.done:
		return q.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// hear takes a question, also when there is so much to decide that the loop never waits. What
// happened before it was asked must be absorbed before it is considered.
func (e *evaluator) hear() {
	select {
	case q := <-e.asks:
		e.questions = append(e.questions, q)
	default:
	}
}

// consider begins every new question, which answers the short ones, and goes on with one
// of the others for a step of a few milliseconds, in turn. So decisions wait no longer than
// that for answers, and answers come however much there is to decide.
func (e *evaluator) consider() {
	e.questions = slices.DeleteFunc(e.questions, func(q *question) bool {
		if q.ctx.Err() != nil { // nobody waits for it
			if q.work != nil {
				q.work.Close()
			}
			return true
		}
		if q.work == nil {
			if q.work = q.begin(e); q.work == nil {
				close(q.done)
			}
		}
		return q.work == nil
	})
	if len(e.questions) == 0 {
		return
	}
	q := e.questions[0]
	e.questions = e.questions[1:]
	if q.work.Step() {
		e.questions = append(e.questions, q)
	} else {
		close(q.done)
	}
}

// dismiss gives all questions up: this server does not lead any more.
func (e *evaluator) dismiss() {
	for _, q := range e.questions {
		if q.work != nil {
			q.work.Close()
		}
		q.err = ErrNotLeading
		close(q.done)
	}
	e.questions = nil
}

// source tells the scheduler what it needs of a job, as the state is when it is asked.
func (e *evaluator) source(namespace, id string) scheduler.Request {
	snap := e.l.cfg.State.Snapshot()
	return scheduler.Request{
		Now: time.Now(), Job: e.lowered(snap.Job(nil, namespace, id)), Namespace: namespace, JobID: id,
		Versions: func(v uint64) *scheduler.Job {
			return e.lowered(snap.JobVersion(nil, namespace, id, v))
		},
		Deployment: lowerDeployment(snap.LatestDeployment(nil, namespace, id)),
		Settings:   lowerSettings(snap.SchedulerConfig(nil)),
	}
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
	var out WhatIf
	err := l.ask(ctx, func(e *evaluator) *scheduler.Inquiry {
		snap := e.l.cfg.State.Told()
		req := e.planned(snap, job)
		req.Cluster = e.cluster
		p := scheduler.Schedule(req)
		out = WhatIf{
			Annotations: &api.PlanAnnotations{DesiredTGUpdates: raiseDesired(p.Desired), PreemptedAllocs: preempted(snap, &p)},
			Failed:      raiseFailed(p.Failed),
			Waiting:     waiting(p.Failed),
		}
		return nil
	})
	if err != nil {
		return WhatIf{}, err
	}
	return out, nil
}

// planned is the decision that registering job would lead to.
func (e *evaluator) planned(snap *state.Snapshot, job *api.Job) scheduler.Request {
	req := e.source(*job.Namespace, *job.ID)
	next := *job
	version, created := uint64(0), uint64(0)
	if present := snap.Job(nil, *job.Namespace, *job.ID); present != nil {
		version, created = *present.Version, deref(present.CreateIndex)
		if deref(present.Stop) || !state.SameSpec(present, job) {
			version++
		}
	}
	next.Version, next.CreateIndex = &version, &created
	req.Job, req.Trigger = lowerJob(&next), "job-register"
	return req
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
