package command

import (
	"fmt"
	"slices"
	"sort"
	"time"

	"github.com/hashicorp/nomad/api"
)

func evalVerbs() entries {
	return entries{
		noun("eval", "Look at evaluations: what was decided, and why"),
		{name: "eval list", make: evalList},
		{name: "eval status", make: evalStatus},
		{name: "eval delete", make: evalDelete},
	}
}

func evalList() verb {
	var o output
	var verbose bool
	var filter, status, job string
	var perPage int
	var page string
	return verb{
		short: "List evaluations",
		flags: concat(o.rows(), []flagRow{
			{"job", "ID", "Only of this job.", &job, nil},
			{"status", "STATUS", "Only with this status: blocked, pending, complete, failed, canceled.", &status, nil},
			{"filter", "EXPRESSION", "Only those that match.", &filter, nil},
			{"per-page", "N", "At most this many.", &perPage, nil},
			{"page-token", "TOKEN", "Begin here, as the page before said.", &page, nil},
			{"verbose", "", "Show whole IDs.", &verbose, nil},
		}),
		run: func(s *session, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			q := &api.QueryOptions{Namespace: s.namespace(), Filter: filter, PerPage: int32(perPage), NextToken: page, Params: map[string]string{}}
			for k, v := range map[string]string{"job": job, "status": status} {
				if v != "" {
					q.Params[k] = v
				}
			}
			evals, meta, err := c.Evaluations().List(q)
			if err != nil {
				return fmt.Errorf("list evaluations: %w", err)
			}
			if o.wanted() {
				return o.print(s, evals)
			}
			if len(evals) == 0 {
				s.printf("No evaluations found\n")
				return nil
			}
			s.table(evalRows(evals, true, verbose))
			if meta.NextToken != "" {
				s.nextPage(meta.NextToken)
			}
			return nil
		},
	}
}

// evalRows is a table of evaluations, with their jobs unless all are of one.
func evalRows(evals []*api.Evaluation, jobs, verbose bool) []string {
	head := []string{"ID", "Priority", "Triggered By", "Status", "Placement Failures"}
	if jobs {
		head = slices.Insert(head, 3, "Job ID")
	}
	rows := []string{row(head...)}
	for _, e := range present(evals) {
		cells := []string{shortID(e.ID, verbose), fmt.Sprint(e.Priority), e.TriggeredBy, e.Status, placementFailures(e)}
		if jobs {
			cells = slices.Insert(cells, 3, e.JobID)
		}
		rows = append(rows, row(cells...))
	}
	return rows
}

func placementFailures(e *api.Evaluation) string {
	if finished(e.Status) || len(e.FailedTGAllocs) > 0 {
		return fmt.Sprint(len(e.FailedTGAllocs) > 0)
	}
	return "N/A - In Progress"
}

func evalStatus() verb {
	var o output
	var verbose, watch bool
	return verb{
		args: "EVAL", min: 1, max: 1,
		short: "Show an evaluation and its reasons",
		flags: concat(o.rows(), []flagRow{
			{"monitor", "", "Watch it until it is done.", &watch, nil},
			{"verbose", "", "Show whole IDs and times.", &verbose, nil},
		}),
		run: func(s *session, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			e, err := s.evaluation(c, args[0])
			if err != nil {
				return err
			}
			if watch {
				return s.watch(c, e.ID, e.Namespace, verbose)
			}
			if o.wanted() {
				return o.print(s, e)
			}
			return s.evalPage(c, e, verbose)
		},
	}
}

func (s *session) evalPage(c *api.Client, e *api.Evaluation, verbose bool) error {
	rows := [][2]string{
		{"ID", shortID(e.ID, verbose)},
		{"Create Time", s.nanos(e.CreateTime, verbose)},
		{"Modify Time", s.nanos(e.ModifyTime, verbose)},
		{"Status", s.status(e.Status)},
		{"Status Description", e.StatusDescription},
		{"Type", e.Type},
		{"TriggeredBy", e.TriggeredBy},
		{"Job ID", e.JobID},
		{"Namespace", e.Namespace},
		{"Priority", fmt.Sprint(e.Priority)},
		{"Placement Failures", placementFailures(e)},
	}
	for _, extra := range [][2]string{
		{"Node ID", shortID(e.NodeID, verbose)}, {"Deployment ID", shortID(e.DeploymentID, verbose)},
		{"Previous Eval", shortID(e.PreviousEval, verbose)}, {"Next Eval", shortID(e.NextEval, verbose)}, {"Blocked Eval", shortID(e.BlockedEval, verbose)},
	} {
		if extra[1] != "" {
			rows = append(rows, extra)
		}
	}
	if !e.WaitUntil.IsZero() {
		rows = append(rows, [2]string{"Wait Until", e.WaitUntil.UTC().Format(time.RFC3339)})
	}
	s.pairs(rows...)
	if len(e.FailedTGAllocs) > 0 {
		s.section("Failed Placements")
		for _, group := range keys(e.FailedTGAllocs) {
			m := e.FailedTGAllocs[group]
			s.printf("%s\n", unplacedHead(group, m))
			writeUnplaced(s.out, "  ", m, adviceFor(e.StatusDescription, group))
		}
		if e.BlockedEval != "" {
			s.printf("\nEvaluation %q waiting for additional capacity to place remainder\n", shortID(e.BlockedEval, verbose))
		}
	}
	allocs, _, err := c.Evaluations().Allocations(e.ID, &api.QueryOptions{Namespace: e.Namespace})
	if err != nil {
		return fmt.Errorf("list allocations of evaluation: %w", err)
	}
	if len(allocs) > 0 {
		sort.Slice(allocs, func(i, j int) bool { return allocs[i].Name < allocs[j].Name })
		s.section("Allocations")
		s.allocTable(allocs, verbose)
	}
	return nil
}
