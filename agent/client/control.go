package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/driver"
	"github.com/selfheal/selfheal/agent/nodeapi"
)

// ShutdownMode says what becomes of the tasks when the agent ends.
type ShutdownMode int

const (
	// Restart leaves them running: the agent comes back, and nothing is to move.
	Restart ShutdownMode = iota
	// StopTasks stops them all and removes their directories.
	StopTasks
	// Vanish does the same and tells no server: they end with this agent.
	Vanish
)

const (
	// restartGrace is how long servers are asked to wait for an agent that restarts: an
	// upgrade of the machine's packages takes minutes.
	restartGrace = 5 * time.Minute
	// goodbyeLimit bounds what an agent that ends waits for its servers.
	goodbyeLimit = 2 * time.Second
)

// Shutdown ends Run: it says goodbye, stops the tasks if mode wants it, and returns
// when Run has. ctx bounds how long stopping the tasks may take; Run is ended then
// all the same.
func (c *Client) Shutdown(ctx context.Context, mode ShutdownMode) error {
	c.mu.Lock()
	running := c.running
	if !running {
		c.running = true // Run must not begin any more
		clear(c.allocs)
	}
	c.mu.Unlock()
	var errs []error
	if mode != Restart && running {
		errs = append(errs, c.stopAll(ctx, mode != Vanish))
	}
	if mode != Vanish {
		c.sayGoodbye(ctx, mode)
	}
	c.leave.Do(func() { close(c.leaving) })
	if !running {
		return c.journal.close()
	}
	<-c.stopped
	return errors.Join(errs...)
}

func (c *Client) sayGoodbye(ctx context.Context, mode ShutdownMode) {
	ctx, cancel := context.WithTimeout(ctx, goodbyeLimit)
	defer cancel()
	err := c.cfg.Servers.Goodbye(ctx, nodeapi.GoodbyeRequest{NodeID: c.cfg.NodeID, Restart: mode == Restart, Grace: restartGrace})
	if err != nil {
		c.log.Warn("no server heard the goodbye", "err", err)
	}
}

// stopAll ends every allocation, tells the servers if they are to know, and removes
// the directories.
func (c *Client) stopAll(ctx context.Context, tell bool) error {
	all := c.all()
	for _, a := range all {
		a.send(func() { a.endNow("the agent ends") })
	}
	for _, a := range all {
		if err := a.waitTerminal(ctx); err != nil {
			return fmt.Errorf("stop allocation %s: %w", a.id, err)
		}
	}
	if tell {
		told, cancel := context.WithTimeout(ctx, goodbyeLimit)
		defer cancel()
		if err := c.reporter.drained(told); err != nil {
			c.log.Warn("the servers were not told of all stopped allocations", "err", err)
		}
	}
	for _, a := range all {
		a.send(func() { a.destroy("the agent ends") })
	}
	for _, a := range all {
		select {
		case <-a.done:
		case <-ctx.Done():
			return fmt.Errorf("remove allocation %s: %w", a.id, ctx.Err())
		}
	}
	return nil
}

// waitTerminal waits until every task of the allocation is dead.
func (a *alloc) waitTerminal(ctx context.Context) error {
	ended := make(chan struct{})
	a.send(func() { a.whenTerminal = append(a.whenTerminal, func() { close(ended) }); a.changed = true })
	select {
	case <-ended:
		return nil
	case <-a.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// RestartAlloc restarts one task, or with task "" all that run; with all, those
// that have ended too, as long as the allocation has not.
func (c *Client) RestartAlloc(id, task string, all bool) error {
	return c.ask(id, func(a *alloc) error {
		if a.terminal() || a.ending != "" {
			return notRunning("Allocation")
		}
		tasks, err := a.choose(task)
		if err != nil {
			return err
		}
		kind := evRestart
		if all {
			kind = evReset
		}
		did := false
		for _, t := range tasks {
			if t.m.Phase == phaseRunning || t.m.Phase == phaseWaiting || (all && !t.role.poststop()) {
				did = true
				t.apply(event{kind: kind, reason: "User requested task to restart"})
			}
		}
		if !did {
			return notRunning("Task")
		}
		return nil
	})
}

// SignalAlloc sends a signal to one task, or with task "" to all that run.
func (c *Client) SignalAlloc(id, task, signal string) error {
	if _, err := driver.ParseSignal(signal); err != nil {
		return badRequest("%v", err)
	}
	var targets []driver.Task
	err := c.ask(id, func(a *alloc) error {
		tasks, err := a.choose(task)
		if err != nil {
			return err
		}
		for _, t := range tasks {
			if t.m.Phase == phaseRunning && t.running != nil {
				t.apply(event{kind: evSignal, reason: signal})
				targets = append(targets, t.running)
			}
		}
		if len(targets) == 0 {
			return notRunning("Task")
		}
		return nil
	})
	if err != nil {
		return err
	}
	var errs []error
	for _, t := range targets {
		errs = append(errs, t.Signal(signal))
	}
	return errors.Join(errs...)
}

// choose is the named task, or all of them.
func (a *alloc) choose(name string) ([]*task, error) {
	if name == "" {
		return a.tasks, nil
	}
	for _, t := range a.tasks {
		if t.spec.Name == name {
			return []*task{t}, nil
		}
	}
	return nil, unknownTask(a.id, name)
}

// ask lets the owner of an allocation answer.
func (c *Client) ask(id string, f func(*alloc) error) error {
	a, err := c.find(id)
	if err != nil {
		return err
	}
	if err := a.call(func() error { return f(a) }); !errors.Is(err, errAllocEnded) {
		return err
	}
	return unknownAlloc(id)
}

// TaskStates are the present states of an allocation's tasks by name.
func (c *Client) TaskStates(id string) (map[string]*api.TaskState, error) {
	states := map[string]*api.TaskState{}
	err := c.ask(id, func(a *alloc) error {
		for _, t := range a.tasks {
			state := t.m.State
			states[t.spec.Name] = &state
		}
		return nil
	})
	return states, err
}
