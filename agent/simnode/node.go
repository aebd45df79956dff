package simnode

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/nodeapi"
)

// node is one simulated node. Its goroutine, run, polls; timers and reports come
// beside it, under the lock.
type node struct {
	f          *Fleet
	number     int
	id, secret string
	calls      *nodeapi.Client
	line       *line

	mu      sync.Mutex
	index   uint64
	allocs  map[string]*alloc
	dirty   map[string]nodeapi.AllocStatus // to be reported
	sending bool                           // a goroutine reports
	over    bool                           // run has ended: nothing is begun any more
	beside  sync.WaitGroup                 // reports
	known   bool                           // it has registered
}

func newNode(f *Fleet, number int) *node {
	n := &node{f: f, number: number, id: derive(f.cfg.Seed, "id", number), secret: derive(f.cfg.Seed, "secret", number)}
	n.line = f.lines[number%len(f.lines)]
	n.calls = nodeapi.New(nodeapi.Config{
		HTTP: n.line.client, Scheme: f.cfg.Scheme, Servers: f.cfg.Servers, NodeID: n.id, SecretID: n.secret,
	})
	return n
}

// describe is the node as it is registered.
func (n *node) describe() *api.Node {
	c := &n.f.cfg
	ip := fmt.Sprintf("10.%d.%d.%d", 64+n.number>>16&63, n.number>>8&255, n.number&255) // nobody listens there
	out := &api.Node{
		ID: n.id, Name: fmt.Sprintf("%s-%d", c.Name, n.number), NodePool: c.Pool,
		Datacenter: c.Datacenters[n.number%len(c.Datacenters)], NodeClass: c.Classes[n.number%len(c.Classes)],
		Attributes: map[string]string{
			"kernel.name": "linux", "cpu.arch": "amd64", "nomad.version": "2.0.0", "selfheal.simulated": "true",
			"unique.network.ip-address": ip,
		},
		Drivers: map[string]*api.DriverInfo{},
		NodeResources: &api.NodeResources{
			Cpu:            api.NodeCpuResources{CpuShares: int64(c.CPU), TotalCpuCores: 4},
			Memory:         api.NodeMemoryResources{MemoryMB: int64(c.MemoryMB)},
			Disk:           api.NodeDiskResources{DiskMB: int64(c.DiskMB)},
			Networks:       []*api.NetworkResource{{Mode: "host", Device: "eth0", IP: ip, CIDR: ip + "/32"}},
			MinDynamicPort: 20000, MaxDynamicPort: 32000,
		},
		Resources: &api.Resources{CPU: &c.CPU, MemoryMB: &c.MemoryMB, DiskMB: &c.DiskMB},
	}
	for _, d := range append([]string{"mock_driver"}, c.Drivers...) {
		out.Attributes["driver."+d] = "1"
		out.Drivers[d] = &api.DriverInfo{Detected: true, Healthy: true, HealthDescription: "Simulated"}
	}
	return out
}

// run is the node's life until ctx ends.
func (n *node) run(ctx context.Context) {
	defer n.end()
	var backoff nodeapi.Backoff
	for ctx.Err() == nil {
		err := n.turn(ctx)
		if err == nil {
			backoff.Reset()
			continue
		}
		if ctx.Err() != nil {
			return
		}
		n.f.failed.Add(1)
		n.f.log.Debug("call failed, will go on trying", "node", n.id, "err", err)
		if !pause(ctx, backoff.Next()) {
			return
		}
	}
}

// turn is one call: the registration, or a poll and what follows from it.
func (n *node) turn(ctx context.Context) error {
	if !n.registered() {
		return n.register(ctx)
	}
	// Polls are spread over time, or all that began together would stay so.
	wait := n.f.cfg.Lease/3 - rand.N(n.f.cfg.Lease/12)
	resp, err := n.calls.Allocs(ctx, nodeapi.AllocsRequest{NodeID: n.id, Index: n.index, Wait: wait})
	var refused *nodeapi.Error
	switch {
	case errors.As(err, &refused) && refused.Unknown():
		n.setRegistered(false)
		return err
	case err != nil:
		return err
	case resp.Index > 0:
		n.index = max(n.index, resp.Index)
		n.converge(ctx, resp)
	}
	return nil
}

func (n *node) register(ctx context.Context) error {
	release, err := n.f.slot(ctx)
	if err != nil {
		return err
	}
	defer release()
	err = n.line.use(ctx, func() error {
		_, err := n.calls.Register(ctx, nodeapi.RegisterRequest{
			Node: n.describe(), SecretID: n.secret, BootID: "simulated", Lease: n.f.cfg.Lease,
		})
		return err
	})
	if err != nil {
		return err
	}
	n.setRegistered(true)
	return nil
}

func (n *node) registered() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.known
}

func (n *node) setRegistered(is bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if is != n.known {
		n.known = is
		if is {
			n.f.registered.Add(1)
		} else {
			n.f.registered.Add(-1)
		}
	}
}

// end stops what runs beside the poll, and waits for it.
func (n *node) end() {
	n.mu.Lock()
	n.over = true
	for _, a := range n.allocs {
		a.halt()
	}
	n.mu.Unlock()
	n.beside.Wait()
}

// leave says goodbye, if the node ever came.
func (n *node) leave(ctx context.Context) {
	if !n.registered() {
		return
	}
	release, err := n.f.slot(ctx)
	if err != nil {
		return
	}
	defer release()
	if err := n.calls.Goodbye(ctx, nodeapi.GoodbyeRequest{NodeID: n.id}); err != nil {
		n.f.log.Debug("goodbye failed", "node", n.id, "err", err)
	}
	n.setRegistered(false)
}

// report sends what is dirty until nothing is; one goroutine a node at most.
func (n *node) report(ctx context.Context) {
	defer n.beside.Done()
	var backoff nodeapi.Backoff
	for {
		n.mu.Lock()
		batch := n.dirty
		n.dirty = nil
		if len(batch) == 0 || ctx.Err() != nil {
			n.sending = false
			n.mu.Unlock()
			return
		}
		n.mu.Unlock()
		req := nodeapi.StatusRequest{NodeID: n.id}
		for _, s := range batch {
			req.Allocs = append(req.Allocs, s)
		}
		if _, err := n.calls.Status(ctx, req); err != nil && ctx.Err() == nil {
			n.f.failed.Add(1)
			n.f.log.Debug("report failed, will go on trying", "node", n.id, "err", err)
			n.again(batch)
			pause(ctx, backoff.Next())
		}
	}
}

// again puts back what was not taken, unless something newer is there already.
func (n *node) again(batch map[string]nodeapi.AllocStatus) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.dirty == nil {
		n.dirty = map[string]nodeapi.AllocStatus{}
	}
	for id, s := range batch {
		if _, newer := n.dirty[id]; !newer {
			n.dirty[id] = s
		}
	}
}

// pause waits, and reports whether ctx still goes on.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
