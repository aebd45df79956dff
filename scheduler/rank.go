package scheduler

import (
	"math"
	"slices"
	"strconv"
)

// pass chooses nodes for any number of allocations of one group. All feasible nodes are
// ranked once; every choice then costs the logarithm of their number.
//
//	score of a node = mean of the scores that apply to it:
//	  binpack (or spread)        how full (or empty) it would be, 0..1
//	  job-anti-affinity          -(n+1)/count when n of the group are there
//	  node-affinity              weights that match / sum of all weights, -1..1
//	  allocation-spread          see dimension.score
//	  devices                    weights that match of the devices it would get / sum of all, -1..1
//	  node-reschedule-penalty    -1 where an earlier attempt failed
type pass struct {
	d      *decision
	c      *Cluster
	job    *Job
	group  *Group
	items  []item // of the group
	filter *filter

	hostsOfJob, hostsOfGroup bool // distinct_hosts

	affinities []affinity
	classLiked []float64 // by class: affinity score, NaN = not asked yet
	nodeLiked  bool      // some affinity names something unique

	dims        []*dimension
	uniqueDims  bool
	classBucket []int32 // by class: 1 + bucket
	buckets     []bucket
	tops        tournament // by bucket
	byValues    map[string]int32
	values      []int32 // of the node that findBucket looks at
	key         []byte  // the same, as a key of byValues

	gen     []uint32
	onGroup []int32
	onJob   []int32
	seed    uint64
	spread  bool // the spread algorithm instead of binpack
	metric  *Metric

	evictions *evictions // of nodes where evicting makes room; nil = not looked for yet
	aside     []eviction // that a distinct property closed
}

// affinity is a compiled wish with its share of all weights.
type affinity struct {
	con    *compiled
	weight float64
}

// newPass ranks the nodes for group g of a version of the job. index is that of the
// allocation when the answer depends on it, else -1.
func newPass(d *decision, job *Job, g *Group, items []item, index int) *pass {
	p := &pass{
		d: d, c: d.c, job: job, group: g, items: items,
		filter:       newFilter(d.c, job, g, index),
		hostsOfJob:   hasDistinctHosts(job.Constraints),
		hostsOfGroup: hasDistinctHosts(g.Constraints),
		dims:         newDimensions(job, g),
		gen:          d.c.scratch.generations(len(d.c.loads)),
		seed:         hashString(job.Namespace + "\x00" + job.ID + "\x00" + g.Name),
		spread:       d.req.Settings.Algorithm == "spread",
	}
	for _, dim := range p.dims {
		dim.countNodes(d.c)
	}
	p.countExisting()
	p.compileAffinities()
	p.openBuckets()
	p.metric = p.survey(true)
	p.metric.Scores = p.bestScores()
	return p
}

func hasDistinctHosts(list []Constraint) bool {
	return slices.ContainsFunc(list, func(c Constraint) bool {
		on, err := strconv.ParseBool(c.RTarget)
		return c.Operand == distinctHosts && (on || err != nil)
	})
}

// countExisting counts what the plan leaves of the group, and of the job where a rule
// asks for it, by node and by value.
func (p *pass) countExisting() {
	t := &p.c.scratch.onGroup
	t.reset(len(p.c.loads))
	for i := range p.items {
		if it := &p.items[i]; it.present() {
			t.add(it.rec.ord, 1)
			p.countValues(it.rec.ord, false)
		}
	}
	p.onGroup = t.counts
	p.onJob = p.c.scratch.onJob.counts
	if slices.ContainsFunc(p.dims, func(d *dimension) bool { return d.jobWide }) {
		for i := range p.d.items {
			if it := &p.d.items[i]; it.present() {
				p.countValues(it.rec.ord, true)
			}
		}
		for _, ord := range p.d.placed {
			p.countValues(ord, true)
		}
	}
}

func (p *pass) countValues(ord int32, jobWide bool) {
	n := p.c.slots[ord].node
	if n == nil {
		return
	}
	for _, dim := range p.dims {
		if dim.jobWide == jobWide {
			dim.used[dim.value(n)]++
		}
	}
}

func (p *pass) compileAffinities() {
	total := 0.0
	for _, list := range [][]Affinity{p.job.Affinities, p.group.Affinities} {
		for _, a := range list {
			if a.Weight == 0 {
				continue
			}
			con := compile(Constraint{a.LTarget, a.Operand, a.RTarget})
			p.affinities = append(p.affinities, affinity{con, float64(a.Weight)})
			p.nodeLiked = p.nodeLiked || con.unique
			total += math.Abs(float64(a.Weight))
		}
	}
	for i := range p.affinities {
		p.affinities[i].weight /= total
	}
	if len(p.affinities) > 0 && !p.nodeLiked {
		p.classLiked = make([]float64, len(p.c.classes.list))
		for i := range p.classLiked {
			p.classLiked[i] = math.NaN()
		}
	}
}

