package command

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/hashicorp/nomad/api"
)

func jobMoreVerbs() entries {
	return entries{
		noun("job tag", "Name versions of a job, which are then kept"),
		{name: "job tag apply", make: jobTagApply},
		{name: "job tag unset", make: jobTagUnset},
		{name: "job action", make: jobAction},
	}
}

func jobTagApply() verb {
	var name, description, version string
	return verb{
		args: "JOB", min: 1, max: 1,
		short: "Give a version of a job a name",
		long:  "Gives a version of a job a name, by which history, revert and plan know it. A named version is kept when older ones are forgotten.",
		flags: []flagRow{
			{"name", "NAME", "The name.", &name, nil},
			{"description", "TEXT", "What is special about it.", &description, nil},
			{"version", "N", "This version instead of the current one.", &version, nil},
		},
		run: func(s *session, args []string) error {
			if name == "" {
				return usagef("-name is wanted")
			}
			req := &api.TagVersionRequest{Description: description, Latest: version == ""}
			if version != "" {
				n, err := strconv.ParseUint(version, 10, 64)
				if err != nil {
					return usagef("-version wants a number from `selfheal job history`, not %q", version)
				}
				req.Version = n
			}
			c, id, ns, err := s.job(args[0])
			if err != nil {
				return err
			}
			if _, err := c.Jobs().TagVersionOpts(id, name, req, &api.WriteOptions{Namespace: ns}); err != nil {
				return fmt.Errorf("tag version: %w", err)
			}
			which := "the current version"
			if version != "" {
				which = "version " + version
			}
			s.printf("Named %s of job %q %q.\n", which, id, name)
			return nil
		},
	}
}

func jobTagUnset() verb {
	var name string
	return verb{
		args: "JOB", min: 1, max: 1,
		short: "Take the name of a version away",
		flags: []flagRow{{"name", "NAME", "The name.", &name, nil}},
		run: func(s *session, args []string) error {
			if name == "" {
				return usagef("-name is wanted")
			}
			c, id, ns, err := s.job(args[0])
			if err != nil {
				return err
			}
			if _, err := c.Jobs().UntagVersion(id, name, &api.WriteOptions{Namespace: ns}); err != nil {
				return fmt.Errorf("untag version: %w", err)
			}
			s.printf("Version %q of job %q has no name any more.\n", name, id)
			return nil
		},
	}
}

func jobAction() verb {
	var f terminalFlags
	var job, alloc, group, task string
	return verb{
		args: "[ACTION]", max: 1,
		short: "Run an action that a job file declares, in its task",
		long: `Runs the command of an action block inside the task that declares it, with this terminal. Without ACTION it lists the actions of the job.

  selfheal job action -job redis flush-cache`,
		flags: concat(f.rows(), []flagRow{
			{"job", "ID", "The job.", &job, nil},
			{"allocation", "ID", "In this allocation (default: one that runs).", &alloc, nil},
			{"group", "NAME", "In an allocation of this group.", &group, nil},
			{"task", "NAME", "The task, when several declare an action of this name.", &task, nil},
		}),
		run: func(s *session, args []string) error {
			if job == "" {
				return usagef("-job is wanted")
			}
			c, id, ns, err := s.job(job)
			if err != nil {
				return err
			}
			actions, err := s.actions(c, id, ns)
			if err != nil {
				return err
			}
			if len(args) == 0 {
				return s.listActions(actions, id)
			}
			chosen, err := chooseAction(actions, args[0], group, task)
			if err != nil {
				return err
			}
			var a *api.Allocation
			if alloc != "" {
				a, err = s.allocation(c, alloc)
			} else {
				a, err = s.anyAllocation(c, id, chosen.group)
			}
			if err != nil {
				return err
			}
			web, err := s.streamClient()
			if err != nil {
				return err
			}
			t := &terminal{s: s, tty: f.wantsTTY(s)}
			return t.run(&f, func(ctx context.Context, in io.Reader, sizes <-chan api.TerminalSize) (int, error) {
				return web.Jobs().ActionExec(ctx, a, id, chosen.task, t.tty, nil, args[0], in, s.out, s.err, sizes, &api.QueryOptions{Namespace: ns})
			})
		},
	}
}

// declaredAction is an action and where the job declares it.
type declaredAction struct {
	group, task string
	*api.Action
}

func (s *session) actions(c *api.Client, id, ns string) ([]declaredAction, error) {
	job, _, err := c.Jobs().Info(id, &api.QueryOptions{Namespace: ns})
	if err != nil {
		return nil, fmt.Errorf("read job: %w", err)
	}
	return declaredActions(job), nil
}

// declaredActions are the actions of a job's tasks.
func declaredActions(job *api.Job) (out []declaredAction) {
	for _, g := range present(groupsOf(job)) {
		for _, t := range present(g.Tasks) {
			for _, a := range present(t.Actions) {
				out = append(out, declaredAction{deref(g.Name), t.Name, a})
			}
		}
	}
	return out
}

// groupsOf are the groups of a job that may not be there.
func groupsOf(job *api.Job) []*api.TaskGroup {
	if job == nil {
		return nil
	}
	return job.TaskGroups
}

func (s *session) listActions(actions []declaredAction, job string) error {
	if len(actions) == 0 {
		s.printf("Job %q declares no action\n", job)
		return nil
	}
	rows := []string{row("Name", "Group", "Task", "Command")}
	for _, a := range actions {
		rows = append(rows, row(a.Name, a.group, a.task, clip(strings.Join(append([]string{a.Command}, a.Args...), " "), 50)))
	}
	s.table(rows)
	return nil
}

func chooseAction(actions []declaredAction, name, group, task string) (declaredAction, error) {
	var match []declaredAction
	var names []string
	for _, a := range actions {
		names = append(names, a.Name)
		if a.Name == name && (group == "" || a.group == group) && (task == "" || a.task == task) {
			match = append(match, a)
		}
	}
	switch len(match) {
	case 0:
		return declaredAction{}, fmt.Errorf("the job declares no such action: %q%s", name, didYouMean(name, names))
	case 1:
		return match[0], nil
	}
	return declaredAction{}, usagef("several tasks declare %q; say which with -group and -task", name)
}
