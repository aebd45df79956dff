package scheduler

import "math"

// candidate is a node that could take one more allocation.
type candidate struct {
	sum float64 // of its scores but the spread's, which its bucket knows
	tie uint64  // lower wins; mixes node and job, so that jobs do not all prefer one node
	ord int32
	gen uint32
}

// better is a total order: two nodes with the same 64-bit tie do not occur.
func (a *candidate) better(b *candidate) bool {
	if a.sum != b.sum {
		return a.sum > b.sum
	}
	return a.tie < b.tie
}

// maxParts is the most scores that a candidate's sum has: binpack, job-anti-affinity,
// node-affinity, devices.
const maxParts = 4

// bucket holds the candidates that have the same values of every spread and distinct
// property, so that they have the same spread score. Within it there is a heap for each
// number of scores, since a mean over two and one over three do not order alike.
//
//	placing on a node changes one candidate: O(log n)
//	                  and the spread score of the buckets that share its value
type bucket struct {
	values []int32 // by dimension
	heaps  [maxParts]candidateHeap
	boost  float64
	closed bool // a distinct property is used up
	filled bool // has candidates, as the dimensions were told

	parts int32 // the heap that has the best candidate
}

// settle finds the bucket's best candidate again; norm is -Inf when there is none.
func (b *bucket) settle(gen []uint32) (norm float64, tie uint64) {
	norm = math.Inf(-1)
	if b.closed {
		return norm, 0
	}
	for i := range b.heaps {
		h := &b.heaps[i]
		h.dropStale(gen)
		if len(*h) == 0 {
			continue
		}
		top := &(*h)[0]
		if n := normalise(top.sum, i+1, b.boost); n > norm || n == norm && top.tie < tie {
			norm, tie, b.parts = n, top.tie, int32(i)
		}
	}
	return norm, tie
}

// normalise is the mean of the scores that apply; a spread score of 0 does not.
func normalise(sum float64, parts int, boost float64) float64 {
	if boost != 0 {
		return (sum + boost) / float64(parts+1)
	}
	return sum / float64(parts)
}

// candidateHeap is a binary heap, best first.
type candidateHeap []candidate

func (h *candidateHeap) push(c candidate) {
	*h = append(*h, c)
	s := *h
	i := len(s) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if !c.better(&s[parent]) {
			break
		}
		s[i] = s[parent]
		i = parent
	}
	s[i] = c
}

func (h *candidateHeap) pop() candidate {
	s := *h
	top := s[0]
	last := s[len(s)-1]
	*h = s[:len(s)-1]
	if len(*h) > 0 {
		h.sink(0, last)
	}
	return top
}

// sink puts c at i or below.
func (h *candidateHeap) sink(i int, c candidate) {
	s := *h
	for {
		child := 2*i + 1
		if child >= len(s) {
			break
		}
		if right := child + 1; right < len(s) && s[right].better(&s[child]) {
			child = right
		}
		if !s[child].better(&c) {
			break
		}
		s[i] = s[child]
		i = child
	}
	s[i] = c
}

// heapify orders what was appended.
func (h *candidateHeap) heapify() {
	for i := len(*h)/2 - 1; i >= 0; i-- {
		h.sink(i, (*h)[i])
	}
}

func (h *candidateHeap) dropStale(gen []uint32) {
	for len(*h) > 0 && (*h)[0].gen != gen[(*h)[0].ord] {
		h.pop()
	}
}
