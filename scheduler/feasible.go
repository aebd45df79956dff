package scheduler

import (
	"slices"
	"strconv"
	"strings"
)

// filter answers whether a node may run a group at all, whatever is free on it. Nearly
// all of it is decided once per computed class.
type filter struct {
	c       *Cluster
	job     *Job
	group   *Group
	index   int // for volumes per allocation; -1 otherwise
	checks  []check
	pins    *pinner // nil when the group needs no cores and no devices
	unique  []int   // positions in checks that must be asked node by node
	classes []int32 // by class: 0 not asked yet, else a stage, or stageFails + position in checks
}

// check is one rule with the words that explain it.
type check struct {
	reason string
	fix    string           // the smallest change that would satisfy it
	con    *compiled        // either a constraint
	test   func(*Node) bool // or a rule of another kind
}

// The stages of a class; the first two are out of the job's scope.
const (
	stageOtherPool int32 = iota + 1
	stageOtherDatacenter
	stagePasses
	stageFails
)

func newFilter(c *Cluster, job *Job, group *Group, index int) *filter {
	f := &filter{c: c, job: job, group: group, index: index, classes: make([]int32, len(c.classes.list)), pins: newPinner(group)}
	for _, list := range [][]Constraint{job.Constraints, group.Constraints} {
		for _, con := range list {
			if con.Operand != distinctHosts && con.Operand != distinctProperty {
				f.add(check{reason: con.text(), fix: "remove constraint " + con.text(), con: compile(con)})
			}
		}
	}
	f.addResources()
	return f
}

func (f *filter) add(ch check) {
	if ch.con != nil && ch.con.unique {
		f.unique = append(f.unique, len(f.checks))
	}
	f.checks = append(f.checks, ch)
}

// addResources adds the rules about what a node must offer by name.
func (f *filter) addResources() {
	g := f.group
	if len(g.Drivers) > 0 {
		f.add(check{reason: "missing drivers", fix: "provide driver " + strings.Join(g.Drivers, ", "), test: func(n *Node) bool {
			return !slices.ContainsFunc(g.Drivers, func(d string) bool { return !n.Drivers[d] })
		}})
	}
	if len(g.Volumes) > 0 {
		f.add(check{reason: "missing compatible host volumes", fix: "provide host volume " + f.volumeNames(), test: func(n *Node) bool {
			return !slices.ContainsFunc(g.Volumes, func(v VolumeAsk) bool { return !f.hasVolume(n, v) })
		}})
	}
	for _, p := range g.Ports {
		if !defaultNetwork(p.HostNetwork) {
			f.add(check{reason: `missing host network "` + p.HostNetwork + `" for port "` + p.Label + `"`, fix: "provide host network " + p.HostNetwork, test: func(n *Node) bool {
				_, ok := n.HostNetworks[p.HostNetwork]
				return ok
			}})
		}
	}
	if len(g.Devices) > 0 {
		f.add(check{reason: "missing devices", fix: "provide device " + deviceNames(g.Devices), test: f.pins.offers})
	}
	if f.pins != nil && f.pins.widest() > 0 {
		cores := strconv.Itoa(f.pins.widest()) + " cores"
		f.add(check{reason: "numa: no NUMA node with " + cores, fix: "provide a NUMA node with " + cores,
			test: func(n *Node) bool { return n.fitsNUMA(f.pins.widest()) }})
	}
}

// class returns the stage of a computed class.
func (f *filter) class(i int32) int32 {
	if f.classes[i] == 0 {
		f.classes[i] = f.ask(i)
	}
	return f.classes[i]
}

func (f *filter) ask(i int32) int32 {
	n := f.c.classes.list[i].exemplar
	switch {
	case f.job.Pool != "all" && f.job.Pool != "" && n.Pool != f.job.Pool:
		return stageOtherPool
	case !inDatacenters(n.Datacenter, f.job.Datacenters):
		return stageOtherDatacenter
	}
	for k := range f.checks {
		ch := &f.checks[k]
		switch {
		case ch.con == nil:
			if !ch.test(n) {
				return stageFails + int32(k)
			}
		case !ch.con.unique && !f.c.classes.answer(ch.con, i):
			return stageFails + int32(k)
		}
	}
	return stagePasses
}

// node returns the stage of one node, which must have a Node.
func (f *filter) node(ord int32) int32 {
	stage := f.class(f.c.loads[ord].class)
	if stage != stagePasses {
		return stage
	}
	for _, k := range f.unique {
		if !f.checks[k].con.match(f.c.slots[ord].node) {
			return stageFails + int32(k)
		}
	}
	return stagePasses
}

// failures returns the positions in checks of every rule that a node breaks.
func (f *filter) failures(n *Node) []int {
	var out []int
	for k := range f.checks {
		ch := &f.checks[k]
		if ch.con != nil && !ch.con.match(n) || ch.con == nil && !ch.test(n) {
			out = append(out, k)
		}
	}
	return out
}

// inDatacenters reports whether dc matches one of the patterns; none at all is any.
func inDatacenters(dc string, patterns []string) bool {
	return len(patterns) == 0 || slices.ContainsFunc(patterns, func(p string) bool { return globMatch(p, dc) })
}

// globMatch matches a pattern in which * stands for any text, also none.
func globMatch(pattern, s string) bool {
	head, rest, starred := strings.Cut(pattern, "*")
	if !starred {
		return pattern == s
	}
	s, ok := strings.CutPrefix(s, head)
	if !ok {
		return false
	}
	for {
		part, next, more := strings.Cut(rest, "*")
		if !more {
			return strings.HasSuffix(s, part)
		}
		i := strings.Index(s, part)
		if i < 0 {
			return false
		}
		s, rest = s[i+len(part):], next
	}
}
