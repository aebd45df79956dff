package client

import (
	"cmp"
	"context"
	"maps"
	"net"
	"strconv"
	"time"

	"github.com/hashicorp/nomad/api"
)

// Versions that a job file may constrain on: many public ones ask for a
// ${attr.nomad.version}, so we say which API we speak.
const (
	nomadVersion    = "2.0.0"
	selfhealVersion = "selfheal.version"
)

// Resources overrides what the fingerprint finds, where not zero, and says what of
// the node is not for allocations.
type Resources struct {
	CPUTotalMHz, MemoryTotalMB, DiskTotalMB int64

	ReservedCPUMHz, ReservedMemoryMB, ReservedDiskMB int64
	ReservedCores                                    []int
	// ReservedPorts as the API writes it: "22,80,8500-8600".
	ReservedPorts string

	// Dynamic ports are chosen in this range; 0 is the default, 20000 to 32000.
	MinDynamicPort, MaxDynamicPort int
}

const (
	defaultMinDynamicPort = 20000
	defaultMaxDynamicPort = 32000
)

// buildNode is the node as it is registered.
func (c *Client) buildNode(ctx context.Context, facts Facts) *api.Node {
	cfg := c.cfg
	attributes := maps.Clone(facts.Attributes)
	attributes["nomad.version"] = nomadVersion
	attributes[selfhealVersion] = cfg.Version
	attributes["nomad.advertise.address"] = cfg.HTTPAddr
	networks, missing := resolveHostNetworks(cfg.HostNetworks, attributes)
	for _, why := range missing {
		c.log.Warn("a host network is not offered to jobs", "err", why)
	}
	node := &api.Node{
		ID: cfg.NodeID, Name: cmp.Or(cfg.Name, attributes["unique.hostname"], cfg.NodeID),
		Datacenter: cmp.Or(cfg.Datacenter, "dc1"), NodeClass: cfg.NodeClass, NodePool: cmp.Or(cfg.NodePool, "default"),
		HTTPAddr: cfg.HTTPAddr, TLSEnabled: cfg.TLS,
		Attributes: attributes, Links: map[string]string{},
		Status: api.NodeStatusInit, SchedulingEligibility: api.NodeSchedulingEligible,
		Drivers:       c.driverInfo(ctx, attributes),
		HostNetworks:  networks,
		NodeMaxAllocs: cfg.MaxAllocs,
	}
	c.mu.Lock()
	told := c.told
	c.mu.Unlock()
	c.describe(node, told)
	c.setResources(node, facts)
	return node
}

// driverInfo asks every driver about itself, and adds what it says to the attributes.
func (c *Client) driverInfo(ctx context.Context, attributes map[string]string) map[string]*api.DriverInfo {
	infos := map[string]*api.DriverInfo{}
	for _, d := range c.cfg.Drivers {
		found := d.Fingerprint(ctx)
		infos[d.Name()] = &api.DriverInfo{
			Attributes: found.Attributes, Detected: found.Detected, Healthy: found.Healthy,
			HealthDescription: found.Description, UpdateTime: time.Now(),
		}
		if found.Detected && found.Healthy {
			maps.Copy(attributes, found.Attributes)
		}
	}
	return infos
}

// setResources fills in both forms that the API has, old and new.
func (c *Client) setResources(node *api.Node, facts Facts) {
	r := c.cfg.Resources
	mhz := cmp.Or(r.CPUTotalMHz, facts.CPUMHz)
	memory := cmp.Or(r.MemoryTotalMB, facts.MemoryMB)
	disk := cmp.Or(r.DiskTotalMB, facts.DiskMB)
	network := &api.NetworkResource{Mode: "host", Device: facts.Device, IP: facts.IP, CIDR: cidr(facts.IP), MBits: new(1000)}
	networks := []*api.NetworkResource{network}
	if facts.IP == "" {
		networks = nil
	}
	cores := reservable(facts.CoreIDs, r.ReservedCores)
	if kept := len(facts.CoreIDs) - len(cores); kept > 0 { // what they could do is kept back with them
		r.ReservedCPUMHz = max(r.ReservedCPUMHz, mhz*int64(kept)/int64(max(1, facts.Cores)))
	}
	node.Attributes["cpu.reservablecores"] = strconv.Itoa(len(cores))
	node.NodeResources = &api.NodeResources{
		Cpu:            api.NodeCpuResources{CpuShares: mhz, TotalCpuCores: uint16(min(facts.Cores, 1<<16-1)), ReservableCpuCores: cores},
		Memory:         api.NodeMemoryResources{MemoryMB: memory},
		Disk:           api.NodeDiskResources{DiskMB: disk},
		Networks:       networks,
		MinDynamicPort: cmp.Or(r.MinDynamicPort, defaultMinDynamicPort),
		MaxDynamicPort: cmp.Or(r.MaxDynamicPort, defaultMaxDynamicPort),
	}
	node.ReservedResources = &api.NodeReservedResources{
		Cpu:      api.NodeReservedCpuResources{CpuShares: uint64(r.ReservedCPUMHz)},
		Memory:   api.NodeReservedMemoryResources{MemoryMB: uint64(r.ReservedMemoryMB)},
		Disk:     api.NodeReservedDiskResources{DiskMB: uint64(r.ReservedDiskMB)},
		Networks: api.NodeReservedNetworkResources{ReservedHostPorts: r.ReservedPorts},
	}
	node.Resources = legacy(mhz, memory, disk)
	node.Resources.Networks = networks
	node.Reserved = legacy(r.ReservedCPUMHz, r.ReservedMemoryMB, r.ReservedDiskMB)
}

func legacy(mhz, memory, disk int64) *api.Resources {
	return &api.Resources{CPU: new(int(mhz)), MemoryMB: new(int(memory)), DiskMB: new(int(disk))}
}

// cidr is an address as a network of one.
func cidr(ip string) string {
	switch parsed := net.ParseIP(ip); {
	case parsed == nil:
		return ""
	case parsed.To4() != nil:
		return ip + "/32"
	}
	return ip + "/128"
}
