package state

import (
	"fmt"
	"slices"

	"github.com/hashicorp/nomad/api"
)

// autoRevert goes back from a failed deployment to the job's newest stable version
// before it, which becomes a new version. It says so in words that follow the reason
// of the failure, and returns that version, nil if nothing was reverted. A job that
// was changed or stopped since is left alone: somebody has decided already.
func (t *tx) autoRevert(d *api.Deployment) (version *uint64, outcome string) {
	current := t.Job(nil, d.Namespace, d.JobID)
	if current == nil || *current.CreateIndex != d.JobCreateIndex || *current.Version != d.JobVersion || isTrue(current.Stop) {
		return nil, ""
	}
	stable := t.stableBefore(d)
	switch {
	case stable == nil:
		return nil, " - no stable job version to auto revert to"
	case SameSpec(current, stable): // it would fail again, and again
		return nil, fmt.Sprintf(" - not rolling back to stable job version %d as current job has same specification", *stable.Version)
	}
	again := t.storeJob(current, stable)
	t.markStable(d.Namespace, d.JobID, *again.Version, true) // it has run well before: nobody has to promote it
	return stable.Version, fmt.Sprintf(" - rolling back to job version %d", *stable.Version)
}

// stableBefore is the newest stable version older than the deployment's, nil if there is none.
func (t *tx) stableBefore(d *api.Deployment) *api.Job {
	versions := t.JobVersions(nil, d.Namespace, d.JobID) // newest first
	i := slices.IndexFunc(versions, func(v *api.Job) bool {
		return isTrue(v.Stable) && *v.Version < d.JobVersion && *v.CreateIndex == d.JobCreateIndex
	})
	if i < 0 {
		return nil
	}
	return versions[i]
}

// runningDescription tells whether a running deployment waits to be promoted, and by whom.
func runningDescription(d *api.Deployment, job *api.Job) string {
	waits, manual := false, false
	for name, g := range d.TaskGroups {
		if g.DesiredCanaries == 0 || g.Promoted {
			continue
		}
		waits = true
		group := job.LookupTaskGroup(name)
		manual = manual || group == nil || group.Update == nil || !isTrue(group.Update.AutoPromote)
	}
	switch {
	case manual:
		return "Deployment is running but requires manual promotion"
	case waits:
		return "Deployment is running pending automatic promotion"
	}
	return "Deployment is running"
}
