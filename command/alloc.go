package command

import (
	"fmt"
	"strings"

	"github.com/hashicorp/nomad/api"
)

func allocVerbs() entries {
	return entries{
		noun("alloc", "Look into allocations, restart and stop them"),
		{name: "alloc status", make: allocStatus},
		{name: "alloc logs", make: allocLogs},
		{name: "alloc stop", make: allocStop},
		{name: "alloc restart", make: allocRestart},
		{name: "alloc signal", make: allocSignal},
		{name: "alloc fs", make: allocFS},
		{name: "alloc checks", make: allocChecks},
		{name: "alloc exec", make: allocExec},
	}
}

// taskNames are the tasks of an allocation: as its job has them, else as they ran.
func taskNames(a *api.Allocation) []string {
	if a.Job != nil {
		for _, g := range a.Job.TaskGroups {
			if g == nil || deref(g.Name) != a.TaskGroup {
				continue
			}
			var names []string
			for _, t := range present(g.Tasks) {
				names = append(names, t.Name)
			}
			return names
		}
	}
	return keys(a.TaskStates)
}

// taskOf is the task that a verb is about: named, or the only one.
func taskOf(a *api.Allocation, name string) (string, error) {
	names := taskNames(a)
	if name == "" {
		if len(names) == 1 {
			return names[0], nil
		}
		if len(names) == 0 {
			return "", fmt.Errorf("allocation %s has no task yet", shortID(a.ID, false))
		}
		return "", usagef("allocation %s has several tasks; name one: %s", shortID(a.ID, false), strings.Join(names, ", "))
	}
	for _, n := range names {
		if n == name {
			return n, nil
		}
	}
	return "", fmt.Errorf("allocation %s has no task %q%s; it has: %s", shortID(a.ID, false), name, didYouMean(name, names), strings.Join(names, ", "))
}

// allocArg is the client and the allocation that an argument means.
func (s *session) allocArg(prefix string) (*api.Client, *api.Allocation, error) {
	c, err := s.client()
	if err != nil {
		return nil, nil, err
	}
	a, err := s.allocation(c, prefix)
	return c, a, err
}

func allocStop() verb {
	var w watching
	var noDelay, noReschedule bool
	return verb{
		args: "ALLOC", min: 1, max: 1,
		short: "Stop an allocation; another takes its place",
		flags: append(w.rows(),
			flagRow{"no-shutdown-delay", "", "Do not wait for shutdown_delay.", &noDelay, nil},
			flagRow{"no-reschedule", "", "Stop it without a replacement now.", &noReschedule, nil}),
		run: func(s *session, args []string) error {
			c, a, err := s.allocArg(args[0])
			if err != nil {
				return err
			}
			q := &api.QueryOptions{Namespace: a.Namespace, Params: map[string]string{}}
			if noDelay {
				q.Params["no_shutdown_delay"] = "true"
			}
			if noReschedule {
				q.Params["reschedule"] = "false"
			}
			resp, err := c.Allocations().Stop(a, q)
			if err != nil {
				return fmt.Errorf("stop allocation: %w", err)
			}
			return w.follow(s, c, resp.EvalID, a.Namespace)
		},
	}
}

func allocRestart() verb {
	var task string
	var all, verbose bool
	return verb{
		args: "ALLOC [TASK]", min: 1, max: 2,
		short: "Restart the tasks of an allocation in place",
		flags: []flagRow{
			{"task", "NAME", "Only this task.", &task, nil},
			{"all-tasks", "", "Also tasks that have already ended.", &all, nil},
			{"verbose", "", "Show whole IDs.", &verbose, nil},
		},
		run: func(s *session, args []string) error {
			c, a, err := s.allocArg(args[0])
			if err != nil {
				return err
			}
			if len(args) == 2 {
				task = args[1]
			}
			q := &api.QueryOptions{Namespace: a.Namespace}
			if task != "" {
				if all {
					return usagef("-all-tasks and a task contradict each other")
				}
				if task, err = taskOf(a, task); err != nil {
					return err
				}
			}
			if all {
				err = c.Allocations().RestartAllTasks(a, q)
			} else {
				err = c.Allocations().Restart(a, task, q)
			}
			if err != nil {
				return fmt.Errorf("restart allocation: %w", err)
			}
			s.printf("Restarted allocation %s.\n", shortID(a.ID, verbose))
			return nil
		},
	}
}

