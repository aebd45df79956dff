package agent

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
)

// A command is run in a task through any agent of the cluster: the leader, a
// follower, a client that does not have the task, and the one that does.
func TestExecThroughAnyAgent(t *testing.T) {
	bubble(t, 3, 3, func(s *sim) {
		s.run(service("web", 1), 1)
		list, _, err := s.api().Jobs().Allocations("web", false, nil)
		if err != nil || len(list) != 1 {
			s.t.Fatalf("%d allocations, %v", len(list), err)
		}
		// Without its node the API's client asks only the agent that it was given.
		alloc := &api.Allocation{ID: list[0].ID}
		for _, a := range s.all() {
			var out bytes.Buffer
			code, err := s.apiOf(a).Allocations().Exec(s.t.Context(), alloc, "task", false, []string{"cat"},
				strings.NewReader("through "+a.name), &out, &out, nil, nil)
			if err != nil || code != 0 || out.String() != "through "+a.name {
				s.t.Errorf("through %s: code %d, err %v, output %q", a.name, code, err, &out)
			}
		}
		// A session outlasts the silence of its user, whose client sends heartbeats.
		ctx, cancel := context.WithTimeout(s.t.Context(), 5*time.Minute)
		defer cancel()
		stdin := silence{ctx}
		began := time.Now()
		_, err = s.api().Allocations().Exec(ctx, alloc, "task", false, []string{"cat"}, stdin, &bytes.Buffer{}, &bytes.Buffer{}, nil, nil)
		if took := time.Since(began); err == nil || took < 5*time.Minute {
			s.t.Errorf("the session ended after %v: %v", took, err)
		}
	})
}

// silence is a user who types nothing.
type silence struct{ ctx context.Context }

func (s silence) Read([]byte) (int, error) {
	<-s.ctx.Done()
	return 0, s.ctx.Err()
}
