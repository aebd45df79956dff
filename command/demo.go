package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/jobspec"
)

func demoVerbs() entries {
	return entries{
		{name: "demo", make: demoVerb},
		{name: "demo-web", make: demoWeb},
	}
}

// demoLimit bounds the whole of `demo -once`.
const demoLimit = time.Minute

// demoInstances is how many web servers the demo runs: more than it has nodes,
// so that a node that dies takes more than one along.
const demoInstances = 6

func demoVerb() verb {
	d := demo{port: 4646}
	return verb{
		short: "See it heal: seven agents, a job, a killed node",
		long: fmt.Sprintf(`Starts %d servers and %d client nodes as real processes on this machine, all on 127.0.0.1, and runs %d small web servers on them. Then it kills a node: the agent with all that runs on it, kill -9. You see how long it takes until the death is noticed, until the lost instances are placed on other nodes, and until all of them answer HTTP again. Then the node comes back.

The cluster goes on running until Ctrl-C, for you to look at and to break; then all of it is stopped and its directory removed.

It needs no privileges, nothing but this binary, and the ports 4646 to 4648 for the first server, so that other commands find it without -address.`, demoServers, demoClients, demoInstances),
		local: true,
		flags: []flagRow{
			{"once", "", "End after the node is back: exit code 0 if the job healed. Takes at most a minute.", &d.once, nil},
			{"port", "N", "The first server's HTTP port (default 4646); the two after it are for the cluster. 0 lets free ones be chosen.", &d.port, nil},
			{"dir", "PATH", "Keep everything in this directory, which must be empty (default: a temporary one).", &d.dir, nil},
			{"keep", "", "Leave the directory, with all configurations and logs.", &d.keep, nil},
		},
		run: func(s *session, args []string) error {
			d.s = s
			return d.run()
		},
	}
}

// demo is one demonstration.
type demo struct {
	s          *session
	once, keep bool
	port       int
	dir        string

	binary string
	agents []*demoAgent
	board  *board
}

// run is the demonstration from its first to its last word. Whatever happens,
// nothing of it is left.
func (d *demo) run() (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if d.once {
		limited, cancel := context.WithTimeoutCause(ctx, demoLimit, fmt.Errorf("%v are over", demoLimit))
		defer cancel()
		ctx = limited
	}
	if err := d.prepare(); err != nil {
		return err
	}
	d.board = newBoard(d.s)
	defer func() {
		d.board.finish()
		err = errors.Join(err, d.cleanUp())
	}()
	err = d.story(ctx)
	if ctx.Err() == context.Canceled { // a signal, not the limit of -once
		if d.once {
			return exitError{1, errors.New("interrupted")}
		}
		return nil // Ctrl-C is how it ends
	}
	return err
}

// prepare finds out whether it can work, before it starts anything.
func (d *demo) prepare() error {
	var err error
	if d.binary, err = os.Executable(); err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	if d.port < 0 || d.port > 65533 {
		return usagef("-port must be between 0 and 65533")
	}
	if d.dir == "" {
		if d.dir, err = os.MkdirTemp("", "selfheal-demo-"); err != nil {
			return fmt.Errorf("make a directory for the demo: %w (-dir names another place)", err)
		}
	} else {
		if d.dir, err = filepath.Abs(d.dir); err == nil {
			err = os.MkdirAll(d.dir, 0o755)
		}
		if err != nil {
			return fmt.Errorf("make a directory for the demo: %w", err)
		}
		if left, err := os.ReadDir(d.dir); err != nil || len(left) > 0 {
			return fmt.Errorf("%s is not empty; the demo wants a directory of its own", d.dir)
		}
	}
	if d.agents, err = planCluster(d.dir, d.port); err != nil {
		os.RemoveAll(d.dir)
		return err
	}
	return nil
}

// cleanUp stops everything and removes the directory.
func (d *demo) cleanUp() error {
	d.s.say("Stopping %d agents and their tasks ...", len(d.agents))
	for _, a := range d.agents { // the clients' agents first would only start replacements
		if a.running() {
			_ = a.cmd.Process.Kill()
		}
	}
	for _, a := range d.agents {
		a.killHost()
	}
	if left := ownedBy(d.dir); len(left) > 0 {
		return fmt.Errorf("these processes could not be stopped: %v", left)
	}
	if d.keep {
		d.s.say("Everything is stopped. Configurations and logs stay in %s.", d.dir)
		return nil
	}
	if err := os.RemoveAll(d.dir); err != nil {
		return fmt.Errorf("remove the demo's directory: %w", err)
	}
	d.s.say("Everything is stopped and %s is removed.", d.dir)
	return nil
}

