package command

import (
	"fmt"
	"io"
	"path"
	"strings"
	"time"

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
	signal := "SIGKILL"
	return verb{
		args: "ALLOC [TASK]", min: 1, max: 2,
		short: "Send a signal to the tasks of an allocation",
		flags: []flagRow{
			{"s", "SIGNAL", "The signal (default SIGKILL).", &signal, nil},
			{"task", "NAME", "Only to this task.", &task, nil},
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
			return nil
		},
	}
}

func allocChecks() verb {
	var o output
	return verb{
		args: "ALLOC", min: 1, max: 1,
		short: "Show the health checks of an allocation",
		flags: o.rows(),
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
			rows := []string{row("Service", "Check", "Task", "Mode", "Status", "Output")}
			for _, id := range keys(checks) {
				ch := checks[id]
				rows = append(rows, row(ch.Service, ch.Check, ch.Task, ch.Mode, ch.Status, clip(ch.Output, 40)))
			}
			s.table(rows)
			return nil
		},
	}
}

func allocFS() verb {
	var stat, machine bool
	return verb{
		args: "ALLOC [PATH]", min: 1, max: 2,
		short: "List the files of an allocation, or print one",
		flags: []flagRow{
			{"stat", "", "Describe the file instead of printing it.", &stat, nil},
			{"H", "", "Sizes in bytes, whole times.", &machine, nil},
		},
		run: func(s *session, args []string) error {
			c, a, err := s.allocArg(args[0])
			if err != nil {
				return err
			}
			name := "/"
			if len(args) == 2 {
				name = path.Join("/", args[1])
			}
			q := &api.QueryOptions{Namespace: a.Namespace}
			file, _, err := c.AllocFS().Stat(a, name, q)
			if err != nil {
				return fmt.Errorf("look at %s: %w", name, err)
			}
			if stat {
				s.fileTable([]*api.AllocFileInfo{file}, machine)
				return nil
			}
			if file.IsDir {
				files, _, err := c.AllocFS().List(a, name, q)
				if err != nil {
					return fmt.Errorf("list %s: %w", name, err)
				}
				s.fileTable(files, machine)
				return nil
			}
			r, err := c.AllocFS().Cat(a, name, q)
			if err != nil {
				return fmt.Errorf("read %s: %w", name, err)
			}
			defer r.Close()
			_, err = io.Copy(s.out, r)
			return err
		},
	}
}

func (s *session) fileTable(files []*api.AllocFileInfo, machine bool) {
	rows := []string{row("Mode", "Size", "Modified Time", "Name")}
	for _, f := range files {
		size, name := bytes(uint64(f.Size)), f.Name
		if machine {
			size = fmt.Sprint(f.Size)
		}
		if f.IsDir {
			name += "/"
		}
		rows = append(rows, row(f.FileMode, size, f.ModTime.UTC().Format(time.RFC3339), name))
	}
	s.table(rows)
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
