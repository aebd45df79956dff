package httpapi

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
)

// maxSubmission bounds the text of a job file kept with a version. The text is for
// people; a longer one is left out, with a warning.
const maxSubmission = 1 << 20

// jobRegister is PUT /v1/jobs and PUT /v1/job/:id.
func jobRegister(a *API, r *request) (any, error) {
	var body api.JobRegisterRequest
	if err := a.decode(r, &body); err != nil {
		return nil, err
	}
	job := body.Job
	if err := a.address(r, job, &body.WriteRequest); err != nil {
		return nil, err
	}
	if err := r.mayUse(job); err != nil {
		return nil, err
	}
	snap := a.cfg.State.Snapshot()
	if err := a.mayRegister(r); err != nil {
		return nil, err
	}
	if p := body.EvalPriority; p < 0 || p > 100 {
		return nil, badRequest("EvalPriority must be from 1 to 100, or 0 for the job's own (is %d)", p)
	}
	if old := snap.Job(nil, *job.Namespace, *job.ID); old != nil {
		preserve(job, old, body.PreserveCounts, body.PreserveResources)
	}
	clearServerFields(job)
	problems := a.check(job)
	if err := problems.Err(); err != nil {
		return nil, badRequest("%v", err)
	}
	warnings := problems.Warnings
	if body.Submission != nil && len(body.Submission.Source) > maxSubmission {
		body.Submission = nil
		warnings = append(warnings, fmt.Sprintf("the job file is longer than %d bytes: its text is not kept", maxSubmission))
	}
	return a.register(r, &state.RegisterJob{
		Job: job, Submission: body.Submission, EnforceIndex: body.EnforceIndex,
		JobModifyIndex: body.JobModifyIndex, EvalPriority: body.EvalPriority,
	}, warnings)
}

// address settles which job a request is about: its path, query and body must agree.
func (a *API) address(r *request, job *api.Job, body *api.WriteRequest) error {
	switch {
	case job == nil:
		return badRequest("Job must be specified")
	case value(job.ID) == "":
		return badRequest("Job ID is missing")
	case r.vars["id"] != "" && r.vars["id"] != *job.ID:
		return badRequest("Job ID %q does not match %q of the path", *job.ID, r.vars["id"])
	}
	ns, err := agree("namespace", r.query.Get("namespace"), body.Namespace, value(job.Namespace))
	if err != nil {
		return err
	}
	region, err := agree("region", r.region, body.Region, value(job.Region))
	if err != nil {
		return err
	}
	if ns == "" {
		ns = api.DefaultNamespace
	}
	if region == "" || region == api.GlobalRegion {
		region = a.cfg.Region // "global" in a job stands for the region it is submitted to
	}
	if region != a.cfg.Region {
		return badRequest("the job is for region %q, this is region %q: send it with ?region=%s", region, a.cfg.Region, region)
	}
	job.Namespace, job.Region = &ns, &region
	return nil
}

// agree returns the one value that was given in several places, "" if none was.
func agree(what string, values ...string) (string, error) {
	got := ""
	for _, v := range values {
		switch {
		case v == "":
		case got == "":
			got = v
		case v != got:
			return "", badRequest("the request names two %ss, %q and %q: query and job must agree", what, got, v)
		}
	}
	return got, nil
}

// clearServerFields drops what only servers decide from a job that a client sent.
func clearServerFields(job *api.Job) {
	job.ParentID, job.Dispatched, job.DispatchIdempotencyToken, job.Payload = nil, false, nil, nil
	job.NomadTokenID, job.Status, job.StatusDescription = nil, nil, nil
	job.Stable, job.Version, job.SubmitTime, job.VersionTag = nil, nil, nil, nil
	job.CreateIndex, job.ModifyIndex, job.JobModifyIndex = nil, nil, nil
}

// preserve keeps the counts or resources that the registered job has now: someone
// else (an autoscaler) sets them.
func preserve(job, old *api.Job, counts, resources bool) {
	for _, group := range job.TaskGroups {
		if group == nil {
			continue // refused later
		}
		was := lookupGroup(old, value(group.Name))
		if was == nil {
			continue
		}
		if counts {
			group.Count = was.Count
		}
		for _, task := range group.Tasks {
			for _, t := range was.Tasks {
				if resources && task != nil && t.Name == task.Name && t.Resources != nil {
					task.Resources = clone(t.Resources)
				}
			}
		}
	}
}

// lookupGroup finds a group by name; unlike the API's own it takes unnamed groups.
func lookupGroup(job *api.Job, name string) *api.TaskGroup {
	for _, g := range job.TaskGroups {
		if value(g.Name) == name {
			return g
		}
	}
	return nil
}

// clone copies a value of the API's types, which are what JSON can hold.
func clone[T any](v *T) *T {
	out := new(T)
	if b, err := json.Marshal(v); err == nil {
		_ = json.Unmarshal(b, out) // it was made from the same type
	}
	return out
}

// register commits a registration and answers it.
func (a *API) register(r *request, cmd *state.RegisterJob, warnings []string) (any, error) {
	cmd.Token = r.query.Get("idempotency_token")
	res, err := apply[*state.JobResult](a, r, cmd)
	if err != nil {
		return nil, err
	}
	return &api.JobRegisterResponse{
		EvalID: res.EvalID, EvalCreateIndex: res.EvalCreateIndex, JobModifyIndex: res.JobModifyIndex,
		Warnings: strings.Join(warnings, "\n"), QueryMeta: api.QueryMeta{LastIndex: r.index},
	}, nil
}

// jobDeregister is DELETE /v1/job/:id. An unknown job is already gone.
func jobDeregister(a *API, r *request) (any, error) {
	ns, err := r.oneNamespace()
	if err != nil {
		return nil, err
	}
	purge, err := r.flag("purge", true)
	if err != nil {
		return nil, err
	}
	noDelay, err := r.flag("no_shutdown_delay", true)
	if err != nil {
		return nil, err
	}
	priority, err := r.number("eval_priority", 0)
	if err != nil || priority < 0 || priority > 100 {
		return nil, badRequest("Invalid value for \"eval_priority\": it must be from 1 to 100, or 0 for the job's own")
	}
	snap := a.cfg.State.Snapshot()
	token := r.query.Get("idempotency_token")
	if snap.Job(nil, ns, r.vars["id"]) == nil && token == "" {
		r.index = snap.LastIndex()
		return &api.JobDeregisterResponse{QueryMeta: api.QueryMeta{LastIndex: r.index}}, nil
	}
	res, err := apply[*state.JobResult](a, r, &state.DeregisterJob{
		Namespace: ns, ID: r.vars["id"], Purge: purge, EvalPriority: int(priority), NoShutdownDelay: noDelay, Token: token,
	})
	if isMissing(err) {
		return &api.JobDeregisterResponse{QueryMeta: api.QueryMeta{LastIndex: r.index}}, nil
	}
	if err != nil {
		return nil, err
	}
	return &api.JobDeregisterResponse{
		EvalID: res.EvalID, EvalCreateIndex: res.EvalCreateIndex, JobModifyIndex: res.JobModifyIndex,
		QueryMeta: api.QueryMeta{LastIndex: r.index},
	}, nil
}
