package scheduler

import (
	"cmp"
	"slices"
)

// Whole cores and devices are given out one by one, and a task may ask that its cores,
// and some of its devices, are on one NUMA node. pinner finds out whether a node can give
// a group all of it, and what exactly.
//
//	tasks that require one NUMA node   every combination is tried, within maxPinSteps
//	tasks that prefer one              the same, and as a last resort anywhere
//	devices and cores without a wish   what is left; cores from the NUMA nodes with the fewest free
type pinner struct {
	group   *Group
	pins    []CoreAsk
	cores   int // of all pins
	devices []deviceAsk
	picky   bool // some device ask has an affinity
	parts   []pinPart
	classes map[int32][][]choice // by class: the choices of each device ask
}

// pinPart is what must be on one NUMA node together.
type pinPart struct {
	pin      int // position in pinner.pins, -1 for devices alone
	count    int // cores
	require  bool
	anywhere bool  // no wish
	devices  []int // positions in Group.Devices
}

// maxPinSteps bounds the search on one node. Only a node with many NUMA nodes and a group
// with many tasks that pin gets there; it then counts as exhausted.
const maxPinSteps = 4096

// anyNUMA stands for no particular NUMA node.
const anyNUMA = -1

// newPinner returns nil for a group that needs neither cores nor devices.
func newPinner(g *Group) *pinner {
	if len(g.Devices) == 0 && g.Resources.Cores <= 0 {
		return nil
	}
	p := &pinner{group: g, cores: g.Resources.Cores, devices: compileDevices(g.Devices), classes: map[int32][][]choice{}}
	p.pins = slices.DeleteFunc(slices.Clone(g.Pins), func(pin CoreAsk) bool { return pin.Count <= 0 })
	if len(p.pins) == 0 && p.cores > 0 {
		p.pins = []CoreAsk{{Count: p.cores}}
	}
	bound := map[int]bool{}
	for i, pin := range p.pins {
		part := pinPart{pin: i, count: pin.Count, require: pin.Affinity == "require"}
		part.anywhere = !part.require && pin.Affinity != "prefer"
		for k := range g.Devices {
			if !part.anywhere && g.Devices[k].Task == pin.Task && slices.Contains(pin.Devices, g.Devices[k].Name) {
				part.devices = append(part.devices, k)
				bound[k] = true
			}
		}
		p.parts = append(p.parts, part)
	}
	for k := range g.Devices {
		if !bound[k] {
			p.parts = append(p.parts, pinPart{pin: -1, anywhere: true, devices: []int{k}})
		}
	}
	p.picky = slices.ContainsFunc(p.devices, func(ask deviceAsk) bool { return len(ask.wishes) > 0 })
	slices.SortStableFunc(p.parts, func(a, b pinPart) int {
		return cmp.Or(cmp.Compare(a.rank(), b.rank()), cmp.Compare(b.count, a.count))
	})
	return p
}

// rank orders parts by how hard they are to satisfy.
func (p *pinPart) rank() int {
	switch {
	case p.require:
		return 0
	case !p.anywhere:
		return 1
	}
	return 2
}

// choicesOn returns which groups of devices of a node may serve each ask; nodes of one
// class have the same.
func (p *pinner) choicesOn(n *Node, class int32) [][]choice {
	if len(p.devices) == 0 {
		return nil
	}
	out, known := p.classes[class]
	if !known {
		out = make([][]choice, len(p.devices))
		for i := range p.devices {
			out[i] = p.devices[i].choices(n)
		}
		p.classes[class] = out
	}
	return out
}

// offers reports whether a node has, free or not, what the device asks need one by one.
func (p *pinner) offers(n *Node) bool {
	return !slices.ContainsFunc(p.devices, func(ask deviceAsk) bool { return len(ask.choices(n)) == 0 })
}

// widest is the most cores that some task requires on one NUMA node; 0 when none does.
func (p *pinner) widest() int {
	most := 0
	for _, part := range p.parts {
		if part.require {
			most = max(most, part.count)
		}
	}
	return most
}

