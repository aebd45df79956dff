package command

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/selfheal/selfheal/agent/simnode"
	"github.com/selfheal/selfheal/agent/transport"
)

func simulateVerbs() entries {
	return entries{
		noun("simulate", "Try a cluster's capacity"),
		{name: "simulate nodes", make: simulateNodes},
	}
}

// fleetFlags are the flags of `simulate nodes`.
type fleetFlags struct {
	simnode.Config
	encrypt     string
	datacenters []string
	classes     []string
	drivers     []string
	logs        bool
}

func (f *fleetFlags) rows() []flagRow {
	list := func(to *[]string) func(string) error {
		return func(text string) error {
			*to = append(*to, strings.Split(text, ",")...)
			return nil
		}
	}
	return []flagRow{
		{"n", "N", "How many nodes (default 100).", &f.Nodes, nil},
		{"encrypt", "KEY", "The cluster's key, as in the agents' server block; without one the cluster port must be open.", &f.encrypt, nil},
		{"datacenters", "LIST", "Datacenters that the nodes are in, in turn (default dc1).", list(&f.datacenters), nil},
		{"class", "LIST", "Node classes, in turn.", list(&f.classes), nil},
		{"node-pool", "NAME", "Node pool (default default).", &f.Pool, nil},
		{"driver", "LIST", "Drivers that the nodes claim to have beside mock_driver. Their tasks only seem to run.", list(&f.drivers), nil},
		{"name", "NAME", "Nodes are called NAME-<number> (default sim).", &f.Name, nil},
		{"seed", "TEXT", "The same text gives the same node IDs in another run.", &f.Seed, nil},
		{"cpu", "MHZ", "CPU of each node (default 4000).", &f.CPU, nil},
		{"memory", "MB", "Memory of each node (default 8192).", &f.MemoryMB, nil},
		{"disk", "MB", "Disk of each node (default 100000).", &f.DiskMB, nil},
		{"lease", "DURATION", "How long servers bear a node's silence (default 1m). Longer means fewer polls.", &f.Lease, nil},
		{"verbose", "", "Tell of every call that failed.", &f.logs, nil},
	}
}

func simulateNodes() verb {
	f := &fleetFlags{}
	f.Nodes = 100
	return verb{
		short: "Register simulated nodes with a running cluster",
		long: `Registers nodes that run nothing: they take allocations and answer as mock_driver would (run_for and exit_code of the task's config; without run_for a task runs until it is stopped). Thousands fit into one process, so that a cluster's servers can be tried at a size that one does not have.

They run until Ctrl-C, and then leave. Real jobs may be placed on them too: keep them apart with -node-pool or -datacenters, or use a cluster that is there for this.

  selfheal simulate nodes -n 5000 -node-pool sim`,
		flags: f.rows(),
		run:   func(s *session, _ []string) error { return f.run(s) },
	}
}

func (f *fleetFlags) run(s *session) error {
	c, err := s.client()
	if err != nil {
		return err
	}
	if f.Servers, err = c.Status().Peers(); err != nil {
		return fmt.Errorf("ask for the servers: %w", err)
	}
	for range max(1, (f.Nodes+simnode.PerClient-1)/simnode.PerClient) {
		port, err := f.port(s)
		if err != nil {
			return err
		}
		defer port.Close()
		f.Clients = append(f.Clients, port.Client())
	}
	f.Datacenters, f.Classes, f.Drivers = f.datacenters, f.classes, f.drivers
	if f.logs {
		f.Logger = hclog.New(&hclog.LoggerOptions{Output: s.err, Level: hclog.Debug})
	}
	ctx, stop := s.interruptible()
	defer stop()
	if err := reachable(ctx, f.Clients[0], f.Servers); err != nil {
		return err
	}
	fleet, err := simnode.New(f.Config)
	if err != nil {
		return err
	}
	began := s.time()
	done := make(chan struct{})
	go func() {
		defer close(done)
		fleet.Run(ctx)
	}()
	f.watch(s, fleet, done, began)
	return nil
}

// port is the identity of this process on the cluster port.
func (f *fleetFlags) port(s *session) (*transport.Port, error) {
	cfg := transport.Config{
		Network: kernel{}, NodeID: "simulate-" + rand.Text(), Role: transport.RoleClient, Region: s.or(s.flags.region, "REGION"), Shared: true,
		Logger: hclog.NewNullLogger(),
	}
	if cfg.Region == "" {
		cfg.Region = "global"
	}
	if f.encrypt != "" {
		key, err := base64.StdEncoding.DecodeString(f.encrypt)
		if err != nil {
			return nil, usagef("read -encrypt: it is not base64, as `selfheal operator gossip keyring generate` prints it")
		}
		cfg.ClusterKey = key
	}
	return transport.New(cfg)
}

// kernel is the kernel's network.
type kernel struct{}

// Dial implements transport.Network.
func (kernel) Dial(ctx context.Context, addr string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "tcp", addr)
}

// reachable asks the first server that answers for its leader: one error now says more
// than thousands later.
func reachable(ctx context.Context, client *http.Client, servers []string) error {
	err := fmt.Errorf("no servers are known")
	for _, addr := range servers {
		var req *http.Request
		if req, err = http.NewRequestWithContext(ctx, http.MethodGet, "https://"+addr+"/v1/status/leader", nil); err != nil {
			continue
		}
		var resp *http.Response
		if resp, err = client.Do(req); err != nil {
			continue
		}
		resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			return nil
		}
		err = fmt.Errorf("%s answered %s", addr, resp.Status)
	}
	return fmt.Errorf("reach the cluster port (is -encrypt the cluster's key?): %w", err)
}

// watch tells what the fleet does, when it changes, until it has ended.
func (f *fleetFlags) watch(s *session, fleet *simnode.Fleet, done <-chan struct{}, began time.Time) {
	s.say("Registering %d nodes with %s ...", f.Nodes, strings.Join(f.Servers, ", "))
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var last simnode.Stats
	whole := false
	for {
		select {
		case <-done:
			s.say("All simulated nodes have left.")
			return
		case <-tick.C:
		}
		now := fleet.Stats()
		if !whole && now.Registered == int64(f.Nodes) {
			whole = true
			s.say("All are registered after %v. Ctrl-C makes them leave.", s.time().Sub(began).Round(100*time.Millisecond))
		}
		if now != last {
			s.say("%d nodes, %d allocations running, %d ended, %d calls failed", now.Registered, now.Running, now.Ended, now.Errors)
			last = now
		}
	}
}
