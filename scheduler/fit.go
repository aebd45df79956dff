package scheduler

// shortage names what a node has too little of; shortPorts + i is the i-th ask for a
// port, or the dynamic range when i is the number of asks.
type shortage int32

const (
	fits shortage = iota
	shortCPU
	shortMemory
	shortDisk
	shortCores
	shortAllocs
	shortDevices
	shortPorts
)

// dimensions are the names of shortages in explanations.
var dimensions = [...]string{
	fits: "", shortCPU: "cpu", shortMemory: "memory", shortDisk: "disk",
	shortCores: "cores", shortAllocs: "max allocations of the node", shortDevices: "devices",
}

// name is the shortage as DimensionExhausted spells it.
func (s shortage) name(g *Group) string {
	if s >= shortPorts {
		return portDimension(g.Ports, int(s-shortPorts))
	}
	return dimensions[s]
}

// shortOf reports what keeps one more allocation of g off a node that may run it.
func (c *Cluster) shortOf(ord int32, g *Group) shortage {
	l := &c.loads[ord]
	ask := &g.Resources
	switch {
	case l.usedCPU+l.cpu(ask) > l.capCPU:
		return shortCPU
	case l.usedMem+ask.Memory > l.capMem:
		return shortMemory
	case l.usedDisk+ask.Disk > l.capDisk:
		return shortDisk
	case l.maxAllocs > 0 && l.allocs >= l.maxAllocs:
		return shortAllocs
	case ask.Cores > 0 && (ask.Cores > int(l.capCores-l.usedCores) || c.slots[ord].pickCores(ask.Cores) == nil):
		return shortCores
	}
	if len(g.Ports) > 0 {
		if i := c.portsFit(ord, g.Ports); i >= 0 {
			return shortPorts + shortage(i)
		}
	}
	if len(g.Devices) > 0 {
		if _, ok := c.slots[ord].pickDevices(g.Devices); !ok {
			return shortDevices
		}
	}
	return fits
}
