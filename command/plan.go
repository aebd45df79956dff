package command

import (
	"fmt"
	"time"

	"github.com/hashicorp/nomad/api"
)

func jobPlan() verb {
	var f jobFile
	var verbose bool
	diff := true
	return verb{
		args: "FILE", min: 1, max: 1, predict: predictJobFile,
		short: "Show what running a job file would change",
		long: `Asks the cluster what registering the job of FILE would do, and does nothing.

Exit code 0: nothing would be created or stopped. 1: something would. 255: no answer.`,
		flags: concat(f.rows(), []flagRow{
			{"diff", "", "Show how the job differs from the running one (default true).", &diff, nil},
			{"policy-override", "", "Accepted for older scripts: there are no policies to override.", new(bool), nil},
			{"verbose", "", "Show what does not change as well.", &verbose, nil},
		}),
		run: func(s *session, args []string) error {
			err := plan(s, &f, args[0], diff, verbose)
			if err == nil {
				return nil
			}
			if exit, ok := err.(exitError); ok {
				return exit
			}
			return exitError{ExitPlanFailed, err}
		},
	}
}

func plan(s *session, f *jobFile, path string, diff, verbose bool) error {
	p, err := f.read(s, path)
	if err != nil {
		return err
	}
	c, err := s.client()
	if err != nil {
		return err
	}
	resp, _, err := c.Jobs().PlanOpts(p.job, &api.PlanOptions{Diff: diff}, &api.WriteOptions{Namespace: deref(p.job.Namespace)})
	if err == nil && resp == nil {
		err = errEmpty
	}
	if err != nil {
		return p.refused(s, fmt.Errorf("plan job: %w", err))
	}
	resp.CreatedEvals = present(resp.CreatedEvals)
	if diff && resp.Diff != nil {
		s.printf("%s\n", jobDiff(resp.Diff, resp.Annotations, verbose, s.color))
	}
	s.printf("%s\n", s.paint(bold, "Scheduler dry-run:"))
	s.dryRun(resp, p.job)
	if line := planResilience(c, p.job); line != "" {
		s.printf("- %s.\n", line)
	}
	if w := resp.Warnings; w != "" {
		s.printf("\n%s\n%s\n", s.paint(yellow, "Warnings:"), w)
	}
	s.printf("\n%s\n", s.paint(bold, fmt.Sprintf("Job Modify Index: %d", resp.JobModifyIndex)))
	s.printf("To submit the job with version verification run:\n\n  selfheal job run -check-index %d %s\n\n", resp.JobModifyIndex, path)
	s.printf("With the check-index flag the job is only run if it is still what this plan\nwas made from; if another change came first, the plan may be wrong.\n")
	if planChanges(resp) {
		return exitError{code: ExitChanges}
	}
	return nil
}

// plannedAdvice is the scheduler's hint for a group that would wait.
func plannedAdvice(resp *api.JobPlanResponse, group string) string {
	for _, e := range resp.CreatedEvals {
		if advice := adviceFor(e.StatusDescription, group); advice != "" {
			return advice
		}
	}
	return ""
}

// dryRun says whether everything would find a node.
func (s *session) dryRun(resp *api.JobPlanResponse, job *api.Job) {
	switch {
	case len(resp.FailedTGAllocs) > 0:
		s.printf("%s\n", s.paint(yellow, "- WARNING: Failed to place all allocations."))
		for _, group := range keys(resp.FailedTGAllocs) {
			m := resp.FailedTGAllocs[group]
			s.printf("  %s\n", unplacedHead(group, m))
			writeUnplaced(s.out, "    ", m, plannedAdvice(resp, group))
		}
	case len(resp.CreatedEvals) == 0 && (job.Periodic != nil || job.ParameterizedJob != nil):
		s.printf("- Nothing is placed until the job is launched.\n")
	default:
		s.printf("%s\n", s.paint(green, "- All tasks successfully allocated."))
	}
	if !resp.NextPeriodicLaunch.IsZero() {
		s.printf("- If submitted now, the next launch would be at %s (%s).\n",
			resp.NextPeriodicLaunch.Format(time.RFC3339), s.stamp(resp.NextPeriodicLaunch, false))
	}
	for _, e := range resp.CreatedEvals {
		if !e.WaitUntil.IsZero() {
			s.printf("- The next evaluation would be at %s.\n", e.WaitUntil.Format(time.RFC3339))
		}
	}
	if a := resp.Annotations; a != nil && len(a.PreemptedAllocs) > 0 {
		s.printf("- %s would be preempted:\n", plural(len(a.PreemptedAllocs), "allocation"))
		rows := []string{row("Alloc ID", "Job ID", "Task Group")}
		for _, p := range present(a.PreemptedAllocs) {
			rows = append(rows, row(shortID(p.ID, false), p.JobID, p.TaskGroup))
		}
		s.table(rows)
	}
}

// planChanges reports whether allocations would be created, changed or stopped.
func planChanges(resp *api.JobPlanResponse) bool {
	if resp.Annotations == nil {
		return resp.Diff != nil && resp.Diff.Type != "None"
	}
	for _, u := range resp.Annotations.DesiredTGUpdates {
		if u != nil && u.Stop+u.Place+u.Migrate+u.DestructiveUpdate+u.Canary+u.Preemptions > 0 {
			return true
		}
	}
	return false
}
