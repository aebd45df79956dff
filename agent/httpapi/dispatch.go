package httpapi

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
)

// maxPayload bounds what a dispatch carries, in bytes: it goes through the log and
// stays in memory. Fact of the Nomad API.
const maxPayload = 16 << 10

// jobDispatch is PUT /v1/job/:id/dispatch: a parameterized job becomes a job that
// runs. With an idempotency token that a child already has, it is that child.
func jobDispatch(a *API, r *request) (any, error) {
	var body api.JobDispatchRequest
	if err := a.decodeOptional(r, &body); err != nil {
		return nil, err
	}
	if err := sameJob(r, body.JobID); err != nil {
		return nil, err
	}
	snap, job, err := a.job(r)
	if err != nil {
		return nil, err
	}
	if err := dispatchable(job, &body); err != nil {
		return nil, err
	}
	token := r.query.Get("idempotency_token")
	r.index = snap.LastIndex()
	if child := childOf(snap, job, token); child != nil {
		return dispatched(r, snap, child), nil
	}
	child := a.childJob(job, &body)
	child.DispatchIdempotencyToken = &token
	if _, err := apply[*state.JobResult](a, r, &state.RegisterJob{Job: child, Token: token}); err != nil {
		return nil, err
	}
	snap = a.cfg.State.Snapshot()
	stored := snap.Job(nil, *child.Namespace, *child.ID)
	if stored == nil { // the same request was quicker on another connection
		stored = childOf(snap, job, token)
	}
	if stored == nil {
		return nil, &Error{409, "the dispatched job is gone already"}
	}
	return dispatched(r, snap, stored), nil
}

// dispatchable says whether the job takes such a dispatch.
func dispatchable(job *api.Job, body *api.JobDispatchRequest) error {
	switch {
	case !job.IsParameterized():
		return badRequest("specified job %q is not a parameterized job", *job.ID)
	case value(job.Stop):
		return badRequest("specified job %q is stopped: register it again", *job.ID)
	case body.Priority < 0 || body.Priority > 100:
		return badRequest("Priority must be from 1 to 100, or 0 for the job's own (is %d)", body.Priority)
	case strings.ContainsAny(body.IdPrefixTemplate, " \x00"):
		return badRequest("IdPrefixTemplate %q may not hold spaces: it becomes part of a job ID", body.IdPrefixTemplate)
	}
	if err := payloadFits(job, len(body.Payload)); err != nil {
		return err
	}
	wanted := job.ParameterizedJob
	var missing, unknown []string
	for _, key := range wanted.MetaRequired {
		if _, given := body.Meta[key]; !given {
			missing = append(missing, key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(body.Meta)) {
		if !slices.Contains(wanted.MetaRequired, key) && !slices.Contains(wanted.MetaOptional, key) {
			unknown = append(unknown, key)
		}
	}
	switch {
	case len(missing) > 0:
		return badRequest("Dispatch did not provide required meta keys: %v", missing)
	case len(unknown) > 0:
		return badRequest("Dispatch request included unpermitted metadata keys: %v; the job takes %v", unknown,
			slices.Concat(wanted.MetaRequired, wanted.MetaOptional))
	}
	return nil
}

// payloadFits checks a payload of n bytes against what the job wants.
func payloadFits(job *api.Job, n int) error {
	switch want := job.ParameterizedJob.Payload; {
	case n > maxPayload:
		return badRequest("Payload exceeds maximum size of %d bytes (is %d)", maxPayload, n)
	case want == "required" && n == 0:
		return badRequest("Payload is not provided but required by parameterized job")
	case want == "forbidden" && n > 0:
		return badRequest("Payload provided but forbidden by parameterized job")
	}
	for _, g := range job.TaskGroups {
		for _, t := range g.Tasks {
			if n > 0 && t.DispatchPayload != nil {
				return notYet(fmt.Sprintf("writing the payload to a file of task %q (dispatch_payload)", t.Name))
			}
		}
	}
	return nil
}

// childJob is the job that a dispatch makes. Its ID is that of its parent, the
// time and a few random digits.
func (a *API) childJob(parent *api.Job, body *api.JobDispatchRequest) *api.Job {
	child := clone(parent)
	clearServerFields(child)
	prefix := ""
	if body.IdPrefixTemplate != "" {
		prefix = body.IdPrefixTemplate + "-"
	}
	id := fmt.Sprintf("%s%s%s%d-%.8s", *parent.ID, api.JobDispatchLaunchSuffix, prefix, a.now().Unix(), newID())
	child.ID, child.Name, child.ParentID = &id, &id, parent.ID
	child.Dispatched, child.Payload, child.Stop = true, body.Payload, new(false)
	if body.Priority > 0 {
		child.Priority = &body.Priority
	}
	if child.Meta == nil {
		child.Meta = map[string]string{}
	}
	maps.Copy(child.Meta, body.Meta)
	return child
}

// childOf finds the child that was dispatched with a token, nil for none.
func childOf(snap *state.Snapshot, parent *api.Job, token string) *api.Job {
	if token == "" {
		return nil
	}
	for child := range snap.Jobs(nil, *parent.Namespace, *parent.ID+api.JobDispatchLaunchSuffix) {
		if value(child.DispatchIdempotencyToken) == token && value(child.ParentID) == *parent.ID {
			return child
		}
	}
	return nil
}

// dispatched is the answer for a child, with the evaluation that started it.
func dispatched(r *request, snap *state.Snapshot, child *api.Job) *api.JobDispatchResponse {
	resp := &api.JobDispatchResponse{
		DispatchedJobID: *child.ID, JobCreateIndex: *child.CreateIndex, WriteMeta: api.WriteMeta{LastIndex: r.index},
	}
	for e := range snap.EvalsByJob(nil, *child.Namespace, *child.ID) {
		if resp.EvalID == "" || e.CreateIndex < resp.EvalCreateIndex {
			resp.EvalID, resp.EvalCreateIndex = e.ID, e.CreateIndex
		}
	}
	return resp
}
