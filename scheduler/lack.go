package scheduler

import (
	"fmt"
	"strconv"
	"strings"
)

// lack is what a node that passes every rule has too little of for one more allocation.
type lack struct {
	parts []string
	cost  float64 // the sum of what is missing, as shares of the node; 1 for what is not a share
	quiet bool    // nobody wants the words, only the cost
}

func (l *lack) add(cost float64, format string, args ...any) {
	l.cost += cost
	if !l.quiet {
		l.parts = append(l.parts, fmt.Sprintf(format, args...))
	}
}

// amount adds what is missing of something that is counted in units.
func (l *lack) amount(short, capacity int64, unit, name string) {
	switch share := float64(short) / float64(max(1, capacity)); {
	case short <= 0:
	case l.quiet:
		l.cost += share
	default:
		l.add(share, "%d %s more %s", short, unit, name)
	}
}

// lack says what a node lacks.
func (p *pass) lack(ord int32) string {
	var l lack
	p.measure(ord, &l)
	node := p.c.slots[ord].node
	where := "node " + node.Name
	if node.Class != "" {
		where = "one node of class " + node.Class
	}
	return "needs " + strings.Join(l.parts, " and ") + " on " + where
}

// lackCost is how much a node lacks, as a share of it.
func (p *pass) lackCost(ord int32) float64 {
	l := lack{quiet: true}
	p.measure(ord, &l)
	return l.cost
}

func (p *pass) measure(ord int32, l *lack) {
	node, ask := &p.c.loads[ord], &p.group.Resources
	s := &p.c.slots[ord]
	if free := node.capCores - node.usedCores; ask.Cores > int(free) {
		l.add(float64(ask.Cores-int(free))/float64(max(1, node.capCores)), "%d more free %s", ask.Cores-int(free), plural(ask.Cores-int(free), "core"))
	} else {
		l.amount(node.usedCPU+node.cpu(ask)-node.capCPU, node.capCPU, "MHz", "cpu")
	}
	l.amount(node.usedMem+ask.Memory-node.capMem, node.capMem, "MB", "memory")
	l.amount(node.usedDisk+ask.Disk-node.capDisk, node.capDisk, "MB", "disk")
	if node.maxAllocs > 0 && node.allocs >= node.maxAllocs {
		l.add(1, "a higher node_max_allocs (%d)", node.maxAllocs)
	}
	p.lackPorts(ord, l)
	if i := p.filter.volumeTaken(s); i >= 0 {
		l.add(1, "host volume %s without another writer", p.group.Volumes[i].name(p.filter.index))
	}
	if pins := p.filter.pins; pins != nil && ask.Cores <= int(node.capCores-node.usedCores) {
		pins.lack(p.c, ord, l)
	}
}

// lackPorts names the port that is taken, and who has it.
func (p *pass) lackPorts(ord int32, l *lack) {
	i := p.c.portsFit(ord, p.group.Ports)
	switch {
	case i < 0:
		return
	case i == len(p.group.Ports):
		l.add(1, "more dynamic ports")
		return
	}
	if l.quiet {
		l.cost++
		return
	}
	ask := &p.group.Ports[i]
	s := &p.c.slots[ord]
	ip := p.c.ip(hostIP(s.node, ask.HostNetwork))
	holder := ""
	for _, r := range s.live {
		for _, port := range r.alloc.Ports {
			if at := p.c.ip(port.HostIP); port.Value == ask.Static && (at == ip || at == 0 || ip == 0) && (holder == "" || r.alloc.Job < holder) {
				holder = r.alloc.Job
			}
		}
	}
	switch {
	case holder == p.job.ID:
		l.add(1, "port %d free, which another of the job has,", ask.Static)
	case holder != "":
		l.add(1, "port %d free, which job %s has,", ask.Static, holder)
	case s.isReserved(ask.Static):
		l.add(1, "port %d free, which is reserved,", ask.Static)
	default:
		l.add(1, "port %d free", ask.Static)
	}
}

// lack names the devices that are too few, or the NUMA node that is not free.
func (p *pinner) lack(c *Cluster, ord int32, l *lack) {
	_, short := p.fit(c, ord)
	if short == shortNUMA {
		for i := range p.pins {
			if pin := &p.pins[i]; pin.Affinity == "require" {
				what := strconv.Itoa(pin.Count) + " free cores"
				if len(pin.Devices) > 0 {
					what += " and " + strings.Join(pin.Devices, ", ")
				}
				l.add(1, "%s on one NUMA node", what)
				return
			}
		}
	}
	if short != shortDevices {
		return
	}
	s := &c.slots[ord]
	search := pinSearch{pinner: p, slot: s}
	choices := p.choicesOn(s.node, c.loads[ord].class)
	found := false
	for i := range p.devices {
		most := 0
		for _, ch := range choices[i] {
			most = max(most, len(search.freeInstances(&s.node.Devices[ch.device], p.devices[i].Count, anyNUMA)))
		}
		if n := p.devices[i].Count - most; n > 0 {
			found = true
			l.add(float64(n), "%d more free %s", n, p.devices[i].Name)
		}
	}
	if !found {
		l.add(1, "more free devices for all tasks together")
	}
}

func plural(n int, noun string) string {
	if n == 1 {
		return noun
	}
	return noun + "s"
}
