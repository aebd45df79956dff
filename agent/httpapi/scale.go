package httpapi

import (
	"strings"

	"github.com/hashicorp/go-memdb"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
)

// jobScale is PUT /v1/job/:id/scale: a new count for one group. A request without a
// count only notes an event: what an autoscaler wants to be known.
func jobScale(a *API, r *request) (any, error) {
	var body api.ScalingRequest
	if err := a.decode(r, &body); err != nil {
		return nil, err
	}
	name := body.Target["Group"]
	if err := sameJob(r, body.Target["Job"]); err != nil {
		return nil, err
	}
	switch {
	case name == "":
		return nil, badRequest("missing task group name for scaling action: set Target.Group")
	case body.Error && body.Count != nil:
		return nil, badRequest("scaling action should not contain count if error is true")
	}
	if err := a.mayRegister(r); err != nil {
		return nil, err
	}
	_, job, err := a.job(r)
	if err != nil {
		return nil, err
	}
	group := lookupGroup(job, name)
	switch {
	case group == nil:
		return nil, badRequest("task group %q specified for scaling does not exist in job", name)
	case body.JobModifyIndex != 0 && body.JobModifyIndex != *job.JobModifyIndex:
		return nil, &Error{409, "job was modified since: enforcing JobModifyIndex failed"}
	case body.Count != nil && value(job.Stop):
		return nil, badRequest("cannot scale a stopped job: register it again")
	}
	cmd := &state.ScaleJob{
		Namespace: *job.Namespace, ID: *job.ID, Group: name, JobModifyIndex: *job.JobModifyIndex,
		Message: body.Message, Error: body.Error, Meta: body.Meta, Token: r.query.Get("idempotency_token"),
	}
	var warnings []string
	if body.Count != nil {
		if err := withinPolicy(group.Scaling, *body.Count); err != nil {
			return nil, err
		}
		if warnings, err = a.checkCount(job, name, int(*body.Count)); err != nil {
			return nil, err
		}
		cmd.Count = new(int(*body.Count))
	}
	res, err := apply[*state.JobResult](a, r, cmd)
	if err != nil {
		return nil, err
	}
	return &api.JobRegisterResponse{
		EvalID: res.EvalID, EvalCreateIndex: res.EvalCreateIndex, JobModifyIndex: res.JobModifyIndex,
		Warnings: strings.Join(warnings, "\n"), QueryMeta: api.QueryMeta{LastIndex: r.index},
	}, nil
}

// checkCount judges the job as it would be with that count.
func (a *API) checkCount(job *api.Job, group string, count int) (warnings []string, err error) {
	scaled := clone(job)
	clearServerFields(scaled)
	lookupGroup(scaled, group).Count = &count
	problems := a.check(scaled)
	if err := problems.Err(); err != nil {
		return nil, badRequest("%v", err)
	}
	return problems.Warnings, nil
}

// withinPolicy refuses a count outside the group's scaling policy, if it has one.
func withinPolicy(p *api.ScalingPolicy, count int64) error {
	switch {
	case count < 0:
		return badRequest("scaling action count can't be negative (is %d)", count)
	case p == nil:
		return nil
	case p.Min != nil && count < *p.Min:
		return badRequest("group count was less than scaling policy minimum: %d < %d", count, *p.Min)
	case p.Max != nil && count > *p.Max:
		return badRequest("group count was greater than scaling policy maximum: %d > %d", count, *p.Max)
	}
	return nil
}

