//go:build e2e && linux

package numbers

import (
	"os"
	"os/exec"
	"time"

	"github.com/selfheal/selfheal/e2e/cluster"
)

// namespaces says why hosts cannot die in silence here.
func namespaces() string {
	if os.Getuid() != 0 {
		return "not measured: network namespaces need root"
	}
	if _, err := exec.LookPath("ip"); err != nil {
		return "not measured: network namespaces need the ip command (iproute2)"
	}
	return ""
}

// measureSilentDeath pulls a host's cable, then kills everything on it.
func measureSilentDeath(r *run) {
	die(r, r.rounds, true, func(f *fleet, victim *cluster.Agent) []*cluster.Agent {
		return []*cluster.Agent{victim}
	})
}

// measureKilledAgent kills an agent and its tasks; their host answers for them.
func measureKilledAgent(r *run) {
	die(r, r.rounds, false, func(f *fleet, victim *cluster.Agent) []*cluster.Agent {
		return []*cluster.Agent{victim}
	})
}

// measureDeathWithLeader takes the leader's host and a node's host at once.
func measureDeathWithLeader(r *run) {
	die(r, (r.rounds+1)/2, true, func(f *fleet, victim *cluster.Agent) []*cluster.Agent {
		return []*cluster.Agent{f.Leader(), victim}
	})
}

// die runs rounds of death: of the hosts that who names, the victim last.
func die(r *run, rounds int, silent bool, who func(*fleet, *cluster.Agent) []*cluster.Agent) {
	f := newFleet(r, cluster.Options{Servers: 3, Clients: 4, Hosts: true}, 6)
	for n := range rounds {
		before, victim := f.ids(), f.loaded(n)
		victim.NodeID() // asked for now, while there is a leader
		all := who(f, victim)
		start := time.Now()
		if silent {
			for _, a := range all {
				a.Cut()
			}
		}
		for _, a := range all {
			a.KillHost()
		}
		whole, seen := f.healed(victim, before)
		r.add("healed", ms(whole.Sub(start)))
		for a, at := range seen {
			decided := time.Unix(0, a.CreateTime)
			if s := a.TaskStates[task]; s != nil && !s.StartedAt.IsZero() {
				r.add("started", ms(s.StartedAt.Sub(decided)))
			}
			r.add("shown", ms(at.Sub(decided)))
		}
		r.Logf("round %d: %s, %d replaced, healed after %v", n+1, victim.Name, len(seen), whole.Sub(start).Round(time.Millisecond))
		for _, a := range all {
			if silent {
				a.Mend()
			}
			a.Start()
		}
		f.settle()
	}
}
