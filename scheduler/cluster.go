package scheduler

import (
	"cmp"
	"slices"
	"strings"
)

// Cluster is the index of nodes and allocations that decisions are taken on. Its
// owner keeps it current change by change; nothing is rebuilt for a request.
//
//	loads[ordinal]  what the hot loops read: capacity, use, class (dense, one line of cache and a bit)
//	slots[ordinal]  the rest of a node: the Node itself, ports, cores, devices, live allocations
//	allocs[id]      every allocation, with its places in the two lists that hold it
//	jobs[ns,id]     the allocations of a job, sorted when somebody reads them
//	classes         nodes that no shared attribute tells apart
//
// A Cluster and every Schedule on it belong to one goroutine: Schedule uses scratch
// space inside, and leaves what can be observed as it was.
type Cluster struct {
	ordinals map[string]int32
	loads    []load
	slots    []slot
	vacant   []int32 // ordinals that may be used again

	allocs map[string]*record
	jobs   map[jobKey]*jobSet

	changes  uint64 // counts what happened to the cluster
	failures failures

	classes classTable
	ips     map[string]uint32 // 0 is every address
	journal journal
	scratch scratch
}

type jobKey struct{ namespace, id string }

// record is an allocation and where the lists keep it.
type record struct {
	alloc *Alloc
	ord   int32 // of its node
	onJob int32 // position in jobSet.records
	live  int32 // position in slot.live, -1 when it holds nothing
}

// jobSet holds the records of one job.
type jobSet struct {
	records []*record
	sorted  bool
}

// NewCluster returns an empty cluster.
func NewCluster() *Cluster {
	return &Cluster{
		ordinals: map[string]int32{},
		allocs:   map[string]*record{},
		jobs:     map[jobKey]*jobSet{},
		classes:  newClassTable(),
		ips:      map[string]uint32{"": 0, "0.0.0.0": 0, "::": 0},
	}
}

// UpsertNode makes n known, or replaces what was known of it. The maps and slices of n
// must not change afterwards.
func (c *Cluster) UpsertNode(n Node) {
	ord := c.ordinal(n.ID)
	s := &c.slots[ord]
	c.classes.leave(s.node, c.loads[ord].class)
	s.node = &n
	s.reserved = slices.Clone(n.ReservedPorts)
	slices.Sort(s.reserved)
	c.loads[ord].class = c.classes.join(&n)
	c.recount(ord)
}

// DeleteNode forgets a node. Allocations that are still known to be on it count as lost.
func (c *Cluster) DeleteNode(id string) {
	ord, ok := c.ordinals[id]
	if !ok {
		return
	}
	s := &c.slots[ord]
	c.classes.leave(s.node, c.loads[ord].class)
	s.node = nil
	c.loads[ord].class = 0
	c.recount(ord)
	c.reclaim(ord)
}

// UpsertAlloc makes a known or replaces what was known under its ID. It may arrive
// before its node. Only allocations that hold resources (see HoldsResources) count on
// the node. The value is shared: it must not change afterwards.
func (c *Cluster) UpsertAlloc(a *Alloc) {
	if a.AllocExtras == nil {
		a.Compact()
	}
	r, known := c.allocs[a.ID]
	if !known {
		r = &record{alloc: a, ord: c.ordinal(a.NodeID), live: -1}
		c.allocs[a.ID] = r
		c.slots[r.ord].refs++
		c.addToJob(r)
		c.occupy(r)
		return
	}
	old := r.alloc
	if old == a {
		return
	}
	c.vacate(r)
	if old.NodeID != a.NodeID {
		was := r.ord
		r.ord = c.ordinal(a.NodeID)
		c.slots[r.ord].refs++
		c.slots[was].refs--
		defer c.reclaim(was)
	}
	if old.Namespace != a.Namespace || old.Job != a.Job {
		c.removeFromJob(r)
		r.alloc = a
		c.addToJob(r)
	} else if compareAllocs(old, a) != 0 {
		c.jobs[jobKey{a.Namespace, a.Job}].sorted = false
	}
	r.alloc = a
	c.occupy(r)
}

// DeleteAlloc forgets an allocation.
func (c *Cluster) DeleteAlloc(id string) {
	r, ok := c.allocs[id]
	if !ok {
		return
	}
	c.vacate(r)
	c.removeFromJob(r)
	delete(c.allocs, id)
	c.slots[r.ord].refs--
	c.reclaim(r.ord)
}

// Node returns the node with that ID.
func (c *Cluster) Node(id string) (*Node, bool) {
	ord, ok := c.ordinals[id]
	if !ok || c.slots[ord].node == nil {
		return nil, false
	}
	return c.slots[ord].node, true
}

// Alloc returns the allocation with that ID.
func (c *Cluster) Alloc(id string) (*Alloc, bool) {
	r, ok := c.allocs[id]
	if !ok {
		return nil, false
	}
	return r.alloc, true
}

// AllocsOfJob returns every known allocation of a job, ended ones too, by group, index,
// time of creation and ID.
func (c *Cluster) AllocsOfJob(namespace, job string) []*Alloc {
	set := c.sortedJob(namespace, job)
	out := make([]*Alloc, len(set))
	for i, r := range set {
		out[i] = r.alloc
	}
	return out
}

