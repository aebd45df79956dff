//go:build e2e

package e2e

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/e2e/cluster"
)

const sleeper = `job "web" {
  group "web" {
    count = 6
    restart {
      attempts = 10
      delay    = "0s"
      interval = "1m"
    }
    network {
      port "http" {}
    }
    task "sleep" {
      driver = "raw_exec"
      config {
        command = "/bin/sleep"
        args    = ["100000"]
      }
      resources {
        cpu    = 20
        memory = 16
      }
    }
  }
}`

func TestKilledHostIsReplaced(t *testing.T) {
	c := cluster.New(t, cluster.Options{Servers: 3, Clients: 4})
	c.Run(sleeper, 6)
	victim := c.Client(c.Running("web")[0].NodeID)
	start := time.Now()
	victim.KillHost()
	waitElsewhere(t, c, victim, 6)
	t.Logf("healed after %v", time.Since(start))
}

// waitElsewhere waits until n allocations of web run, none on the victim.
func waitElsewhere(t *testing.T, c *cluster.Cluster, victim *cluster.Agent, n int) {
	t.Helper()
	cluster.Eventually(t, 20*time.Second, "all run elsewhere", func() error {
		running := 0
		for _, a := range c.Running("web") {
			if a.NodeID != victim.NodeID() && a.ClientStatus == api.AllocClientStatusRunning {
				running++
			}
		}
		if running != n {
			return fmt.Errorf("%d run elsewhere", running)
		}
		return nil
	})
}

// A host that falls silent (its cable is pulled, nothing answers on any path) is
// replaced; when the cable is back, its old tasks stop.
func TestSilentHostIsReplacedAndReturns(t *testing.T) {
	c := cluster.New(t, cluster.Options{Servers: 3, Clients: 4, Hosts: true})
	c.Run(sleeper, 6)
	victim := c.Client(c.Running("web")[0].NodeID)
	start := time.Now()
	victim.Cut()
	waitElsewhere(t, c, victim, 6)
	t.Logf("healed after %v", time.Since(start))
	victim.Mend()
	cluster.Eventually(t, 20*time.Second, "the returned host runs only what it should", func() error {
		if n, want := victim.Tasks(), runningOn(c, victim); n != want {
			return fmt.Errorf("it runs %d tasks, the servers want %d", n, want)
		}
		n, _, err := c.Live().API().Nodes().Info(victim.NodeID(), nil)
		if err == nil && n.Status != api.NodeStatusReady {
			err = fmt.Errorf("it is %s", n.Status)
		}
		return err
	})
	c.WaitRunning("web", 6, 5*time.Second)
}

// A killed task runs again, on its node, at once.
func TestKilledTaskRunsAgain(t *testing.T) {
	c := cluster.New(t, cluster.Options{Servers: 1, Clients: 1})
	c.Run(sleeper, 6)
	agent := c.Clients[0]
	before := agent.TaskPIDs()
	cluster.Kill(before[0])
	cluster.Eventually(t, 5*time.Second, "six tasks run, one of them new", func() error {
		now := agent.TaskPIDs()
		if len(now) != 6 || slices.Contains(now, before[0]) {
			return fmt.Errorf("they are %v, they were %v", now, before)
		}
		return nil
	})
}

// kill -9 of an agent does not touch its tasks; started again, it takes them up.
func TestKilledAgentFindsItsTasks(t *testing.T) {
	c := cluster.New(t, cluster.Options{Servers: 1, Clients: 2})
	c.Run(sleeper, 6)
	agent := c.Clients[0]
	before, allocs := agent.TaskPIDs(), ids(c)
	agent.Kill()
	agent.Start()
	c.WaitReady(10 * time.Second)
	steady(t, c, 3*time.Second, func() error {
		if now := agent.TaskPIDs(); !slices.Equal(before, now) {
			return fmt.Errorf("the tasks' PIDs were %v, they are %v", before, now)
		}
		if now := ids(c); !slices.Equal(allocs, now) {
			return fmt.Errorf("the allocations were %v, they are %v", allocs, now)
		}
		return nil
	})
}

// An agent that is told to restart says so first, and nothing moves however long
// it takes.
func TestGracefulRestartMovesNothing(t *testing.T) {
	c := cluster.New(t, cluster.Options{Servers: 3, Clients: 2})
	c.Run(sleeper, 6)
	for _, agent := range c.All() {
		before, allocs := agent.TaskPIDs(), ids(c)
		agent.Interrupt(10 * time.Second)
		if !agent.Server {
			steady(t, c, 4*time.Second, func() error { return same(allocs, ids(c)) })
		}
		agent.Start()
		c.WaitReady(15 * time.Second)
		if now := agent.TaskPIDs(); !slices.Equal(before, now) {
			t.Errorf("%s: the tasks' PIDs were %v, they are %v", agent.Name, before, now)
		}
	}
	c.WaitRunning("web", 6, 5*time.Second)
}

// A stopped job leaves nothing behind: no process; after a collection no directory.
func TestStoppedJobLeavesNothing(t *testing.T) {
	c := cluster.New(t, cluster.Options{Servers: 1, Clients: 1})
	c.Run(sleeper, 6)
	agent := c.Clients[0]
	if _, _, err := c.Live().API().Jobs().Deregister("web", true, nil); err != nil {
		t.Fatal(err)
	}
	cluster.Eventually(t, 10*time.Second, "no process is left", func() error {
		if left := agent.Processes(); len(left) > 0 {
			return fmt.Errorf("left: %v", left)
		}
		return nil
	})
	cluster.Eventually(t, 10*time.Second, "no directory is left", func() error {
		if err := c.Live().API().System().GarbageCollect(); err != nil {
			return err
		}
		left, err := filepath.Glob(filepath.Join(agent.Dir, "data", "alloc", "*"))
		if len(left) > 0 {
			return fmt.Errorf("left: %v", left)
		}
		return err
	})
}

// A killed leader is succeeded, and what it acknowledged is there.
func TestKilledLeaderIsSucceeded(t *testing.T) {
	c := cluster.New(t, cluster.Options{Servers: 3, Clients: 1})
	c.Run(sleeper, 6)
	for range 3 {
		lead := c.Leader()
		lead.Kill()
		start := time.Now()
		other := c.Live().API()
		cluster.Eventually(t, 10*time.Second, "a write is accepted", func() error {
			_, _, err := other.Jobs().ForceEvaluate("web", nil)
			return err
		})
		t.Logf("write accepted after %v", time.Since(start))
		lead.Start()
		c.WaitReady(15 * time.Second)
	}
	c.WaitRunning("web", 6, 5*time.Second)
}

func runningOn(c *cluster.Cluster, a *cluster.Agent) int {
	n := 0
	for _, alloc := range c.Running("web") {
		if alloc.NodeID == a.NodeID() {
			n++
		}
	}
	return n
}

// ids are the running allocations, sorted.
func ids(c *cluster.Cluster) []string {
	var out []string
	for _, a := range c.Running("web") {
		out = append(out, a.ID)
	}
	slices.Sort(out)
	return out
}

func same(before, now []string) error {
	if !slices.Equal(before, now) {
		return fmt.Errorf("the allocations were %v, they are %v", before, now)
	}
	return nil
}

// steady holds a condition for a while.
func steady(t *testing.T, c *cluster.Cluster, d time.Duration, f func() error) {
	t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if err := f(); err != nil {
			t.Fatal(err)
		}
	}
}
