package command

import (
	"fmt"

	"github.com/hashicorp/nomad/api"
)

func evalDelete() verb {
	var filter string
	var yes bool
	return verb{
		args: "[EVAL]", max: 1,
		short: "Delete evaluations that nothing needs",
		long:  `Deletes an evaluation, or with -filter all that match, as in -filter 'Status == "pending"'. Only while the scheduler is paused (selfheal operator scheduler set-config -pause-eval-broker true) and never one that an allocation needs.`,
		flags: []flagRow{
			{"filter", "EXPRESSION", "All that match.", &filter, nil},
			{"yes", "", "Do not ask.", &yes, nil},
		},
		run: func(s *session, args []string) error {
			if (len(args) == 1) == (filter != "") {
				return usagef("give either an EVAL or -filter")
			}
			c, err := s.client()
			if err != nil {
				return err
			}
			req := &api.EvalDeleteRequest{Filter: filter}
			n, ns := 1, s.namespace()
			if filter == "" {
				e, err := s.evaluation(c, args[0])
				if err != nil {
					return err
				}
				req.EvalIDs, ns = []string{e.ID}, e.Namespace
			} else {
				count, _, err := c.Evaluations().Count(&api.QueryOptions{Filter: filter, Namespace: ns})
				if err != nil {
					return fmt.Errorf("count evaluations: %w", err)
				}
				if n = count.Count; n == 0 {
					s.printf("No evaluation matches; nothing was deleted.\n")
					return nil
				}
			}
			if filter != "" && !yes {
				if err := s.confirm(fmt.Sprintf("Delete %s?", plural(n, "evaluation"))); err != nil {
					return err
				}
			}
			resp, _, err := c.Evaluations().DeleteOpts(req, &api.WriteOptions{Namespace: ns})
			if err != nil {
				return fmt.Errorf("delete evaluations: %w", err)
			}
			if resp != nil && resp.Count > 0 {
				n = resp.Count
			}
			s.printf("Successfully deleted %s\n", plural(n, "evaluation"))
			return nil
		},
	}
}
