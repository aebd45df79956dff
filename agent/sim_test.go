package agent

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/client"
	"github.com/selfheal/selfheal/agent/config"
	"github.com/selfheal/selfheal/agent/driver"
	"github.com/selfheal/selfheal/agent/simnet"
)

var (
	seeds   = flag.Int("seeds", 3, "how many seeds the cluster tests run")
	simLogs = flag.Bool("simlogs", false, "print the simulated agents' logs")
)

// sim is a whole cluster in a bubble: gossip, raft, HTTP, clients with the mock
// driver, over a simulated network and in virtual time.
type sim struct {
	t       *testing.T
	net     *simnet.Net
	dir     string
	servers []*simAgent
	clients []*simAgent
	rng     *rand.Rand
	begun   time.Time
	expect  int
	encrypt string                          // every other seed runs an encrypted, authenticated cluster
	mu      sync.Mutex                      // held to change what runs, and by those who look from beside the test
	tune    func(*simAgent, *config.Config) // changes an agent's configuration; nil: none
}

// simAgent is one host with its agent. Its identity, its raft log, its journal
// and its tasks outlive the agent's process.
type simAgent struct {
	s         *sim
	name      string
	ip        string
	server    bool
	id        Identity
	boot      int
	mock      *driver.Mock // its tasks go on while the agent is away
	stores    *ServerStores
	agent     *Agent // nil while the process is dead
	dead      bool   // so is the host, and the tasks with it
	unplugged bool
	crashed   bool // its power is off
}

// emptySim is a network without hosts.
func emptySim(t *testing.T, seed uint64) *sim {
	s := &sim{t: t, net: simnet.New(simnet.Config{Seed: int64(seed), MinDelay: 100 * time.Microsecond, MaxDelay: time.Millisecond}), dir: t.TempDir(), rng: rand.New(rand.NewPCG(seed, 1)), begun: time.Now()}
	s.encrypt = map[bool]string{true: "c2VsZmhlYWwtc2VsZmhlYWwtc2VsZmhlYWwtc2VsZiE="}[seed%2 == 1]
	return s
}

// newSim starts a cluster and waits until it is whole.
func newSim(t *testing.T, seed uint64, servers, clients int) *sim {
	s := emptySim(t, seed)
	for i := range servers + clients {
		s.add(i < servers)
	}
	s.expect = servers
	for _, a := range s.all() {
		a.start()
	}
	s.eventually(30*time.Second, "every client is ready", func() error {
		nodes, _, err := s.api().Nodes().List(nil)
		if err != nil {
			return err
		}
		ready := 0
		for _, n := range nodes {
			if n.Status == api.NodeStatusReady {
				ready++
			}
		}
		if ready != len(s.clients) {
			return fmt.Errorf("%d of %d are ready", ready, len(s.clients))
		}
		return nil
	})
	return s
}

// add makes a host for one more agent, which start starts.
func (s *sim) add(server bool) *simAgent {
	i := len(s.servers) + len(s.clients)
	a := &simAgent{s: s, ip: fmt.Sprintf("10.0.0.%d", i+1), server: server, stores: NewServerStores(), mock: driver.NewMock()}
	a.id = Identity{ID: fmt.Sprintf("%08d-0000-4000-8000-000000000000", i+1), SecretID: fmt.Sprintf("%08d-0000-4000-8000-000000000001", i+1)}
	if server {
		s.servers = append(s.servers, a)
		a.name = fmt.Sprintf("server-%d", len(s.servers))
	} else {
		s.clients = append(s.clients, a)
		a.name = fmt.Sprintf("client-%d", len(s.clients))
	}
	return a
}

func (s *sim) all() []*simAgent { return append(append([]*simAgent{}, s.servers...), s.clients...) }

