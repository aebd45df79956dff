package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"
	"golang.org/x/term"
)

// monitor follows an evaluation, and the deployment that it begins, on standard
// error until there is nothing left to see.
type monitor struct {
	s       *session
	c       *api.Client
	ns      string
	verbose bool
	wait    time.Duration     // how long one query may last
	said    map[string]string // what was last said about a thing, to say only what changed
	live    *liveBlock        // on a terminal: the deployment, drawn again and again
}

// watch follows an evaluation to its end. Its error is an exitError with
// ExitUnplaced when allocations found no node or the deployment failed.
func (s *session) watch(c *api.Client, evalID, namespace string, verbose bool) error {
	ctx, stop := s.interruptible()
	defer stop()
	m := s.newMonitor(c, namespace, verbose)
	err := m.evaluation(ctx, evalID)
	if ctx.Err() != nil {
		s.say("\nNo longer watching; the cluster goes on with it. To watch again: selfheal eval status -monitor %s", shortID(evalID, verbose))
		return exitError{code: 1}
	}
	return err
}

func (s *session) newMonitor(c *api.Client, namespace string, verbose bool) *monitor {
	m := &monitor{s: s, c: c, ns: namespace, verbose: verbose, wait: 2 * time.Second, said: map[string]string{}}
	if f, ok := s.err.(*os.File); ok && isTerminal(f) {
		m.live = &liveBlock{w: s.err, width: func() int {
			width, _, err := term.GetSize(int(f.Fd()))
			if err != nil {
				return helpWidth
			}
			return width
		}}
	}
	return m
}

// head says a line that begins or ends what is watched, with the time.
func (m *monitor) head(format string, args ...any) { m.line("==> ", format, args...) }

// step says a line in between, with the time.
func (m *monitor) step(format string, args ...any) { m.line("    ", format, args...) }

func (m *monitor) line(before, format string, args ...any) {
	if m.live != nil {
		m.live.keep()
	}
	m.s.say("%s%s %s", before, m.s.paintErr(dim, m.s.time().Format("15:04:05:")), fmt.Sprintf(format, args...))
}

// change says a line unless it is the last one said about the same thing.
func (m *monitor) change(about, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if m.said[about] != text {
		m.said[about] = text
		m.step("%s", text)
	}
}

func (m *monitor) query(ctx context.Context, index uint64) *api.QueryOptions {
	q := &api.QueryOptions{Namespace: m.ns, WaitIndex: index, WaitTime: m.wait}
	return q.WithContext(ctx)
}

func (m *monitor) evaluation(ctx context.Context, id string) error {
	m.head("Monitoring evaluation %q", shortID(id, m.verbose))
	var eval *api.Evaluation
	status := api.EvalStatusPending
	for index := uint64(0); ; {
		e, meta, err := m.c.Evaluations().Info(id, m.query(ctx, index))
		if err == nil && (e == nil || e.Status == "") {
			err = errEmpty
		}
		if err != nil {
			return fmt.Errorf("watch evaluation: %w", err)
		}
		index = max(meta.LastIndex, 1)
		m.change("job", "Evaluation triggered by job %q", e.JobID)
		if e.DeploymentID != "" {
			m.change("within", "Evaluation within deployment: %q", shortID(e.DeploymentID, m.verbose))
		}
		if e.Status != status {
			m.step("Evaluation status changed: %q -> %q%s", status, e.Status, after(e.StatusDescription))
			status = e.Status
		}
		if eval = e; finished(e.Status) || e.Status == api.EvalStatusBlocked {
			break
		}
	}
	if eval.Status == api.EvalStatusFailed || eval.Status == api.EvalStatusCancelled {
		return exitError{1, fmt.Errorf("evaluation %s %s%s", shortID(id, m.verbose), eval.Status, after(eval.StatusDescription))}
	}
	if err := m.placed(ctx, eval); err != nil {
		return err
	}
	if len(eval.FailedTGAllocs) > 0 {
		return m.unplaced(eval)
	}
	m.head("Evaluation %q finished with status %q", shortID(id, m.verbose), eval.Status)
	deployment, err := m.deploymentOf(ctx, eval)
	if err != nil || deployment == "" {
		return err
	}
	return m.deployment(ctx, deployment)
}