// story is what the demo shows.
func (d *demo) story(ctx context.Context) error {
	begin := time.Now()
	d.board.log("Starting %d servers and %d client nodes on 127.0.0.1, in %s", demoServers, demoClients, d.dir)
	for _, a := range d.agents {
		if err := a.start(d.binary, d.agents); err != nil {
			return err
		}
	}
	w := &demoWatch{agents: d.agents}
	if err := until(ctx, "the cluster is up", d.agents, func() bool { return w.readyNodes() == demoClients }); err != nil {
		return err
	}
	d.board.log("The cluster is up after %s: a leader, and %d nodes ready", seconds(time.Since(begin)), demoClients)

	begin = time.Now()
	if err := d.submit(w.c()); err != nil {
		return err
	}
	if err := until(ctx, "every instance answers", d.agents, func() bool { return w.answering(ctx) == demoInstances }); err != nil {
		return err
	}
	d.board.log("%d web servers run and answer HTTP, %s after the job was submitted", demoInstances, seconds(time.Since(begin)))
	d.board.draw(w.view())
	if !d.once {
		d.invite(w)
	}
	victim := w.busiest()
	if victim == nil {
		return errors.New("no node runs an instance, so none can be killed")
	}
	if err := d.killAndWatch(ctx, w, victim); err != nil {
		return err
	}
	if err := d.bringBack(ctx, w, victim); err != nil {
		return err
	}
	if d.once {
		return nil
	}
	d.board.log("It goes on running. Break something yourself: kill -9 %d is the agent of %s.", d.agents[0].pid(), d.agents[0].name)
	d.board.log("Ctrl-C stops everything and removes it.")
	return d.live(ctx, w)
}

// submit runs the job file, which is also left in the directory for the curious.
func (d *demo) submit(c *api.Client) error {
	path := filepath.Join(d.dir, "web.nomad.hcl")
	text := []byte(demoJob(d.binary))
	if err := os.WriteFile(path, text, 0o644); err != nil {
		return fmt.Errorf("write job file: %w", err)
	}
	job, diags := jobspec.Parse(jobspec.Input{Path: path, Body: text})
	if err := diags.Err(); err != nil {
		return fmt.Errorf("parse job file: %w", err)
	}
	if _, _, err := c.Jobs().Register(job, nil); err != nil {
		return fmt.Errorf("submit job: %s", d.s.explain(err))
	}
	return nil
}

// demoJob is the demo's job file.
func demoJob(binary string) string {
	return fmt.Sprintf(`job "web" {
  group "web" {
    count = %d

    network {
      port "http" {}
    }

    service {
      name     = "web"
      port     = "http"
      provider = "nomad"
    }

    update {
      max_parallel     = %d
      health_check     = "task_states"
      min_healthy_time = "1s"
    }

    task "server" {
      driver = "raw_exec"

      config {
        command = %q
        args    = ["demo-web"]
      }

      env {
        NODE_NAME = "$${node.unique.name}"
      }

      resources {
        cpu    = 50
        memory = 32
      }
    }
  }
}
`, demoInstances, demoInstances, strings.ReplaceAll(binary, "${", "$${"))
}

// invite says what one can do meanwhile.
func (d *demo) invite(w *demoWatch) {
	flag := ""
	if d.agents[0].http != 4646 {
		flag = " -address " + d.agents[0].url()
	}
	d.board.log("Open  %s  in a browser: one of the instances", w.anyURL())
	for _, line := range []string{"job status%s web", "node status%s", "server members%s", "job scale%s web 9"} {
		d.board.log("Type  selfheal "+line, flag)
	}
}

// killAndWatch kills a node and measures how the job becomes whole again.
func (d *demo) killAndWatch(ctx context.Context, w *demoWatch, victim *demoAgent) error {
	if !d.once {
		if err := pause(ctx, 3*time.Second); err != nil { // for the eyes
			return err
		}
	}
	r, err := w.beginRecovery(ctx, victim)
	if err != nil {
		return err
	}
	d.board.log("kill -9 of %s: its agent (pid %d) and its %s, all at once", victim.name, victim.pid(), plural(len(r.lost), "instance"))
	r.begin = time.Now()
	killed := victim.killHost()
	d.board.log("%d processes are dead", killed)
	if err := r.run(ctx, func() { d.board.draw(w.view()) }); err != nil {
		return err
	}
	d.board.log("  %-38s %s", "noticed that the node is dead after", seconds(r.detected))
	d.board.log("  %-38s %s", "placed what it ran on other nodes after", seconds(r.placed))
	d.board.log("  %-38s %s", fmt.Sprintf("all %d answered HTTP again after", demoInstances), seconds(r.answering))
	d.board.draw(w.view())
	return nil
}

// bringBack starts the killed node's agent again.
func (d *demo) bringBack(ctx context.Context, w *demoWatch, victim *demoAgent) error {
	if !d.once {
		if err := pause(ctx, 3*time.Second); err != nil {
			return err
		}
	}
	begin := time.Now()
	if err := victim.start(d.binary, d.agents); err != nil {
		return err
	}
	if err := until(ctx, victim.name+" is back", d.agents, func() bool { return w.readyNodes() == demoClients }); err != nil {
		return err
	}
	d.board.log("%s was started again and is ready after %s; it takes new work", victim.name, seconds(time.Since(begin)))
	if err := until(ctx, "every instance answers", d.agents, func() bool { return w.answering(ctx) == demoInstances }); err != nil {
		return err
	}
	d.board.draw(w.view())
	return nil
}

// live shows the cluster as it changes, until ctx ends.
func (d *demo) live(ctx context.Context, w *demoWatch) error {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		d.board.draw(w.view())
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// seconds is a duration as people read it off a stopwatch.
func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }
