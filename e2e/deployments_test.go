//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/e2e/cluster"
)

// front is four web servers behind the catalogue; a release is told by its environment,
// and one that is bad never answers its check.
func front(binary, release string, canaries int, path string) string {
	return fmt.Sprintf(`job "front" {
  update {
    max_parallel      = 2
    canary            = %d
    auto_revert       = true
    min_healthy_time  = "500ms"
    healthy_deadline  = "8s"
    progress_deadline = "10s"
  }
  group "web" {
    count          = 4
    shutdown_delay = "1s"
    reschedule {
      attempts  = 0
      unlimited = false
    }
    network {
      port "http" {}
    }
    service {
      name     = "front"
      port     = "http"
      provider = "nomad"
      check {
        type     = "http"
        path     = %q
        interval = "1s"
        timeout  = "1s"
      }
    }
    task "web" {
      driver       = "raw_exec"
      kill_timeout = "1s"
      env {
        RELEASE = %q
      }
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
}`, canaries, path, release, binary)
}

// The verbs of a release, with real processes under load: canaries are promoted, a bad
// release goes back by itself, and no request fails meanwhile.
func TestReleaseFromTheCommandLine(t *testing.T) {
	c := cluster.New(t, cluster.Options{Servers: 1, Clients: 2})
	binary := cluster.Binary(t, "")
	c.Run(front(binary, "one", 0, "/health"), 4)
	latest(t, c, 0, "successful")
	visitors := visit(c)

	register(t, c, front(binary, "two", 1, "/health"))
	id := latest(t, c, 1, "running").ID
	if out, err := c.Command(c.Live(), "deployment", "status", id[:8]); err != nil || !strings.Contains(out, "requires manual promotion") {
		t.Errorf("deployment status: %v\n%s", err, out)
	}
	cluster.Eventually(t, 20*time.Second, "the canary is promoted once it is healthy", func() error {
		out, err := c.Command(c.Live(), "deployment", "promote", "-detach", id)
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	})
	latest(t, c, 1, "successful")

	register(t, c, front(binary, "three", 0, "/no-such-page"))
	if d := latest(t, c, 2, "failed"); !strings.HasSuffix(d.StatusDescription, "rolling back to job version 1") {
		t.Errorf("the bad release: %s", d.StatusDescription)
	}
	latest(t, c, 3, "successful")
	if out, err := c.Command(c.Live(), "job", "history", "front"); err != nil || strings.Count(out, "true") != 3 {
		t.Errorf("job history, of which three are stable: %v\n%s", err, out)
	}
	sent, failed := visitors()
	if failed != "" || sent < 100 {
		t.Errorf("of %d requests one failed: %s", sent, failed)
	}
}

// register submits a job file without waiting.
func register(t *testing.T, c *cluster.Cluster, hcl string) {
	t.Helper()
	job, err := c.Live().API().Jobs().ParseHCL(hcl, true)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Live().API().Jobs().Register(job, nil); err != nil {
		t.Fatal(err)
	}
}

// latest waits until the deployment of a version of front has a status.
func latest(t *testing.T, c *cluster.Cluster, version uint64, status string) (found *api.Deployment) {
	t.Helper()
	cluster.Eventually(t, time.Minute, fmt.Sprintf("version %d is %s", version, status), func() error {
		list, _, err := c.Live().API().Jobs().Deployments("front", false, nil)
		for _, d := range list {
			if d.JobVersion == version {
				if found = d; d.Status == status {
					return nil
				}
				err = fmt.Errorf("it is %s: %s", d.Status, d.StatusDescription)
			}
		}
		if err == nil {
			err = fmt.Errorf("there is none among %d", len(list))
		}
		return err
	})
	return found
}

// visit sends requests to whatever the catalogue lists until the result is asked for.
func visit(c *cluster.Cluster) func() (sent int, failed string) {
	done := make(chan struct{})
	var wg sync.WaitGroup
	sent, failed := 0, ""
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	wg.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(20 * time.Millisecond):
			}
			list, _, err := c.Live().API().Services().Get("front", nil)
			if err != nil || len(list) == 0 {
				continue
			}
			s := list[sent%len(list)]
			sent++
			resp, err := client.Get(fmt.Sprintf("http://%s:%d/", s.Address, s.Port))
			if err != nil {
				failed = err.Error()
				continue
			}
			resp.Body.Close()
		}
	})
	return func() (int, string) {
		close(done)
		wg.Wait()
		return sent, failed
	}
}
