package command

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/nomad/api"
)

func serviceVerbs() entries {
	return entries{
		noun("service", "Look at the built-in service catalogue"),
		{name: "service list", make: serviceList},
		{name: "service info", make: serviceInfo},
		{name: "service delete", make: serviceDelete},
	}
}

func serviceList() verb {
	var o output
	return verb{
		short: "List services",
		flags: o.rows(),
		run: func(s *session, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			all, _, err := c.Services().List(&api.QueryOptions{Namespace: s.namespace()})
			if err != nil {
				return fmt.Errorf("list services: %w", err)
			}
			if o.wanted() {
				return o.print(s, all)
			}
			wide := s.namespace() == api.AllNamespacesNamespace
			head := []string{"Service Name", "Tags"}
			if wide {
				head = slices.Insert(head, 1, "Namespace")
			}
			rows := []string{row(head...)}
			for _, ns := range present(all) {
				for _, svc := range present(ns.Services) {
					cells := []string{svc.ServiceName, "[" + strings.Join(svc.Tags, ",") + "]"}
					if wide {
						cells = slices.Insert(cells, 1, ns.Namespace)
					}
					rows = append(rows, row(cells...))
				}
			}
			if len(rows) == 1 {
				s.printf("No service registrations found\n")
				return nil
			}
			s.table(rows)
			return nil
		},
	}
}

func serviceInfo() verb {
	var o output
	var verbose bool
	var filter, page string
	var perPage int
	return verb{
		args: "NAME", min: 1, max: 1,
		short: "Show where a service is",
		flags: append(o.rows(),
			flagRow{"filter", "EXPRESSION", "Only registrations that match.", &filter, nil},
			flagRow{"per-page", "N", "At most this many.", &perPage, nil},
			flagRow{"page-token", "TOKEN", "Begin here, as the page before said.", &page, nil},
			flagRow{"verbose", "", "Show whole IDs.", &verbose, nil}),
		run: func(s *session, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			all, meta, err := c.Services().Get(args[0], &api.QueryOptions{Namespace: s.namespace(), Filter: filter, PerPage: int32(perPage), NextToken: page})
			if isStatus(err, 404) || err == nil && len(all) == 0 {
				return fmt.Errorf("no service is called %q (selfheal service list lists them)", args[0])
			}
			if err != nil {
				return fmt.Errorf("read service: %w", err)
			}
			if o.wanted() {
				return o.print(s, all)
			}
			rows := []string{row("Job ID", "Address", "Tags", "Node ID", "Alloc ID")}
			if verbose {
				rows = []string{row("ID", "Job ID", "Address", "Tags", "Node ID", "Alloc ID")}
			}
			for _, r := range present(all) {
				cells := []string{r.JobID, fmt.Sprintf("%s:%d", r.Address, r.Port), "[" + strings.Join(r.Tags, ",") + "]", shortID(r.NodeID, verbose), shortID(r.AllocID, verbose)}
				if verbose {
					cells = append([]string{r.ID}, cells...)
				}
				rows = append(rows, row(cells...))
			}
			s.table(rows)
			if meta.NextToken != "" {
				s.nextPage(meta.NextToken)
			}
			return nil
		},
	}
}

func serviceDelete() verb {
	return verb{
		args: "NAME ID", min: 2, max: 2,
		short: "Take one registration of a service out of the catalogue",
		run: func(s *session, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			if _, err := c.Services().Delete(args[0], args[1], &api.WriteOptions{Namespace: s.namespace()}); err != nil {
				return fmt.Errorf("delete service registration: %w", err)
			}
			return nil
		},
	}
}
