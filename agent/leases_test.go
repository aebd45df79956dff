package agent

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/config"
	"github.com/selfheal/selfheal/agent/simnode"
	"github.com/selfheal/selfheal/agent/transport"
)

// fleet runs simulated nodes on a host of their own; stop waits for their end.
func (s *sim) fleet(ip string, cfg simnode.Config) (stop func()) {
	s.t.Helper()
	key, err := config.Server{Encrypt: s.encrypt}.Key()
	if err != nil {
		s.t.Fatal(err)
	}
	port, err := transport.New(transport.Config{ClusterKey: key,
		Network: s.net.Host(ip), NodeID: "fleet-" + ip, Role: transport.RoleClient, Region: "global", Logger: hclog.NewNullLogger(),
	})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, a := range s.servers {
		cfg.Servers = append(cfg.Servers, a.ip+":4647")
	}
	cfg.Clients = []*http.Client{port.Client()}
	f, err := simnode.New(cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.Run(ctx)
	}()
	return sync.OnceFunc(func() {
		cancel()
		<-done
		port.Close()
	})
}

// statuses counts the nodes whose name begins with prefix, by status.
func (s *sim) statuses(prefix string) map[string]int {
	nodes, _, err := s.api().Nodes().List(nil)
	if err != nil {
		return nil
	}
	out := map[string]int{}
	for _, n := range nodes {
		if len(n.Name) >= len(prefix) && n.Name[:len(prefix)] == prefix {
			out[n.Status]++
		}
	}
	return out
}

func (s *sim) nodesAre(prefix string, want map[string]int, limit time.Duration) time.Duration {
	s.t.Helper()
	return s.eventually(limit, fmt.Sprintf("nodes %s are %v", prefix, want), func() error {
		if got := s.statuses(prefix); fmt.Sprint(got) != fmt.Sprint(want) {
			return fmt.Errorf("they are %v", got)
		}
		return nil
	})
}

// Nodes outside gossip live by their polls: over a failover of the leader and a loss
// of the server that they poll, until they fall silent for a lease, and again when
// they are heard of.
func TestNodesWithALease(t *testing.T) {
	bubble(t, 3, 0, func(s *sim) {
		ready := map[string]int{api.NodeStatusReady: 4}
		down := map[string]int{api.NodeStatusDown: 4}
		stop := s.fleet("10.0.1.1", simnode.Config{Nodes: 4, Lease: 12 * time.Second})
		defer stop()
		s.nodesAre("sim", ready, 20*time.Second)
		s.run(service("web", 4), 4)
		quiet := func(d time.Duration) {
			s.t.Helper()
			for range int(d / time.Second) {
				time.Sleep(time.Second)
				if got := s.statuses("sim"); fmt.Sprint(got) != fmt.Sprint(ready) {
					s.t.Fatalf("nodes are %v", got)
				}
			}
		}
		quiet(40 * time.Second)
		lead := s.leader()
		lead.crash()
		s.leader()
		quiet(40 * time.Second)
		lead.start()
		before := s.allocs("web")
		quiet(15 * time.Second)
		if after := s.allocs("web"); fmt.Sprint(before) != fmt.Sprint(after) {
			s.t.Errorf("allocations moved:\n%v\n%v", before, after)
		}

		s.net.Unplug("10.0.1.1")
		took := s.nodesAre("sim", down, 60*time.Second)
		if took < 7*time.Second || took > 30*time.Second {
			s.t.Errorf("four nodes were down %v after their silence began, with a lease of 12 s and the brake at two", took)
		}
		s.net.Plug("10.0.1.1")
		s.nodesAre("sim", ready, 15*time.Second)
		s.whole("web", 4, 20*time.Second)

		began := time.Now()
		stop() // says goodbye: nobody waits for the leases, and no brake holds
		s.nodesAre("sim", down, 3*time.Second)
		s.t.Logf("down %v after the goodbye", time.Since(began))
		time.Sleep(15 * time.Second)
		s.nodesAre("sim", down, time.Second)
	})
}

