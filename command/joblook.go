package command

import (
	"fmt"
	"sort"

	"github.com/hashicorp/nomad/api"
)

func jobAllocs() verb {
	var o output
	var verbose, all bool
	return verb{
		args: "JOB", min: 1, max: 1,
		short: "List the allocations of a job",
		flags: concat(o.rows(), []flagRow{
			{"all", "", "Those of an earlier job of this name as well.", &all, nil},
			{"verbose", "", "Show whole IDs and times.", &verbose, nil},
		}),
		run: func(s *session, args []string) error {
			c, id, ns, err := s.job(args[0])
			if err != nil {
				return err
			}
			allocs, _, err := c.Jobs().Allocations(id, all, &api.QueryOptions{Namespace: ns})
			if err != nil {
				return fmt.Errorf("list allocations: %w", err)
			}
			if o.wanted() {
				return o.print(s, allocs)
			}
			s.allocTable(allocs, verbose)
			return nil
		},
	}
}

func jobDeployments() verb {
	var o output
	var verbose, all, latest bool
	return verb{
		args: "JOB", min: 1, max: 1,
		short: "List the deployments of a job",
		flags: concat(o.rows(), []flagRow{
			{"all", "", "Those of an earlier job of this name as well.", &all, nil},
			{"latest", "", "Only the latest.", &latest, nil},
			{"verbose", "", "Show whole IDs.", &verbose, nil},
		}),
		run: func(s *session, args []string) error {
			c, id, ns, err := s.job(args[0])
			if err != nil {
				return err
			}
			ds, _, err := c.Jobs().Deployments(id, all, &api.QueryOptions{Namespace: ns})
			if err != nil {
				return fmt.Errorf("list deployments: %w", err)
			}
			sort.Slice(ds, func(i, j int) bool { return ds[i].CreateIndex > ds[j].CreateIndex })
			if latest && len(ds) > 1 {
				ds = ds[:1]
			}
			if o.wanted() {
				return o.print(s, ds)
			}
			deploymentTable(s, ds, verbose)
			return nil
		},
	}
}

func jobScalingEvents() verb {
	var o output
	var verbose bool
	return verb{
		args: "JOB", min: 1, max: 1,
		short: "List when and why a job was scaled",
		flags: append(o.rows(), flagRow{"verbose", "", "Show whole IDs and times.", &verbose, nil}),
		run: func(s *session, args []string) error {
			c, id, ns, err := s.job(args[0])
			if err != nil {
				return err
			}
			status, _, err := c.Jobs().ScaleStatus(id, &api.QueryOptions{Namespace: ns})
			if err != nil {
				return fmt.Errorf("read scaling events: %w", err)
			}
			if o.wanted() {
				return o.print(s, status)
			}
			rows := []string{row("Task Group", "Count", "Previous", "Error", "Message", "Date")}
			for _, name := range keys(status.TaskGroups) {
				for _, e := range status.TaskGroups[name].Events {
					count := ""
					if e.Count != nil {
						count = fmt.Sprint(*e.Count)
					}
					rows = append(rows, row(name, count, fmt.Sprint(e.PreviousCount), fmt.Sprint(e.Error), clip(e.Message, 30), s.nanos(int64(e.Time), verbose)))
				}
			}
			if len(rows) == 1 {
				s.printf("No events found\n")
				return nil
			}
			s.table(rows)
			return nil
		},
	}
}
