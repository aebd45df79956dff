package scheduler

import (
	"strings"
)

// The words of the scripts for cores, NUMA nodes and devices:
//
//	node n1 cores=8 numa=0-3/4-7 core-ids=1-7      the cores by NUMA node; those that may be pinned
//	node n1 device.nvidia/gpu/t4=a:0,b:1           instances and their NUMA nodes
//	node n1 device.nvidia/gpu/t4=a;memory:16_GiB   and the attributes of the group
//	group g cores.t1=2/require/gpu                 task t1 pins two on one NUMA node with its gpu
//	group g device.t1:gpu=1                        task t1 takes one
//	wish and rule                                  affinities and constraints of the last device

func numaNodes(v string) [][]int {
	var out [][]int
	for part := range strings.SplitSeq(v, "/") {
		var cores []int
		for _, core := range expand(part) {
			cores = append(cores, number(core))
		}
		out = append(out, cores)
	}
	return out
}

func newDevice(name []string, v string) Device {
	list, attributes, _ := strings.Cut(v, ";")
	d := Device{Vendor: name[0], Type: name[1], Name: name[2], Attributes: map[string]string{}, NUMA: map[string]int{}}
	for id := range strings.SplitSeq(list, ",") {
		id, at, placed := strings.Cut(id, ":")
		d.IDs = append(d.IDs, id)
		if placed {
			d.NUMA[id] = number(at)
		}
	}
	for a := range strings.SplitSeq(attributes, ";") {
		k, v, _ := strings.Cut(a, ":")
		d.Attributes[k] = strings.ReplaceAll(v, "_", " ")
	}
	return d
}

// pinTask adds a task that pins cores, told as "2" or "2/require/gpu,nic".
func (g *Group) pinTask(task, v string) {
	parts := strings.SplitN(v, "/", 3)
	pin := CoreAsk{Task: task, Count: number(parts[0])}
	if len(parts) > 1 {
		pin.Affinity = parts[1]
	}
	if len(parts) > 2 {
		pin.Devices = strings.Split(parts[2], ",")
	}
	g.Pins = append(g.Pins, pin)
	g.Resources.Cores, g.Resources.CPU = g.Resources.Cores+pin.Count, 0
}

func deviceOption(name, v string) DeviceAsk {
	task, rest, found := strings.Cut(name, ":")
	if !found {
		task, rest = "t", name
	}
	return DeviceAsk{Task: task, Name: rest, Count: number(v)}
}