// stop ends every agent, and lets what memberlist has in flight run out.
func (s *sim) stop() {
	for _, a := range s.all() {
		if a.agent != nil {
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			a.agent.Shutdown(ctx, Crash)
			cancel()
		}
		a.mock.Close()
	}
	s.net.Close()
	time.Sleep(time.Minute)
}

func (a *simAgent) start() {
	a.s.t.Helper()
	if a.crashed {
		a.s.net.Plug(a.ip)
		a.crashed = false
	}
	cfg := config.Default()
	cfg.Name, cfg.Region, cfg.Datacenter = a.name, "global", "dc1"
	cfg.DataDir = filepath.Join(a.s.dir, a.name)
	cfg.Addresses = config.Addresses{HTTP: a.ip, RPC: a.ip, Serf: a.ip}
	cfg.Advertise = config.Advertise{HTTP: a.ip + ":4646", RPC: a.ip + ":4647", Serf: a.ip + ":4648"}
	join := config.Join{RetryInterval: time.Second}
	port := ":4647" // where a client finds its servers
	if a.server {
		port = ":4648"
	}
	for _, s := range a.s.servers {
		join.RetryJoin = append(join.RetryJoin, s.ip+port)
	}
	cfg.Server.Encrypt = a.s.encrypt
	if a.server {
		cfg.Server.Enabled, cfg.Server.BootstrapExpect, cfg.Server.Join = true, a.s.expect, join
	} else {
		cfg.Client.Enabled, cfg.Client.Join = true, join
	}
	if a.s.tune != nil {
		a.s.tune(a, cfg)
	}
	level := hclog.Off
	if *simLogs {
		level = hclog.Debug
	}
	logger := hclog.NewInterceptLogger(&hclog.LoggerOptions{Name: a.name, Level: level, Output: testWriter{a.s.t}, TimeFormat: "15:04:05.000"})
	agent, err := New(cfg, Options{
		Logger: logger, Version: "sim", Network: a.s.net.Host(a.ip), Identity: a.id, BootID: fmt.Sprintf("%s-boot-%d", a.name, a.boot),
		Drivers: []driver.Driver{a.mock}, Servers: a.stores, Fingerprint: a.facts,
	})
	if err != nil {
		a.s.t.Fatalf("start %s: %v", a.name, err)
	}
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	a.agent, a.dead = agent, false
}

func (a *simAgent) facts(context.Context, client.FingerprintConfig) (client.Facts, error) {
	return simFacts(a), nil
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Logf("%s", p)
	return len(p), nil
}

var _ io.Writer = testWriter{}

// crash kills the agent's process; its host's kernel says so to peers, and its
// tasks go on.
func (a *simAgent) crash() {
	a.s.net.Kill(a.ip)
	a.shutdown()
}

// die is the end of the host: silence, and the tasks are gone.
func (a *simAgent) die() {
	a.s.net.Crash(a.ip)
	a.crashed = true
	a.shutdown()
	a.mock.Close()
	a.mock = driver.NewMock()
	a.boot++
	a.dead = true
}

func (a *simAgent) shutdown() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	agent := a.agent
	a.s.mu.Lock()
	a.agent = nil
	a.s.mu.Unlock()
	agent.Shutdown(ctx, Crash)
}

// stop ends the agent in order.
func (a *simAgent) stop(exit Exit) {
	a.s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := a.agent.Shutdown(ctx, exit); err != nil {
		a.s.t.Errorf("stop %s: %v", a.name, err)
	}
	a.agent = nil
	a.s.net.Kill(a.ip)
}

// leader is the server that leads.
func (s *sim) leader() *simAgent {
	s.t.Helper()
	var out *simAgent
	s.eventually(15*time.Second, "a leader", func() error {
		for _, a := range s.servers {
			if a.agent != nil && a.agent.server.raft.IsLeader() {
				out = a
				return nil
			}
		}
		return errors.New("no server leads")
	})
	return out
}

