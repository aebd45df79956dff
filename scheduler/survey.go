package scheduler

import "strings"

// outcome is what a pass finds a node to be.
type outcome struct {
	kind   outcomeKind
	detail int32 // position in filter.checks, position in dims, or a shortage
}

type outcomeKind int8

const (
	outOfScope    outcomeKind = iota // closed, or in another pool or datacenter
	filteredCheck                    // detail: position in filter.checks
	filteredHosts                    // distinct_hosts
	filteredValue                    // detail: position in dims
	exhaustedNode                    // detail: shortage
	candidateNode
)

// judge decides what a node is to this pass now.
func (p *pass) judge(ord int32) outcome {
	l := &p.c.loads[ord]
	if !l.open {
		return outcome{kind: outOfScope}
	}
	switch stage := p.filter.node(ord); {
	case stage < stagePasses:
		return outcome{kind: outOfScope}
	case stage >= stageFails:
		return outcome{filteredCheck, stage - stageFails}
	}
	if p.hostsOfGroup && p.onGroup[ord] > 0 || p.hostsOfJob && p.onJob[ord] > 0 {
		return outcome{kind: filteredHosts}
	}
	if len(p.dims) > 0 {
		if bk := &p.buckets[p.bucketOf(ord)]; bk.closed {
			for i, dim := range p.dims {
				if dim.full(bk.values[i]) {
					return outcome{filteredValue, int32(i)}
				}
			}
		}
	}
	if s := p.filter.shortOf(ord); s != fits {
		return outcome{exhaustedNode, int32(s)}
	}
	return outcome{kind: candidateNode}
}

// survey looks at every node and counts why each is or is not a candidate. With rank it
// also fills the buckets.
func (p *pass) survey(rank bool) *Metric {
	t := newCounts(p)
	for ord := range p.c.loads {
		if !p.c.loads[ord].open {
			continue
		}
		o := p.judge(int32(ord))
		t.count(o, p.c.loads[ord].class)
		if rank && o.kind >= filteredHosts {
			p.join(int32(ord))
		}
		if rank && (o.kind == candidateNode || o.kind == filteredValue) {
			p.enter(int32(ord), o.kind)
		}
	}
	if rank {
		p.distribute()
		for b := range p.buckets {
			for h := range p.buckets[b].heaps {
				p.buckets[b].heaps[h].heapify()
			}
		}
		p.rateBuckets()
	}
	return t.metric()
}

// enter puts a node into its bucket, unordered. One that only a distinct property keeps
// off comes too: the property may be given back.
func (p *pass) enter(ord int32, kind outcomeKind) {
	if kind == filteredValue && p.filter.shortOf(ord) != fits {
		return
	}
	b := p.bucketOf(ord)
	cand, parts := p.candidate(ord)
	if len(p.dims) == 0 {
		h := &p.buckets[b].heaps[parts-1]
		*h = append(*h, cand)
		return
	}
	s := &p.c.scratch
	s.entries = append(s.entries, cand)
	s.heapOf = append(s.heapOf, b*maxParts+int32(parts-1))
}

// distribute moves the candidates that enter collected into their heaps, which share one
// piece of memory.
func (p *pass) distribute() {
	if len(p.dims) == 0 {
		return
	}
	s := &p.c.scratch
	sizes := make([]int, len(p.buckets)*maxParts)
	for _, h := range s.heapOf {
		sizes[h]++
	}
	if cap(s.slab) < len(s.entries) {
		s.slab = make([]candidate, len(s.entries)+len(s.entries)/4)
	}
	at := 0
	for h, n := range sizes {
		p.buckets[h/maxParts].heaps[h%maxParts] = s.slab[at : at : at+n]
		at += n
	}
	for i, h := range s.heapOf {
		heap := &p.buckets[h/maxParts].heaps[h%maxParts]
		*heap = append(*heap, s.entries[i])
	}
	s.entries, s.heapOf = s.entries[:0], s.heapOf[:0]
}

// rateBuckets gives all buckets their first spread score and best candidate.
func (p *pass) rateBuckets() {
	for b := range p.buckets {
		bk := &p.buckets[b]
		bk.filled = p.top(int32(b))
		if !bk.filled {
			continue
		}
		for i, dim := range p.dims {
			dim.filled[bk.values[i]]++
		}
	}
	for _, dim := range p.dims {
		if dim.weight > 0 && dim.want == nil {
			dim.rescan()
		}
	}
	p.rescoreAll()
}

