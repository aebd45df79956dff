package httpapi

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
)

// maxPayload is the largest payload of a dispatch in bytes: it lives in the state as
// long as the child does. A fact of the Nomad API.
const maxPayload = 16 << 10

// jobPeriodicForce is PUT /v1/job/:id/periodic/force: a launch now, out of turn and
// whatever prohibit_overlap says.
func jobPeriodicForce(a *API, r *request) (any, error) {
	_, job, err := a.job(r)
	if err != nil {
		return nil, err
	}
	if !job.IsPeriodic() {
		return nil, badRequest("can't force launch non-periodic job")
	}
	res, err := a.launch(r, job, state.Launch{
		Child: *job.ID + api.JobPeriodicLaunchSuffix + strconv.FormatInt(a.now().Unix(), 10),
		Token: r.query.Get("idempotency_token"),
	})
	if err != nil {
		return nil, err
	}
	return struct {
		EvalID          string
		EvalCreateIndex uint64
		Index           uint64
	}{res.EvalID, res.EvalCreateIndex, r.index}, nil
}

// jobDispatch is PUT /v1/job/:id/dispatch: a child of a parameterized job, with a
// payload and meta of its own.
func jobDispatch(a *API, r *request) (any, error) {
	var body api.JobDispatchRequest
	if err := a.decodeOptional(r, &body); err != nil {
		return nil, err
	}
	if err := sameJob(r, body.JobID); err != nil {
		return nil, err
	}
	return a.dispatchJob(r, &body)
}

// jobDispatchPayload is PUT /v1/job/:id/dispatch/payload: the body as it is becomes
// the payload, so that a webhook can dispatch a job. Meta comes as ?meta=key=value.
func jobDispatchPayload(a *API, r *request) (any, error) {
	payload, err := r.body(a.cfg.Limits)
	if err != nil {
		return nil, err
	}
	body := api.JobDispatchRequest{Payload: payload, Meta: map[string]string{}, IdPrefixTemplate: r.query.Get("id_prefix_template")}
	for _, pair := range r.query["meta"] {
		key, value, given := strings.Cut(pair, "=")
		if !given || key == "" {
			return nil, badRequest("Invalid value for \"meta\": %q is not of the form key=value", pair)
		}
		body.Meta[key] = value
	}
	return a.dispatchJob(r, &body)
}

// dispatchJob makes the child that a dispatch asks for.
func (a *API) dispatchJob(r *request, body *api.JobDispatchRequest) (any, error) {
	if err := a.mayRegister(r); err != nil {
		return nil, err
	}
	_, job, err := a.job(r)
	if err != nil {
		return nil, err
	}
	if !job.IsParameterized() {
		return nil, badRequest("job %q is not parameterized: it cannot be dispatched", *job.ID)
	}
	if err := a.checkDispatch(job, body); err != nil {
		return nil, err
	}
	res, err := a.launch(r, job, state.Launch{
		Child: a.dispatchID(job, body), Meta: body.Meta, Payload: body.Payload, Priority: body.Priority,
		Token: r.query.Get("idempotency_token"),
	})
	if err != nil {
		return nil, err
	}
	return &api.JobDispatchResponse{
		DispatchedJobID: res.Child, EvalID: res.EvalID, EvalCreateIndex: res.EvalCreateIndex,
		JobCreateIndex: res.JobModifyIndex, WriteMeta: api.WriteMeta{LastIndex: r.index},
	}, nil
}

// checkDispatch holds what a dispatch brings against what its job asks for.
func (a *API) checkDispatch(job *api.Job, body *api.JobDispatchRequest) error {
	p := job.ParameterizedJob
	switch n := len(body.Payload); {
	case n > maxPayload:
		return badRequest("the payload is too large: %d bytes, at most %d are allowed", n, maxPayload)
	case n == 0 && p.Payload == "required":
		return badRequest("the payload is missing: job %q requires one", *job.ID)
	case n > 0 && p.Payload == "forbidden":
		return badRequest("job %q takes no payload: send none", *job.ID)
	}
	if most := cmp.Or(a.cfg.JobLimits.MaxPriority, 100); body.Priority < 0 || body.Priority > most {
		return badRequest("priority must be from 1 to %d, or 0 for the job's own (is %d)", most, body.Priority)
	}
	for _, key := range slices.Sorted(maps.Keys(body.Meta)) {
		if !slices.Contains(p.MetaRequired, key) && !slices.Contains(p.MetaOptional, key) {
			return badRequest("meta key %q is in neither meta_required nor meta_optional of job %q", key, *job.ID)
		}
		if strings.ContainsRune(body.Meta[key], 0) {
			return badRequest("meta key %q has a value with NUL", key)
		}
	}
	var missing []string
	for _, key := range p.MetaRequired {
		if _, given := body.Meta[key]; !given {
			missing = append(missing, key)
		}
	}
	if len(missing) > 0 {
		return badRequest("required meta keys are missing: %s", strings.Join(missing, ", "))
	}
	if len(body.IdPrefixTemplate) > maxIDPrefix || strings.ContainsAny(body.IdPrefixTemplate, " /\x00\n\t") {
		return badRequest("the ID prefix must have at most %d characters, no space and no slash (is %q)", maxIDPrefix, body.IdPrefixTemplate)
	}
	return nil
}

// maxIDPrefix bounds the part of a child's ID that a dispatch chooses.
const maxIDPrefix = 128

// dispatchID names a child: <job>/dispatch-[<prefix>-]<unix seconds>-<8 digits>. In the
// prefix ${NOMAD_META_key} and ${meta.key} stand for the child's meta.
func (a *API) dispatchID(job *api.Job, body *api.JobDispatchRequest) string {
	prefix := body.IdPrefixTemplate
	if prefix != "" {
		meta := maps.Clone(job.Meta)
		if meta == nil {
			meta = map[string]string{}
		}
		maps.Copy(meta, body.Meta)
		for k, v := range meta {
			prefix = strings.NewReplacer("${NOMAD_META_"+k+"}", v, "${meta."+k+"}", v).Replace(prefix)
		}
		prefix = strings.Map(func(c rune) rune {
			if c <= ' ' || c == '/' {
				return '-'
			}
			return c
		}, prefix) + "-"
	}
	return fmt.Sprintf("%s%s%s%d-%s", *job.ID, api.JobDispatchLaunchSuffix, prefix, a.now().Unix(), newID()[:8])
}

// launch commits one launch that a user asked for.
func (a *API) launch(r *request, job *api.Job, l state.Launch) (*state.LaunchResult, error) {
	l.Namespace, l.ID = *job.Namespace, *job.ID
	results, err := apply[[]state.LaunchResult](a, r, &state.LaunchJobs{Launches: []state.Launch{l}})
	if err != nil {
		return nil, err
	}
	if len(results) != 1 {
		return nil, fmt.Errorf("launch job: %d results", len(results))
	}
	if results[0].Err != nil {
		return nil, results[0].Err
	}
	return &results[0], nil
}
