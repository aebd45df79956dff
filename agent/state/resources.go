package state

import "github.com/hashicorp/nomad/api"

// sharedResources are what the allocations of each group of a job version get,
// made once and shared by all of them that have no ports of their own.
func sharedResources(j *api.Job) map[string]*api.AllocatedResources {
	out := make(map[string]*api.AllocatedResources, len(j.TaskGroups))
	for _, g := range j.TaskGroups {
		r := &api.AllocatedResources{Tasks: make(map[string]*api.AllocatedTaskResources, len(g.Tasks))}
		if g.EphemeralDisk != nil && g.EphemeralDisk.SizeMB != nil {
			r.Shared.DiskMB = int64(*g.EphemeralDisk.SizeMB)
		}
		for _, task := range g.Tasks {
			tr := &api.AllocatedTaskResources{}
			if res := task.Resources; res != nil {
				tr.Cpu.CpuShares = int64(valueOf(res.CPU))
				tr.Memory.MemoryMB = int64(valueOf(res.MemoryMB))
				tr.Memory.MemoryMaxMB = int64(valueOf(res.MemoryMaxMB))
			}
			r.Tasks[task.Name] = tr
		}
		out[*g.Name] = r
	}
	return out
}

func valueOf(n *int) int {
	if n == nil {
		return 0
	}
	return *n
}

// withPorts is the group's resources with an allocation's own ports, both as the
// list that drivers use and as the network that users see.
func withPorts(shared *api.AllocatedResources, g *api.TaskGroup, ports []api.PortMapping) *api.AllocatedResources {
	if len(ports) == 0 || shared == nil {
		return shared
	}
	r := &api.AllocatedResources{Tasks: shared.Tasks, Shared: shared.Shared}
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