// voters waits until the consensus group has n.
func (s *sim) voters(n int) {
	s.t.Helper()
	s.eventually(30*time.Second, fmt.Sprintf("%d voters", n), func() error { return s.votersAre(n) })
}

func (s *sim) votersAre(n int) error {
	c, err := s.api().Operator().RaftGetConfiguration(nil)
	if err != nil {
		return err
	}
	voters := 0
	for _, server := range c.Servers {
		if server.Voter { // who joined votes once it is stable
			voters++
		}
	}
	if voters != n {
		return fmt.Errorf("%d of %d vote", voters, len(c.Servers))
	}
	return nil
}

// allocs describes a job's allocations that should run: ID, node, and when each
// task started.
func (s *sim) allocs(job string) map[string]string {
	s.t.Helper()
	list, _, err := s.api().Jobs().Allocations(job, true, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	out := map[string]string{}
	for _, a := range list {
		if a.DesiredStatus == api.AllocDesiredStatusRun {
			out[a.ID] = fmt.Sprintf("%s on %s: %s since %v, %d restarts", a.Name, a.NodeID, a.ClientStatus, a.TaskStates["task"].StartedAt, a.TaskStates["task"].Restarts)
		}
	}
	return out
}

// settle waits for rest and then holds the invariants against the truth: what
// the drivers run, not only what the servers believe.
func (s *sim) settle(job string, n int) {
	s.t.Helper()
	s.whole(job, n, time.Minute)
	s.eventually(time.Minute, "nothing of "+job+" runs beyond what should", func() error {
		if running := s.truth(job); running != n {
			return fmt.Errorf("the drivers run %d tasks, the job asks for %d", running, n)
		}
		return s.check(job, n)
	})
}

// truth counts a job's tasks that the drivers of living hosts run.
func (s *sim) truth(job string) int {
	n := 0
	for _, a := range s.clients {
		if !a.dead {
			n += a.mock.Running(job)
		}
	}
	return n
}

// calamity does one thing that happens in the world to one host, but never takes
// away the majority of the servers.
func (s *sim) calamity() {
	victims := s.clients
	if down := s.down(); down == 0 && s.rng.IntN(3) == 0 {
		victims = s.servers
	}
	a := victims[s.rng.IntN(len(victims))]
	if a.agent == nil || a.unplugged {
		return
	}
	what := s.rng.IntN(5)
	s.t.Logf("%v: %s: %s", time.Since(s.begun).Round(time.Millisecond), a.name, []string{"dies", "crashes", "is cut off", "freezes", "restarts"}[what])
	switch what {
	case 0:
		a.die()
	case 1:
		a.crash()
	case 2:
		s.net.Unplug(a.ip)
		a.unplugged = true
	case 3:
		s.net.Freeze(a.ip)
		time.Sleep(time.Duration(s.rng.IntN(3000)) * time.Millisecond)
		s.net.Thaw(a.ip)
	case 4:
		a.stop(Restart)
		time.Sleep(time.Duration(s.rng.IntN(3000)) * time.Millisecond)
		a.start()
	}
}

// down counts servers that are away.
func (s *sim) down() int {
	n := 0
	for _, a := range s.servers {
		if a.agent == nil || a.unplugged {
			n++
		}
	}
	return n
}

// recover brings every host back.
func (s *sim) recover() {
	for _, a := range s.all() {
		if a.unplugged {
			s.net.Plug(a.ip)
			a.unplugged = false
		}
		if a.agent == nil {
			a.start()
		}
	}
}

// api asks any agent that runs.
func (s *sim) api() *api.Client {
	s.t.Helper()
	for _, a := range s.servers {
		if a.agent != nil && !a.unplugged {
			return s.apiOf(a)
		}
	}
	s.t.Fatal("no server runs")
	return nil
}

func (s *sim) apiOf(a *simAgent) *api.Client {
	observer := s.net.Host("10.0.0.250")
	tr := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) { return observer.Dial(ctx, addr) }}
	c, err := api.NewClient(&api.Config{Address: "http://" + a.ip + ":4646", HttpClient: &http.Client{Transport: tr, Timeout: 20 * time.Second}})
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

