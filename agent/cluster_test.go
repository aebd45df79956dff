package agent

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var lossFor = flag.Duration("lossfor", 5*time.Minute, "how long the packet loss test runs, in virtual time")

// A node dies in silence: its work runs elsewhere about a second later.
func TestSilentDeathIsHealed(t *testing.T) {
	bubble(t, 3, 5, func(s *sim) {
		s.run(service("web", 6), 6)
		victim := s.clients[s.rng.IntN(len(s.clients))]
		victim.die()
		s.t.Logf("healed after %v", s.whole("web", 6, 10*time.Second))
	})
}

// An agent that dies alone, and is started again soon, keeps its tasks: nothing
// moves and nothing starts again.
func TestCrashedAgentComesBackToItsTasks(t *testing.T) {
	bubble(t, 3, 3, func(s *sim) {
		s.run(service("web", 6), 6)
		before := s.allocs("web")
		victim := s.clients[s.rng.IntN(len(s.clients))]
		victim.crash()
		time.Sleep(800 * time.Millisecond)
		victim.start()
		time.Sleep(30 * time.Second)
		s.whole("web", 6, 0)
		if d := cmp.Diff(before, s.allocs("web")); d != "" {
			s.t.Errorf("something moved or started again:\n%s", d)
		}
	})
}

// An agent that dies alone and stays away is replaced after a short grace.
func TestCrashedAgentThatStaysAwayIsReplaced(t *testing.T) {
	bubble(t, 3, 3, func(s *sim) {
		s.run(service("web", 6), 6)
		victim := s.clients[s.rng.IntN(len(s.clients))]
		victim.crash()
		victim.dead = true
		s.t.Logf("replaced after %v", s.whole("web", 6, 5*time.Second))
		victim.start() // its tasks still run; the servers no longer want them
		s.settle("web", 6)
	})
}

// A pause of two seconds (a starved or stopped agent) moves nothing.
func TestFrozenAgentMovesNothing(t *testing.T) {
	bubble(t, 3, 3, func(s *sim) {
		s.run(service("web", 6), 6)
		before := s.allocs("web")
		victim := s.clients[s.rng.IntN(len(s.clients))]
		s.net.Freeze(victim.ip)
		time.Sleep(2 * time.Second)
		s.net.Thaw(victim.ip)
		time.Sleep(30 * time.Second)
		s.whole("web", 6, 0)
		if d := cmp.Diff(before, s.allocs("web")); d != "" {
			s.t.Errorf("something moved:\n%s", d)
		}
	})
}

// A restart that the agent announced moves nothing for as long as it asked.
func TestAnnouncedRestartMovesNothing(t *testing.T) {
	bubble(t, 3, 3, func(s *sim) {
		s.run(service("web", 6), 6)
		before := s.allocs("web")
		for _, victim := range s.all() { // servers too, the leader among them
			victim.stop(Restart)
			time.Sleep(20 * time.Second)
			victim.start()
			time.Sleep(5 * time.Second)
		}
		s.whole("web", 6, 10*time.Second)
		if d := cmp.Diff(before, s.allocs("web")); d != "" {
			s.t.Errorf("something moved:\n%s", d)
		}
	})
}

// A rebooted machine has lost its tasks, and says so: they run again at once.
func TestRebootedNodeStartsItsTasksAgain(t *testing.T) {
	bubble(t, 3, 3, func(s *sim) {
		s.run(service("web", 6), 6)
		victim := s.clients[s.rng.IntN(len(s.clients))]
		victim.die()
		time.Sleep(100 * time.Millisecond) // faster than anyone can notice
		victim.start()
		s.settle("web", 6)
	})
}

// A node that is cut off is replaced; when it comes back, nothing runs twice.
func TestPartitionedNodeIsReplacedAndReturns(t *testing.T) {
	bubble(t, 3, 4, func(s *sim) {
		s.run(service("web", 6), 6)
		victim := s.clients[s.rng.IntN(len(s.clients))]
		s.net.Unplug(victim.ip)
		victim.dead = true
		s.t.Logf("replaced after %v", s.whole("web", 6, 5*time.Second))
		time.Sleep(time.Duration(s.rng.IntN(60)) * time.Second)
		s.net.Plug(victim.ip)
		victim.dead = false
		s.settle("web", 6)
	})
}