func allocSignal() verb {
	var task string
	var verbose bool
	signal := "SIGKILL"
	return verb{
		args: "ALLOC [TASK]", min: 1, max: 2,
		short: "Send a signal to the tasks of an allocation",
		flags: []flagRow{
			{"s", "SIGNAL", "The signal (default SIGKILL).", &signal, nil},
			{"task", "NAME", "Only to this task.", &task, nil},
			{"verbose", "", "Show whole IDs.", &verbose, nil},
		},
		run: func(s *session, args []string) error {
			c, a, err := s.allocArg(args[0])
			if err != nil {
				return err
			}
			if len(args) == 2 {
				task = args[1]
			}
			if task != "" {
				if task, err = taskOf(a, task); err != nil {
					return err
				}
			}
			if err := c.Allocations().Signal(a, &api.QueryOptions{Namespace: a.Namespace}, task, signal); err != nil {
				return fmt.Errorf("signal allocation: %w", err)
			}
			s.say("Sent %s to allocation %s.", signal, shortID(a.ID, verbose))
			return nil
		},
	}
}

func allocChecks() verb {
	var o output
	var verbose bool
	return verb{
		args: "ALLOC", min: 1, max: 1,
		short: "Show the health checks of an allocation",
		flags: append(o.rows(), flagRow{"verbose", "", "Show the whole output of each check.", &verbose, nil}),
		run: func(s *session, args []string) error {
			c, a, err := s.allocArg(args[0])
			if err != nil {
				return err
			}
			checks, err := c.Allocations().Checks(a.ID, &api.QueryOptions{Namespace: a.Namespace})
			if err != nil {
				return fmt.Errorf("read checks: %w", err)
			}
			if o.wanted() {
				return o.print(s, checks)
			}
			if len(checks) == 0 {
				s.printf("No checks\n")
				return nil
			}
			width := 40
			if verbose {
				width = 1 << 20
			}
			rows := []string{row("Service", "Check", "Task", "Mode", "Status", "Output")}
			for _, id := range keys(checks) {
				ch := checks[id]
				rows = append(rows, row(ch.Service, ch.Check, ch.Task, ch.Mode, ch.Status, clip(ch.Output, width)))
			}
			s.table(rows)
			return nil
		},
	}
}

func allocLogs() verb {
	var f logFlags
	return verb{
		args: "ALLOC [TASK]", min: 1, max: 2,
		short: "Print the logs of a task",
		long:  "Prints what a task has written to standard output. TASK may be left out when there is only one. \n\nWith -job, ALLOC is a job: the logs of all its running allocations are merged, each line behind the allocation, group and task that wrote it. With -f they go on when allocations move, nodes die and the agent is away.",
		flags: []flagRow{
			{"stderr", "", "What it has written to standard error.", &f.stderr, nil},
			{"stdout", "", "Standard output (default).", &f.stdout, nil},
			{"f", "", "Go on printing as it is written, until Ctrl-C.", &f.follow, nil},
			{"tail", "", "Only the end: the last 10 lines, or what -n or -c say.", &f.tail, nil},
			{"n", "LINES", "With -tail: this many lines.", &f.lines, nil},
			{"c", "BYTES", "With -tail: this many bytes.", &f.bytes, nil},
			{"task", "NAME", "This task.", &f.task, nil},
			{"job", "", "ALLOC is the ID of a job.", &f.job, nil},
			{"group", "NAME", "With -job: only allocations of this group.", &f.group, nil},
			{"verbose", "", "With -job: whole IDs.", &f.verbose, nil},
		},
		run: func(s *session, args []string) error { return logs(s, f, args) },
	}
}