// placed says what the evaluation placed, group by group.
func (m *monitor) placed(ctx context.Context, eval *api.Evaluation) error {
	allocs, _, err := m.c.Evaluations().Allocations(eval.ID, m.query(ctx, 0))
	if err != nil {
		return fmt.Errorf("watch allocations: %w", err)
	}
	count := map[string]map[string][]string{}
	for _, a := range present(allocs) {
		what := "placed"
		if a.DesiredStatus != api.AllocDesiredStatusRun {
			what = "stopped"
		}
		if count[a.TaskGroup] == nil {
			count[a.TaskGroup] = map[string][]string{}
		}
		node := a.NodeName
		if node == "" {
			node = shortID(a.NodeID, false)
		}
		count[a.TaskGroup][what] = append(count[a.TaskGroup][what], node)
	}
	for _, group := range keys(count) {
		for _, what := range keys(count[group]) {
			on := count[group][what]
			slices.Sort(on)
			n := len(on)
			m.step("Group %q: %s %s on %s", group, plural(n, "allocation"), what, clip(strings.Join(slices.Compact(on), ", "), 40))
		}
	}
	return nil
}

// unplaced explains which groups found too few nodes, and why.
func (m *monitor) unplaced(eval *api.Evaluation) error {
	m.head("Evaluation %q finished with status %q but failed to place all allocations:", shortID(eval.ID, m.verbose), eval.Status)
	for _, group := range keys(eval.FailedTGAllocs) {
		metric := eval.FailedTGAllocs[group]
		m.s.say("    %s", unplacedHead(group, metric))
		writeUnplaced(m.s.err, "      ", metric, adviceFor(eval.StatusDescription, group))
	}
	next := "The job stays registered."
	if eval.BlockedEval != "" {
		next = fmt.Sprintf("Evaluation %q waiting for additional capacity to place remainder", shortID(eval.BlockedEval, m.verbose))
	}
	m.s.say("    %s", next)
	return exitError{ExitUnplaced, errors.New("not everything could be placed")}
}

// deploymentOf is the deployment that an evaluation works on, "" for none.
func (m *monitor) deploymentOf(ctx context.Context, eval *api.Evaluation) (string, error) {
	if eval.DeploymentID != "" || eval.JobID == "" {
		return eval.DeploymentID, nil
	}
	d, _, err := m.c.Jobs().LatestDeployment(eval.JobID, m.query(ctx, 0))
	if isStatus(err, 404) || err == nil && (d == nil || d.JobSpecModifyIndex != eval.JobModifyIndex) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("look for deployment: %w", err)
	}
	return d.ID, nil
}

// failures says what went wrong in one allocation of a deployment that did not
// become healthy: usually it is the same in all.
func (m *monitor) failures(ctx context.Context, id string) {
	allocs, _, err := m.c.Deployments().Allocations(id, m.query(ctx, 0))
	if err != nil {
		return // it was only an addition
	}
	for _, a := range present(allocs) {
		if a.DeploymentStatus == nil || a.DeploymentStatus.Healthy == nil || *a.DeploymentStatus.Healthy {
			continue
		}
		m.s.say("  Allocation %s is unhealthy:", shortID(a.ID, m.verbose))
		for _, task := range keys(a.TaskStates) {
			for _, e := range lastEvents(a.TaskStates[task].Events, 3) {
				m.s.say("    Task %q: %s: %s", task, e.Type, eventText(e))
			}
		}
		m.s.say("    More: selfheal alloc status %s, selfheal alloc logs -stderr %s", shortID(a.ID, m.verbose), shortID(a.ID, m.verbose))
		return
	}
}

func lastEvents(events []*api.TaskEvent, n int) []*api.TaskEvent {
	return events[max(0, len(events)-n):]
}

// finished reports whether an evaluation's status is its last.
func finished(status string) bool {
	return status == api.EvalStatusComplete || status == api.EvalStatusFailed || status == api.EvalStatusCancelled
}

// after is ": text", or nothing.
func after(text string) string {
	if text == "" {
		return ""
	}
	return ": " + text
}