// The leader's host dies together with a client's: the next leader already knows.
func TestLeaderDiesWithANode(t *testing.T) {
	bubble(t, 3, 4, func(s *sim) {
		s.run(service("web", 6), 6)
		lead := s.leader()
		victim := s.clients[s.rng.IntN(len(s.clients))]
		lead.die()
		victim.die()
		s.t.Logf("healed after %v", s.whole("web", 6, 10*time.Second))
		lead.start()
		victim.start()
		s.settle("web", 6)
	})
}

// A killed leader's successor accepts writes soon, and no acknowledged write is gone.
func TestLeaderFailoverKeepsAcknowledgedWrites(t *testing.T) {
	bubble(t, 3, 1, func(s *sim) {
		acknowledged := 0
		for range 5 {
			lead := s.leader()
			for range 5 {
				job := service(fmt.Sprintf("job-%d", acknowledged), 0)
				if _, _, err := s.api().Jobs().Register(job, nil); err != nil {
					s.t.Fatalf("register: %v", err)
				}
				acknowledged++
			}
			lead.die()
			took := s.eventually(10*time.Second, "a write is accepted", func() error {
				_, _, err := s.api().Jobs().Register(service("probe", 0), nil)
				return err
			})
			s.t.Logf("write accepted after %v", took)
			lead.start()
			time.Sleep(3 * time.Second)
		}
		jobs, _, err := s.api().Jobs().List(nil)
		if err != nil {
			s.t.Fatal(err)
		}
		if len(jobs) != acknowledged+1 {
			s.t.Errorf("%d jobs are there, %d were acknowledged", len(jobs), acknowledged+1)
		}
	})
}

// Servers join a running cluster and leave it; the group follows, and nobody
// founds another one.
func TestServersJoinAndLeave(t *testing.T) {
	bubble(t, 3, 1, func(s *sim) {
		s.run(service("web", 2), 2)
		for range 2 {
			s.add(true).start()
		}
		s.voters(5)
		first := s.leader()
		first.stop(Leave) // the leader hands over before it goes
		s.voters(4)
		s.servers[(slices.Index(s.servers, first)+1)%5].die() // one more fails: four voters bear it
		s.settle("web", 2)
		s.eventually(2*time.Minute, "the dead server is cleaned up", func() error { return s.votersAre(3) })
		s.run(service("more", 3), 3)
	})
}

// Ten percent of all packets lost: nobody is declared dead, nothing moves.
func TestPacketLossKillsNobody(t *testing.T) {
	bubble(t, 3, 7, func(s *sim) {
		s.run(service("web", 12), 12)
		before := s.allocs("web")
		s.net.SetLoss(0.10)
		time.Sleep(*lossFor)
		s.net.SetLoss(0)
		time.Sleep(20 * time.Second)
		s.whole("web", 12, 0)
		if d := cmp.Diff(before, s.allocs("web")); d != "" {
			s.t.Errorf("something moved:\n%s", d)
		}
		for _, c := range s.clients {
			n, _, err := s.api().Nodes().Info(c.id.ID, nil)
			if err != nil {
				s.t.Fatal(err)
			}
			for _, e := range n.Events {
				if strings.HasPrefix(e.Message, "Node down") {
					s.t.Errorf("%s: %s", c.name, e.Message)
				}
			}
		}
	})
}

// Everything that can happen, in any order, again and again; at rest every job is
// whole, each allocation runs once, and no acknowledged job is gone.
func TestChaos(t *testing.T) {
	bubble(t, 3, 5, func(s *sim) {
		s.run(service("web", 7), 7)
		s.run(service("api", 4), 4)
		for round := range 12 {
			s.calamity()
			time.Sleep(time.Duration(s.rng.IntN(4000)) * time.Millisecond)
			if round%3 == 2 {
				s.recover()
				s.settle("web", 7)
				s.settle("api", 4)
			}
		}
	})
}
