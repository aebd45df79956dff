package command

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/hashicorp/nomad/api"
)

func jobStop() verb {
	var w watching
	var purge, global, noDelay, yes bool
	var priority int
	return verb{
		args: "JOB...", min: 1, max: -1,
		short: "Stop a job",
		long:  "Stops every allocation of the job. Its versions stay, and `selfheal job start` runs it again, unless -purge.",
		flags: concat(w.rows(), []flagRow{
			{"purge", "", "Forget the job as well.", &purge, nil},
			{"global", "", "In every region of a multi-region job.", &global, nil},
			{"no-shutdown-delay", "", "Do not wait for shutdown_delay.", &noDelay, nil},
			{"eval-priority", "N", "Priority of the evaluation, 1 to 100.", &priority, nil},
			{"yes", "", "Do not ask when a prefix of the ID was given.", &yes, nil},
		}),
		run: func(s *session, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			for _, arg := range args {
				id, ns, err := s.jobID(c, arg)
				if err != nil {
					return err
				}
				if id != arg && !yes {
					if err := s.confirm(fmt.Sprintf("Stop job %q?", id)); err != nil {
						return err
					}
				}
				opts := &api.DeregisterOptions{Purge: purge, Global: global, EvalPriority: priority, NoShutdownDelay: noDelay}
				eval, _, err := c.Jobs().DeregisterOpts(id, opts, &api.WriteOptions{Namespace: ns})
				if err != nil {
					return fmt.Errorf("stop job: %w", err)
				}
				if err := w.follow(s, c, eval, ns); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func jobStart() verb {
	var w watching
	return verb{
		args: "JOB", min: 1, max: 1,
		short: "Run a stopped job again",
		flags: w.rows(),
		run: func(s *session, args []string) error {
			c, id, ns, err := s.job(args[0])
			if err != nil {
				return err
			}
			job, _, err := c.Jobs().Info(id, &api.QueryOptions{Namespace: ns})
			if err != nil {
				return fmt.Errorf("read job: %w", err)
			}
			if !deref(job.Stop) {
				return fmt.Errorf("job %q is not stopped; it is %s", id, deref(job.Status))
			}
			stop := false
			job.Stop = &stop
			resp, _, err := c.Jobs().Register(job, &api.WriteOptions{Namespace: ns})
			if err != nil {
				return fmt.Errorf("start job: %w", err)
			}
			s.warn(resp.Warnings)
			return w.follow(s, c, resp.EvalID, ns)
		},
	}
}

// job is the client and the job that an argument means.
func (s *session) job(prefix string) (c *api.Client, id, namespace string, err error) {
	if c, err = s.client(); err != nil {
		return nil, "", "", err
	}
	id, namespace, err = s.jobID(c, prefix)
	return c, id, namespace, err
}

func jobScale() verb {
	w := watching{detached: "Evaluation ID: %s\n"}
	var message string
	indexFlag, checkIndex := checkIndexFlag()
	indexFlag.usage = "Only if the job's index is still this one."
	return verb{
		args: "JOB [GROUP] COUNT", min: 2, max: 3,
		short: "Change the count of a group",
		long:  "Changes the count of a group. GROUP may be left out when the job has only one.",
		flags: append(w.rows(), indexFlag, flagRow{"message", "TEXT", "Why, for the scaling events.", &message, nil}),
		run: func(s *session, args []string) error {
			count, err := strconv.Atoi(args[len(args)-1])
			if err != nil || count < 0 {
				return usagef("COUNT must be a whole number that is not negative, not %q", args[len(args)-1])
			}
			c, id, ns, err := s.job(args[0])
			if err != nil {
				return err
			}
			group := args[1]
			if len(args) == 2 {
				job, _, err := c.Jobs().Info(id, &api.QueryOptions{Namespace: ns})
				if err != nil {
					return fmt.Errorf("read job: %w", err)
				}
				groups := present(groupsOf(job))
				if len(groups) != 1 {
					var names []string
					for _, g := range groups {
						names = append(names, deref(g.Name))
					}
					return usagef("job %q has several groups (%s); say which: selfheal job scale %s GROUP %d", id, strings.Join(names, ", "), id, count)
				}
				group = deref(groups[0].Name)
			}
			if message == "" {
				message = "scaled by hand with selfheal job scale"
			}
			wanted := int64(count)
			req := &api.ScalingRequest{Count: &wanted, Target: map[string]string{"Job": id, "Group": group}, Message: message}
			req.JobModifyIndex, _ = checkIndex()
			resp, _, err := c.Jobs().ScaleWithRequest(id, req, &api.WriteOptions{Namespace: ns})
			if err == nil && resp == nil {
				err = errEmpty
			}
			if err != nil {
				return fmt.Errorf("scale job: %w", err)
			}
			s.warn(resp.Warnings)
			return w.follow(s, c, resp.EvalID, ns)
		},
	}
}

func jobEval() verb {
	w := watching{detached: "Created eval ID: %q\n"}
	var force bool
	return verb{
		args: "JOB", min: 1, max: 1,
		short: "Evaluate a job again",
		flags: append(w.rows(), flagRow{"force-reschedule", "", "Reschedule failed allocations even before their delay is over.", &force, nil}),
		run: func(s *session, args []string) error {
			c, id, ns, err := s.job(args[0])
			if err != nil {
				return err
			}
			eval, _, err := c.Jobs().EvaluateWithOpts(id, api.EvalOptions{ForceReschedule: force}, &api.WriteOptions{Namespace: ns})
			if err != nil {
				return fmt.Errorf("evaluate job: %w", err)
			}
			return w.follow(s, c, eval, ns)
		},
	}
}

func jobRevert() verb {
	var w watching
	return verb{
		args: "JOB VERSION|TAG", min: 2, max: 2,
		short: "Run an earlier version of a job",
		flags: w.rows(),
		run: func(s *session, args []string) error {
			c, id, ns, err := s.job(args[0])
			if err != nil {
				return err
			}
			v, err := jobVersion(c, id, args[1], &api.QueryOptions{Namespace: ns})
			if err != nil {
				return err
			}
			version := deref(v.Version)
			resp, _, err := c.Jobs().Revert(id, version, nil, &api.WriteOptions{Namespace: ns}, "", "")
			if err != nil {
				return fmt.Errorf("revert job: %w", err)
			}
			return w.follow(s, c, resp.EvalID, ns)
		},
	}
}

func jobPromote() verb {
	var w watching
	var groups []string
	return verb{
		args: "JOB", min: 1, max: 1,
		short: "Promote the canaries of a job",
		flags: append(w.rows(), flagRow{"group", "NAME", "Only this group; may be repeated.", &groups, nil}),
		run: func(s *session, args []string) error {
			c, id, ns, err := s.job(args[0])
			if err != nil {
				return err
			}
			d, _, err := c.Jobs().LatestDeployment(id, &api.QueryOptions{Namespace: ns})
			if isStatus(err, 404) || err == nil && d == nil {
				return fmt.Errorf("job %q has no deployment", id)
			}
			if err != nil {
				return fmt.Errorf("read latest deployment: %w", err)
			}
			return promote(s, c, d, groups, w)
		},
	}
}

func jobPeriodicForce() verb {
	w := watching{detached: "Force periodic successful\nEvaluation ID: %s\n"}
	return verb{
		args: "JOB", min: 1, max: 1,
		short: "Launch a periodic job now",
		flags: w.rows(),
		run: func(s *session, args []string) error {
			c, id, ns, err := s.job(args[0])
			if err != nil {
				return err
			}
			eval, _, err := c.Jobs().PeriodicForce(id, &api.WriteOptions{Namespace: ns})
			if err != nil {
				return fmt.Errorf("launch periodic job: %w", err)
			}
			return w.follow(s, c, eval, ns)
		},
	}
}

func jobDispatch() verb {
	var w watching
	var meta []string
	var token, prefix string
	var priority int
	return verb{
		args: "JOB [FILE]", min: 1, max: 2,
		short: "Launch a parameterized job",
		long:  `Launches a parameterized job. FILE is its payload; "-" is standard input.`,
		flags: append(w.rows(),
			flagRow{"meta", "KEY=VALUE", "Give the launched job this; may be repeated.", &meta, nil},
			flagRow{"idempotency-token", "TOKEN", "Launch at most once with this token.", &token, nil},
			flagRow{"priority", "N", "Priority of the launched job, 1 to 100.", &priority, nil},
			flagRow{"id-prefix-template", "TEXT", "Put this into the launched job's ID.", &prefix, nil}),
		run: func(s *session, args []string) error {
			values, err := keyValues("-meta", meta)
			if err != nil {
				return err
			}
			var payload []byte
			if len(args) == 2 {
				if payload, err = s.readAll(args[1]); err != nil {
					return fmt.Errorf("read payload: %w", err)
				}
			}
			c, id, ns, err := s.job(args[0])
			if err != nil {
				return err
			}
			resp, _, err := c.Jobs().DispatchOpts(&api.DispatchOptions{JobID: id, Meta: values, Payload: payload, IdPrefixTemplate: prefix, Priority: priority},
				&api.WriteOptions{Namespace: ns, IdempotencyToken: token})
			if err == nil && resp == nil {
				err = errEmpty
			}
			if err != nil {
				return fmt.Errorf("dispatch job: %w", err)
			}
			s.printf("Dispatched Job ID = %s\n", resp.DispatchedJobID)
			if resp.EvalID != "" {
				s.printf("Evaluation ID     = %s\n", shortID(resp.EvalID, w.verbose))
			}
			if w.detach {
				return nil
			}
			return w.follow(s, c, resp.EvalID, ns)
		},
	}
}
