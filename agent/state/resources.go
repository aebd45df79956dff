package state

import (
	"maps"

	"github.com/hashicorp/nomad/api"
)

// sharedResources are what the allocations of each group of a job version get,
// made once and shared by all of them that have nothing of their own. A group
// with memory_max has a second entry, for while oversubscription is allowed.
func sharedResources(j *api.Job) map[string]*api.AllocatedResources {
	out := make(map[string]*api.AllocatedResources, len(j.TaskGroups))
	for _, g := range j.TaskGroups {
		r := &api.AllocatedResources{Tasks: make(map[string]*api.AllocatedTaskResources, len(g.Tasks))}
		if g.EphemeralDisk != nil && g.EphemeralDisk.SizeMB != nil {
			r.Shared.DiskMB = int64(*g.EphemeralDisk.SizeMB)
		}
		most := map[string]int64{} // memory_max, MB
		for _, task := range g.Tasks {
			tr := &api.AllocatedTaskResources{}
			if res := task.Resources; res != nil {
				tr.Cpu.CpuShares = int64(valueOf(res.CPU))
				tr.Memory.MemoryMB = int64(valueOf(res.MemoryMB))
				if n := valueOf(res.MemoryMaxMB); n != 0 {
					most[task.Name] = int64(n)
				}
			}
			r.Tasks[task.Name] = tr
		}
		out[*g.Name] = r
		if len(most) > 0 {
			out[oversubscribed(*g.Name)] = withMemoryMax(r, most)
		}
	}
	return out
}

// oversubscribed is the key of a group's second entry; no group has such a name.
func oversubscribed(group string) string { return group + "\x00memory_max" }

func withMemoryMax(r *api.AllocatedResources, most map[string]int64) *api.AllocatedResources {
	out := &api.AllocatedResources{Tasks: maps.Clone(r.Tasks), Shared: r.Shared}
	for name, n := range most {
		task := *r.Tasks[name]
		task.Memory.MemoryMaxMB = n
		out.Tasks[name] = &task
	}
	return out
}

// sharedBy is what the allocations of a group share. memory_max is a promise that
// the operator may not have made: without MemoryOversubscriptionEnabled a task has
// no more than its memory.
func (t *tx) sharedBy(v *jobVersion, group string) *api.AllocatedResources {
	if r, ok := v.shared[oversubscribed(group)]; ok && t.SchedulerConfig(nil).MemoryOversubscriptionEnabled {
		return r
	}
	return v.shared[group]
}

func valueOf(n *int) int {
	if n == nil {
		return 0
	}
	return *n
}

// own is what one allocation has that its siblings do not.
type own struct {
	ports   []api.PortMapping
	devices []TaskDevice
	coreMHz int64 // what one pinned core could do; 0: no cores are pinned
}

// withOwn is the group's resources with what is the allocation's own.
func withOwn(shared *api.AllocatedResources, g *api.TaskGroup, o own) *api.AllocatedResources {
	if len(o.ports) == 0 && len(o.devices) == 0 && o.coreMHz == 0 || shared == nil {
		return shared
	}
	r := &api.AllocatedResources{Tasks: shared.Tasks, Shared: shared.Shared}
	if len(o.devices) > 0 || o.coreMHz > 0 {
		r.Tasks = ownTasks(shared.Tasks, g, o)
	}
	return withPorts(r, g, o.ports)
}

// ownTasks gives each task its devices, and the MHz of its cores.
func ownTasks(shared map[string]*api.AllocatedTaskResources, g *api.TaskGroup, o own) map[string]*api.AllocatedTaskResources {
	out := make(map[string]*api.AllocatedTaskResources, len(shared))
	for name, task := range shared {
		t := *task
		for _, d := range o.devices {
			if d.Task == name {
				device := d.AllocatedDeviceResource
				t.Devices = append(t.Devices, &device)
			}
		}
		out[name] = &t
	}
	if g == nil {
		return out
	}
	for _, task := range g.Tasks {
		if task.Resources != nil && valueOf(task.Resources.Cores) > 0 && out[task.Name] != nil {
			out[task.Name].Cpu.CpuShares = int64(valueOf(task.Resources.Cores)) * o.coreMHz
		}
	}
	return out
}

// coreMHz is what one core of a node can do, of what is not kept back from jobs.
func coreMHz(n *Node) int64 {
	if n.NodeResources == nil || len(n.NodeResources.Cpu.ReservableCpuCores) == 0 {
		return 0
	}
	mhz := n.NodeResources.Cpu.CpuShares
	if n.ReservedResources != nil {
		mhz -= int64(n.ReservedResources.Cpu.CpuShares)
	}
	return max(0, mhz) / int64(len(n.NodeResources.Cpu.ReservableCpuCores))
}

// ownOfPlacement is what a plan gives to one allocation.
func ownOfPlacement(p *Placement, n *Node) own {
	o := own{ports: p.Ports, devices: p.Devices}
	if len(p.Cores) > 0 {
		o.coreMHz = coreMHz(n)
	}
	return o
}

// ownOf reads back what an allocation has of its own, for another version of its job.
func ownOf(a *Alloc, n *Node) own {
	var o own
	if a.Resources == nil {
		return o
	}
	o.ports = a.Resources.Shared.Ports
	for name, task := range a.Resources.Tasks {
		for _, d := range task.Devices {
			o.devices = append(o.devices, TaskDevice{name, *d})
		}
	}
	if len(a.Cores) > 0 && n != nil {
		o.coreMHz = coreMHz(n)
	}
	return o
}

// withPorts adds ports, both as the list that drivers use and as the network that
// users see. It changes r.
func withPorts(r *api.AllocatedResources, g *api.TaskGroup, ports []api.PortMapping) *api.AllocatedResources {
	if len(ports) == 0 {
		return r
	}
	r.Shared.Ports = ports
	if g == nil || len(g.Networks) == 0 || g.Networks[0] == nil {
		return r
	}
	value := make(map[string]int, len(ports))
	for _, p := range ports {
		value[p.Label] = p.Value
	}
	asked := g.Networks[0]
	n := &api.NetworkResource{
		Mode: asked.Mode, Device: asked.Device, CIDR: asked.CIDR, IP: ports[0].HostIP, DNS: asked.DNS, Hostname: asked.Hostname,
		ReservedPorts: fillPorts(asked.ReservedPorts, value), DynamicPorts: fillPorts(asked.DynamicPorts, value),
	}
	r.Shared.Networks = []*api.NetworkResource{n}
	return r
}

func fillPorts(asked []api.Port, value map[string]int) []api.Port {
	var out []api.Port
	for _, p := range asked {
		p.Value = value[p.Label]
		out = append(out, p)
	}
	return out
}
