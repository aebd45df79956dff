package scheduler

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// hint names the smallest change that would place one more allocation, in words.
//
//	some node passes every rule    ─▶ what it lacks: "needs 500 MHz more cpu on one node of class large"
//	some node breaks a single rule ─▶ "remove constraint ${attr.kernel.name} = linux"
//	no node is in scope            ─▶ the pool or the datacenters that have nodes
func (p *pass) hint() string {
	s := search{cost: math.Inf(1), closest: -1}
	for ord := range p.c.loads {
		if p.c.loads[ord].open {
			s.look(p, int32(ord))
		}
	}
	switch {
	case s.closest >= 0:
		return p.lack(s.closest)
	case s.taken > 0 && p.hostsOfGroup || s.taken > 0 && p.hostsOfJob:
		return "needs one more node: every node that may run the group has one already (distinct_hosts)"
	case s.taken > 0:
		return p.propertyHint()
	case s.rule != "":
		return s.rule
	}
	return p.scopeHint()
}

// propertyHint names the distinct property that keeps every node off.
func (p *pass) propertyHint() string {
	for _, dim := range p.dims {
		if dim.limit > 0 {
			return fmt.Sprintf("needs a node with another value of %s: each that has room has %d of the %s already (distinct_property)",
				dim.attribute, dim.limit, map[bool]string{true: "job", false: "group"}[dim.jobWide])
		}
	}
	return ""
}

// search keeps the least change found so far.
type search struct {
	closest int32 // the node that lacks the least, -1 none
	cost    float64
	taken   int // nodes that only other allocations of the job keep off
	rule    string
	rules   int // how many rules that class breaks
	seen    map[int32]bool
}

func (s *search) look(p *pass, ord int32) {
	class := p.c.loads[ord].class
	stage := p.filter.node(ord)
	switch {
	case stage < stagePasses:
		return
	case stage >= stageFails:
		if !s.seen[class] || len(p.filter.unique) > 0 {
			s.breaks(p, ord)
		}
		return
	}
	if p.buckets != nil {
		if k := p.judge(ord).kind; k == filteredHosts || k == filteredValue {
			s.taken++
			return
		}
	}
	if p.filter.shortOf(ord) == fits {
		return // a system job's other nodes
	}
	if cost := p.lackCost(ord); cost < s.cost || cost == s.cost && p.named(ord, s.closest) < 0 {
		s.closest, s.cost = ord, cost
	}
}

// named orders nodes that lack as much by what they are called.
func (p *pass) named(a, b int32) int {
	x, y := p.c.slots[a].node, p.c.slots[b].node
	return cmp.Or(strings.Compare(x.Class, y.Class), strings.Compare(x.Name, y.Name), strings.Compare(x.ID, y.ID))
}

// breaks looks at a node that some rules keep off.
func (s *search) breaks(p *pass, ord int32) {
	if s.seen == nil {
		s.seen = map[int32]bool{}
	}
	s.seen[p.c.loads[ord].class] = true
	broken := p.filter.failures(p.c.slots[ord].node)
	var parts []string
	for _, k := range broken {
		parts = append(parts, p.filter.checks[k].fix)
	}
	rule := strings.Join(parts, " and ")
	if s.rule == "" || len(broken) < s.rules || len(broken) == s.rules && rule < s.rule {
		s.rule, s.rules = rule, len(broken)
	}
}

// lackOf says what a node that is known to lack something lacks.
func (p *pass) lackOf(ord int32) (text string, short bool) {
	if !p.c.loads[ord].open || p.filter.node(ord) != stagePasses || p.filter.shortOf(ord) == fits {
		return "", false
	}
	return p.lack(ord), true
}

// scopeHint explains why no node was looked at.
func (p *pass) scopeHint() string {
	inPool, elsewhere := map[string]bool{}, map[string]bool{}
	closed := 0
	for i := range p.c.classes.list {
		c := &p.c.classes.list[i]
		if c.nodes == 0 {
			continue
		}
		switch p.filter.class(int32(i)) {
		case stageOtherPool:
			elsewhere[c.exemplar.Pool] = true
		case stageOtherDatacenter:
			inPool[c.exemplar.Datacenter] = true
		default:
			closed += int(c.nodes)
		}
	}
	switch {
	case closed > 0:
		return fmt.Sprintf("needs a node that takes new work: all %d in scope are down, draining or ineligible", closed)
	case len(inPool) > 0:
		return "change datacenters: node pool " + p.job.Pool + " has nodes in " + list(inPool) + " only"
	case len(elsewhere) > 0:
		return "change node_pool: pool " + p.job.Pool + " is empty, there are nodes in " + list(elsewhere)
	}
	return "needs a node: none is registered"
}

func list(set map[string]bool) string {
	return strings.Join(slices.Sorted(maps.Keys(set)), ", ")
}
