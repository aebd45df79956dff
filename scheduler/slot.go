package scheduler

import "slices"

// load is what a node has and what of it is in use; the hot loops read nothing else.
type load struct {
	capCPU, capMem, capDisk    int64 // MHz, MB, MB
	usedCPU, usedMem, usedDisk int64
	perCore                    int64 // MHz of one core
	capCores, usedCores        int32
	allocs, maxAllocs          int32 // maxAllocs 0 = no limit
	class                      int32 // index in classTable, 0 = no node
	open                       bool  // ready, eligible, not draining: new work may come
}

// slot is the rest of what is known of a node. It exists without a Node while
// allocations name a node that has not registered, or has been forgotten.
type slot struct {
	id       string
	hash     uint64 // of id; breaks ties
	node     *Node
	reserved []int // ports, sorted
	ports    portSet
	cores    []uint16 // how often each core is taken
	volumes  map[string]volumeUse
	devices  map[instance]uint16 // how often each is taken
	live     []*record           // allocations that hold resources, in no order
	refs     int32               // allocations known here, ended ones too
}

// usage is what one allocation takes of its node.
type usage struct {
	res     Resources
	ports   []Port
	cores   []int
	devices []DeviceGrant
	volumes []VolumeHold
}

// volumeUse counts the allocations that may write to a host volume of a node.
type volumeUse struct{ writers, single uint16 }

func usageOf(a *Alloc) usage {
	return usage{res: a.Used, ports: a.Ports, cores: a.Cores, devices: a.Devices, volumes: a.Volumes}
}

// newLoad returns the load of an idle node; n may be nil.
func newLoad(n *Node, class int32) load {
	if n == nil {
		return load{class: class}
	}
	l := load{
		capCPU: n.Capacity.CPU, capMem: n.Capacity.Memory, capDisk: n.Capacity.Disk,
		capCores: int32(n.Capacity.Cores), maxAllocs: int32(n.MaxAllocs),
		class: class, open: Open(n),
	}
	if n.Capacity.Cores > 0 {
		l.perCore = n.Capacity.CPU / int64(n.Capacity.Cores)
	}
	return l
}

// Open reports whether a node takes new work.
func Open(n *Node) bool { return n.Status == NodeReady && n.Eligible && !n.Draining }

// cpu returns the MHz that res costs here: pinned cores cost what they could do.
func (l *load) cpu(res *Resources) int64 { return res.CPU + int64(res.Cores)*l.perCore }

// take counts u on a node, also beyond its capacity: what runs, runs.
func (c *Cluster) take(ord int32, u usage) {
	c.journal.note(ord, u, true)
	c.apply(ord, u, 1)
}

// release undoes take.
func (c *Cluster) release(ord int32, u usage) {
	c.journal.note(ord, u, false)
	c.apply(ord, u, -1)
}

func (c *Cluster) apply(ord int32, u usage, sign int64) {
	l := &c.loads[ord]
	l.usedCPU += sign * l.cpu(&u.res)
	l.usedMem += sign * u.res.Memory
	l.usedDisk += sign * u.res.Disk
	l.usedCores += int32(sign) * int32(u.res.Cores)
	l.allocs += int32(sign)
	if len(u.ports)+len(u.cores)+len(u.devices)+len(u.volumes) == 0 {
		return
	}
	s := &c.slots[ord]
	for _, p := range u.ports {
		if sign > 0 {
			s.ports.add(p.Value, c.ip(p.HostIP), p.Shared)
		} else {
			s.ports.remove(p.Value, c.ip(p.HostIP), p.Shared)
		}
	}
	for _, core := range u.cores {
		if core < 0 || core >= maxCores {
			continue
		}
		if core >= len(s.cores) {
			s.cores = append(s.cores, make([]uint16, core+1-len(s.cores))...)
		}
		s.cores[core] += uint16(sign)
	}
	for _, v := range u.volumes {
		s.holdVolume(v, uint16(sign))
	}
	for i := range u.devices {
		if s.devices == nil {
			s.devices = map[instance]uint16{}
		}
		for _, id := range u.devices[i].IDs {
			s.devices[u.devices[i].instance(id)] += uint16(sign)
		}
	}
}

// maxCores bounds the core numbers that are believed.
const maxCores = 1 << 14

// ip returns the small number of an address.
func (c *Cluster) ip(addr string) uint32 {
	n, ok := c.ips[addr]
	if !ok {
		n = uint32(len(c.ips))
		c.ips[addr] = n
	}
	return n
}

// journal remembers what a decision tries on the cluster, so that all of it is undone
// when the plan is made.
type journal struct {
	on      bool
	entries []journalEntry
}

type journalEntry struct {
	ord  int32
	took bool
	u    usage
}

func (j *journal) note(ord int32, u usage, took bool) {
	if j.on {
		j.entries = append(j.entries, journalEntry{ord, took, u})
	}
}

// try starts recording. Everything taken and released from here on is undone by undo.
func (c *Cluster) try() { c.journal.on = true }

// undo takes the cluster back to where try found it.
func (c *Cluster) undo() {
	c.journal.on = false
	for _, e := range slices.Backward(c.journal.entries) {
		if e.took {
			c.apply(e.ord, e.u, -1)
		} else {
			c.apply(e.ord, e.u, 1)
		}
	}
	clear(c.journal.entries)
	c.journal.entries = c.journal.entries[:0]
}

// hashString is FNV-1a: a fixed hash, since a random one would make plans differ.
func hashString(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := 0; i < len(s); i++ {
		h ^= uint64(s[i])
		h *= 1099511628211
	}
	return mix(h)
}

// mix spreads the bits of x (the finalizer of splitmix64).
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}
