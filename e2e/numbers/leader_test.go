//go:build e2e && linux

package numbers

import (
	"context"
	"sync"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/e2e/cluster"
)

// measureKilledLeader kills the leader's process -9.
func measureKilledLeader(r *run) {
	c := cluster.New(r.T, cluster.Options{Servers: 3, Binary: r.binary})
	succeed(r, c, (*cluster.Agent).Kill, (*cluster.Agent).Start)
}

// measureLeaderPowerLoss pulls the leader's cable, then kills everything on its host.
func measureLeaderPowerLoss(r *run) {
	c := cluster.New(r.T, cluster.Options{Servers: 3, Hosts: true, Binary: r.binary})
	succeed(r, c,
		func(a *cluster.Agent) { a.Cut(); a.KillHost() },
		func(a *cluster.Agent) { a.Mend(); a.Start() })
}

// succeed takes the leader away, round by round, and waits for a write.
func succeed(r *run, c *cluster.Cluster, lose, restore func(*cluster.Agent)) {
	for n := range r.rounds {
		c.WaitCaughtUp(far)
		leader := c.Leader()
		var rest []*cluster.Agent
		for _, s := range c.Servers {
			if s != leader {
				s.API()
				rest = append(rest, s)
			}
		}
		start := time.Now()
		lose(leader)
		accepted(r, rest)
		r.took("write", start)
		r.Logf("round %d: %s lost, a write accepted after %v", n+1, leader.Name, time.Since(start).Round(time.Millisecond))
		restore(leader)
	}
}

// accepted returns when one of the servers has accepted a write. Each is asked by a
// writer of its own, again when it refuses.
func accepted(r *run, servers []*cluster.Agent) {
	ctx, cancel := context.WithTimeout(context.Background(), far)
	defer cancel()
	var wg sync.WaitGroup
	first := make(chan struct{}, len(servers))
	for _, s := range servers {
		client := s.API()
		wg.Go(func() {
			for ; ctx.Err() == nil; time.Sleep(poll) {
				if _, _, err := client.Jobs().Register(beaconJob("written", "/dev/null", 0), (&api.WriteOptions{}).WithContext(ctx)); err == nil {
					first <- struct{}{}
					return
				}
			}
		})
	}
	select {
	case <-first:
	case <-ctx.Done():
		r.Errorf("no write was accepted within %v", far)
	}
	cancel()
	wg.Wait()
	if r.Failed() {
		r.FailNow()
	}
}

// measureDurability counts what kill -9 of servers loses.
func measureDurability(r *run) {
	c := cluster.New(r.T, cluster.Options{Servers: 3, Binary: r.binary})
	ledger, wrong := cluster.Torture(r.T, c, r.rounds, uint64(time.Now().UnixNano()))
	for _, w := range wrong {
		r.Log(w)
	}
	r.count("lost", len(wrong), r.rounds)
	r.note("lost", "n is rounds; %d of %d registrations of %d jobs were acknowledged", ledger.Acknowledged(), ledger.Attempts(), ledger.Jobs())
}
