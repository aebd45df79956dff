package agent

import (
	"context"
	"net"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/check"
	"github.com/selfheal/selfheal/agent/client"
	"github.com/selfheal/selfheal/agent/config"
	"github.com/selfheal/selfheal/agent/driver"
	"github.com/selfheal/selfheal/agent/gossip"
	"github.com/selfheal/selfheal/agent/nodeapi"
	"github.com/selfheal/selfheal/agent/telemetry"
)

// node is what an agent has when it runs tasks.
type node struct {
	client *client.Client
	calls  *nodeapi.Client
}

// startNode makes the client and lets it converge.
func (a *Agent) startNode() error {
	if !a.cfg.Client.Enabled {
		return nil
	}
	dir, err := a.clientDir()
	if err != nil {
		return err
	}
	calls := nodeapi.New(nodeapi.Config{HTTP: a.port.Client(), Servers: a.cfg.ServerAddrs(), NodeID: a.id.ID, SecretID: a.id.SecretID})
	checks := check.New(check.Config{Dial: a.net.Dial, Logger: a.log.Named("check")})
	a.life.add("checks", func(context.Context) error { return checks.Close() })
	cfg := a.clientConfig(dir, calls)
	cfg.Checks = checks
	c, err := client.New(cfg)
	if err != nil {
		return err
	}
	a.node = &node{client: c, calls: calls}
	a.gossip.Subscribe(func(e gossip.Event) {
		a.offerServers()
		if e.Member.Server && e.Member.Status != gossip.Alive {
			calls.Drop(e.Member.RPC()) // what waits for it goes to the next one now
		}
	})
	a.offerServers()
	a.life.loop("client", func(ctx context.Context) {
		if err := c.Run(ctx); err != nil && ctx.Err() == nil {
			a.log.Error("client", "err", err)
		}
	})
	return nil
}

// offerServers tells the client which servers gossip knows. The client learns
// them from every answer too; this is how it finds the first.
func (a *Agent) offerServers() {
	if servers := (peers{a}).Servers(a.cfg.Region); len(servers) > 0 {
		a.node.calls.SetServers(servers)
	}
}

func (a *Agent) clientConfig(dir string, calls *nodeapi.Client) client.Config {
	c := a.cfg.Client
	out := client.Config{
		NodeID: a.id.ID, SecretID: a.id.SecretID, Name: a.cfg.Name, Region: a.cfg.Region, Datacenter: a.cfg.Datacenter,
		NodeClass: c.NodeClass, NodePool: c.NodePool, Meta: c.Meta, Options: c.Options, Version: a.opts.Version,
		AllocDir: filepath.Join(dir, "alloc"), StateDir: filepath.Join(dir, "client"), VolumesDir: filepath.Join(dir, "host_volumes"),
		Drivers: a.drivers(), Servers: calls, HTTPAddr: a.httpAddr, RPCAddr: a.rpcAddr, TLS: a.cfg.TLS.HTTP,
		Resources: client.Resources{
			CPUTotalMHz: int64(c.CPUTotalCompute), MemoryTotalMB: int64(c.MemoryTotalMB), DiskTotalMB: int64(c.DiskTotalMB),
			ReservedCPUMHz: int64(c.Reserved.CPU), ReservedMemoryMB: int64(c.Reserved.MemoryMB), ReservedDiskMB: int64(c.Reserved.DiskMB),
			ReservedCores: reservedCores(c.Reserved.Cores), ReservedPorts: c.Reserved.Ports, MinDynamicPort: c.MinDynamicPort, MaxDynamicPort: c.MaxDynamicPort,
		},
		NetworkInterface: c.NetworkInterface, HostVolumes: hostVolumes(c.HostVolumes), HostNetworks: hostNetworks(c.HostNetworks),
		MaxAllocs: c.NodeMaxAllocs, MaxKillTimeout: c.MaxKillTimeout, Fingerprint: a.opts.Fingerprint,
		GC:     client.GC{Every: c.GCInterval, MaxAllocs: c.GCMaxAllocs, DiskPercent: c.GCDiskUsageThreshold},
		Logger: a.log.Named("client"), Metrics: gauges{a.metrics},
	}
	if c.AllocDir != "" {
		out.AllocDir = c.AllocDir
	}
	if c.StateDir != "" {
		out.StateDir = c.StateDir
	}
	return out
}

