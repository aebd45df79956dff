package simnode

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/selfheal/selfheal/agent/nodeapi"
)

// Config of a Fleet.
type Config struct {
	// Nodes is how many.
	Nodes int
	// Servers are host:port of cluster ports; the servers' answers replace them.
	Servers []string
	// Clients speak to cluster ports, over HTTP/2. Nodes are shared out among them: have one
	// for each PerClient nodes, or they will dial all the time.
	Clients []*http.Client
	// Scheme of the URLs; "" is https.
	Scheme string

	// Name begins every node's name, <Name>-<number>; "" is "sim".
	Name string
	// Seed gives the nodes the same IDs again in another run, for a fleet that is to come
	// back; "" is a random one.
	Seed string

	// Datacenters are given out in turn; none is dc1. So are Classes.
	Datacenters, Classes []string
	Pool                 string   // "" is default
	Drivers              []string // beside mock_driver. Their tasks do not run either!

	// What a node offers; 0 is 4000 MHz, 8192 MiB, 100 GB.
	CPU, MemoryMB, DiskMB int

	// Lease is how long servers bear a node's silence; 0 is one minute. A longer one makes
	// fewer polls: each node makes one in a third of it.
	Lease time.Duration
	// Parallel bounds the registrations and goodbyes under way; 0 is 64.
	Parallel int

	Logger hclog.Logger // nil: nobody is told
}

// PerClient is how many nodes share a client. A server lets one connection have 250
// requests open, and each node has a poll and a report: when all are ordered to do
// something at once, more nodes would dial more connections, hundreds at once.
const PerClient = 100

// Stats is what a fleet is doing.
type Stats struct {
	Registered int64 // nodes
	Running    int64 // allocations
	Ended      int64 // allocations that ended or were stopped, since the start
	Errors     int64 // calls that failed on every server, since the start
}

// Fleet is a number of simulated nodes.
type Fleet struct {
	cfg   Config
	log   hclog.Logger
	nodes []*node
	slots chan struct{} // registrations and goodbyes under way
	lines []*line

	registered, running, ended, failed atomic.Int64
}

// New makes the nodes. It calls nobody before Run.
func New(cfg Config) (*Fleet, error) {
	switch {
	case cfg.Nodes < 1:
		return nil, fmt.Errorf("make simulated nodes: %d of them: want 1 or more", cfg.Nodes)
	case len(cfg.Servers) == 0:
		return nil, errors.New("make simulated nodes: no servers are given")
	case cfg.Lease != 0 && cfg.Lease < nodeapi.MinLease:
		return nil, fmt.Errorf("make simulated nodes: a lease of %v is too short: want %v or more", cfg.Lease, nodeapi.MinLease)
	}
	cfg.Name = cmp.Or(cfg.Name, "sim")
	cfg.Seed = cmp.Or(cfg.Seed, rand.Text())
	cfg.Pool = cmp.Or(cfg.Pool, "default")
	cfg.CPU, cfg.MemoryMB, cfg.DiskMB = cmp.Or(cfg.CPU, 4000), cmp.Or(cfg.MemoryMB, 8192), cmp.Or(cfg.DiskMB, 100_000)
	cfg.Lease = cmp.Or(cfg.Lease, time.Minute)
	cfg.Parallel = cmp.Or(max(cfg.Parallel, 0), 64)
	if len(cfg.Datacenters) == 0 {
		cfg.Datacenters = []string{"dc1"}
	}
	if len(cfg.Classes) == 0 {
		cfg.Classes = []string{""}
	}
	if cfg.Logger == nil {
		cfg.Logger = hclog.NewNullLogger()
	}
	f := &Fleet{cfg: cfg, log: cfg.Logger.Named("simnode"), slots: make(chan struct{}, cfg.Parallel)}
	if len(cfg.Clients) == 0 {
		cfg.Clients = []*http.Client{nil} // nodeapi's default
	}
	for _, c := range cfg.Clients {
		f.lines = append(f.lines, &line{client: c, open: make(chan struct{})})
	}
	for i := range cfg.Nodes {
		f.nodes = append(f.nodes, newNode(f, i))
	}
	return f, nil
}

// Stats is what the fleet is doing now.
func (f *Fleet) Stats() Stats {
	return Stats{Registered: f.registered.Load(), Running: f.running.Load(), Ended: f.ended.Load(), Errors: f.failed.Load()}
}

// farewellLimit bounds the goodbyes of a whole fleet.
const farewellLimit = 15 * time.Second

// Run is the life of all nodes until ctx ends. Then they say goodbye, so that nobody
// waits for their leases, and it returns when nothing of them is left.
func (f *Fleet) Run(ctx context.Context) {
	var wg sync.WaitGroup
	for _, n := range f.nodes {
		wg.Go(func() { n.run(ctx) })
	}
	wg.Wait()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewellLimit)
	defer cancel()
	for _, n := range f.nodes {
		wg.Go(func() { n.leave(ctx) })
	}
	wg.Wait()
}

// line is one client, and the connection behind it. Whoever calls first opens it, and
// the others wait: many that called at once would each dial.
type line struct {
	client *http.Client
	first  sync.Once
	open   chan struct{} // closed after the first call
}

// use makes a call over the line.
func (l *line) use(ctx context.Context, call func() error) (err error) {
	mine := false
	l.first.Do(func() { mine = true })
	if mine {
		defer close(l.open)
		return call()
	}
	select {
	case <-l.open:
		return call()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// slot waits for the right to make one of the calls that many nodes make at once.
func (f *Fleet) slot(ctx context.Context) (release func(), err error) {
	select {
	case f.slots <- struct{}{}:
		return func() { <-f.slots }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// derive makes the UUID (RFC 9562, version 8) that a seed gives a node.
func derive(seed, what string, n int) string {
	b := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%d", seed, what, n))
	b[6] = b[6]&0x0f | 0x80
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:16])
}
