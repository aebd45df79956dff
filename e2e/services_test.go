//go:build e2e

package e2e

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/e2e/cluster"
)

// shop is two web servers whose deployment waits for the check of path.
func shop(binary, path string) string {
	return fmt.Sprintf(`job "shop" {
  update {
    health_check      = "checks"
    max_parallel      = 2
    min_healthy_time  = "1s"
    healthy_deadline  = "6s"
    progress_deadline = "10s"
  }
  group "web" {
    count = 2
    restart {
      attempts = 10
      delay    = "0s"
      interval = "1m"
    }
    network {
      port "http" {}
    }
    service {
      name     = "shop"
      port     = "http"
      provider = "nomad"
      tags     = ["${NOMAD_ALLOC_INDEX}"]
      check {
        name     = "answers"
        type     = "http"
        path     = %q
        interval = "1s"
        timeout  = "1s"
        check_restart {
          limit = 2
          grace = "1s"
        }
      }
    }
    task "web" {
      driver       = "raw_exec"
      kill_timeout = "1s"
      config {
        command = %q
        args    = ["demo-web"]
      }
      resources {
        cpu    = 20
        memory = 32
      }
    }
  }
}`, path, binary)
}

// A service is found where it answers; one that hangs comes last and is restarted;
// one that is killed comes back; a deployment whose checks fail fails.
func TestServicesAndChecks(t *testing.T) {
	c := cluster.New(t, cluster.Options{Servers: 1, Clients: 1})
	binary := cluster.Binary(t, "")
	c.Run(shop(binary, "/health"), 2)
	client := c.Live().API()
	deployed(t, c, "successful")
	regs := instances(t, c, 2)
	for _, reg := range regs {
		text, err := fetch(reg)
		if err != nil || !strings.Contains(text, reg.AllocID) || !strings.HasPrefix(reg.ID, "_nomad-task-"+reg.AllocID) {
			t.Errorf("%s answers at %s:%d: %s %v", reg.ID, reg.Address, reg.Port, text, err)
		}
	}
	if out, err := c.Command(c.Live(), "alloc", "checks", regs[0].AllocID); err != nil || !strings.Contains(out, "success") {
		t.Errorf("alloc checks: %v\n%s", err, out)
	}

	hung := regs[0]
	pid := pidOf(t, hung)
	_ = syscall.Kill(pid, syscall.SIGSTOP)
	cluster.Eventually(t, 10*time.Second, "the hung instance comes last", func() error {
		if now := instances(t, c, 2); now[1].ID != hung.ID {
			return fmt.Errorf("it is before the other")
		}
		return nil
	})
	cluster.Eventually(t, 15*time.Second, "check_restart starts it again, and it answers", func() error {
		a, _, err := client.Allocations().Info(hung.AllocID, nil)
		if err != nil {
			return err
		}
		if n := a.TaskStates["web"].Restarts; n != 1 {
			return fmt.Errorf("%d restarts", n)
		}
		return passes(client, hung.AllocID)
	})

	pid = pidOf(t, regs[1])
	start := time.Now()
	cluster.Kill(pid)
	cluster.Eventually(t, 10*time.Second, "the killed instance answers again", func() error {
		now, err := processOf(regs[1])
		if err == nil && now == pid {
			err = fmt.Errorf("process %d still answers", pid)
		}
		if err != nil {
			return err
		}
		return passes(client, regs[1].AllocID)
	})
	t.Logf("killed to passing again: %v", time.Since(start))

	broken, err := client.Jobs().ParseHCL(shop(binary, "/nowhere"), true)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := client.Jobs().Register(broken, nil); err != nil {
		t.Fatal(err)
	}
	deployed(t, c, "failed")
	if _, _, err := client.Jobs().Deregister("shop", false, nil); err != nil {
		t.Fatal(err)
	}
	instances(t, c, 0)
}

// deployed waits until the shop's latest deployment has a status.
func deployed(t *testing.T, c *cluster.Cluster, status string) {
	t.Helper()
	cluster.Eventually(t, 30*time.Second, "the deployment is "+status, func() error {
		d, _, err := c.Live().API().Jobs().LatestDeployment("shop", nil)
		if err != nil || d == nil {
			return fmt.Errorf("no deployment: %v", err)
		}
		if d.Status != status {
			return fmt.Errorf("it is %s: %s, %d healthy", d.Status, d.StatusDescription, d.TaskGroups["web"].HealthyAllocs)
		}
		return nil
	})
}

// instances waits until n instances of the shop are registered.
func instances(t *testing.T, c *cluster.Cluster, n int) []*api.ServiceRegistration {
	t.Helper()
	var out []*api.ServiceRegistration
	cluster.Eventually(t, 10*time.Second, fmt.Sprintf("%d instances are registered", n), func() error {
		got, _, err := c.Live().API().Services().Get("shop", nil)
		if err == nil && len(got) != n {
			err = fmt.Errorf("%d are", len(got))
		}
		out = got
		return err
	})
	return out
}

// passes tells whether all checks of an allocation pass.
func passes(client *api.Client, alloc string) error {
	checks, err := client.Allocations().Checks(alloc, nil)
	if err != nil || len(checks) == 0 {
		return fmt.Errorf("no checks: %v", err)
	}
	for _, check := range checks {
		if check.Status != "success" {
			return fmt.Errorf("%s is %s: %s", check.Check, check.Status, check.Output)
		}
	}
	return nil
}

// fetch is the page of an instance.
func fetch(reg *api.ServiceRegistration) (string, error) {
	resp, err := http.Get(fmt.Sprintf("http://%s:%d/", reg.Address, reg.Port))
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return string(text), err
}

// processOf is the process that an instance's page names.
func processOf(reg *api.ServiceRegistration) (int, error) {
	text, err := fetch(reg)
	if err != nil {
		return 0, err
	}
	for _, line := range strings.Split(text, "\n") {
		if _, rest, ok := strings.Cut(line, "Process"); ok {
			return strconv.Atoi(strings.Trim(rest, ": \t"))
		}
	}
	return 0, fmt.Errorf("the page names no process:\n%s", text)
}

func pidOf(t *testing.T, reg *api.ServiceRegistration) int {
	t.Helper()
	pid, err := processOf(reg)
	if err != nil {
		t.Fatal(err)
	}
	return pid
}
