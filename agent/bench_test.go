package agent

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/nomad/api"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/selfheal/selfheal/agent/config"
	"github.com/selfheal/selfheal/agent/simnode"
	"github.com/selfheal/selfheal/agent/state"
	"github.com/selfheal/selfheal/agent/transport"
)

// tally counts a server's allocations as its state changes.
type tally struct {
	placed, running atomic.Int64
	wake            chan struct{}
}

func (c *tally) count(changes []state.Change) {
	for _, ch := range changes {
		after, ok := ch.After.(*state.Alloc)
		if !ok {
			continue
		}
		if ch.Before == nil {
			c.placed.Add(1)
		} else if after.Client == api.AllocClientStatusRunning && ch.Before.(*state.Alloc).Client != after.Client {
			c.running.Add(1)
		}
	}
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *tally) await(b *testing.B, counter *atomic.Int64, n int64) {
	b.Helper()
	limit := time.After(2 * time.Minute)
	for counter.Load() < n {
		select {
		case <-c.wake:
		case <-limit:
			b.Fatalf("%d of %d", counter.Load(), n)
		}
	}
}

// benchServer is one server on the kernel's network, with its log on a disk.
func benchServer(b *testing.B) *Agent {
	b.Helper()
	TuneMemory()
	cfg := config.Default()
	cfg.Name, cfg.Region, cfg.Datacenter, cfg.DataDir = "bench", "global", "dc1", b.TempDir()
	cfg.Addresses = config.Addresses{HTTP: "127.0.0.1", RPC: "127.0.0.1", Serf: "127.0.0.1"}
	cfg.Advertise = config.Advertise{HTTP: "127.0.0.1", RPC: "127.0.0.1", Serf: "127.0.0.1"}
	cfg.Ports = config.Ports{}
	cfg.Limits.HTTPMaxConnsPerClient = -1
	cfg.Server.Enabled, cfg.Server.BootstrapExpect = true, 1
	a, err := New(cfg, Options{Logger: hclog.NewInterceptLogger(&hclog.LoggerOptions{Level: hclog.Off}), Version: "bench"})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		a.Shutdown(ctx, Crash)
	})
	return a
}

// cpu is how much CPU time this process has used.
func cpu() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// load is one shape of work: jobs of count allocations each, on nodes.
type load struct{ nodes, jobs, count int }

var loads = []load{{1000, 1, 10_000}, {5000, 1, 1}, {5000, 1, 10_000}, {5000, 10, 1000}, {5000, 100, 100}, {5000, 1000, 10}, {5000, 10, 10_000}}

func (l load) String() string {
	return fmt.Sprintf("nodes=%d/jobs=%d/count=%d", l.nodes, l.jobs, l.count)
}

