package scheduler

import "math"

// tournament finds the best of many buckets. Each leaf is a bucket's best candidate, each
// inner node the better of its two children, so one change costs the logarithm of the
// number of buckets; when most change, all are played again.
type tournament struct {
	norm  []float64 // by bucket; -Inf = has no candidate
	tie   []uint64
	win   []int32 // heap order: 1 is the root, the leaves begin at size
	size  int     // leaves, a power of two
	dirty []int32
}

// grow makes room for one more bucket, without a candidate.
func (t *tournament) grow() {
	t.norm = append(t.norm, math.Inf(-1))
	t.tie = append(t.tie, 0)
}

// set tells the best candidate of a bucket.
func (t *tournament) set(b int32, norm float64, tie uint64) {
	if t.norm[b] == norm && t.tie[b] == tie {
		return
	}
	t.norm[b], t.tie[b] = norm, tie
	t.dirty = append(t.dirty, b)
}

// best returns the bucket with the best candidate, -1 if none has one.
func (t *tournament) best() int32 {
	if len(t.norm) == 0 {
		return -1
	}
	t.play()
	b := t.win[1]
	if b < 0 || math.IsInf(t.norm[b], -1) {
		return -1
	}
	return b
}

func (t *tournament) play() {
	switch {
	case t.size < len(t.norm):
		for t.size = max(t.size, 1); t.size < len(t.norm); {
			t.size *= 2
		}
		t.win = make([]int32, 2*t.size)
		t.replay()
	case len(t.dirty)*8 > t.size:
		t.replay()
	default:
		for _, b := range t.dirty {
			t.win[t.size+int(b)] = b // a bucket may be new
			for i := (t.size + int(b)) / 2; i >= 1; i /= 2 {
				t.win[i] = t.better(t.win[2*i], t.win[2*i+1])
			}
		}
	}
	t.dirty = t.dirty[:0]
}

func (t *tournament) replay() {
	for i := range t.size {
		t.win[t.size+i] = int32(i)
		if i >= len(t.norm) {
			t.win[t.size+i] = -1
		}
	}
	for i := t.size - 1; i >= 1; i-- {
		t.win[i] = t.better(t.win[2*i], t.win[2*i+1])
	}
	if t.size == 1 {
		t.win[1] = 0
	}
}

func (t *tournament) better(a, b int32) int32 {
	switch {
	case a < 0:
		return b
	case b < 0:
		return a
	case t.norm[a] != t.norm[b]:
		if t.norm[a] > t.norm[b] {
			return a
		}
		return b
	case t.tie[b] < t.tie[a]:
		return b
	}
	return a
}
