package client

import (
	"context"
	"errors"
	"io"
	"net/http"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/driver"
)

// ExecSession is one command that somebody runs inside a task: a command line, or
// the name of an action of the task.
type ExecSession struct {
	Task    string // "" where the allocation has only one
	Action  string
	Command []string
	TTY     bool
	// Stdin is read until it ends; whoever owns it ends it when Exec has returned.
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Sizes          <-chan api.TerminalSize
}

// Exec runs a command in a running task and returns its exit code. It ends with ctx
// and with the task.
func (c *Client) Exec(ctx context.Context, allocID string, s ExecSession) (int, error) {
	cmd := driver.Command{Args: s.Command, TTY: s.TTY, Stdin: s.Stdin, Stdout: s.Stdout, Stderr: s.Stderr, Sizes: s.Sizes}
	var running driver.Executor
	err := c.ask(allocID, func(a *alloc) error {
		t, err := a.execTask(s.Task)
		if err != nil {
			return err
		}
		if s.Action != "" {
			if cmd.Args, err = t.action(s.Action); err != nil {
				return err
			}
		}
		executor, able := t.running.(driver.Executor)
		switch {
		case len(cmd.Args) == 0 || cmd.Args[0] == "":
			return badRequest("no command is given: set command to a JSON list, such as [\"/bin/sh\"]")
		case t.m.Phase != phaseRunning || t.running == nil:
			return badRequest("task %q is not running: it is %s", t.spec.Name, t.m.State.State)
		case !able:
			return badRequest("the driver %q of task %q cannot run commands in it", t.spec.Driver, t.spec.Name)
		}
		running = executor
		return nil
	})
	if err != nil {
		return 0, err
	}
	code, err := running.Exec(ctx, cmd)
	switch {
	case errors.Is(err, driver.ErrNotRunning):
		return 0, notRunning("Task")
	case err != nil && ctx.Err() == nil:
		return 0, &Error{http.StatusBadRequest, err.Error()} // the command is not there, or is no program
	}
	return code, err
}

// execTask is the named task, or the only one.
func (a *alloc) execTask(name string) (*task, error) {
	tasks, err := a.choose(name)
	if err != nil {
		return nil, err
	}
	if len(tasks) != 1 {
		return nil, badRequest("allocation %q has %d tasks: name the one that is meant", a.id, len(tasks))
	}
	return tasks[0], nil
}

// action is the command line of one of the task's actions, with every ${...} replaced.
func (t *task) action(name string) ([]string, error) {
	for _, action := range t.spec.Actions {
		if action.Name != name {
			continue
		}
		scope := t.scope()
		_, look := scope.build()
		line := []string{interpolate(action.Command, look)}
		for _, arg := range action.Args {
			line = append(line, interpolate(arg, look))
		}
		return line, nil
	}
	return nil, notFound("task %q has no action %q", t.spec.Name, name)
}
