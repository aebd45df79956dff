package agent

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/config"
	"github.com/selfheal/selfheal/agent/consensus"
	"github.com/selfheal/selfheal/agent/gossip"
	"github.com/selfheal/selfheal/agent/leader"
	"github.com/selfheal/selfheal/agent/rootkey"
	"github.com/selfheal/selfheal/agent/state"
)

// server is what an agent has when it is one: the state, its consensus, and the
// leader's loops while it leads.
type server struct {
	log     hclog.Logger
	cfg     *config.Config
	region  string
	expect  int
	gossip  *gossip.Gossip
	state   *state.Store
	ring    *rootkey.Ring
	raft    *consensus.Consensus
	leader  *leader.Leader
	wake    chan struct{} // gossip changed, for the bootstrap
	leaders *leaderWatch
	leases  *leases
	leads   atomic.Bool // it leads, and its state holds all that was agreed on before
}

// startServer makes the state and joins the consensus group.
func (a *Agent) startServer() error {
	if !a.cfg.Server.Enabled {
		return nil
	}
	store, err := state.New(state.Config{Logger: a.log, EventBuffer: a.cfg.Server.EventBufferSize, JobVersions: a.cfg.Server.JobTrackedVersions})
	if err != nil {
		return err
	}
	ring, err := a.openRing(store)
	if err != nil {
		return err
	}
	rc := consensus.Default()
	rc.ID, rc.Addr, rc.DataDir = a.id.ID, a.rpcAddr, a.serverDir()
	rc.FSM, rc.Logger = machine(store), a.log
	rc.Listener, rc.Dial = a.port.RaftListener(), a.port.DialRaft
	if a.cfg.DevMode { // nobody else to wait for
		rc.HeartbeatTimeout, rc.ElectionTimeout, rc.LeaderLease = devElection, devElection, devElection
	}
	if a.opts.Servers != nil {
		rc.Stores = &a.opts.Servers.stores
	}
	raft, err := consensus.New(rc)
	if err != nil {
		return err
	}
	a.life.add("consensus", raft.Shutdown)
	s := &server{
		log: a.log.Named("server"), cfg: a.cfg, region: a.cfg.Region, expect: a.cfg.Server.BootstrapExpect,
		gossip: a.gossip, state: store, ring: ring, raft: raft, wake: make(chan struct{}, 1), leaders: newLeaderWatch(),
	}
	if a.cfg.DevMode {
		s.expect = 1
	}
	a.server = s
	lc := leader.Default()
	lc.Logger, lc.State, lc.Log = a.log, store, raft
	lc.Members, lc.Prober, lc.Raft = members{a.gossip, a.cfg.Region}, prober{a}, voters{raft}
	lc.GC = leader.GC{
		Interval: a.cfg.Server.JobGCInterval, Eval: a.cfg.Server.EvalGCThreshold, Job: a.cfg.Server.JobGCThreshold,
		Node: a.cfg.Server.NodeGCThreshold, Deployment: a.cfg.Server.DeploymentGCThreshold, Batch: leader.DefaultGC().Batch,
	}
	lc.Autopilot = a.autopilot()
	lc.ACL = a.leaderACL()
	lc.Keys, lc.KeyPolicy = ring, leader.KeyPolicy{
		Interval: a.cfg.Server.RootKeyGCInterval, Rotate: a.cfg.Server.RootKeyRotationThreshold, GC: a.cfg.Server.RootKeyGCThreshold,
	}
	lc.Scheduler = schedulerSettings(a.cfg.Server.Scheduler)
	lc.Busy = func(loop string) leader.Busy { return a.metrics.Loop("leader." + loop).Begin }
	s.leader = leader.New(lc)
	a.gossip.Subscribe(func(e gossip.Event) {
		s.leader.MemberChanged(e.Member.ID)
		select {
		case s.wake <- struct{}{}:
		default:
		}
	})
	a.life.loop("leader watch", func(ctx context.Context) {
		s.leaders.run(ctx, func() string { _, addr := raft.Leader(); return addr })
	})
	a.life.loop("leader", s.lead)
	s.leases = newLeases(s.log, a.renew)
	a.life.loop("leases", s.leases.run)
	if s.expect > 0 {
		a.life.loop("bootstrap", func(ctx context.Context) { s.watchBootstrap(ctx, s.wake) })
	}
	return nil
}

