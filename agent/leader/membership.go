package leader

import (
	"context"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/nomad/api"
)

// Raft is the consensus group, as the leader changes it.
type Raft interface {
	Servers() ([]RaftServer, error)
	AddVoter(ctx context.Context, id, addr string) error
	AddNonvoter(ctx context.Context, id, addr string) error
	Remove(ctx context.Context, id string) error
}

// RaftServer is a member of the consensus group.
type RaftServer struct {
	ID, Addr string
	Voter    bool
}

// deadServer is how long a failed server stays a voter. Longer keeps a server
// that restarts slowly; shorter restores the group's tolerance sooner.
const deadServer = 60 * time.Second

// membership keeps raft's voters equal to the servers that gossip knows.
type membership struct {
	l      *Leader
	log    hclog.Logger
	change chan struct{}
}

func newMembership(l *Leader) *membership {
	return &membership{l: l, log: l.log.Named("membership"), change: make(chan struct{}, 1)}
}

func (m *membership) wake() {
	select {
	case m.change <- struct{}{}:
	default:
	}
}

func (m *membership) run(ctx context.Context) error {
	for {
		again := m.reconcile(ctx, time.Now())
		t := time.NewTimer(again)
		select {
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		case <-m.change:
		case <-t.C:
		}
		t.Stop()
	}
}

// reconcile makes the changes that are due, and says when to look again. A
// failed change is tried again then: membership is not worth ending the term for.
func (m *membership) reconcile(ctx context.Context, now time.Time) time.Duration {
	servers, err := m.l.cfg.Raft.Servers()
	if err != nil {
		m.log.Warn("read the raft configuration", "err", err)
		return 5 * time.Second
	}
	add, remove, again := planVoters(servers, m.l.cfg.Members.Members(), m.l.autopilot(), now)
	for _, s := range add {
		join := m.l.cfg.Raft.AddNonvoter
		if s.Voter {
			join = m.l.cfg.Raft.AddVoter
		}
		m.log.Info("server joins", "node", s.ID, "addr", s.Addr, "voter", s.Voter)
		if err := join(ctx, s.ID, s.Addr); err != nil {
			m.log.Warn("add server", "node", s.ID, "err", err)
			again = min(again, 2*time.Second)
		}
	}
	for _, id := range remove {
		m.log.Info("server removed", "node", id)
		if err := m.l.cfg.Raft.Remove(ctx, id); err != nil {
			m.log.Warn("remove server", "node", id, "err", err)
			again = min(again, 2*time.Second)
		}
	}
	return again
}

// autopilot is the settings in force: those that were set over the API, else those of
// this server's configuration.
func (l *Leader) autopilot() *api.AutopilotConfiguration {
	if set := l.cfg.State.Snapshot().Autopilot(nil); set != nil {
		return set
	}
	return l.cfg.Autopilot
}

// planVoters says which servers to add and to remove. A server that joins gets the
// log at once, and a vote once it has been alive for ServerStabilizationTime; one that
// votes already and moved keeps its vote. A server that left is removed at once; one
// that failed only after deadServer, one at a time, and only while the living stay a
// majority of the group as it is, so that a clean-up never costs the quorum; never
// below MinQuorum, and never without CleanupDeadServers.
func planVoters(servers []RaftServer, members []Member, set *api.AutopilotConfiguration, now time.Time) (add []RaftServer, remove []string, again time.Duration) {
	again = time.Minute
	known := map[string]Member{}
	for _, m := range members {
		known[m.ID] = m
	}
	group, voters, alive := map[string]RaftServer{}, 0, 0
	for _, s := range servers {
		group[s.ID] = s
		if s.Voter {
			voters++
			if known[s.ID].Alive {
				alive++
			}
		}
	}
	for _, m := range members {
		s, has := group[m.ID]
		if !m.Server || !m.Alive || has && s.Voter && s.Addr == m.Addr {
			continue
		}
		stable := now.Sub(m.Since) >= set.ServerStabilizationTime
		if !stable {
			again = min(again, set.ServerStabilizationTime-now.Sub(m.Since))
		}
		if vote := stable || s.Voter; !has || vote || s.Addr != m.Addr {
			add = append(add, RaftServer{ID: m.ID, Addr: m.Addr, Voter: vote})
		}
	}
	for _, s := range servers {
		m, ok := known[s.ID]
		switch {
		case !ok || m.Alive:
		case m.Left:
			remove = append(remove, s.ID)
		case !set.CleanupDeadServers, s.Voter && voters <= int(set.MinQuorum):
		case now.Sub(m.Since) < deadServer:
			again = min(again, deadServer-now.Sub(m.Since))
		case len(remove) == 0 && alive > voters/2:
			remove = append(remove, s.ID)
			again = min(again, 5*time.Second)
		}
	}
	return add, remove, again
}
