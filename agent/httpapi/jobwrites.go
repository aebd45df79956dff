package httpapi

import (
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
)

// job finds the job of a write's path, which must exist.
func (a *API) job(r *request) (*state.Snapshot, *api.Job, error) {
	ns, err := r.oneNamespace()
	if err != nil {
		return nil, nil, err
	}
	snap := a.cfg.State.Snapshot()
	job := snap.Job(nil, ns, r.vars["id"])
	if job == nil {
		return nil, nil, errJobNotFound
	}
	return snap, job, nil
}

// sameJob refuses a body that names another job than the path.
func sameJob(r *request, id string) error {
	if id != "" && id != r.vars["id"] {
		return badRequest("JobID %q of the body does not match %q of the path", id, r.vars["id"])
	}
	return nil
}

// jobEvaluate is PUT /v1/job/:id/evaluate.
func jobEvaluate(a *API, r *request) (any, error) {
	var body api.JobEvaluateRequest
	if err := a.decodeOptional(r, &body); err != nil {
		return nil, err
	}
	if err := sameJob(r, body.JobID); err != nil {
		return nil, err
	}
	_, job, err := a.job(r)
	switch {
	case err != nil:
		return nil, err
	case job.IsPeriodic():
		return nil, badRequest("can't evaluate periodic job: force a launch of it instead")
	case job.IsParameterized():
		return nil, badRequest("can't evaluate parameterized job: dispatch it instead")
	}
	res, err := apply[*state.JobResult](a, r, &state.EvaluateJob{
		Namespace: *job.Namespace, ID: *job.ID, ForceReschedule: body.EvalOptions.ForceReschedule,
		Token: r.query.Get("idempotency_token"),
	})
	if err != nil {
		return nil, err
	}
	return &api.JobRegisterResponse{
		EvalID: res.EvalID, EvalCreateIndex: res.EvalCreateIndex, JobModifyIndex: res.JobModifyIndex,
		QueryMeta: api.QueryMeta{LastIndex: r.index},
	}, nil
}

// jobRevert is PUT /v1/job/:id/revert: an old version becomes a new one.
func jobRevert(a *API, r *request) (any, error) {
	var body api.JobRevertRequest
	if err := a.decode(r, &body); err != nil {
		return nil, err
	}
	if err := sameJob(r, body.JobID); err != nil {
		return nil, err
	}
	snap, job, err := a.job(r)
	if err != nil {
		return nil, err
	}
	if p := body.EnforcePriorVersion; p != nil && *p != *job.Version {
		return nil, badRequest("Current job has version %d; enforcing version %d", *job.Version, *p)
	}
	if body.JobVersion == *job.Version {
		return nil, badRequest("can't revert to current version %d", body.JobVersion)
	}
	old := snap.JobVersion(nil, *job.Namespace, *job.ID, body.JobVersion)
	if old == nil {
		return nil, notFound("job %q in namespace %q at version %d not found", *job.ID, *job.Namespace, body.JobVersion)
	}
	if err := r.mayUse(old); err != nil {
		return nil, err
	}
	again := clone(old)
	clearServerFields(again)
	again.Stop = new(false)
	if err := a.check(again).Err(); err != nil {
		return nil, badRequest("version %d is not valid any more: %v", body.JobVersion, err)
	}
	// The index makes revert refuse what another write changed meanwhile.
	return a.register(r, &state.RegisterJob{
		Job: again, Submission: snap.JobSubmission(nil, *job.Namespace, *job.ID, body.JobVersion),
		EnforceIndex: true, JobModifyIndex: *job.JobModifyIndex,
	}, nil)
}

// jobStable is PUT /v1/job/:id/stable.
func jobStable(a *API, r *request) (any, error) {
	var body api.JobStabilityRequest
	if err := a.decode(r, &body); err != nil {
		return nil, err
	}
	if err := sameJob(r, body.JobID); err != nil {
		return nil, err
	}
	_, job, err := a.job(r)
	if err != nil {
		return nil, err
	}
	if _, err := apply[any](a, r, &state.MarkJobStable{
		Namespace: *job.Namespace, ID: *job.ID, Version: body.JobVersion, Stable: body.Stable,
	}); err != nil {
		return nil, err
	}
	return &api.JobStabilityResponse{JobModifyIndex: r.index, WriteMeta: api.WriteMeta{LastIndex: r.index}}, nil
}
