package command

import (
	"cmp"
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

// monitor follows an evaluation, and the deployment that it begins, until there is
// nothing left to see. What it says is what the command was called for, and scripts
// read it: it goes to standard output.
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
	if f, ok := s.out.(*os.File); ok && isTerminal(f) {
		m.live = &liveBlock{w: s.out, width: func() int {
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
	m.text("%s%s %s", before, m.s.paint(dim, m.s.time().Format("15:04:05:")), fmt.Sprintf(format, args...))
}

// text says a line as it is.
func (m *monitor) text(format string, args ...any) { m.s.printf(format+"\n", args...) }

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
			why := after(e.StatusDescription)
			if len(e.FailedTGAllocs) > 0 {
				why = "" // it is the hint, which comes with its reasons
			}
			m.step("Evaluation status changed: %q -> %q%s", status, e.Status, why)
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

// eachPlaced is up to how many allocations of an evaluation are named one by one.
const eachPlaced = 10

// placed says what the evaluation placed: one by one, or when these are many, group by group.
func (m *monitor) placed(ctx context.Context, eval *api.Evaluation) error {
	allocs, _, err := m.c.Evaluations().Allocations(eval.ID, m.query(ctx, 0))
	if err != nil {
		return fmt.Errorf("watch allocations: %w", err)
	}
	allocs = present(allocs)
	if len(allocs) > eachPlaced {
		m.placedByGroup(allocs)
		return nil
	}
	slices.SortFunc(allocs, func(a, b *api.AllocationListStub) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	for _, a := range allocs {
		what := "created"
		switch {
		case a.DesiredStatus != api.AllocDesiredStatusRun:
			what = "stopped"
		case a.CreateIndex < eval.CreateIndex:
			what = "modified" // it is older than the evaluation
		}
		m.step("Allocation %q %s: node %q, group %q", shortID(a.ID, m.verbose), what, cmp.Or(a.NodeName, shortID(a.NodeID, m.verbose)), a.TaskGroup)
	}
	return nil
}

func (m *monitor) placedByGroup(allocs []*api.AllocationListStub) {
	count := map[string]map[string][]string{}
	for _, a := range allocs {
		what := "placed"
		if a.DesiredStatus != api.AllocDesiredStatusRun {
			what = "stopped"
		}
		if count[a.TaskGroup] == nil {
			count[a.TaskGroup] = map[string][]string{}
		}
		count[a.TaskGroup][what] = append(count[a.TaskGroup][what], cmp.Or(a.NodeName, shortID(a.NodeID, false)))
	}
	for _, group := range keys(count) {
		for _, what := range keys(count[group]) {
			on := count[group][what]
			slices.Sort(on)
			n := len(on)
			m.step("Group %q: %s %s on %s", group, plural(n, "allocation"), what, clip(strings.Join(slices.Compact(on), ", "), 40))
		}
	}
}

// unplaced explains which groups found too few nodes, and why.
func (m *monitor) unplaced(eval *api.Evaluation) error {
	m.head("Evaluation %q finished with status %q but failed to place all allocations:", shortID(eval.ID, m.verbose), eval.Status)
	for _, group := range keys(eval.FailedTGAllocs) {
		metric := eval.FailedTGAllocs[group]
		m.text("    %s", unplacedHead(group, metric))
		writeUnplaced(m.s.out, "      ", metric, adviceFor(eval.StatusDescription, group))
	}
	next := "The job stays registered."
	if eval.BlockedEval != "" {
		next = fmt.Sprintf("Evaluation %q waiting for additional capacity to place remainder", shortID(eval.BlockedEval, m.verbose))
	}
	m.text("    %s", next)
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
		m.text("    Allocation %s is unhealthy:", shortID(a.ID, m.verbose))
		for _, task := range keys(a.TaskStates) {
			for _, e := range lastEvents(a.TaskStates[task].Events, 3) {
				m.text("      Task %q: %s: %s", task, e.Type, eventText(e))
			}
		}
		m.text("      More: selfheal alloc status %s, selfheal alloc logs -stderr %s", shortID(a.ID, m.verbose), shortID(a.ID, m.verbose))
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
