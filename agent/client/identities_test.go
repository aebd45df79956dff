package client

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/nodeapi"
)

// token is what a task reads in one of its files, "" if there is none.
func (n *node) token(id, task, name string) string {
	n.t.Helper()
	path := filepath.Join(n.dir, "alloc", id, task, name)
	text, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return ""
	}
	if err != nil {
		n.t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		n.t.Errorf("mode of %s: %v %v, want 0600", name, info.Mode(), err)
	}
	return string(text)
}

func TestIdentityEnvironment(t *testing.T) {
	for _, tc := range []struct {
		id        api.WorkloadIdentity
		env, file string
	}{
		{api.WorkloadIdentity{}, "NOMAD_TOKEN", "secrets/nomad_token"},
		{api.WorkloadIdentity{Name: "default"}, "NOMAD_TOKEN", "secrets/nomad_token"},
		{api.WorkloadIdentity{Name: "vault"}, "NOMAD_TOKEN_vault", "secrets/nomad_vault.jwt"},
		{api.WorkloadIdentity{Name: "my-cloud"}, "NOMAD_TOKEN_my_cloud", "secrets/nomad_my-cloud.jwt"},
		{api.WorkloadIdentity{Name: "x", Filepath: "local/x.jwt"}, "NOMAD_TOKEN_x", "local/x.jwt"},
	} {
		tc.id.Env, tc.id.File = true, true
		dir, env := t.TempDir(), map[string]string{}
		o := identityOrder{dir: dir, specs: []api.WorkloadIdentity{tc.id}}
		if err := o.deliver([]nodeapi.Identity{{JWT: "token"}}, env); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(dir, tc.file))
		if err != nil || string(text) != "token" || env[tc.env] != "token" {
			t.Errorf("%+v: file %q (%v), environment %v", tc.id, text, err, env)
		}
	}
}

// TestIdentityLinks: a task that replaced a directory by a link gets nobody to write
// elsewhere.
func TestIdentityLinks(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	if err := os.Symlink(outside, filepath.Join(dir, "secrets")); err != nil {
		t.Fatal(err)
	}
	o := identityOrder{dir: dir, specs: []api.WorkloadIdentity{{File: true}, {Name: "up", File: true, Filepath: "../up.jwt"}}}
	if err := o.deliver([]nodeapi.Identity{{JWT: "token"}, {JWT: "token"}}, nil); err == nil {
		t.Error("wrote through a link")
	}
	o.specs = o.specs[1:]
	if err := o.deliver([]nodeapi.Identity{{JWT: "token"}}, nil); err == nil {
		t.Error("wrote above the task's directory")
	}
	if left, _ := os.ReadDir(outside); len(left) > 0 {
		t.Errorf("outside there is %v", left)
	}
}

// TestIdentityRenewal: files are renewed at half of the TTL, the task is told as its job
// file asks, and an agent that comes back goes on with the same plan.
func TestIdentityRenewal(t *testing.T) {
	for _, tc := range []struct {
		mode   string
		events []string // beyond the start
	}{
		{"noop", nil},
		{"", nil},
		{"signal", []string{"Signaling"}},
		{"restart", []string{"Restart Signaled", "Terminated", "Restarting", "Started"}},
	} {
		t.Run(tc.mode, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				servers := newFakeServers()
				servers.ttl = time.Hour
				n := newNode(t, servers)
				n.boot()
				defer n.end()
				id, task := allocID(1), forever("web")
				task.Identity = &api.WorkloadIdentity{Env: true}
				task.Identities = []*api.WorkloadIdentity{
					{Name: "db", File: true, TTL: time.Hour, ChangeMode: tc.mode, ChangeSignal: "SIGHUP"}, {Name: "hidden", TTL: time.Hour},
				}
				servers.place(id, testJob("service", task))
				time.Sleep(time.Second)
				wantStatus(t, servers, id, "running")
				if got := n.token(id, "web", "secrets/nomad_db.jwt"); got != "web/db#1" {
					t.Errorf("first token %q", got)
				}
				n.crash() // the plan outlives the agent
				n.boot()
				time.Sleep(29 * time.Minute)
				if got := n.token(id, "web", "secrets/nomad_db.jwt"); got != "web/db#1" {
					t.Errorf("renewed too early: %q", got)
				}
				servers.setDown(true)
				time.Sleep(5 * time.Minute)
				servers.setDown(false)
				time.Sleep(20 * time.Second)
				synctest.Wait()
				got := n.token(id, "web", "secrets/nomad_db.jwt")
				if got == "web/db#1" || !strings.HasPrefix(got, "web/db#") {
					t.Errorf("token after half of the TTL %q", got)
				}
				want := append([]string{"Received", "Task Setup", "Started"}, tc.events...)
				events := eventTypes(servers.said(id).TaskStates["web"])
				if diff := cmp.Diff(want, events); diff != "" {
					t.Error(diff)
				}
				if n.exists("alloc", id, "web", "secrets", "nomad_token") || n.exists("alloc", id, "web", "secrets", "nomad_hidden.jwt") {
					t.Error("wrote a file that the job file does not ask for")
				}
			})
		})
	}
}

// TestIdentityWaits: a task is not started without its identity, however long servers
// are away, and fails when they refuse it.
func TestIdentityWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers := newFakeServers()
		n := newNode(t, servers)
		n.boot()
		defer n.end()
		task := forever("web")
		task.Identity = &api.WorkloadIdentity{File: true}
		job := testJob("service", task)
		servers.set(func() { servers.unsigned = true })
		servers.place(allocID(1), job)
		time.Sleep(time.Minute)
		wantStatus(t, servers, allocID(1), "pending")
		servers.set(func() { servers.unsigned = false })
		time.Sleep(3 * time.Second)
		wantStatus(t, servers, allocID(1), "running")

		servers.set(func() { servers.refuse = "allocation is not one of this node" })
		servers.place(allocID(2), job)
		time.Sleep(5 * time.Second)
		events := servers.said(allocID(2)).TaskStates["web"].Events
		if !slices.ContainsFunc(events, func(e *api.TaskEvent) bool { return strings.Contains(e.DisplayMessage, servers.refuse) }) {
			t.Errorf("nothing tells why it does not start: %v", eventTypes(servers.said(allocID(2)).TaskStates["web"]))
		}
		servers.set(func() { servers.unsigned = true }) // and one that waits can be stopped
		servers.place(allocID(3), job)
		time.Sleep(time.Second)
		servers.desire(allocID(3), "stop")
		time.Sleep(time.Second)
		wantStatus(t, servers, allocID(3), "complete")
	})
}