// fitsNUMA reports whether a node has a NUMA node with n cores, free or not.
func (n *Node) fitsNUMA(cores int) bool {
	if len(n.NUMA) == 0 {
		return n.Capacity.Cores >= cores
	}
	return slices.ContainsFunc(n.NUMA, func(list []int) bool { return len(n.pinnable(list)) >= cores })
}

// pinnable leaves out the cores that may not be pinned.
func (n *Node) pinnable(list []int) []int {
	if n.CoreIDs == nil {
		return list
	}
	return slices.DeleteFunc(slices.Clone(list), func(core int) bool { return !slices.Contains(n.CoreIDs, core) })
}

// pinned is what a group gets on a node.
type pinned struct {
	cores   []int
	devices []DeviceGrant
	score   float64 // of the devices' affinities, -1..1
}

// fit finds what a group gets on a node, or what there is too little of.
func (p *pinner) fit(c *Cluster, ord int32) (pinned, shortage) {
	s := &c.slots[ord]
	search := pinSearch{pinner: p, slot: s, choices: p.choicesOn(s.node, c.loads[ord].class), got: make([]pinned, len(p.parts))}
	search.readCores()
	if p.cores > search.unpinned() {
		return pinned{}, shortCores
	}
	if !search.part(0) {
		return pinned{}, search.missing()
	}
	return search.result(), fits
}

// pinSearch is one search on one node.
type pinSearch struct {
	*pinner
	slot    *slot
	choices [][]choice
	free    [][]int // free cores by NUMA node, ascending
	taken   map[instance]bool
	got     []pinned // by part
	steps   int
}

// readCores lists the free cores; a node without a topology is one NUMA node.
func (s *pinSearch) readCores() {
	if len(s.pins) == 0 {
		return
	}
	n := s.slot.node
	numa := n.NUMA
	if len(numa) == 0 {
		numa = [][]int{n.coreList()}
	}
	s.free = make([][]int, len(numa))
	for i, list := range numa {
		for _, core := range n.pinnable(list) {
			if core >= len(s.slot.cores) || core >= 0 && s.slot.cores[core] == 0 {
				s.free[i] = append(s.free[i], core)
			}
		}
	}
}

// coreList lists the cores of a node that may be pinned.
func (n *Node) coreList() []int {
	if n.CoreIDs != nil {
		return n.CoreIDs
	}
	out := make([]int, max(0, min(n.Capacity.Cores, maxCores)))
	for i := range out {
		out[i] = i
	}
	return out
}

func (s *pinSearch) unpinned() int {
	sum := 0
	for _, list := range s.free {
		sum += len(list)
	}
	return sum
}

// part satisfies the parts from the kth on.
func (s *pinSearch) part(k int) bool {
	if k == len(s.parts) {
		return true
	}
	part := &s.parts[k]
	for _, numa := range s.nodesFor(part) {
		if s.steps++; s.steps > maxPinSteps {
			return false
		}
		before := s.take(k, numa)
		if s.device(k, 0, numa) {
			return true
		}
		s.giveBack(k, numa, before)
	}
	return false
}

// nodesFor lists the NUMA nodes that have the cores for a part, the tightest first.
func (s *pinSearch) nodesFor(part *pinPart) []int {
	if part.anywhere {
		return []int{anyNUMA}
	}
	var out []int
	for i, list := range s.free {
		if len(list) >= part.count {
			out = append(out, i)
		}
	}
	slices.SortStableFunc(out, func(a, b int) int { return cmp.Compare(len(s.free[a]), len(s.free[b])) })
	if !part.require {
		out = append(out, anyNUMA)
	}
	return out
}

// take gives a part its cores of one NUMA node. Those of a part without one are taken at
// the end, from what is left.
func (s *pinSearch) take(k, numa int) (before []int) {
	if numa == anyNUMA {
		return nil
	}
	before = s.free[numa]
	s.got[k].cores = before[:s.parts[k].count]
	s.free[numa] = before[s.parts[k].count:]
	return before
}

func (s *pinSearch) giveBack(k, numa int, before []int) {
	if numa != anyNUMA {
		s.free[numa] = before
	}
	s.got[k] = pinned{}
}