// liked is the affinity score of a node, in -1..1.
func (p *pass) liked(ord int32) float64 {
	if len(p.affinities) == 0 {
		return 0
	}
	if p.nodeLiked {
		return p.weigh(p.c.slots[ord].node)
	}
	class := p.c.loads[ord].class
	if math.IsNaN(p.classLiked[class]) {
		p.classLiked[class] = p.weigh(p.c.classes.list[class].exemplar)
	}
	return p.classLiked[class]
}

func (p *pass) weigh(n *Node) float64 {
	sum := 0.0
	for _, a := range p.affinities {
		if a.con.match(n) {
			sum += a.weight
		}
	}
	return sum
}

// openBuckets prepares the buckets; a pass without dimensions has just one, and keeps
// its candidates in the cluster's scratch space.
func (p *pass) openBuckets() {
	if len(p.dims) == 0 {
		p.buckets = make([]bucket, 1)
		p.tops.grow()
		p.buckets[0].heaps[0] = p.c.scratch.entries[:0]
		return
	}
	p.buckets, p.byValues = []bucket{}, map[string]int32{}
	p.uniqueDims = slices.ContainsFunc(p.dims, func(d *dimension) bool { return d.unique })
	for _, dim := range p.dims {
		dim.useLevels()
	}
	if p.uniqueDims {
		p.c.scratch.bucket = p.c.scratch.buckets(len(p.c.loads))
	} else {
		p.classBucket = make([]int32, len(p.c.classes.list))
	}
}

// bucketOf returns the bucket of a node, and makes it if it is the first there.
func (p *pass) bucketOf(ord int32) int32 {
	if len(p.dims) == 0 {
		return 0
	}
	l := &p.c.loads[ord]
	at := &p.c.scratch.bucket
	key := ord
	if !p.uniqueDims {
		at, key = &p.classBucket, l.class
	}
	if (*at)[key] == 0 {
		(*at)[key] = 1 + p.findBucket(p.c.slots[ord].node)
	}
	return (*at)[key] - 1
}

func (p *pass) findBucket(n *Node) int32 {
	values, key := p.values[:0], p.key[:0]
	for _, dim := range p.dims {
		v := dim.coordinate(n)
		values = append(values, v)
		key = append(key, byte(v), byte(v>>8), byte(v>>16), byte(v>>24))
	}
	p.values, p.key = values, key
	if b, ok := p.byValues[string(key)]; ok {
		return b
	}
	b := int32(len(p.buckets))
	p.byValues[string(key)] = b
	values = slices.Clone(values)
	p.buckets = append(p.buckets, bucket{values: values})
	p.tops.grow()
	for i, dim := range p.dims {
		dim.buckets[values[i]] = append(dim.buckets[values[i]], b)
	}
	p.buckets[b].closed = p.full(values)
	for i, dim := range p.dims {
		p.buckets[b].boost += dim.score(values[i])
	}
	return b
}

// full reports whether a distinct property closes the bucket with these values.
func (p *pass) full(values []int32) bool {
	for i, dim := range p.dims {
		if dim.full(values[i]) {
			return true
		}
	}
	return false
}

// candidate scores one node for one more allocation; parts is the number of scores.
func (p *pass) candidate(ord int32) (cand candidate, parts int) {
	sum, parts := p.packing(ord), 1
	if n := p.onGroup[ord]; n > 0 {
		sum += antiAffinity(n, p.group.Count)
		parts++
	}
	if liked := p.liked(ord); liked != 0 {
		sum += liked
		parts++
	}
	if liked := p.devicesLiked(ord); liked != 0 {
		sum += liked
		parts++
	}
	return candidate{sum: sum, tie: mix(p.c.slots[ord].hash ^ p.seed), ord: ord, gen: p.gen[ord]}, parts
}

// devicesLiked is what the affinities of device asks say of the devices that one more
// allocation would get, in -1..1.
func (p *pass) devicesLiked(ord int32) float64 {
	pins := p.filter.pins
	if pins == nil || !pins.picky {
		return 0
	}
	own, _ := pins.fit(p.c, ord)
	return own.score
}

// antiAffinity discourages a second allocation of a group on a node that has n.
func antiAffinity(n int32, count int) float64 { return -float64(n+1) / float64(max(1, count)) }

