package leader

import (
	"slices"
	"time"
)

// Brake holds back when many nodes fail at once: then the fault is more likely
// in what they share (a switch, a rack, this server's own network) than in each
// of them, and replacing everything at once would storm what is left.
type Brake struct {
	// Share of the cluster's nodes that may be declared down within Window at full
	// speed. At least two always may, so that small clusters heal.
	Share  float64
	Window time.Duration
	// Pace is the pause between two nodes while the brake holds.
	Pace time.Duration

	downs []down // oldest first
}

// down is a node that was declared down and is not back.
type down struct {
	node string
	at   time.Time
}

// Allow reports whether a node, one of n, may be declared down now; if not, how
// long to wait. A node that Allow lets through is counted until it is back.
func (b *Brake) Allow(node string, now time.Time, n int) (ok bool, wait time.Duration) {
	b.downs = slices.DeleteFunc(b.downs, func(d down) bool { return now.Sub(d.at) >= b.Window })
	if free := max(2, int(b.Share*float64(n))); len(b.downs) >= free {
		last := b.downs[len(b.downs)-1].at
		if left := b.Pace - now.Sub(last); left > 0 {
			return false, left
		}
	}
	b.downs = append(b.downs, down{node, now})
	return true, 0
}

// Back says that a node is there again. It counts no more: nodes that die one
// after the other, each back before the next, are faults of their own and not one
// that they share.
func (b *Brake) Back(node string) {
	b.downs = slices.DeleteFunc(b.downs, func(d down) bool { return d.node == node })
}

// Holding reports whether the brake holds at this time.
func (b *Brake) Holding(now time.Time, n int) bool {
	recent := 0
	for _, d := range b.downs {
		if now.Sub(d.at) < b.Window {
			recent++
		}
	}
	return recent >= max(2, int(b.Share*float64(n)))
}
