package agent

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/healapi"
)

// balancing sets how the cluster is balanced, with the spread algorithm and short times.
func (s *sim) balancing(mode string) {
	s.t.Helper()
	if _, _, err := s.api().Operator().SchedulerSetConfiguration(&api.SchedulerConfiguration{SchedulerAlgorithm: api.SchedulerAlgorithmSpread}, nil); err != nil {
		s.t.Fatal(err)
	}
	update := healapi.RebalanceUpdate{Mode: &mode, Cooldown: ptr(time.Minute), Settle: ptr(10 * time.Second)}
	if _, err := s.api().Raw().Write("/v1/heal/rebalance", update, nil, nil); err != nil {
		s.t.Fatal(err)
	}
}

func (s *sim) balance() (r healapi.Rebalance) {
	s.t.Helper()
	if _, err := s.api().Raw().Query("/v1/heal/rebalance", &r, nil); err != nil {
		s.t.Fatal(err)
	}
	return r
}

// spans watches a job's tasks until stop is called, and returns the least and most that ran.
func (s *sim) spans(job string) (stop func() (least, most int)) {
	done, out := make(chan struct{}), make(chan [2]int)
	go func() {
		least, most := s.truth(job), 0
		for {
			select {
			case <-done:
				out <- [2]int{least, most}
				return
			case <-s.t.Context().Done():
				return
			case <-time.After(20 * time.Millisecond):
				n := s.truth(job)
				least, most = min(least, n), max(most, n)
			}
		}
	}()
	return func() (int, int) {
		close(done)
		span := <-out
		return span[0], span[1]
	}
}

// returned loses a node, waits until the rest of the cluster runs its work, and gets it back.
func (s *sim) returned(victim *simAgent, job string, n int) {
	s.t.Helper()
	victim.die()
	s.whole(job, n, 30*time.Second)
	victim.start()
	s.eventually(30*time.Second, "the node is back", func() error {
		node, _, err := s.api().Nodes().Info(victim.id.ID, nil)
		if err == nil && node.Status != api.NodeStatusReady {
			err = errors.New(node.Status)
		}
		return err
	})
}

// A node that comes back gets its share of the work again: one allocation after the other,
// each successor healthy before its predecessor stops, so that never fewer run than the count
// and never more than one beyond it; also when the leader dies meanwhile. Then all is quiet.
func TestNodeThatReturnsGetsWorkBack(t *testing.T) {
	for name, disturb := range map[string]func(*sim){
		"quietly":           func(*sim) {},
		"under two leaders": func(s *sim) { s.leader().crash() },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, 3, 3, func(s *sim) {
				s.balancing(healapi.ModeOn)
				s.run(service("web", 6), 6)
				victim := s.clients[0]
				s.returned(victim, "web", 6)
				stop := s.spans("web")
				s.eventually(3*time.Minute, "a move is under way", func() error {
					if len(s.balance().Moving) == 0 {
						return errors.New("nothing moves")
					}
					return nil
				})
				disturb(s)
				s.eventually(5*time.Minute, "two run on the node that returned", func() error {
					if n := victim.mock.Running("web"); n != 2 {
						return fmt.Errorf("%d run there", n)
					}
					return nil
				})
				s.eventually(2*time.Minute, "nothing moves any more", func() error {
					if r := s.balance(); len(r.Moving)+len(r.Proposed) > 0 {
						return fmt.Errorf("%+v", r)
					}
					return nil
				})
				least, most := stop()
				s.settle("web", 6)
				if least < 6 || most > 7 {
					t.Errorf("%d to %d ran; 6 have to, and one may move", least, most)
				}
				s.quiet("web", 3*time.Minute)
				s.explained("web", 2)
			})
		})
	}
}

// quiet holds that nothing is placed or stopped for a while.
func (s *sim) quiet(job string, d time.Duration) {
	s.t.Helper()
	before := s.allocs(job)
	time.Sleep(d)
	after := s.allocs(job)
	for id, was := range before {
		if after[id] != was {
			s.t.Errorf("after %v of rest %s is %q", d, was, after[id])
		}
	}
	if len(after) != len(before) {
		s.t.Errorf("%d allocations, %d before", len(after), len(before))
	}
}

// explained holds that n allocations stopped because they moved, and say so.
func (s *sim) explained(job string, n int) {
	s.t.Helper()
	list, _, err := s.api().Jobs().Allocations(job, true, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	moved := 0
	for _, a := range list {
		if strings.HasPrefix(a.DesiredDescription, "moved to balance: ") {
			moved++
		}
	}
	if moved != n {
		s.t.Errorf("%d allocations say that they moved to balance, want %d", moved, n)
	}
}

// By default moves are proposed, and nothing moves.
func TestProposedMovesAreNotMade(t *testing.T) {
	bubble(t, 3, 3, func(s *sim) {
		s.balancing(healapi.ModePropose)
		s.run(service("web", 6), 6)
		s.returned(s.clients[0], "web", 6)
		s.quiet("web", 3*time.Minute)
		r := s.balance()
		if len(r.Moving) != 0 || len(r.Proposed) != 1 {
			t.Fatalf("one move is possible at a time, and none is made: %+v", r)
		}
		if m := r.Proposed[0]; m.ToNodeName != "client-1" || m.JobID != "web" || m.Mode != healapi.ModePropose || m.Reason == "" {
			t.Errorf("%+v", m)
		}
		if len(r.Skews) != 1 || r.Skews[0].LeastUsedNode != "client-1" {
			t.Errorf("%+v", r.Skews)
		}
		s.balancing(healapi.ModeOn) // and now they are
		s.eventually(2*time.Minute, "the work moves", func() error {
			if n := s.clients[0].mock.Running("web"); n != 2 {
				return fmt.Errorf("%d run there", n)
			}
			return nil
		})
	})
}