// devElection is how long a -dev agent waits before it elects itself.
const devElection = 20 * time.Millisecond

// bootstrap makes the first configuration of the consensus group.
func (s *server) bootstrap(peers []gossip.Member) error {
	var servers []consensus.Server
	for _, m := range peers {
		servers = append(servers, consensus.Server{ID: m.ID, Addr: m.RPC(), Voter: true})
	}
	return s.raft.Bootstrap(servers)
}

// settled stops this server from counting as one of the first: a newcomer must
// be taken in, not found another cluster with those that it meets.
func (s *server) settled() {
	if err := s.gossip.UpdateMeta(func(m *gossip.Meta) { m.Expect = 0 }); err != nil {
		s.log.Debug("update gossip meta", "err", err)
	}
}

// lead runs the leader's loops whenever this server leads.
func (s *server) lead(ctx context.Context) {
	changes := make(chan bool, 16)
	s.raft.Subscribe(func(leads bool) { changes <- leads })
	var stop func()
	defer func() {
		if stop != nil {
			stop()
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return
		case leads := <-changes:
			if stop != nil {
				stop()
				stop = nil
			}
			if leads {
				stop = s.term(ctx)
			}
		}
	}
}

// term runs the loops until its stop is called, and starts them again if one
// fails while this server still leads.
func (s *server) term(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.log.Info("this server leads")
		defer s.leads.Store(false)
		for ctx.Err() == nil {
			err := s.raft.Barrier(ctx) // everything that was agreed on before is in the state
			if err == nil {
				s.leads.Store(true)
				err = s.leader.Run(ctx)
			}
			if ctx.Err() != nil {
				return
			}
			s.log.Warn("leader loops ended, starting them again", "err", err)
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
		}
	}()
	return func() {
		cancel()
		<-done
		s.log.Info("this server no longer leads")
	}
}

// schedulerSettings are the default_scheduler_config of the agent's configuration.
func schedulerSettings(c config.Scheduler) *api.SchedulerConfiguration {
	return &api.SchedulerConfiguration{
		SchedulerAlgorithm: api.SchedulerAlgorithm(c.Algorithm), MemoryOversubscriptionEnabled: c.MemoryOversubscription,
		RejectJobRegistration: c.RejectJobRegistration, PauseEvalBroker: c.Paused,
		PreemptionConfig: api.PreemptionConfig{
			SystemSchedulerEnabled: c.Preemption.System, SysBatchSchedulerEnabled: c.Preemption.SysBatch,
			BatchSchedulerEnabled: c.Preemption.Batch, ServiceSchedulerEnabled: c.Preemption.Service,
		},
	}
}

// machine is the state as the consensus applies it.
func machine(store *state.Store) consensus.FSM {
	return consensus.FSM{
		Apply:    store.Apply,
		Snapshot: func() io.WriterTo { return store.Snapshot() },
		Restore:  store.Restore,
	}
}

// voters is the consensus group as the leader changes it.
type voters struct{ raft *consensus.Consensus }

func (v voters) Servers() ([]leader.RaftServer, error) {
	servers, _, err := v.raft.Configuration()
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	var out []leader.RaftServer
	for _, s := range servers {
		out = append(out, leader.RaftServer{ID: s.ID, Addr: s.Addr, Voter: s.Voter})
	}
	return out, nil
}

func (v voters) AddVoter(ctx context.Context, id, addr string) error {
	return v.raft.AddVoter(ctx, id, addr)
}
func (v voters) AddNonvoter(ctx context.Context, id, addr string) error {
	return v.raft.AddNonvoter(ctx, id, addr)
}
func (v voters) Remove(ctx context.Context, id string) error { return v.raft.Remove(ctx, id) }
