package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"
)

// rollbackWait is how long the deployment that undoes a failed one may take to
// appear.
const rollbackWait = 10 * time.Second

// deployment follows a deployment until it ends or waits for a person. One that
// fails and is rolled back is followed by the rollback; it has failed all the same.
func (m *monitor) deployment(ctx context.Context, id string) error {
	failed, err := m.rollout(ctx, id)
	if err == nil || failed == nil || !strings.Contains(failed.StatusDescription, "rolling back") {
		return err
	}
	next, found := m.rollback(ctx, failed)
	if !found {
		return err
	}
	m.step("Rolling back")
	_, undone := m.rollout(ctx, next)
	var exit exitError
	if undone != nil && !errors.As(undone, &exit) {
		return undone
	}
	return err
}

// rollback is the deployment that follows a failed one.
func (m *monitor) rollback(ctx context.Context, failed *api.Deployment) (string, bool) {
	ctx, cancel := context.WithTimeout(ctx, rollbackWait)
	defer cancel()
	for index := uint64(0); ; {
		d, meta, err := m.c.Jobs().LatestDeployment(failed.JobID, m.query(ctx, index))
		if err != nil {
			return "", false
		}
		if d != nil && d.ID != failed.ID && d.CreateIndex > failed.CreateIndex {
			return d.ID, true
		}
		if index = max(meta.LastIndex, 1); ctx.Err() != nil {
			return "", false
		}
	}
}

// rollout follows one deployment. It returns the deployment when that failed.
func (m *monitor) rollout(ctx context.Context, id string) (*api.Deployment, error) {
	m.head("Monitoring deployment %q", shortID(id, m.verbose))
	clear(m.said)
	for index := uint64(0); ; {
		d, meta, err := m.c.Deployments().Info(id, m.query(ctx, index))
		if err == nil && (d == nil || d.Status == "") {
			err = errEmpty
		}
		if err != nil {
			return nil, fmt.Errorf("watch deployment: %w", err)
		}
		index = max(meta.LastIndex, 1)
		m.progress(ctx, d)
		switch {
		case d.Status == api.DeploymentStatusSuccessful:
			return nil, nil
		case d.Status == api.DeploymentStatusFailed || d.Status == api.DeploymentStatusCancelled:
			if m.said["failures"] == "" {
				m.failures(ctx, id)
			}
			return d, exitError{ExitUnplaced, fmt.Errorf("deployment %s %s%s", shortID(id, m.verbose), d.Status, deploymentWhy(d))}
		case d.Status == api.DeploymentStatusPaused:
			m.text("    It is paused: selfheal deployment resume %s goes on.", shortID(id, m.verbose))
			return nil, nil
		case canariesWait(d):
			m.text("    The canaries are healthy and wait for you: selfheal deployment promote %s", shortID(id, m.verbose))
			return nil, nil
		}
	}
}

// deploymentWhy is what a deployment's description adds to its status.
func deploymentWhy(d *api.Deployment) string {
	if d.StatusDescription == "Deployment is "+d.Status {
		return ""
	}
	return after(d.StatusDescription)
}

// canariesWait reports whether a deployment waits for a person to promote it.
func canariesWait(d *api.Deployment) bool {
	if strings.Contains(d.StatusDescription, "automatic") {
		return false
	}
	for _, g := range d.TaskGroups {
		if g != nil && g.DesiredCanaries > 0 && !g.Promoted && g.HealthyAllocs >= g.DesiredCanaries {
			return true
		}
	}
	return false
}

// progress shows how far a deployment is: drawn again on a terminal, else as one
// line for what changed.
func (m *monitor) progress(ctx context.Context, d *api.Deployment) {
	state := d.Status + deploymentWhy(d)
	if d.Status == api.DeploymentStatusRunning {
		state = "in progress" + cmp.Or(deploymentWhy(d), "...")
	}
	status := fmt.Sprintf("Deployment %q %s", shortID(d.ID, m.verbose), state)
	if m.live != nil {
		m.live.show("  " + status + "\n\n" + indent(tableText(deployedRows(m.s, d, m.verbose), m.s.color), "  ") + "\n")
	}
	for _, group := range keys(d.TaskGroups) {
		g := orNew(d.TaskGroups[group])
		if m.live == nil {
			m.change("group "+group, "Group %q: %d of %d placed, %d healthy, %d unhealthy", group,
				g.PlacedAllocs, max(g.DesiredTotal, g.DesiredCanaries), g.HealthyAllocs, g.UnhealthyAllocs)
		}
		if g.UnhealthyAllocs > 0 && m.said["failures"] == "" {
			m.said["failures"] = "told"
			m.failures(ctx, d.ID)
			if m.live != nil {
				m.live.keep()
			}
		}
	}
	if m.live == nil {
		m.change("deployment", "%s", status)
	}
}

// indent puts a text before every line.
func indent(text, by string) string {
	return by + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n"+by) + "\n"
}
