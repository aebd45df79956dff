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
	shortNUMA
	shortVolume
	shortPorts
)

// dimensions are the names of shortages in explanations.
var dimensions = [...]string{
	fits: "", shortCPU: "cpu", shortMemory: "memory", shortDisk: "disk",
	shortCores: "cores", shortAllocs: "max allocations of the node", shortDevices: "devices",
	shortNUMA: "numa", shortVolume: "single-writer host volume",
}

// name is the shortage as DimensionExhausted spells it.
func (s shortage) name(g *Group) string {
	if s >= shortPorts {
		return portDimension(g.Ports, int(s-shortPorts))
	}
	return dimensions[s]
}

// shortOf reports what keeps one more allocation of g off a node that may run it.
func (f *filter) shortOf(ord int32) shortage {
	c, g := f.c, f.group
	l := &c.loads[ord]
	ask := &g.Resources
	switch {
	case ask.Cores > 0 && ask.Cores > int(l.capCores-l.usedCores):
		return shortCores
	case l.usedCPU+l.cpu(ask) > l.capCPU:
		return shortCPU
	case l.usedMem+ask.Memory > l.capMem:
		return shortMemory
	case l.usedDisk+ask.Disk > l.capDisk:
		return shortDisk
	case l.maxAllocs > 0 && l.allocs >= l.maxAllocs:
		return shortAllocs
	}
	if len(g.Ports) > 0 {
		if i := c.portsFit(ord, g.Ports); i >= 0 {
			return shortPorts + shortage(i)
		}
	}
	if len(g.Volumes) > 0 && f.volumeTaken(&c.slots[ord]) >= 0 {
		return shortVolume
	}
	if f.pins != nil {
		_, short := f.pins.fit(c, ord)
		return short
	}
	return fits
}
