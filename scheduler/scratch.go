package scheduler

// scratch is working space that decisions reuse, so that one costs no allocation per
// node. Between decisions everything in it is zero or meaningless.
type scratch struct {
	onJob   tally       // allocations of the job by node, as the plan leaves them
	onGroup tally       // the same for the group of the current pass
	gen     []uint32    // by node: candidates of an older generation are stale
	bucket  []int32     // by node: 1 + its bucket in the current pass, 0 unknown
	entries []candidate // of the only bucket; with several, on their way to them
	heapOf  []int32     // by entry: bucket * maxParts + heap
	slab    []candidate // where the heaps of several buckets lie
}

// tally counts by node ordinal and remembers what it touched.
type tally struct {
	counts  []int32
	touched []int32
}

// reset makes room for n nodes and sets every count to zero.
func (t *tally) reset(n int) {
	for _, ord := range t.touched {
		t.counts[ord] = 0
	}
	t.touched = t.touched[:0]
	if len(t.counts) < n {
		t.counts = make([]int32, n+n/8)
	}
}

func (t *tally) add(ord, by int32) {
	if t.counts[ord] == 0 {
		t.touched = append(t.touched, ord)
	}
	t.counts[ord] += by
}

// generations returns the generations of n nodes.
func (s *scratch) generations(n int) []uint32 {
	if len(s.gen) < n {
		grown := make([]uint32, n+n/8)
		copy(grown, s.gen)
		s.gen = grown
	}
	return s.gen
}

// buckets returns n zeros.
func (s *scratch) buckets(n int) []int32 {
	if len(s.bucket) < n {
		s.bucket = make([]int32, n+n/8)
		return s.bucket
	}
	clear(s.bucket)
	return s.bucket
}
