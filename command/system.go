package command

import (
	"fmt"
	"sort"

	"github.com/hashicorp/nomad/api"
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

func namespaceVerbs() entries {
	return entries{
		noun("namespace", "Look at namespaces and change them"),
		{name: "namespace list", make: namespaceList},
		{name: "namespace status", make: namespaceStatus},
		{name: "namespace inspect", make: namespaceStatus},
		{name: "namespace apply", make: namespaceApply},
		{name: "namespace delete", make: namespaceDelete},
	}
}

func namespaceList() verb {
	var o output
	return verb{
		short: "List namespaces",
		flags: o.rows(),
		run: func(s *session, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			all, _, err := c.Namespaces().List(nil)
			if err != nil {
				return fmt.Errorf("list namespaces: %w", err)
			}
			if o.wanted() {
				return o.print(s, all)
			}
			sort.Slice(all, func(i, j int) bool { return all[i].Name < all[j].Name })
			rows := []string{row("Name", "Description")}
			for _, n := range all {
				rows = append(rows, row(n.Name, clip(n.Description, 50)))
			}
			s.table(rows)
			return nil
		},
	}
}

func namespaceStatus() verb {
	var o output
	return verb{
		args: "NAME", min: 1, max: 1,
		short: "Show a namespace",
		flags: o.rows(),
		run: func(s *session, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			n, _, err := c.Namespaces().Info(args[0], nil)
			if err != nil {
				return fmt.Errorf("read namespace: %w", err)
			}
			if o.wanted() {
				return o.print(s, n)
			}
			rows := [][2]string{{"Name", n.Name}, {"Description", n.Description}}
			for _, k := range keys(n.Meta) {
				rows = append(rows, [2]string{"Meta " + k, n.Meta[k]})
			}
			s.pairs(rows...)
			return nil
		},
	}
}

func namespaceApply() verb {
	var description string
	var meta []string
	return verb{
		args: "NAME", min: 1, max: 1,
		short: "Make a namespace, or change one",
		flags: []flagRow{
			{"description", "TEXT", "What it is for.", &description, nil},
			{"meta", "KEY=VALUE", "More about it; may be repeated.", &meta, nil},
		},
		run: func(s *session, args []string) error {
			values, err := keyValues("-meta", meta)
			if err != nil {
				return err
			}
			c, err := s.client()
			if err != nil {
				return err
			}
			n, _, err := c.Namespaces().Info(args[0], nil)
			if isStatus(err, 404) {
				n, err = &api.Namespace{Name: args[0]}, nil
			}
			if err != nil {
				return fmt.Errorf("read namespace: %w", err)
			}
			if description != "" {
				n.Description = description
			}
			if len(values) > 0 {
				n.Meta = values
			}
			if _, err := c.Namespaces().Register(n, nil); err != nil {
				return fmt.Errorf("apply namespace: %w", err)
			}
			s.printf("Applied namespace %q.\n", n.Name)
			return nil
		},
	}
}

func namespaceDelete() verb {
	return verb{
		args: "NAME", min: 1, max: 1,
		short: "Delete an empty namespace",
		run: func(s *session, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			if _, err := c.Namespaces().Delete(args[0], nil); err != nil {
				return fmt.Errorf("delete namespace: %w", err)
			}
			s.printf("Deleted namespace %q.\n", args[0])
			return nil
		},
	}
}