// AllocsOnNode returns the allocations that hold resources of a node, by ID.
func (c *Cluster) AllocsOnNode(id string) []*Alloc {
	ord, ok := c.ordinals[id]
	if !ok {
		return nil
	}
	out := make([]*Alloc, 0, len(c.slots[ord].live))
	for _, r := range c.slots[ord].live {
		out = append(out, r.alloc)
	}
	slices.SortFunc(out, func(a, b *Alloc) int { return strings.Compare(a.ID, b.ID) })
	return out
}

// Terminal reports whether an allocation is over: the servers no longer want it, or its
// node says that it has ended.
func Terminal(a *Alloc) bool { return a.Desired != Run || ClientTerminal(a) }

// ClientTerminal reports whether an allocation's tasks have ended for good.
func ClientTerminal(a *Alloc) bool {
	return a.Client == Complete || a.Client == Failed || a.Client == Lost
}

// HoldsResources reports whether an allocation counts on its node. One that is told to
// stop no longer does, so that its replacement may take its place; the node starts the
// replacement when the predecessor has gone.
func HoldsResources(a *Alloc) bool { return !Terminal(a) }

// ordinal returns the node's ordinal and makes one, without a Node, if there is none.
func (c *Cluster) ordinal(id string) int32 {
	if ord, ok := c.ordinals[id]; ok {
		return ord
	}
	var ord int32
	if n := len(c.vacant); n > 0 {
		ord = c.vacant[n-1]
		c.vacant = c.vacant[:n-1]
	} else {
		ord = int32(len(c.slots))
		c.slots = append(c.slots, slot{})
		c.loads = append(c.loads, load{})
	}
	c.slots[ord] = slot{id: id, hash: hashString(id)}
	c.loads[ord] = load{}
	c.ordinals[id] = ord
	return ord
}

// reclaim frees the ordinal of a node that nothing refers to.
func (c *Cluster) reclaim(ord int32) {
	s := &c.slots[ord]
	if s.node != nil || s.refs > 0 || s.id == "" {
		return
	}
	delete(c.ordinals, s.id)
	*s = slot{}
	c.loads[ord] = load{}
	c.vacant = append(c.vacant, ord)
}

// occupy counts an allocation on its node, if it holds anything there.
func (c *Cluster) occupy(r *record) {
	r.live = -1
	if !HoldsResources(r.alloc) {
		return
	}
	c.changed()
	s := &c.slots[r.ord]
	r.live = int32(len(s.live))
	s.live = append(s.live, r)
	c.take(r.ord, usageOf(r.alloc))
}

// vacate undoes occupy.
func (c *Cluster) vacate(r *record) {
	if r.live < 0 {
		return
	}
	c.changed()
	s := &c.slots[r.ord]
	last := s.live[len(s.live)-1]
	s.live[r.live] = last
	last.live = r.live
	s.live[len(s.live)-1] = nil
	s.live = s.live[:len(s.live)-1]
	r.live = -1
	c.release(r.ord, usageOf(r.alloc))
}

// recount derives a node's load from its Node and its live allocations.
func (c *Cluster) recount(ord int32) {
	c.changed()
	s := &c.slots[ord]
	c.loads[ord] = newLoad(s.node, c.loads[ord].class)
	s.ports, s.cores, s.devices, s.volumes = s.ports[:0], nil, nil, nil
	c.reserveOn(s)
	for _, r := range s.live {
		c.take(ord, usageOf(r.alloc))
	}
}

func (c *Cluster) addToJob(r *record) {
	key := jobKey{r.alloc.Namespace, r.alloc.Job}
	set := c.jobs[key]
	if set == nil {
		set = &jobSet{sorted: true}
		c.jobs[key] = set
	}
	n := len(set.records)
	set.sorted = set.sorted && (n == 0 || compareAllocs(set.records[n-1].alloc, r.alloc) < 0)
	r.onJob = int32(n)
	set.records = append(set.records, r)
}

func (c *Cluster) removeFromJob(r *record) {
	key := jobKey{r.alloc.Namespace, r.alloc.Job}
	set := c.jobs[key]
	n := len(set.records) - 1
	if n == 0 {
		delete(c.jobs, key)
		return
	}
	last := set.records[n]
	set.records[r.onJob] = last
	set.sorted = set.sorted && last == r
	last.onJob = r.onJob
	set.records[n] = nil
	set.records = set.records[:n]
}

// sortedJob returns the job's records in order; the slice is the cluster's own.
func (c *Cluster) sortedJob(namespace, job string) []*record {
	set := c.jobs[jobKey{namespace, job}]
	if set == nil {
		return nil
	}
	if !set.sorted {
		slices.SortFunc(set.records, func(a, b *record) int { return compareAllocs(a.alloc, b.alloc) })
		for i, r := range set.records {
			r.onJob = int32(i)
		}
		set.sorted = true
	}
	return set.records
}

// compareAllocs is the fixed order of a job's allocations.
func compareAllocs(a, b *Alloc) int {
	return cmp.Or(
		strings.Compare(a.Group, b.Group),
		cmp.Compare(a.Index, b.Index),
		a.CreatedAt.Compare(b.CreatedAt),
		strings.Compare(a.ID, b.ID),
	)
}
