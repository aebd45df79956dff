package httpapi

import (
	"strings"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
)

// jobPlan is PUT /v1/job/:id/plan: what registering the job would do.
func jobPlan(a *API, r *request) (any, error) {
	var body api.JobPlanRequest
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
	if a.cfg.Planner == nil {
		return nil, notYet("planning")
	}
	clearServerFields(job)
	problems := a.check(job)
	if err := problems.Err(); err != nil {
		return nil, badRequest("%v", err)
	}
	snap := a.cfg.State.Snapshot()
	if snap.Namespace(nil, *job.Namespace) == nil {
		return nil, badRequest("namespace %q does not exist: create it first, or choose another", *job.Namespace)
	}
	old := snap.Job(nil, *job.Namespace, *job.ID)
	diff := diffJobs(old, job)
	asRegistered(job, old)

	resp, err := a.cfg.Planner.Plan(r.Context(), snap, job)
	if err != nil {
		return nil, err
	}
	r.index = snap.LastIndex()
	if old != nil {
		resp.JobModifyIndex = *old.JobModifyIndex
	}
	resp.Warnings = strings.Join(problems.Warnings, "\n")
	if resp.Annotations == nil {
		resp.Annotations = &api.PlanAnnotations{}
	}
	if body.Diff {
		annotate(diff, resp.Annotations)
		resp.Diff = diff
	}
	if job.IsPeriodic() && (job.Periodic.Enabled == nil || *job.Periodic.Enabled) {
		if zone, err := job.Periodic.GetLocation(); err == nil {
			if next, err := job.Periodic.Next(a.now().In(zone)); err == nil {
				resp.NextPeriodicLaunch = next
			}
		}
	}
	return resp, nil
}

// asRegistered gives a job the version and indexes that registering it would give.
func asRegistered(job, old *api.Job) {
	job.Version, job.CreateIndex, job.ModifyIndex, job.JobModifyIndex = new(uint64(0)), new(uint64(0)), new(uint64(0)), new(uint64(0))
	if old == nil {
		return
	}
	*job.Version, *job.CreateIndex = *old.Version, *old.CreateIndex
	*job.ModifyIndex, *job.JobModifyIndex = *old.ModifyIndex, *old.JobModifyIndex
	if value(old.Stop) || !state.SameSpec(old, job) {
		*job.Version++
	}
}

// inPlaceFields are the parts of a task that change without a restart.
var inPlaceFields = map[string]bool{
	"KillTimeout": true, "ShutdownDelay": true, "KillSignal": true, "Leader": true,
	"Service": true, "RestartPolicy": true, "ScalingPolicy": true,
}

// annotate says beside the differences what they cause, in the words that tools show.
func annotate(d *api.JobDiff, plan *api.PlanAnnotations) {
	for _, g := range d.TaskGroups {
		if u := plan.DesiredTGUpdates[g.Name]; u != nil {
			g.Updates = map[string]uint64{}
			for _, c := range []struct {
				name string
				n    uint64
			}{
				{"ignore", u.Ignore}, {"create", u.Place}, {"migrate", u.Migrate}, {"destroy", u.Stop},
				{"in-place update", u.InPlaceUpdate}, {"create/destroy update", u.DestructiveUpdate},
				{"canary", u.Canary}, {"preemptions", u.Preemptions},
			} {
				if c.n > 0 {
					g.Updates[c.name] = c.n
				}
			}
		}
		annotateCount(g)
		for _, t := range g.Tasks {
			if effect := effectOf(g, t); effect != "" {
				t.Annotations = append(t.Annotations, effect)
			}
		}
	}
}

// annotateCount marks a changed count.
func annotateCount(g *api.TaskGroupDiff) {
	for _, f := range g.Fields {
		if f.Name != "Count" || g.Type != diffEdited {
			continue
		}
		effect := "forces create"
		if len(f.New) < len(f.Old) || len(f.New) == len(f.Old) && f.New < f.Old {
			effect = "forces destroy"
		}
		f.Annotations = append(f.Annotations, effect)
	}
}

func effectOf(g *api.TaskGroupDiff, t *api.TaskDiff) string {
	switch {
	case t.Type == diffAdded || g.Type == diffAdded:
		return "forces create"
	case t.Type == diffDeleted:
		return "forces destroy"
	}
	for _, f := range t.Fields {
		if !inPlaceFields[f.Name] {
			return "forces create/destroy update"
		}
	}
	for _, o := range t.Objects {
		if !inPlaceFields[o.Name] {
			return "forces create/destroy update"
		}
	}
	return "forces in-place update"
}