// submit registers the jobs over HTTP, 16 at a time, and returns their IDs.
func (l load) submit(b *testing.B, client *api.Client, round int) (ids []string) {
	b.Helper()
	var g errgroup.Group
	g.SetLimit(16)
	for n := range l.jobs {
		job := service(fmt.Sprintf("bench-%d-%d", round, n), l.count)
		job.TaskGroups[0].Tasks[0].Config = nil
		job.TaskGroups[0].Update = &api.UpdateStrategy{MaxParallel: ptr(0)}
		ids = append(ids, *job.ID)
		g.Go(func() error {
			_, _, err := client.Jobs().Register(job, nil)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		b.Fatal(err)
	}
	return ids
}

func benchClient(b *testing.B, a *Agent) *api.Client {
	b.Helper()
	client, err := api.NewClient(&api.Config{Address: "http://" + a.HTTPAddr()})
	if err != nil {
		b.Fatal(err)
	}
	return client
}

// BenchmarkPlaced runs jobs from their submission over HTTP through raft, with its log
// on a disk, the leader's loop and the state, on one server. Nodes are rows: they do not
// poll. It reports allocations a second from the submission until all are in the state,
// and the same for a second of CPU time, which a busy machine does not change.
func BenchmarkPlaced(b *testing.B) {
	for _, l := range loads {
		b.Run(l.String(), func(b *testing.B) {
			a := benchServer(b)
			benchNodes(b, a, l.nodes)
			counts := &tally{wake: make(chan struct{}, 1)}
			a.server.state.Changes(counts.count)
			client := benchClient(b, a)
			var took, used time.Duration
			total, round := int64(l.jobs*l.count), 0
			for b.Loop() {
				round++
				counts.placed.Store(0)
				start, before := time.Now(), cpu()
				ids := l.submit(b, client, round)
				counts.await(b, &counts.placed, total)
				took += time.Since(start)
				used += cpu() - before
				b.StopTimer()
				for _, id := range ids {
					client.Jobs().Deregister(id, true, nil)
				}
				b.StartTimer()
			}
			b.ReportMetric(float64(total)*float64(round)/took.Seconds(), "placed/s")
			b.ReportMetric(float64(total)*float64(round)/used.Seconds(), "placed/cpu-s")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// benchNodes registers nodes that live for a day without a word.
func benchNodes(b *testing.B, a *Agent, n int) {
	b.Helper()
	for limit := time.Now().Add(10 * time.Second); !a.server.leads.Load(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(limit) {
			b.Fatal("no leader")
		}
	}
	var g errgroup.Group
	g.SetLimit(64)
	for i := range n {
		g.Go(func() error {
			data, err := state.Encode(time.Now(), &state.RegisterNode{Node: &state.Node{
				Node: api.Node{
					ID: fmt.Sprintf("%08d-0000-4000-8000-000000000000", i), Name: fmt.Sprintf("row-%d", i), Datacenter: "dc1",
					Attributes: map[string]string{"kernel.name": "linux", "driver.mock_driver": "1"},
					Drivers:    map[string]*api.DriverInfo{"mock_driver": {Detected: true, Healthy: true}},
					NodeResources: &api.NodeResources{
						Cpu: api.NodeCpuResources{CpuShares: 4000}, Memory: api.NodeMemoryResources{MemoryMB: 8192},
						Disk: api.NodeDiskResources{DiskMB: 100_000}, MinDynamicPort: 20000, MaxDynamicPort: 32000,
					},
				},
				SecretID: "secret", BootID: "boot", Lease: 24 * time.Hour,
			}})
			if err != nil {
				return err
			}
			_, _, err = a.server.raft.Apply(context.Background(), data)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkRunning is BenchmarkPlaced with simulated nodes that poll and report, in this
// process too. It reports allocations a second until all are in the state, and until
// all are reported running.
func BenchmarkRunning(b *testing.B) {
	for _, l := range loads {
		b.Run(l.String(), func(b *testing.B) {
			a := benchServer(b)
			var clients []*http.Client
			for range (l.nodes + simnode.PerClient - 1) / simnode.PerClient {
				port, err := transport.New(transport.Config{Network: kernel{}, NodeID: "fleet", Role: transport.RoleClient, Region: "global", Shared: true, Logger: hclog.NewNullLogger()})
				if err != nil {
					b.Fatal(err)
				}
				defer port.Close()
				clients = append(clients, port.Client())
			}
			fleet, err := simnode.New(simnode.Config{Nodes: l.nodes, Servers: []string{a.rpcAddr}, Clients: clients, Lease: 5 * time.Minute, Logger: hclog.New(&hclog.LoggerOptions{Level: hclog.Debug})})
			if err != nil {
				b.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan struct{})
			go func() { defer close(done); fleet.Run(ctx) }()
			defer func() { cancel(); <-done }()
			begun, before := time.Now(), cpu()
			for fleet.Stats().Registered < int64(l.nodes) {
				if time.Since(begun) > 2*time.Minute {
					b.Fatalf("%+v", fleet.Stats())
				}
				time.Sleep(20 * time.Millisecond)
			}
			b.Logf("%d nodes registered in %v, %v of CPU time", l.nodes, time.Since(begun), cpu()-before)
			time.Sleep(time.Second) // the polls are under way
			counts := &tally{wake: make(chan struct{}, 1)}
			a.server.state.Changes(counts.count)
			client := benchClient(b, a)
			var placing, running, used time.Duration
			total, round := int64(l.jobs*l.count), 0
			for b.Loop() {
				round++
				counts.placed.Store(0)
				counts.running.Store(0)
				start, before := time.Now(), cpu()
				ids := l.submit(b, client, round)
				counts.await(b, &counts.placed, total)
				placing += time.Since(start)
				counts.await(b, &counts.running, total)
				running += time.Since(start)
				used += cpu() - before
				b.StopTimer()
				for _, id := range ids {
					client.Jobs().Deregister(id, true, nil)
				}
				for fleet.Stats().Running > 0 {
					time.Sleep(20 * time.Millisecond)
				}
				b.StartTimer()
			}
			b.Logf("fleet: %+v", fleet.Stats())
			b.ReportMetric(float64(total)*float64(round)/placing.Seconds(), "placed/s")
			b.ReportMetric(float64(total)*float64(round)/running.Seconds(), "running/s")
			b.ReportMetric(float64(total)*float64(round)/used.Seconds(), "running/cpu-s")
			b.ReportMetric(0, "ns/op")
		})
	}
}