// device satisfies the device asks of a part from the ith on, then the parts after it.
func (s *pinSearch) device(k, i, numa int) bool {
	part := &s.parts[k]
	if i == len(part.devices) {
		return s.part(k + 1)
	}
	ask := &s.devices[part.devices[i]]
	for _, ch := range s.choices[part.devices[i]] {
		if s.steps++; s.steps > maxPinSteps {
			return false
		}
		d := &s.slot.node.Devices[ch.device]
		ids := s.freeInstances(d, ask.Count, numa)
		if len(ids) < ask.Count {
			continue
		}
		for _, id := range ids {
			s.mark(d.instance(id), true)
		}
		held := s.got[k]
		s.got[k].devices = append(held.devices[:len(held.devices):len(held.devices)],
			DeviceGrant{Task: ask.Task, Vendor: d.Vendor, Type: d.Type, Name: d.Name, IDs: ids})
		s.got[k].score += ch.score
		if s.device(k, i+1, numa) {
			return true
		}
		s.got[k] = held
		for _, id := range ids {
			s.mark(d.instance(id), false)
		}
	}
	return false
}

func (s *pinSearch) mark(in instance, taken bool) {
	if s.taken == nil {
		s.taken = map[instance]bool{}
	}
	s.taken[in] = taken
}

// freeInstances lists the first n free instances of a group on a NUMA node.
func (s *pinSearch) freeInstances(d *Device, n, numa int) []string {
	var out []string
	for _, id := range d.IDs {
		if len(out) >= n {
			break
		}
		in := d.instance(id)
		if s.slot.devices[in] == 0 && !s.taken[in] && (numa == anyNUMA || s.isOn(d, id, numa)) {
			out = append(out, id)
		}
	}
	return out
}

// isOn reports whether an instance is known to be on a NUMA node. With one NUMA node
// everything is.
func (s *pinSearch) isOn(d *Device, id string, numa int) bool {
	at, known := d.NUMA[id]
	return known && at == numa || len(s.slot.node.NUMA) <= 1
}

// missing names what a search that found nothing lacked: NUMA if it would have succeeded
// without that wish, else devices.
func (s *pinSearch) missing() shortage {
	loose := pinSearch{pinner: &pinner{group: s.group, pins: s.pins, devices: s.devices}, slot: s.slot, choices: s.choices}
	loose.parts = slices.Clone(s.parts)
	for i := range loose.parts {
		loose.parts[i].require, loose.parts[i].anywhere = false, true
	}
	loose.got = make([]pinned, len(loose.parts))
	loose.readCores()
	if loose.part(0) {
		return shortNUMA
	}
	return shortDevices
}

// result puts what the parts got into the order of the group's asks, after the parts
// without a NUMA node took cores from the NUMA nodes with the fewest free ones.
func (s *pinSearch) result() pinned {
	var out pinned
	cores := make([][]int, len(s.pins))
	grants := make([]DeviceGrant, len(s.group.Devices))
	for k, part := range s.parts {
		if part.pin >= 0 {
			cores[part.pin] = s.got[k].cores
			if len(s.got[k].cores) < part.count {
				cores[part.pin] = s.leftOver(part.count)
			}
		}
		for i, g := range s.got[k].devices {
			grants[part.devices[i]] = g
		}
		out.score += s.got[k].score
	}
	out.cores = slices.Concat(cores...)
	if len(grants) > 0 {
		out.devices = grants
	}
	return out
}

// leftOver takes n free cores, from the NUMA nodes with the fewest, so that whole ones
// stay whole.
func (s *pinSearch) leftOver(n int) []int {
	out := make([]int, 0, n)
	for len(out) < n {
		least := -1
		for i, list := range s.free {
			if len(list) > 0 && (least < 0 || len(list) < len(s.free[least])) {
				least = i
			}
		}
		if least < 0 {
			break // cannot be: fit counted them
		}
		k := min(n-len(out), len(s.free[least]))
		out = append(out, s.free[least][:k]...)
		s.free[least] = s.free[least][k:]
	}
	slices.Sort(out)
	return out
}
