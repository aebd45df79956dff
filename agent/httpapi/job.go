package httpapi

import (
	"strconv"

	"github.com/hashicorp/go-memdb"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
)

// jobInfo is GET /v1/job/:id.
func jobInfo(a *API, r *request) (any, error) {
	return a.readJob(r, func(snap *state.Snapshot, ws memdb.WatchSet, job *api.Job) (any, uint64, error) {
		return job, *job.ModifyIndex, nil
	})
}

// readJob is read about a job that must exist.
func (a *API) readJob(r *request, read func(*state.Snapshot, memdb.WatchSet, *api.Job) (any, uint64, error)) (any, error) {
	ns, err := r.oneNamespace()
	if err != nil {
		return nil, err
	}
	return a.read(r, func(snap *state.Snapshot, ws memdb.WatchSet) (any, uint64, error) {
		job := snap.Job(ws, ns, r.vars["id"])
		if job == nil {
			return nil, snap.Index(state.TableJobs), errJobNotFound
		}
		return read(snap, ws, job)
	})
}

// jobSummary is GET /v1/job/:id/summary.
func jobSummary(a *API, r *request) (any, error) {
	return a.readJob(r, func(snap *state.Snapshot, ws memdb.WatchSet, job *api.Job) (any, uint64, error) {
		summary := snap.JobSummary(ws, *job.Namespace, *job.ID)
		if summary == nil {
			return nil, *job.ModifyIndex, errJobNotFound
		}
		return summary, summary.ModifyIndex, nil
	})
}

// jobAllocations is GET /v1/job/:id/allocations: of the present job of that name,
// or with ?all of earlier ones too. An unknown job has none.
func jobAllocations(a *API, r *request) (any, error) {
	all, err := r.flag("all", true)
	if err != nil {
		return nil, err
	}
	ns, err := r.oneNamespace()
	if err != nil {
		return nil, err
	}
	id := r.vars["id"]
	r.zeroIndex = true
	return a.read(r, func(snap *state.Snapshot, ws memdb.WatchSet) (any, uint64, error) {
		job := snap.Job(nil, ns, id)
		stubs := []*api.AllocationListStub{}
		for row := range snap.AllocsByJob(ws, ns, id) {
			if all || job == nil || row.JobCreateIndex == *job.CreateIndex {
				stubs = append(stubs, snap.API(row).Stub())
			}
		}
		return stubs, snap.JobAllocsIndex(ws, ns, id), nil
	})
}

// jobEvaluations is GET /v1/job/:id/evaluations. An unknown job has none.
func jobEvaluations(a *API, r *request) (any, error) {
	ns, err := r.oneNamespace()
	if err != nil {
		return nil, err
	}
	r.zeroIndex = true
	return a.read(r, func(snap *state.Snapshot, ws memdb.WatchSet) (any, uint64, error) {
		evals, index := []*api.Evaluation{}, uint64(1)
		for e := range snap.EvalsByJob(ws, ns, r.vars["id"]) {
			evals = append(evals, e)
			index = max(index, e.ModifyIndex)
		}
		return evals, index, nil
	})
}

// jobDeployments is GET /v1/job/:id/deployments, with ?all those of earlier jobs
// of that name too.
func jobDeployments(a *API, r *request) (any, error) {
	all, err := r.flag("all", true)
	if err != nil {
		return nil, err
	}
	ns, err := r.oneNamespace()
	if err != nil {
		return nil, err
	}
	return a.read(r, func(snap *state.Snapshot, ws memdb.WatchSet) (any, uint64, error) {
		job := snap.Job(nil, ns, r.vars["id"])
		deployments, index := []*api.Deployment{}, uint64(1)
		for d := range snap.DeploymentsByJob(ws, ns, r.vars["id"]) {
			if all || job == nil || d.JobCreateIndex == *job.CreateIndex {
				deployments = append(deployments, d)
			}
			index = max(index, d.ModifyIndex)
		}
		return deployments, index, nil
	})
}