// Simulated nodes run jobs as mock_driver would.
func TestSimulatedNodesRunJobs(t *testing.T) {
	bubble(t, 1, 0, func(s *sim) {
		stop := s.fleet("10.0.1.1", simnode.Config{Nodes: 10, Datacenters: []string{"dc1", "dc2"}, Classes: []string{"a", "b"}, Lease: time.Minute})
		defer stop()
		s.nodesAre("sim", map[string]int{api.NodeStatusReady: 10}, 20*time.Second)
		s.run(rolling("web", 6, "1", update(2, 0)), 6)
		s.deployed("web", "successful", 0, 30*time.Second)
		if _, _, err := s.api().Jobs().Register(rolling("web", 6, "2", update(2, 1)), nil); err != nil {
			s.t.Fatal(err)
		}
		s.deployed("web", "successful", 1, 30*time.Second)
		s.whole("web", 6, 10*time.Second)

		good, bad := batch("good", "3s"), batch("bad", "3s")
		good.TaskGroups[0].Count = ptr(20)
		bad.TaskGroups[0].Tasks[0].Config["exit_code"] = 2
		bad.TaskGroups[0].ReschedulePolicy = &api.ReschedulePolicy{Attempts: ptr(0), Unlimited: ptr(false)}
		bad.Datacenters = []string{"dc2"}
		bad.Constraints = []*api.Constraint{{LTarget: "${node.class}", Operand: "=", RTarget: "b"}}
		s.register(good)
		s.register(bad)
		for id, want := range map[string]api.TaskGroupSummary{"good": {Complete: 20}, "bad": {Failed: 1}} {
			s.eventually(10*time.Second, id+" has ended", func() error {
				sum, _, err := s.api().Jobs().Summary(id, nil)
				if err != nil {
					return err
				}
				if sum.Summary["group"] != want {
					return fmt.Errorf("%+v", sum.Summary)
				}
				return nil
			})
		}
		if _, _, err := s.api().Jobs().Deregister("web", false, nil); err != nil {
			s.t.Fatal(err)
		}
		s.whole("web", 0, 5*time.Second)
	})
}

// A whole fleet leaves and another comes: every job is whole again.
func TestFleetIsReplaced(t *testing.T) {
	bubble(t, 1, 0, func(s *sim) {
		const nodes, count = 100, 200
		stop := s.fleet("10.0.1.1", simnode.Config{Nodes: nodes, Lease: time.Minute})
		defer func() { stop() }()
		s.nodesAre("sim", map[string]int{api.NodeStatusReady: nodes}, 20*time.Second)
		for _, id := range []string{"one", "two", "three"} {
			s.run(service(id, count), count)
		}
		stop()
		s.nodesAre("sim", map[string]int{api.NodeStatusDown: nodes}, 5*time.Second)
		stop = s.fleet("10.0.1.2", simnode.Config{Nodes: nodes, Name: "next", Lease: time.Minute})
		s.nodesAre("next", map[string]int{api.NodeStatusReady: nodes}, 20*time.Second)
		for _, id := range []string{"one", "two", "three"} {
			s.whole(id, count, 20*time.Second)
		}
	})
}

// A job that fits only as nodes come is placed on each, until it is whole: the
// evaluation that waits places something every time.
func TestCapacityComesBitByBit(t *testing.T) {
	bubble(t, 1, 0, func(s *sim) {
		s.register(service("web", 100)) // 40 fit on a node
		for n, want := range []int{40, 80, 100} {
			defer s.fleet(fmt.Sprintf("10.0.1.%d", n+1), simnode.Config{Nodes: 1, Name: fmt.Sprint("sim", n), Lease: time.Minute})()
			s.whole("web", want, 20*time.Second)
		}
	})
}
