//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/e2e/cluster"
)

// reader is a job whose task reads two variables with its own token, and says when
// another token of its was renewed.
func reader(t *testing.T, client *api.Client, url string) *api.Job {
	t.Helper()
	get := `curl -s -H "X-Nomad-Token: $NOMAD_TOKEN" ` + url + "/v1/var/"
	script := "trap 'echo renewed' HUP; " + get + "nomad/jobs/app/g/read; echo; " + get + "nomad/jobs/other; echo; while true; do sleep 1 & wait; done"
	job, err := client.Jobs().ParseHCL(fmt.Sprintf(`job "app" {
  group "g" {
    task "read" {
      driver       = "raw_exec"
      kill_timeout = "1s"
      config {
        command = "/bin/sh"
        args    = ["-c", %q]
      }
      identity {
        env = true
      }
      identity {
        name          = "db"
        aud           = ["db.example.com"]
        ttl           = "10s"
        file          = true
        change_mode   = "signal"
        change_signal = "SIGHUP"
      }
    }
  }
}`, strings.ReplaceAll(script, "${", "$${")), true)
	if err != nil {
		t.Fatal(err)
	}
	return job
}

// printed expects that the job's task has printed all of wants.
func printed(client *api.Client, wants ...string) error {
	list, _, err := client.Jobs().Allocations("app", false, nil)
	if err != nil || len(list) == 0 {
		return fmt.Errorf("%d allocations: %v", len(list), err)
	}
	r, err := client.AllocFS().Cat(&api.Allocation{ID: list[0].ID, NodeID: list[0].NodeID}, "alloc/logs/read.stdout.0", nil)
	if err != nil {
		return err
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	for _, want := range wants {
		if !strings.Contains(string(text), want) {
			err = errors.Join(err, fmt.Errorf("the task printed %q, not %q", text, want))
		}
	}
	return err
}

func writeVariables(t *testing.T, client *api.Client) {
	t.Helper()
	for _, path := range []string{"nomad/jobs/app/g/read", "nomad/jobs/other"} {
		cluster.Eventually(t, 10*time.Second, path+" is written", func() error {
			_, _, err := client.Variables().Update(&api.Variable{Path: path, Items: api.VariableItems{"secret": "of-" + path}}, nil)
			return err
		})
	}
}

// With access control a task reads its own variables with the token in its environment,
// and no others.
func TestTaskReadsItsOwnVariables(t *testing.T) {
	agent := cluster.NewDev(t, cluster.Options{Binary: os.Getenv("SELFHEAL"), Extra: "acl {\n  enabled = true\n}\n"})
	agent.Start()
	client := agent.API()
	cluster.Eventually(t, 20*time.Second, "access control is bootstrapped", func() error {
		token, _, err := client.ACLTokens().Bootstrap(nil)
		if err == nil {
			client.SetSecretID(token.SecretID)
		}
		return err
	})
	writeVariables(t, client)
	if _, _, err := client.Jobs().Register(reader(t, client, agent.URL()), nil); err != nil {
		t.Fatal(err)
	}
	cluster.Eventually(t, 20*time.Second, "the task has tried both", func() error {
		return printed(client, "of-nomad/jobs/app/g/read", "Permission denied")
	})
	if printed(client, "of-nomad/jobs/other") == nil {
		t.Error("the task reads what is another job's")
	}
}

// Tokens are renewed by the next agent when one was killed, and variables are there
// after every server was; the task goes on.
func TestIdentitiesOutliveAgents(t *testing.T) {
	c := cluster.New(t, cluster.Options{Servers: 3, Clients: 1, Binary: os.Getenv("SELFHEAL")})
	client := c.Servers[0].API()
	writeVariables(t, client)
	if _, _, err := client.Jobs().Register(reader(t, client, c.Servers[0].URL()), nil); err != nil {
		t.Fatal(err)
	}
	cluster.Eventually(t, 20*time.Second, "the task runs", func() error { return printed(client, "of-nomad/jobs/app/g/read") })
	for _, a := range c.All() {
		a.Kill()
	}
	for _, a := range c.All() {
		a.Start()
	}
	cluster.Eventually(t, 60*time.Second, "its token is renewed by the next agent", func() error {
		return printed(client, "renewed\nrenewed\nrenewed")
	})
	list, _, err := client.Jobs().Allocations("app", false, nil)
	if err != nil || len(list) != 1 || list[0].TaskStates["read"].Restarts != 0 {
		t.Errorf("the task was touched: %v %v", list, err)
	}
	for _, a := range c.Servers {
		cluster.Eventually(t, 20*time.Second, a.Name+" has the variable", func() error {
			v, _, err := a.API().Variables().Read("nomad/jobs/other", &api.QueryOptions{AllowStale: true})
			if err == nil && v.Items["secret"] != "of-nomad/jobs/other" {
				err = fmt.Errorf("it has %v", v.Items)
			}
			return err
		})
	}
}