// counts collects the outcomes of a survey in arrays; the maps of a Metric are made once.
type counts struct {
	p          *pass
	evaluated  int
	byCheck    []int
	byValue    []int
	hosts      int
	byShortage []int
	filtered   []int // by class
	exhausted  []int // by class
}

func newCounts(p *pass) *counts {
	classes := len(p.c.classes.list)
	return &counts{
		p:          p,
		byCheck:    make([]int, len(p.filter.checks)),
		byValue:    make([]int, len(p.dims)),
		byShortage: make([]int, int(shortPorts)+len(p.group.Ports)+1),
		filtered:   make([]int, classes),
		exhausted:  make([]int, classes),
	}
}

func (t *counts) count(o outcome, class int32) {
	if o.kind == outOfScope {
		return
	}
	t.evaluated++
	switch o.kind {
	case filteredCheck:
		t.byCheck[o.detail]++
		t.filtered[class]++
	case filteredHosts:
		t.hosts++
		t.filtered[class]++
	case filteredValue:
		t.byValue[o.detail]++
		t.filtered[class]++
	case exhaustedNode:
		t.byShortage[o.detail]++
		t.exhausted[class]++
	}
}

// metric makes the API's terms of the counts.
func (t *counts) metric() *Metric {
	p := t.p
	m := &Metric{NodesEvaluated: t.evaluated, NodePool: p.job.Pool}
	m.NodesInPool, m.NodesAvailable = p.c.classes.available(p.filter)
	for k, n := range t.byCheck {
		addCount(&m.ConstraintFiltered, p.filter.checks[k].reason, n)
	}
	for i, n := range t.byValue {
		addCount(&m.ConstraintFiltered, p.dims[i].reason, n)
	}
	addCount(&m.ConstraintFiltered, distinctHosts, t.hosts)
	for s, n := range t.byShortage {
		if n > 0 {
			addCount(&m.DimensionExhausted, shortage(s).name(p.group), n)
		}
	}
	t.resources(m)
	for class := range t.filtered {
		m.NodesFiltered += t.filtered[class]
		m.NodesExhausted += t.exhausted[class]
		if t.filtered[class]+t.exhausted[class] == 0 {
			continue
		}
		if name := p.c.classes.list[class].exemplar.Class; name != "" {
			addCount(&m.ClassFiltered, name, t.filtered[class])
			addCount(&m.ClassExhausted, name, t.exhausted[class])
		}
	}
	return m
}

// resources tells what each task asks of the dimensions that ran out.
func (t *counts) resources(m *Metric) {
	short := func(s shortage) bool { return t.byShortage[s] > 0 }
	for _, task := range t.p.group.Tasks {
		var r Resources
		if short(shortCPU) {
			r.CPU = task.Resources.CPU
		}
		if short(shortMemory) {
			r.Memory, r.MemoryMax = task.Resources.Memory, task.Resources.MemoryMax
		}
		if short(shortCores) || short(shortNUMA) || short(shortCPU) {
			r.Cores = task.Resources.Cores
		}
		if r == (Resources{}) {
			continue
		}
		if m.ResourcesExhausted == nil {
			m.ResourcesExhausted = map[string]Resources{}
		}
		m.ResourcesExhausted[task.Name] = r
	}
}

func addCount(m *map[string]int, key string, n int) {
	if n == 0 {
		return
	}
	if *m == nil {
		*m = map[string]int{}
	}
	(*m)[key] += n
}

// available counts the nodes of the job's pool, and by datacenter those of them that take
// new work and that the job's datacenters match.
func (t *classTable) available(f *filter) (inPool int, byDatacenter map[string]int) {
	byDatacenter = map[string]int{}
	for _, dc := range f.job.Datacenters {
		if !strings.Contains(dc, "*") {
			byDatacenter[dc] = 0 // tools tell those that have no node
		}
	}
	for i := range t.list {
		c := &t.list[i]
		if c.nodes == 0 {
			continue
		}
		stage := f.class(int32(i))
		if stage != stageOtherPool {
			inPool += int(c.nodes)
		}
		if stage >= stagePasses && c.open > 0 {
			byDatacenter[c.exemplar.Datacenter] += int(c.open)
		}
	}
	return inPool, byDatacenter
}
