package leader

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
	"github.com/selfheal/selfheal/scheduler"
)

// lowerNode makes the scheduler's node from a node's row, as it is at now.
func lowerNode(n *state.Node, now time.Time) scheduler.Node {
	out := scheduler.Node{
		ID: n.ID, Name: n.Name, Datacenter: n.Datacenter, Pool: n.NodePool, Class: n.NodeClass,
		Status:      scheduler.NodeStatus(n.Status),
		Eligible:    n.SchedulingEligibility == api.NodeSchedulingEligible,
		Draining:    n.DrainStrategy != nil,
		DrainForced: drainForced(n.DrainStrategy, now),
		Attributes:  n.Attributes,
		Meta:        n.Meta,
		Drivers:     make(map[string]bool, len(n.Drivers)),
		MaxAllocs:   n.NodeMaxAllocs,
	}
	for name, d := range n.Drivers {
		out.Drivers[name] = d.Detected && d.Healthy
	}
	lowerNodeResources(n, &out)
	lowerNodeNetworks(n, &out)
	for name, v := range n.HostVolumes {
		if out.HostVolumes == nil {
			out.HostVolumes = map[string]scheduler.HostVolume{}
		}
		out.HostVolumes[name] = scheduler.HostVolume{ReadOnly: v.ReadOnly}
	}
	return out
}

// drainForced reports whether what is left on a draining node has to go now.
func drainForced(d *api.DrainStrategy, now time.Time) bool {
	return d != nil && (d.Deadline < 0 || !d.ForceDeadline.IsZero() && !now.Before(d.ForceDeadline))
}

func lowerNodeResources(n *state.Node, out *scheduler.Node) {
	if r := n.NodeResources; r != nil {
		out.Capacity = scheduler.Resources{
			CPU: r.Cpu.CpuShares, Memory: r.Memory.MemoryMB, Disk: r.Disk.DiskMB,
			Cores: len(r.Cpu.ReservableCpuCores),
		}
		for _, core := range r.Cpu.ReservableCpuCores {
			out.CoreIDs = append(out.CoreIDs, int(core))
		}
		slices.Sort(out.CoreIDs)
		out.NUMA = lowerNUMA(n.Attributes)
		out.MinDynamicPort, out.MaxDynamicPort = r.MinDynamicPort, r.MaxDynamicPort
		for _, d := range r.Devices {
			out.Devices = append(out.Devices, lowerDevice(d, n.Attributes))
		}
	}
	if out.MinDynamicPort == 0 {
		out.MinDynamicPort = 20000
	}
	if out.MaxDynamicPort == 0 {
		out.MaxDynamicPort = 32000
	}
	if r := n.ReservedResources; r != nil {
		out.Capacity.CPU -= int64(r.Cpu.CpuShares)
		out.Capacity.Memory -= int64(r.Memory.MemoryMB)
		out.Capacity.Disk -= int64(r.Disk.DiskMB)
		out.ReservedPorts = parsePorts(r.Networks.ReservedHostPorts)
	}
}

func lowerDevice(d *api.NodeDeviceResource, attributes map[string]string) scheduler.Device {
	out := scheduler.Device{Vendor: d.Vendor, Type: d.Type, Name: d.Name, Attributes: map[string]string{}, NUMA: map[string]int{}}
	for _, i := range d.Instances {
		if !i.Healthy {
			continue
		}
		out.IDs = append(out.IDs, i.ID)
		if i.Locality != nil {
			if at, err := strconv.Atoi(attributes[attrPCI+i.Locality.PciBusID]); err == nil {
				out.NUMA[i.ID] = at
			}
		}
	}
	for k, a := range d.Attributes {
		out.Attributes[k] = a.String()
	}
	return out
}

func lowerNodeNetworks(n *state.Node, out *scheduler.Node) {
	out.IP = n.Attributes["unique.network.ip-address"]
	if out.IP == "" && n.NodeResources != nil {
		for _, nw := range n.NodeResources.Networks {
			if nw.IP != "" {
				out.IP = nw.IP
				break
			}
		}
	}
	for alias, h := range n.HostNetworks {
		ip := hostNetworkIP(n.Attributes, alias, h)
		if ip == "" {
			continue
		}
		if out.HostNetworks == nil {
			out.HostNetworks, out.ReservedOn = map[string]string{}, map[string][]int{}
		}
		out.HostNetworks[alias] = ip
		if h.ReservedPorts != "" {
			out.ReservedOn[alias] = parsePorts(h.ReservedPorts)
		}
	}
}

// Attributes by which a node tells what the API's types have no field for.
const (
	attrHostNetwork = "unique.network.host." // + alias: the node's address in that host network
	attrPCI         = "unique.numa.pci."     // + PCI bus ID of a device: its NUMA node
)

// hostNetworkIP is the node's address in a host network, "" when it has none. A node
// that does not say it (another agent, a simulated one) has it in the CIDR.
func hostNetworkIP(attributes map[string]string, alias string, h *api.HostNetworkInfo) string {
	if ip := attributes[attrHostNetwork+alias]; ip != "" {
		return ip
	}
	p, err := netip.ParsePrefix(h.CIDR)
	if err != nil {
		if ip, err := netip.ParseAddr(h.CIDR); err == nil {
			return ip.String()
		}
		return ""
	}
	if p.Masked().Addr() == p.Addr() && !p.IsSingleIP() {
		return "" // a range, not an address in it
	}
	return p.Addr().String()
}

// lowerNUMA reads the topology from the attributes numa.node.count and
// numa.node<N>.cores ("0-3,8"). Nil when there is none, or one that cannot be read:
// the node then counts as one NUMA node.
func lowerNUMA(attributes map[string]string) [][]int {
	n, err := strconv.Atoi(attributes["numa.node.count"])
	if err != nil || n < 1 || n > 1024 {
		return nil
	}
	out := make([][]int, n)
	for i := range out {
		out[i] = parsePorts(attributes["numa.node"+strconv.Itoa(i)+".cores"])
	}
	return out
}

// parsePorts reads "80,443,8000-8100", and lists of cores, which are written the same way. The agent validated it; what cannot be
// read is skipped.
func parsePorts(s string) []int {
	var out []int
	for part := range strings.SplitSeq(s, ",") {
		lo, hi, ranged := strings.Cut(strings.TrimSpace(part), "-")
		from, err := strconv.Atoi(lo)
		if err != nil {
			continue
		}
		to := from
		if ranged {
			if to, err = strconv.Atoi(hi); err != nil {
				continue
			}
		}
		for p := from; p <= to && p <= 65535; p++ {
			out = append(out, p)
		}
	}
	return out
}