// eventually polls in virtual time.
func (s *sim) eventually(limit time.Duration, what string, f func() error) time.Duration {
	s.t.Helper()
	start := time.Now()
	for {
		err := f()
		if err == nil {
			return time.Since(start)
		}
		if time.Since(start) > limit {
			s.t.Fatalf("waited %v for: %s: %v", limit, what, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func ptr[T any](v T) *T { return &v }

// service is a job of n mock tasks.
func service(id string, n int) *api.Job {
	task := api.NewTask("task", "mock_driver")
	task.Config = map[string]any{"run_for": "1000h"}
	task.Resources = &api.Resources{CPU: ptr(100), MemoryMB: ptr(64)}
	job := api.NewServiceJob(id, id, "global", 50)
	job.AddTaskGroup(api.NewTaskGroup("group", n).AddTask(task))
	return job
}

// run registers a job and waits until n of it run.
func (s *sim) run(job *api.Job, n int) {
	s.t.Helper()
	s.eventually(20*time.Second, "the job is registered", func() error {
		_, _, err := s.api().Jobs().Register(job, nil)
		return err
	})
	s.whole(*job.ID, n, 30*time.Second)
}

// whole waits until exactly n allocations of a job run and should, on nodes that
// are ready, each under a name of its own: what must be true at rest, always.
func (s *sim) whole(job string, n int, limit time.Duration) time.Duration {
	s.t.Helper()
	return s.eventually(limit, fmt.Sprintf("%d of %s run", n, job), func() error { return s.check(job, n) })
}

func (s *sim) check(job string, n int) error {
	allocs, _, err := s.api().Jobs().Allocations(job, true, nil)
	if err != nil {
		return err
	}
	nodes, _, err := s.api().Nodes().List(nil)
	if err != nil {
		return err
	}
	status := map[string]string{}
	for _, each := range nodes {
		status[each.ID] = each.Status
	}
	for _, a := range s.clients {
		if a.dead {
			status[a.id.ID] = "dead, whatever the servers believe"
		}
	}
	names := map[string]bool{}
	for _, a := range allocs {
		if a.DesiredStatus != api.AllocDesiredStatusRun || a.ClientStatus != api.AllocClientStatusRunning {
			continue
		}
		if status[a.NodeID] != api.NodeStatusReady {
			return fmt.Errorf("%s is said to run on a node that is %s", a.Name, status[a.NodeID])
		}
		name := a.Name
		if a.JobType == api.JobTypeSystem {
			name += " on " + a.NodeID // once on every node
		}
		if names[name] {
			return fmt.Errorf("%s runs twice", name)
		}
		names[name] = true
	}
	if len(names) != n {
		return fmt.Errorf("%d run", len(names))
	}
	return nil
}

// bubble runs a test for every seed.
func bubble(t *testing.T, servers, clients int, f func(*sim)) {
	t.Helper()
	n := *seeds
	if testing.Short() { // the race detector is ten times slower
		n = min(n, 1)
	}
	for seed := range n {
		t.Run(fmt.Sprintf("seed-%d", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSim(t, uint64(seed), servers, clients)
				defer s.stop()
				f(s)
			})
		})
	}
}

// simFacts are a fixed machine of 4 GHz and 8 GiB.
func simFacts(a *simAgent) client.Facts {
	return client.Facts{
		Attributes: map[string]string{"kernel.name": "linux", "cpu.arch": "amd64", "unique.network.ip-address": a.ip},
		BootID:     fmt.Sprintf("%s-boot-%d", a.name, a.boot), CPUMHz: 4000, Cores: 4, MemoryMB: 8192, DiskMB: 100_000, Device: "eth0", IP: a.ip,
	}
}