// packing scores how well one more allocation fills a node: with f the share that stays
// free of cpu and of memory,
//
//	binpack  (20 - (10^fcpu + 10^fmem)) / 18
//	spread   ((10^fcpu + 10^fmem) - 2) / 18
//
// each held in 0..1.
func (p *pass) packing(ord int32) float64 {
	l := &p.c.loads[ord]
	ask := &p.group.Resources
	total := pow10(free(l.usedCPU+l.cpu(ask), l.capCPU)) + pow10(free(l.usedMem+ask.Memory, l.capMem))
	if p.spread {
		return min(18, max(0, total-2)) / 18
	}
	return min(18, max(0, 20-total)) / 18
}

func free(used, capacity int64) float64 {
	if capacity <= 0 {
		return 0
	}
	return 1 - float64(used)/float64(capacity)
}

// pow10 is 10^x for x in 0..1 (held there), interpolated in a table to within 2e-6: the
// same on every machine, and several times faster than math.Pow.
func pow10(x float64) float64 {
	at := min(1, max(0, x)) * pow10Steps
	i := min(int(at), pow10Steps-1)
	return pow10Table[i] + (at-float64(i))*(pow10Table[i+1]-pow10Table[i])
}

const pow10Steps = 2048

var pow10Table = func() (t [pow10Steps + 1]float64) {
	for i := range t {
		t[i] = math.Pow(10, float64(i)/pow10Steps)
	}
	return t
}()

// refresh ranks one node again after something on it changed.
func (p *pass) refresh(ord int32) {
	p.gen[ord]++
	p.push(ord)
	p.settle(p.bucketOf(ord))
}

// push puts a node into its bucket if it could take one more. One that only a distinct
// property keeps off comes too: the property may be given back.
func (p *pass) push(ord int32) {
	switch p.judge(ord).kind {
	case candidateNode:
	case filteredValue:
		if p.filter.shortOf(ord) != fits {
			return
		}
	default:
		return
	}
	cand, parts := p.candidate(ord)
	p.buckets[p.bucketOf(ord)].heaps[parts-1].push(cand)
}

// withdraw takes a node out of the ranking until it is refreshed.
func (p *pass) withdraw(ord int32) {
	p.gen[ord]++
	p.settle(p.bucketOf(ord))
}

// settle brings a bucket's best candidate up to date, and tells the dimensions when it
// ran dry or got its first candidate.
func (p *pass) settle(b int32) {
	bk := &p.buckets[b]
	filled := p.top(b)
	if filled == bk.filled || len(p.dims) == 0 {
		return
	}
	bk.filled = filled
	by := int32(-1)
	if filled {
		by = 1
	}
	for i, dim := range p.dims {
		v := bk.values[i]
		dim.filled[v] += by
		if dim.weight > 0 && dim.want == nil && (dim.filled[v] == 0 || filled && dim.filled[v] == 1) {
			dim.rescan()
			p.rescoreAll()
		}
	}
}

// top brings a bucket's place in the tournament up to date and reports whether it has a
// candidate.
func (p *pass) top(b int32) bool {
	norm, tie := p.buckets[b].settle(p.gen)
	p.tops.set(b, norm, tie)
	return !math.IsInf(norm, -1)
}

// count records an allocation more or less on a node in tallies and dimensions.
func (p *pass) count(ord, by int32) {
	p.c.scratch.onGroup.add(ord, by)
	p.c.scratch.onJob.add(ord, by)
	if len(p.dims) == 0 {
		return
	}
	n := p.c.slots[ord].node
	if n == nil {
		return
	}
	all := false
	for _, dim := range p.dims {
		all = dim.change(dim.value(n), by) || all
	}
	p.relocate(n)
	if all {
		p.rescoreAll()
		return
	}
	for _, dim := range p.dims {
		if dim.levels {
			continue // the score of a level changes with the least level only
		}
		for _, b := range dim.buckets[dim.value(n)] {
			p.rescore(b)
		}
	}
}

func (p *pass) rescoreAll() {
	for b := range p.buckets {
		p.rescore(int32(b))
	}
}

// rescore brings a bucket's spread score up to date.
func (p *pass) rescore(b int32) {
	bk := &p.buckets[b]
	boost := 0.0
	for i, dim := range p.dims {
		boost += dim.score(bk.values[i])
	}
	closed := p.full(bk.values)
	if boost == bk.boost && closed == bk.closed {
		return
	}
	reopened := closed != bk.closed
	bk.boost, bk.closed = boost, closed
	if reopened {
		p.settle(b)
		return
	}
	p.top(b)
}

// best returns the best candidate, which stays ranked; false when there is none.
func (p *pass) best() (candidate, float64, bool) {
	b := p.tops.best()
	if b < 0 {
		return candidate{}, 0, false
	}
	return p.buckets[b].heaps[p.buckets[b].parts][0], p.tops.norm[b], true
}
