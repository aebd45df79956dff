package rootkey

import (
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
)

// FuzzVerify shows the ring tokens of all sorts: only the one that it signed is taken.
func FuzzVerify(f *testing.F) {
	for _, token := range []string{
		"", "\r", ".", "..", "a.b.c", "6b3ccaac-9e23-088f-405b-23797ca64c1a",
		"eyJhbGciOiJub25lIn0.eyJub21hZF9hbGxvY2F0aW9uX2lkIjoieCJ9.",
		"eyJhbGciOiJSUzI1NiIsImtpZCI6IngifQ.eyJub21hZF9hbGxvY2F0aW9uX2lkIjoieCJ9.AAAA",
		`{"payload":"e30","signatures":[{"header":{"alg":"RS256"},"signature":"AAAA"}]}`,
	} {
		f.Add(token)
	}
	var c *cluster
	var r *Ring
	var ours string
	f.Fuzz(func(t *testing.T, token string) {
		if c == nil { // one key does for all: making it takes most of the time
			c = newCluster(t)
			r = c.ring(Config{})
			c.rotate(r, false)
			alloc, job := c.place("")
			s, err := r.SignWorkload(Workload{Alloc: alloc, Job: job, Task: "server", Identity: &api.WorkloadIdentity{}}, epoch)
			if err != nil {
				t.Fatal(err)
			}
			ours = s.JWT
		}
		for _, shown := range []string{token, ours + token, token + ours} {
			if _, err := r.Verify(shown, epoch.Add(time.Second)); err == nil && shown != ours {
				t.Errorf("took %q", shown)
			}
		}
		if _, err := r.Verify(ours, epoch.Add(time.Second)); err != nil {
			t.Error(err)
		}
	})
}
