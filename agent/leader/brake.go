package leader

import "time"

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

	downs []time.Time // when nodes were declared down, oldest first
}

// Allow reports whether one more of n nodes may be declared down now; if not,
// how long to wait. A node that Allow lets through is counted.
func (b *Brake) Allow(now time.Time, n int) (ok bool, wait time.Duration) {
	keep := b.downs[:0]
	for _, t := range b.downs {
		if now.Sub(t) < b.Window {
			keep = append(keep, t)
		}
	}
	b.downs = keep
	if free := max(2, int(b.Share*float64(n))); len(b.downs) >= free {
		last := b.downs[len(b.downs)-1]
		if left := b.Pace - now.Sub(last); left > 0 {
			return false, left
		}
	}
	b.downs = append(b.downs, now)
	return true, 0
}

// Holding reports whether the brake holds at this time.
func (b *Brake) Holding(now time.Time, n int) bool {
	recent := 0
	for _, t := range b.downs {
		if now.Sub(t) < b.Window {
			recent++
		}
	}
	return recent >= max(2, int(b.Share*float64(n)))
}
