package httpapi

import (
	"iter"
	"net/http"

	"github.com/hashicorp/go-memdb"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
)

// jobStatus is a job with all that a page of jobs shows of it, so that a user
// interface needs one blocking query and not one a job. The Go module of the API
// has no type for it.
type jobStatus struct {
	*api.JobListStub
	NodePool string
	Version  uint64
	// GroupCounts is how many instances each group wants.
	GroupCounts map[string]int
	// Allocs are those that stand for an instance: not those that were replaced or stopped.
	Allocs           []allocStatus
	LatestDeployment *api.Deployment
}

// allocStatus is an allocation in a jobStatus.
type allocStatus struct {
	ID, Name, NodeID, TaskGroup string
	JobVersion                  uint64
	ClientStatus                string
	DeploymentStatus            *api.AllocDeploymentStatus
	FollowupEvalID              string
}

// statusesRequest is the body of PUT /v1/jobs/statuses: with Jobs, only those.
type statusesRequest struct {
	Jobs            []state.JobKey
	IncludeChildren bool
}

// jobsStatuses is GET or PUT /v1/jobs/statuses (?include_children): by modify index.
func jobsStatuses(a *API, r *request) (any, error) {
	var body statusesRequest
	if r.Method != http.MethodGet {
		if err := a.decodeOptional(r, &body); err != nil {
			return nil, err
		}
	}
	children, err := r.flag("include_children", true)
	if err != nil {
		return nil, err
	}
	wanted := map[state.JobKey]bool{}
	for _, key := range body.Jobs {
		if key.Namespace == "" {
			key.Namespace = r.namespace
		}
		wanted[key] = true
	}
	var snap *state.Snapshot
	var watch memdb.WatchSet
	l := list[*api.Job, *jobStatus]{
		at:       func(j *api.Job) token { return byIndex(*j.ModifyIndex, *j.Namespace+"."+*j.ID) },
		numbered: true,
		filterOn: func(j *api.Job) any { return j },
		keep: func(j *api.Job) bool {
			if len(wanted) > 0 {
				return wanted[state.JobKey{Namespace: *j.Namespace, ID: *j.ID}]
			}
			return children || body.IncludeChildren || value(j.ParentID) == ""
		},
		show: func(j *api.Job) *jobStatus { return statusOf(snap, watch, j) },
	}
	return readPage(a, r, l, func(s *state.Snapshot, ws memdb.WatchSet) (iter.Seq[*api.Job], uint64) {
		snap, watch = s, ws
		return visible(r, jobSpace, s.Jobs(ws, r.namespace, r.prefix)), s.Index(state.TableJobs, state.TableSummaries, state.TableAllocs, state.TableDeployments)
	})
}

func statusOf(snap *state.Snapshot, ws memdb.WatchSet, j *api.Job) *jobStatus {
	out := &jobStatus{
		JobListStub: jobStub(j, snap.JobSummary(ws, *j.Namespace, *j.ID), true),
		NodePool:    value(j.NodePool), Version: *j.Version, GroupCounts: map[string]int{}, Allocs: []allocStatus{},
		LatestDeployment: snap.LatestDeployment(ws, *j.Namespace, *j.ID),
	}
	for _, g := range j.TaskGroups {
		out.GroupCounts[*g.Name] = value(g.Count)
	}
	for row := range snap.AllocsByJob(ws, *j.Namespace, *j.ID) {
		over := row.ClientTerminal() && (row.ServerTerminal() || row.Next != "")
		if over || row.JobCreateIndex != *j.CreateIndex {
			continue
		}
		out.Allocs = append(out.Allocs, allocStatus{
			ID: row.ID, Name: row.Name(), NodeID: row.NodeID, TaskGroup: row.Group, JobVersion: row.JobVersion,
			ClientStatus: row.Client, DeploymentStatus: row.DeploymentStatus, FollowupEvalID: row.FollowupEvalID,
		})
	}
	return out
}
