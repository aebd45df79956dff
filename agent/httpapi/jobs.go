package httpapi

import (
	"iter"
	"strings"

	"github.com/hashicorp/go-memdb"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
	"github.com/selfheal/selfheal/jobspec"
)

// jobsList is GET /v1/jobs.
func jobsList(a *API, r *request) (any, error) {
	meta, err := r.flag("meta", true)
	if err != nil {
		return nil, err
	}
	return listJobsWhere(a, r, meta, nil)
}

// listJobsWhere lists the jobs that keep accepts; nil accepts all.
func listJobsWhere(a *API, r *request, meta bool, keep func(*api.Job) bool) (any, error) {
	var snap *state.Snapshot
	var watch memdb.WatchSet
	l := list[*api.Job, *api.JobListStub]{
		at:       func(j *api.Job) token { return byName(*j.Namespace, *j.ID) },
		filterOn: func(j *api.Job) any { return j },
		keep:     keep,
		whole:    keep == nil,
		show: func(j *api.Job) *api.JobListStub {
			return jobStub(j, snap.JobSummary(watch, *j.Namespace, *j.ID), meta)
		},
	}
	return readPage(a, r, l, func(s *state.Snapshot, ws memdb.WatchSet) (iter.Seq[*api.Job], uint64) {
		snap, watch = s, ws
		return visible(r, jobSpace, s.Jobs(ws, r.namespace, r.prefix)), s.Index(state.TableJobs, state.TableSummaries)
	})
}

func jobSpace(j *api.Job) string               { return *j.Namespace }
func allocSpace(row *state.Alloc) string       { return row.Namespace }
func evalSpace(e *api.Evaluation) string       { return e.Namespace }
func deploymentSpace(d *api.Deployment) string { return d.Namespace }
func serviceSpace(s *state.Service) string     { return s.Namespace }

// jobStub is a job as lists show it.
func jobStub(j *api.Job, summary *api.JobSummary, meta bool) *api.JobListStub {
	stub := &api.JobListStub{
		ID: *j.ID, ParentID: value(j.ParentID), Name: value(j.Name), Namespace: *j.Namespace,
		Datacenters: j.Datacenters, Type: value(j.Type), Priority: value(j.Priority),
		Periodic: j.IsPeriodic(), ParameterizedJob: j.IsParameterized(), Stop: value(j.Stop),
		Status: value(j.Status), StatusDescription: value(j.StatusDescription), JobSummary: summary,
		CreateIndex: value(j.CreateIndex), ModifyIndex: value(j.ModifyIndex),
		JobModifyIndex: value(j.JobModifyIndex), SubmitTime: value(j.SubmitTime),
	}
	if meta {
		stub.Meta = j.Meta
	}
	return stub
}

// value is what a pointer of the API's structs stands for: unset is zero.
func value[T any](p *T) (zero T) {
	if p == nil {
		return zero
	}
	return *p
}

// jobsParse is PUT /v1/jobs/parse: HCL to JSON. Functions that read files refuse.
func jobsParse(a *API, r *request) (any, error) {
	var body api.JobsParseRequest
	if err := a.decode(r, &body); err != nil {
		return nil, err
	}
	if body.JobHCL == "" {
		return nil, badRequest("Job spec is empty: JobHCL must hold the text of a job file")
	}
	in := jobspec.Input{Path: "job.hcl", Body: []byte(body.JobHCL)}
	if body.Variables != "" {
		in.VarFiles = []jobspec.VarFile{{Path: "variables.hcl", Body: []byte(body.Variables)}}
	}
	job, diags := jobspec.Parse(in)
	if diags.HasErrors() {
		return nil, badRequest("%s", diags.Error())
	}
	if body.Canonicalize {
		jobspec.APIDefaults(job) // ours come with registration
	}
	return job, nil
}

// jobValidate is PUT /v1/validate/job. A wrong job is a successful answer that says so.
func jobValidate(a *API, r *request) (any, error) {
	var body api.JobValidateRequest
	if err := a.decode(r, &body); err != nil {
		return nil, err
	}
	if body.Job == nil {
		return nil, badRequest("Job must be specified")
	}
	r.index = a.cfg.State.Snapshot().LastIndex()
	problems := a.check(body.Job)
	resp := &api.JobValidateResponse{
		DriverConfigValidated: true,
		ValidationErrors:      problems.Errors,
		Warnings:              strings.Join(problems.Warnings, "\n"),
	}
	if err := problems.Err(); err != nil {
		resp.Error = err.Error()
	}
	return resp, nil
}

// check fills in a job's defaults and judges it.
func (a *API) check(job *api.Job) jobspec.Problems {
	jobspec.Canonicalize(job)
	return jobspec.Validate(job, a.cfg.JobLimits)
}
