package scheduler

import "slices"

// A move takes an allocation to a node that was chosen for it, start-first:
//
//	MoveTo set ─▶ successor placed there, beside the count ─▶ it is healthy ─▶ the old one stops
//	                     │                                     (the leader sees that, and clears MoveTo)
//	                     └─ it fails, or the old one is not wanted any more ─▶ the move is off
//
// As long as the allocation that moves is well it holds its slot, and the successor none. When
// it is lost the successor has its slot at once.

// pairing is an allocation that moves and its successor.
type pairing struct{ old, next *item }

// holdMoves keeps successors out of the count while their predecessors hold the slot, and
// plans those that are missing. It comes right after the fates.
func (p *groupPlan) holdMoves() {
	for i := range p.items {
		it := &p.items[i]
		if it.a.MoveTo == "" {
			continue
		}
		next := p.successor(it.a.ID)
		if it.fate == migrating && next != nil && !it.node.DrainForced && next.fate == kept {
			it.fate = kept // the move will empty the node
		}
		switch {
		case it.fate != kept:
		case next == nil:
			p.begin(it)
		default:
			next.fate, next.note = over, nil
			p.d.waiting = slices.DeleteFunc(p.d.waiting, func(w later) bool { return w.it == next })
			p.pairs = append(p.pairs, pairing{it, next})
		}
	}
}

// begin plans the successor of an allocation that is to move. During a rollout nothing moves.
func (p *groupPlan) begin(it *item) {
	ord, known := p.d.c.ordinals[it.a.MoveTo]
	if !known || p.d.rollout.active || it.a.JobVersion != p.d.job.Version || it.a.Desired != Run {
		return
	}
	p.wants = append(p.wants, want{index: it.a.Index, job: p.d.job, group: p.g, previous: it, pinned: true, on: ord})
	p.up.Place++
}

// dropPairs ends successors that lost their purpose in this decision: their predecessor
// stops for another reason, or the job has changed.
func (p *groupPlan) dropPairs() {
	for _, pair := range p.pairs {
		stops := pair.old.stopped || slices.ContainsFunc(p.wants, func(w want) bool { return w.previous == pair.old && w.release != "" })
		if stops || pair.next.a.JobVersion != p.d.job.Version && !p.sameSpec(pair.next) {
			p.d.end(pair.next, "not needed: the allocation that it was to replace does not move any more")
		}
	}
}

// placePinned puts a want on the node that was chosen for it, or nowhere: that is no failure,
// as its predecessor goes on.
func (p *pass) placePinned(w *want) bool {
	if !p.ranked(w.on) || p.judge(w.on).kind != candidateNode {
		p.d.desired(p.group.Name).Place--
		return false
	}
	c, parts := p.candidate(w.on)
	p.commit(w, w.on, normalise(c.sum, parts, p.buckets[p.bucketOf(w.on)].boost), nil)
	return true
}