// reservedCores reads what config.Validate has accepted.
func reservedCores(list string) []int {
	cores, _ := config.ParseCores(list)
	return cores
}

// drivers are those that the configuration enables.
func (a *Agent) drivers() []driver.Driver {
	if a.opts.Drivers != nil {
		return a.opts.Drivers
	}
	var out []driver.Driver
	if a.cfg.RawExec() {
		out = append(out, driver.NewRawExec(driver.RawExecConfig{Logger: a.log.Named("raw_exec")}))
	}
	if a.cfg.DevMode {
		out = append(out, driver.NewMock())
	}
	return out
}

func hostVolumes(in map[string]config.HostVolume) map[string]*api.HostVolumeInfo {
	out := map[string]*api.HostVolumeInfo{}
	for name, v := range in {
		out[name] = &api.HostVolumeInfo{Path: v.Path, ReadOnly: v.ReadOnly}
	}
	return out
}

func hostNetworks(in []config.HostNetwork) map[string]*api.HostNetworkInfo {
	out := map[string]*api.HostNetworkInfo{}
	for _, n := range in {
		out[n.Name] = &api.HostNetworkInfo{Name: n.Name, CIDR: n.CIDR, Interface: n.Interface, ReservedPorts: n.ReservedPorts}
	}
	return out
}

// gauges is telemetry as the client and the drivers write it.
type gauges struct{ t *telemetry.Telemetry }

func (g gauges) SetGauge(name string, v float64) { g.t.SetGauge(strings.Split(name, "."), float32(v)) }
func (g gauges) AddCounter(name string, n float64) {
	g.t.IncrCounter(strings.Split(name, "."), float32(n))
}

// startTelemetry makes the metrics.
func (a *Agent) startTelemetry() error {
	t := a.cfg.Telemetry
	host := a.cfg.Name
	if t.DisableHostname {
		host = ""
	}
	var err error
	a.metrics, err = telemetry.New(telemetry.Config{
		HostName: host, CollectionInterval: t.CollectionInterval, InMemoryInterval: t.InMemoryCollectionInterval,
		InMemoryRetention: t.InMemoryRetentionPeriod, Prometheus: t.PrometheusMetrics, DropByDefault: !t.FilterDefault,
		Allowed: filters(t.PrefixFilter, "+"), Blocked: filters(t.PrefixFilter, "-"),
	})
	if err != nil {
		return err
	}
	if err := a.metrics.InstallBridge(); err != nil { // raft's and memberlist's own metrics
		return err
	}
	a.life.loop("telemetry", func(ctx context.Context) { _ = a.metrics.Run(ctx) })
	return nil
}

// filters are the prefixes of a prefix_filter list that begin with sign.
func filters(list []string, sign string) []string {
	var out []string
	for _, f := range list {
		if prefix, ok := strings.CutPrefix(f, sign); ok {
			out = append(out, prefix)
		}
	}
	return out
}

// portOf is the port of a listener's address.
func portOf(l net.Listener) int {
	_, port, _ := net.SplitHostPort(l.Addr().String())
	n, _ := strconv.Atoi(port)
	return n
}

// withPort gives an address without one (or with port 0) the port that is listened on.
func withPort(addr string, port int) string {
	host, p, err := net.SplitHostPort(addr)
	if err != nil {
		return net.JoinHostPort(addr, strconv.Itoa(port))
	}
	if p == "0" {
		return net.JoinHostPort(host, strconv.Itoa(port))
	}
	return addr
}