// jobLatestDeployment is GET /v1/job/:id/deployment: null when there is none.
func jobLatestDeployment(a *API, r *request) (any, error) {
	return a.readJob(r, func(snap *state.Snapshot, ws memdb.WatchSet, job *api.Job) (any, uint64, error) {
		d := snap.LatestDeployment(ws, *job.Namespace, *job.ID)
		if d == nil || d.JobCreateIndex != *job.CreateIndex {
			return (*api.Deployment)(nil), snap.Index(state.TableDeployments), nil
		}
		return d, d.ModifyIndex, nil
	})
}

// jobVersions is GET /v1/job/:id/versions, newest first. With ?diffs each is
// compared with the one before it, or with ?diff_version or ?diff_tag.
func jobVersions(a *API, r *request) (any, error) {
	ns, err := r.oneNamespace()
	if err != nil {
		return nil, err
	}
	diffs, err := r.flag("diffs", true)
	if err != nil {
		return nil, err
	}
	against, tag := r.query.Get("diff_version"), r.query.Get("diff_tag")
	if against != "" && tag != "" {
		return nil, badRequest("diff_tag and diff_version exclude each other: name one version to compare with")
	}
	return a.read(r, func(snap *state.Snapshot, ws memdb.WatchSet) (any, uint64, error) {
		versions := snap.JobVersions(ws, ns, r.vars["id"])
		if len(versions) == 0 {
			return nil, snap.Index(state.TableJobs), notFound("job versions not found")
		}
		resp, index := &api.JobVersionsResponse{Versions: versions}, uint64(1)
		for _, v := range versions { // an old one gets tagged
			index = max(index, *v.ModifyIndex)
		}
		if tag != "" {
			tagged := state.TaggedVersion(versions, tag)
			if tagged == nil {
				return nil, index, notFound("job version tag %q not found", tag)
			}
			against = strconv.FormatUint(*tagged.Version, 10)
		}
		if diffs {
			if resp.Diffs, err = versionDiffs(versions, against); err != nil {
				return nil, index, err
			}
		}
		return resp, index, nil
	})
}

func versionDiffs(versions []*api.Job, against string) ([]*api.JobDiff, error) {
	diffs := []*api.JobDiff{}
	if against == "" {
		for i := 0; i+1 < len(versions); i++ {
			diffs = append(diffs, diffJobs(versions[i+1], versions[i]))
		}
		return diffs, nil
	}
	n, err := strconv.ParseUint(against, 10, 64)
	if err != nil {
		return nil, badRequest("Invalid value for \"diff_version\": %q is not a version number", against)
	}
	for _, base := range versions {
		if *base.Version != n {
			continue
		}
		for _, v := range versions {
			if v != base {
				diffs = append(diffs, diffJobs(base, v))
			}
		}
		return diffs, nil
	}
	return nil, notFound("job version %d not found", n)
}

// jobServices is GET /v1/job/:id/services. An unknown job has none.
func jobServices(a *API, r *request) (any, error) {
	ns, err := r.oneNamespace()
	if err != nil {
		return nil, err
	}
	return a.read(r, func(snap *state.Snapshot, ws memdb.WatchSet) (any, uint64, error) {
		return registrations(snap.ServicesByJob(ws, ns, r.vars["id"])), snap.Index(state.TableServices), nil
	})
}

// jobSubmission is GET /v1/job/:id/submission: the text that ?version, or the
// present version, was made from.
func jobSubmission(a *API, r *request) (any, error) {
	ns, err := r.oneNamespace()
	if err != nil {
		return nil, err
	}
	wanted := r.query.Get("version")
	version, err := strconv.ParseUint(wanted, 10, 64)
	if err != nil && wanted != "" {
		return nil, badRequest("Invalid value for \"version\": %q is not a version number", wanted)
	}
	return a.read(r, func(snap *state.Snapshot, ws memdb.WatchSet) (any, uint64, error) {
		if job := snap.Job(ws, ns, r.vars["id"]); wanted == "" && job != nil {
			version = *job.Version
		}
		sub := snap.JobSubmission(ws, ns, r.vars["id"], version)
		if sub == nil {
			return nil, snap.Index(state.TableSubmissions), notFound("job source not found")
		}
		return sub, snap.Index(state.TableSubmissions), nil
	})
}
