package agent

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
)

// A task gets a token that every server takes for the task's, over rotations and
// failovers, until its allocation has ended; and it is renewed before it expires.
func TestWorkloadIdentity(t *testing.T) {
	bubble(t, 3, 1, func(s *sim) {
		job := service("web", 1)
		task := job.TaskGroups[0].Tasks[0]
		task.Identity = &api.WorkloadIdentity{File: true}
		task.Identities = []*api.WorkloadIdentity{{Name: "short", Audience: []string{"nomadproject.io"}, TTL: time.Minute, File: true}}
		s.register(job)
		s.settle("web", 1)
		list, _, err := s.api().Jobs().Allocations("web", false, nil)
		if err != nil || len(list) != 1 {
			s.t.Fatal(list, err)
		}
		id, dir := list[0].ID, filepath.Join(s.dir, s.clients[0].name, "alloc")
		token := func(name string) string {
			s.t.Helper()
			text, err := os.ReadFile(filepath.Join(dir, id, "task", "secrets", name))
			if err != nil {
				s.t.Fatal(err)
			}
			return string(text)
		}
		plain, short := token("nomad_token"), token("nomad_short.jwt")
		taken := func(token string) (names string) {
			for _, a := range s.servers {
				if a.agent == nil {
					continue
				}
				c, err := identities{a.agent.server.ring}.Verify(token)
				if err == nil && (c.AllocID != id || c.JobID != "web" || c.Task != "task" || c.Group != *job.TaskGroups[0].Name || c.NodeID != s.clients[0].id.ID) {
					s.t.Errorf("%s takes it for %+v", a.name, c)
				}
				if err == nil {
					names += a.name + " "
				}
			}
			return names
		}
		all := taken(plain)
		if len(strings.Fields(all)) != 3 || taken(short) != all {
			s.t.Fatalf("taken by %q and %q", all, taken(short))
		}
		if _, _, err := s.api().Keyring().Rotate(&api.KeyringRotateOptions{Full: true}, nil); err != nil {
			s.t.Fatal(err)
		}
		lead := s.leader()
		lead.die()
		s.leader()
		time.Sleep(2 * time.Minute) // the short one was renewed over the failover, the first of it has expired
		if now := token("nomad_short.jwt"); now == short || taken(short) != "" || len(strings.Fields(taken(now))) != 2 {
			s.t.Errorf("after two minutes: the same %v; the old one is taken by %q, the new by %q", now == short, taken(short), taken(now))
		}
		if names := taken(plain); len(strings.Fields(names)) != 2 {
			s.t.Errorf("after a rotation and a failover taken by %q", names)
		}
		lead.start()
		if _, _, err := s.api().Jobs().Deregister("web", false, nil); err != nil {
			s.t.Fatal(err)
		}
		s.eventually(time.Minute, "the allocation has ended at every server", func() error {
			if names := taken(plain); names != "" {
				return errors.New(names)
			}
			return nil
		})
	})
}

// A node shows who it is to those who ask any agent.
func TestNodeIdentity(t *testing.T) {
	bubble(t, 1, 2, func(s *sim) {
		node := s.clients[1].id.ID
		for _, a := range []*simAgent{s.servers[0], s.clients[0], s.clients[1]} {
			resp, err := s.apiOf(a).Nodes().Identity().Get(&api.NodeIdentityGetRequest{NodeID: node}, nil)
			if err != nil {
				s.t.Fatal(a.name, err)
			}
			if want := "node:global:default:" + node + ":default"; resp.Claims["sub"] != want || len(resp.Claims) != 9 {
				s.t.Errorf("%s: %v, want sub %s and 9 claims", a.name, resp.Claims, want)
			}
			first := resp.Claims["jti"]
			if _, err := s.apiOf(a).Nodes().Identity().Renew(&api.NodeIdentityRenewRequest{NodeID: node}, nil); err != nil {
				s.t.Fatal(a.name, err)
			}
			resp, err = s.apiOf(a).Nodes().Identity().Get(&api.NodeIdentityGetRequest{NodeID: node}, nil)
			if err != nil || resp.Claims["jti"] == first {
				s.t.Errorf("%s: not renewed: %v %v", a.name, resp, err)
			}
		}
		jwks, err := s.apiOf(s.clients[0]).Raw().Response("/.well-known/jwks.json", nil)
		if err != nil {
			s.t.Fatal(err)
		}
		defer jwks.Close()
		text := make([]byte, 4096)
		if n, _ := jwks.Read(text); !strings.Contains(string(text[:n]), "RS256") {
			s.t.Errorf("a client's keys: %s", text[:n])
		}
	})
}
