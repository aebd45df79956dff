package command

import (
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"
)

func deploymentVerbs() entries {
	change := func(name, short, long string, do func(*api.Deployments, string, *api.WriteOptions) (*api.DeploymentUpdateResponse, *api.WriteMeta, error)) entry {
		return entry{name: "deployment " + name, make: func() verb { return deploymentChange(name, short, long, do) }}
	}
	return entries{
		noun("deployment", "Look at rollouts and decide about them"),
		{name: "deployment list", make: deploymentList},
		{name: "deployment status", make: deploymentStatus},
		{name: "deployment promote", make: deploymentPromote},
		change("fail", "Fail a rollout", "Fails a rollout. With auto_revert the job goes back to its last stable version.",
			func(d *api.Deployments, id string, q *api.WriteOptions) (*api.DeploymentUpdateResponse, *api.WriteMeta, error) {
				return d.Fail(id, q)
			}),
		change("pause", "Pause a rollout", "",
			func(d *api.Deployments, id string, q *api.WriteOptions) (*api.DeploymentUpdateResponse, *api.WriteMeta, error) {
				return d.Pause(id, true, q)
			}),
		change("resume", "Go on with a paused rollout", "",
			func(d *api.Deployments, id string, q *api.WriteOptions) (*api.DeploymentUpdateResponse, *api.WriteMeta, error) {
				return d.Pause(id, false, q)
			}),
	}
}

func deploymentList() verb {
	var o output
	var verbose bool
	var filter string
	return verb{
		short: "List rollouts",
		flags: concat(o.rows(), []flagRow{
			{"filter", "EXPRESSION", "Only those that match.", &filter, nil},
			{"verbose", "", "Show whole IDs.", &verbose, nil},
		}),
		run: func(s *session, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			ds, _, err := c.Deployments().List(&api.QueryOptions{Namespace: s.namespace(), Filter: filter})
			if err != nil {
				return fmt.Errorf("list deployments: %w", err)
			}
			if o.wanted() {
				return o.print(s, ds)
			}
			sort.Slice(ds, func(i, j int) bool { return ds[i].CreateIndex > ds[j].CreateIndex })
			deploymentTable(s, ds, verbose)
			return nil
		},
	}
}

func deploymentTable(s *session, ds []*api.Deployment, verbose bool) {
	if len(ds) == 0 {
		s.printf("No deployments found\n")
		return
	}
	rows := []string{row("ID", "Job ID", "Job Version", "Status", "Description")}
	for _, d := range ds {
		rows = append(rows, row(shortID(d.ID, verbose), d.JobID, fmt.Sprint(d.JobVersion), d.Status, d.StatusDescription))
	}
	s.table(rows)
}

func deploymentStatus() verb {
	var o output
	var verbose, watch bool
	var wait time.Duration
	return verb{
		args: "DEPLOYMENT", min: 1, max: 1,
		short: "Show a rollout",
		flags: concat(o.rows(), []flagRow{
			{"monitor", "", "Watch it until it is over.", &watch, nil},
			{"wait", "DURATION", "With -monitor: how long one query waits for news (default 2s).", &wait, nil},
			{"verbose", "", "Show whole IDs and times.", &verbose, nil},
		}),
		run: func(s *session, args []string) error {
			c, d, err := s.deploymentArg(args[0])
			if err != nil {
				return err
			}
			if watch {
				ctx, stop := s.interruptible()
				defer stop()
				m := s.newMonitor(c, d.Namespace, verbose)
				if wait > 0 {
					m.wait = wait
				}
				err := m.deployment(ctx, d.ID)
				if ctx.Err() != nil {
					s.say("\nNo longer watching; the deployment goes on.")
					return exitError{code: 1}
				}
				return err
			}
			if o.wanted() {
				return o.print(s, d)
			}
			s.pairs(
				[2]string{"ID", shortID(d.ID, verbose)},
				[2]string{"Job ID", d.JobID},
				[2]string{"Job Version", fmt.Sprint(d.JobVersion)},
				[2]string{"Status", s.status(d.Status)},
				[2]string{"Description", d.StatusDescription},
			)
			s.section("Deployed")
			s.table(deployedRows(s, d, verbose))
			return nil
		},
	}
}

func (s *session) deploymentArg(prefix string) (*api.Client, *api.Deployment, error) {
	c, err := s.client()
	if err != nil {
		return nil, nil, err
	}
	d, err := s.deployment(c, prefix)
	return c, d, err
}

func deploymentPromote() verb {
	var w watching
	var groups []string
	return verb{
		args: "DEPLOYMENT", min: 1, max: 1,
		short: "Promote canaries: the rollout goes on with the rest",
		flags: append(w.rows(), flagRow{"group", "NAME", "Only this group; may be repeated.", &groups, nil}),
		run: func(s *session, args []string) error {
			c, d, err := s.deploymentArg(args[0])
			if err != nil {
				return err
			}
			return promote(s, c, d, groups, w)
		},
	}
}

func promote(s *session, c *api.Client, d *api.Deployment, groups []string, w watching) error {
	q := &api.WriteOptions{Namespace: d.Namespace}
	var resp *api.DeploymentUpdateResponse
	var err error
	if len(groups) == 0 {
		resp, _, err = c.Deployments().PromoteAll(d.ID, q)
	} else {
		for _, g := range groups {
			if _, ok := d.TaskGroups[g]; !ok {
				return usagef("deployment %s has no group %q; it has: %s", shortID(d.ID, false), g, strings.Join(keys(d.TaskGroups), ", "))
			}
		}
		resp, _, err = c.Deployments().PromoteGroups(d.ID, groups, q)
	}
	if err != nil {
		return fmt.Errorf("promote deployment: %w", err)
	}
	return w.follow(s, c, resp.EvalID, d.Namespace)
}

// deploymentChange is a verb that changes a deployment and begins an evaluation.
func deploymentChange(name, short, long string, do func(*api.Deployments, string, *api.WriteOptions) (*api.DeploymentUpdateResponse, *api.WriteMeta, error)) verb {
	var w watching
	return verb{
		args: "DEPLOYMENT", min: 1, max: 1,
		short: short, long: long,
		flags: w.rows(),
		run: func(s *session, args []string) error {
			c, d, err := s.deploymentArg(args[0])
			if err != nil {
				return err
			}
			resp, _, err := do(c.Deployments(), d.ID, &api.WriteOptions{Namespace: d.Namespace})
			if err != nil {
				return fmt.Errorf("%s deployment: %w", name, err)
			}
			if resp.RevertedJobVersion != nil {
				s.say("The job went back to version %d.", *resp.RevertedJobVersion)
			}
			if name == "pause" {
				s.printf("Deployment %q paused\n", d.ID)
				return nil
			}
			return w.follow(s, c, resp.EvalID, d.Namespace)
		},
	}
}
