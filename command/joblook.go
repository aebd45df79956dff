package command

import (
	"fmt"
	"sort"
	"strconv"

	"github.com/hashicorp/nomad/api"
)

func jobInspect() verb {
	var o output
	var version string
	var source bool
	return verb{
		args: "JOB", min: 1, max: 1,
		short: "Print a job as it is stored",
		flags: concat(o.rows(), []flagRow{
			{"version", "N", "This version instead of the current one.", &version, nil},
			{"hcl", "", "Print the text that it was submitted as; a job that came without one is written anew.", &source, nil},
		}),
		run: func(s *session, args []string) error {
			c, id, ns, err := s.job(args[0])
			if err != nil {
				return err
			}
			q := &api.QueryOptions{Namespace: ns}
			job, _, err := c.Jobs().Info(id, q)
			if err != nil {
				return fmt.Errorf("read job: %w", err)
			}
			if version != "" {
				if job, err = jobVersion(c, id, version, q); err != nil {
					return err
				}
			}
			if source {
				sub, _, err := c.Jobs().Submission(id, int(deref(job.Version)), q)
				switch {
				case isStatus(err, 404), err == nil && sub.Format == "json":
					return s.printHCL(job)
				case err != nil:
					return fmt.Errorf("read submission: %w", err)
				}
				s.printf("%s", sub.Source)
				return nil
			}
			if !o.wanted() {
				o.json = true
			}
			if o.json {
				return o.print(s, map[string]any{"Job": job})
			}
			return o.print(s, job)
		},
	}
}

func jobVersion(c *api.Client, id, version string, q *api.QueryOptions) (*api.Job, error) {
	n, err := strconv.ParseUint(version, 10, 64)
	if err != nil {
		return nil, usagef("-version wants a number, not %q", version)
	}
	versions, _, _, err := c.Jobs().Versions(id, false, q)
	if err != nil {
		return nil, fmt.Errorf("list versions: %w", err)
	}
	for _, v := range versions {
		if deref(v.Version) == n {
			return v, nil
		}
	}
	return nil, fmt.Errorf("job %q has no version %d; selfheal job history %s lists those that are kept", id, n, id)
}

func jobHistory() verb {
	var o output
	var diffs, full bool
	return verb{
		args: "JOB", min: 1, max: 1,
		short: "List the versions of a job",
		flags: concat(o.rows(), []flagRow{
			{"p", "", "Show how each differs from the one before.", &diffs, nil},
			{"full", "", "Show each version as JSON.", &full, nil},
		}),
		run: func(s *session, args []string) error {
			c, id, ns, err := s.job(args[0])
			if err != nil {
				return err
			}
			versions, changes, _, err := c.Jobs().Versions(id, diffs, &api.QueryOptions{Namespace: ns})
			if err != nil {
				return fmt.Errorf("list versions: %w", err)
			}
			if full {
				o.json = true
			}
			if o.wanted() {
				return o.print(s, versions)
			}
			if !diffs {
				rows := []string{row("Version", "Stable", "Submit Date", "Tag")}
				for _, v := range versions {
					tag := ""
					if v.VersionTag != nil {
						tag = v.VersionTag.Name
					}
					rows = append(rows, row(fmt.Sprint(deref(v.Version)), fmt.Sprint(deref(v.Stable)), s.nanos(deref(v.SubmitTime), true), tag))
				}
				s.table(rows)
				return nil
			}
			for i, v := range versions {
				s.pairs([2]string{"Version", fmt.Sprint(deref(v.Version))}, [2]string{"Stable", fmt.Sprint(deref(v.Stable))},
					[2]string{"Submit Date", s.nanos(deref(v.SubmitTime), true)})
				if i < len(changes) {
					s.printf("Diff        =\n%s", jobDiff(changes[i], nil, false, s.color))
				}
				s.printf("\n")
			}
			return nil
		},
	}
}

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
