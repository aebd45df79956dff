package scheduler

import (
	"math"
	"strconv"
)

// dimension is an attribute by whose value a pass counts allocations: for a spread
// (a wish) or a distinct property (a limit).
type dimension struct {
	attribute string
	unique    bool
	reason    string // of a distinct property, for explanations
	jobWide   bool   // counts every group of the job

	limit  int32     // distinct property: allocations per value; 0 = a spread
	weight float64   // spread: its share of the weights of all spreads
	want   []float64 // spread with targets: allocations wanted by value; nil = even

	ids     map[string]int32
	used    []int32   // by value
	filled  []int32   // by coordinate: buckets that have candidates
	buckets [][]int32 // by coordinate: the buckets that have it

	// levels: buckets hold nodes whose values are used equally often, not of one value. See
	// levels.go.
	levels  bool
	members [][]int32 // by value: the nodes that have it; only with levels
	// nodes gives the ordinals of nodes, when the values are the nodes themselves
	// (${node.unique.id}): value = 1 + ordinal. Nil otherwise.
	nodes map[string]int32

	// Even spread: the least use among coordinates that have candidates, how many have it,
	// and how many coordinates have candidates.
	low, atLow, open int32
}

// missing is the value, and the coordinate, of a node without the attribute.
const missing int32 = 0

// otherValues stands for every value that no target names.
const otherValues = "*"

// newDimensions compiles the spreads and distinct properties of a group.
func newDimensions(job *Job, g *Group) []*dimension {
	var dims []*dimension
	total := 0.0
	spreads := append(append([]Spread(nil), job.Spreads...), g.Spreads...)
	for _, s := range spreads {
		total += float64(s.Weight)
	}
	for _, s := range spreads {
		if s.Weight <= 0 {
			continue
		}
		d := newDimension(s.Attribute)
		d.weight = float64(s.Weight) / total
		d.setTargets(s.Targets, float64(g.Count))
		dims = append(dims, d)
	}
	for _, con := range job.Constraints {
		if con.Operand == distinctProperty {
			dims = append(dims, newDistinct(con, true))
		}
	}
	for _, con := range g.Constraints {
		if con.Operand == distinctProperty {
			dims = append(dims, newDistinct(con, false))
		}
	}
	return dims
}

func newDimension(attribute string) *dimension {
	return &dimension{
		attribute: attribute, unique: isUnique(attribute),
		ids: map[string]int32{}, used: make([]int32, 1), filled: make([]int32, 1), buckets: make([][]int32, 1),
	}
}

// newDistinct makes a limit; without a number it is one allocation per value.
func newDistinct(con Constraint, jobWide bool) *dimension {
	d := newDimension(con.LTarget)
	d.reason, d.jobWide, d.limit = con.text(), jobWide, 1
	if n, err := strconv.Atoi(con.RTarget); err == nil && n > 0 && n < math.MaxInt32 {
		d.limit = int32(n)
	}
	return d
}

// setTargets gives each named value its share; the others together have the rest.
func (d *dimension) setTargets(targets []SpreadTarget, count float64) {
	if len(targets) == 0 {
		return
	}
	d.want = []float64{0}
	rest := 100.0
	for _, t := range targets {
		d.want = append(d.want, float64(t.Percent)/100*count)
		d.id(t.Value)
		rest -= float64(t.Percent)
	}
	if _, named := d.ids[otherValues]; !named {
		d.want = append(d.want, max(0, rest)/100*count)
		d.id(otherValues)
	}
}

// value returns the number of a node's value.
func (d *dimension) value(n *Node) int32 {
	if d.nodes != nil {
		return 1 + d.nodes[n.ID]
	}
	v, ok := resolve(n, d.attribute)
	if !ok {
		return missing
	}
	if id, known := d.ids[v]; known {
		return id
	}
	if d.want != nil {
		return d.ids[otherValues]
	}
	return d.id(v)
}

func (d *dimension) id(v string) int32 {
	id := int32(len(d.used))
	d.ids[v] = id
	d.used = append(d.used, 0)
	if d.levels {
		d.members = append(d.members, nil)
	} else {
		d.filled = append(d.filled, 0)
		d.buckets = append(d.buckets, nil)
	}
	return id
}

// score returns what a node with coordinate v gains from this spread:
//
//	targets:   (wanted - used - 1) / wanted * weight, at least -weight
//	even:      +weight for the values used least, -weight for the others, 0 when all are equal
//	no value:  -weight
func (d *dimension) score(v int32) float64 {
	switch {
	case d.limit > 0:
		return 0
	case v == missing:
		return -d.weight
	case d.want != nil:
		if d.want[v] <= 0 {
			return -d.weight
		}
		return max(-1, (d.want[v]-float64(d.used[v])-1)/d.want[v]) * d.weight
	case d.usedAt(v) > d.low:
		return -d.weight
	case d.atLow < d.open:
		return d.weight
	}
	return 0
}

// full reports whether a distinct property lets nothing more onto coordinate v.
func (d *dimension) full(v int32) bool {
	return d.limit > 0 && (v == missing || d.usedAt(v) >= d.limit)
}

// change counts by (1 or -1) more allocations on value v and reports whether the scores
// of all values may have changed, rather than only v's.
func (d *dimension) change(v, by int32) (all bool) {
	before := d.used[v]
	d.used[v] += by
	if d.levels || d.want != nil || d.limit > 0 || v == missing {
		return false
	}
	if by > 0 && d.filled[v] > 0 && before == d.low && d.atLow > 1 {
		wasEven := d.atLow == d.open
		d.atLow--
		return wasEven
	}
	if by > 0 && before > d.low {
		return false
	}
	d.rescan()
	return true
}

// rescan finds the least use again.
func (d *dimension) rescan() {
	d.low, d.atLow, d.open = math.MaxInt32, 0, 0
	for v := 1; v < len(d.filled); v++ {
		if d.filled[v] == 0 {
			continue
		}
		d.open++
		switch used := d.usedAt(int32(v)); {
		case used < d.low:
			d.low, d.atLow = used, 1
		case used == d.low:
			d.atLow++
		}
	}
}