// jobScaleStatus is GET /v1/job/:id/scale.
func jobScaleStatus(a *API, r *request) (any, error) {
	return a.readJob(r, func(snap *state.Snapshot, ws memdb.WatchSet, job *api.Job) (any, uint64, error) {
		resp := &api.JobScaleStatusResponse{
			JobID: *job.ID, Namespace: *job.Namespace, JobStopped: value(job.Stop),
			JobCreateIndex: *job.CreateIndex, JobModifyIndex: *job.JobModifyIndex,
			TaskGroups: map[string]api.TaskGroupScaleStatus{},
		}
		events, index := snap.ScalingEvents(ws, *job.Namespace, *job.ID)
		for _, g := range job.TaskGroups {
			status := api.TaskGroupScaleStatus{Desired: value(g.Count), Events: events[*g.Name]}
			if status.Events == nil {
				status.Events = []api.ScalingEvent{}
			}
			resp.TaskGroups[*g.Name] = status
		}
		for row := range snap.AllocsByJob(ws, *job.Namespace, *job.ID) {
			if g, ok := resp.TaskGroups[row.Group]; ok && row.JobCreateIndex == *job.CreateIndex {
				resp.TaskGroups[row.Group] = countAlloc(g, row)
			}
		}
		return resp, max(index, *job.ModifyIndex, snap.JobAllocsIndex(ws, *job.Namespace, *job.ID)), nil
	})
}

// countAlloc adds an allocation that is meant to run to its group's counts.
func countAlloc(g api.TaskGroupScaleStatus, row *state.Alloc) api.TaskGroupScaleStatus {
	if row.Desired != api.AllocDesiredStatusRun {
		return g
	}
	switch row.Client {
	case api.AllocClientStatusComplete, api.AllocClientStatusFailed, api.AllocClientStatusLost:
		return g
	case api.AllocClientStatusRunning:
		g.Running++
	}
	g.Placed++
	if s := row.DeploymentStatus; s != nil && s.Healthy != nil {
		if *s.Healthy {
			g.Healthy++
		} else {
			g.Unhealthy++
		}
	}
	return g
}

// scalingPolicies is GET /v1/scaling/policies (?job, ?type): what autoscalers watch.
func scalingPolicies(a *API, r *request) (any, error) {
	wantJob, wantType := r.query.Get("job"), r.query.Get("type")
	return a.read(r, func(snap *state.Snapshot, ws memdb.WatchSet) (any, uint64, error) {
		stubs := []*api.ScalingPolicyListStub{}
		for job := range visible(r, jobSpace, snap.Jobs(ws, r.namespace, wantJob)) {
			if wantJob != "" && *job.ID != wantJob {
				continue
			}
			for _, p := range policiesOf(job) {
				if wantType == "" || p.Type == wantType {
					stubs = append(stubs, &api.ScalingPolicyListStub{
						ID: p.ID, Enabled: value(p.Enabled), Type: p.Type, Target: p.Target,
						CreateIndex: p.CreateIndex, ModifyIndex: p.ModifyIndex,
					})
				}
			}
		}
		return stubs, snap.Index(state.TableJobs), nil
	})
}

// scalingPolicy is GET /v1/scaling/policy/:id.
func scalingPolicy(a *API, r *request) (any, error) {
	return a.read(r, func(snap *state.Snapshot, ws memdb.WatchSet) (any, uint64, error) {
		if p := findPolicy(snap, ws, r.vars["id"]); p != nil {
			return p, p.ModifyIndex, nil
		}
		return nil, snap.Index(state.TableJobs), notFound("policy not found")
	})
}

// findPolicy is the scaling policy of that ID, nil if there is none.
func findPolicy(snap *state.Snapshot, ws memdb.WatchSet, id string) *api.ScalingPolicy {
	for job := range snap.Jobs(ws, state.AllNamespaces, "") {
		for _, p := range policiesOf(job) {
			if p.ID == id {
				return p
			}
		}
	}
	return nil
}

// policiesOf lists a job's scaling policies, one a group at most. A policy's ID
// follows from its job and group, so it stays the same over versions.
func policiesOf(job *api.Job) []*api.ScalingPolicy {
	var out []*api.ScalingPolicy
	if value(job.Stop) {
		return nil
	}
	for _, g := range job.TaskGroups {
		if g.Scaling == nil {
			continue
		}
		p := *g.Scaling
		p.Canonicalize(value(g.Count))
		p.Target = map[string]string{"Namespace": *job.Namespace, "Job": *job.ID, "Group": *g.Name}
		p.Namespace = *job.Namespace
		p.ID = nameID("scaling-policy", *job.Namespace, *job.ID, *g.Name)
		p.CreateIndex, p.ModifyIndex = *job.CreateIndex, *job.JobModifyIndex
		out = append(out, &p)
	}
	return out
}
