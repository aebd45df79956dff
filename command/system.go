package command

import (
	"fmt"
)

func systemVerbs() entries {
	return entries{
		noun("system", "Clean up and repair"),
		{name: "system gc", make: systemGC},
		noun("system reconcile", "Repair what is derived from the state"),
		{name: "system reconcile summaries", make: systemReconcile},
	}
}

func systemGC() verb {
	return verb{
		short: "Forget what is finished, and nodes that are gone",
		run: func(s *session, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			if err := c.System().GarbageCollect(); err != nil {
				return fmt.Errorf("collect garbage: %w", err)
			}
			return nil
		},
	}
}

func systemReconcile() verb {
	return verb{
		short: "Count the job summaries again",
		run: func(s *session, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			if err := c.System().ReconcileSummaries(); err != nil {
				return fmt.Errorf("reconcile summaries: %w", err)
			}
			return nil
		},
	}
}
