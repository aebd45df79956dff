package scheduler

import (
	"cmp"
	"fmt"
	"slices"
)

// scaleDown ends the slots above the count. Those that run nothing go first, then those
// that leave anyhow, then the old one of two of the same name (a promoted canary's
// predecessor), then older versions, then the highest index.
func (p *groupPlan) scaleDown() {
	excess := len(p.slots) - max(0, p.g.Count)
	if excess <= 0 {
		return
	}
	twins := map[int]int{}
	for _, it := range p.slots {
		twins[it.a.Index]++
	}
	type ranked struct {
		it  *item
		key [4]int // the lowest goes first
	}
	order := make([]ranked, len(p.slots))
	for i, it := range p.slots {
		stale := !p.sameSpec(it)
		order[i] = ranked{it, [4]int{
			idleRank(it, p.batch),
			rank(stale && twins[it.a.Index] > 1),
			rank(stale),
			-it.a.Index,
		}}
	}
	slices.SortStableFunc(order, func(a, b ranked) int {
		return cmp.Or(slices.Compare(a.key[:], b.key[:]), b.it.a.CreatedAt.Compare(a.it.a.CreatedAt))
	})
	leaving := map[*item]bool{}
	for _, r := range order[:excess] {
		leaving[r.it] = true
		p.dismiss(r.it, r.key)
	}
	p.slots = slices.DeleteFunc(p.slots, func(it *item) bool { return leaving[it] })
}

func rank(first bool) int {
	if first {
		return 0
	}
	return 1
}

// idleRank puts what does not run before what does. A batch allocation that is done
// counts like one that runs: it keeps its index.
func idleRank(it *item, batch bool) int {
	switch {
	case it.fate == lost || it.fate == failing || it.fate == absent:
		return 0
	case it.fate == held && !(batch && it.a.Client == Complete):
		return 0
	case it.fate == migrating:
		return 1
	}
	return 2
}

// dismiss ends one allocation and says why it was this one.
func (p *groupPlan) dismiss(it *item, key [4]int) {
	a := it.a
	if a.Desired != Run || a.Client == Complete {
		return
	}
	reason := fmt.Sprintf("index %d is the highest", a.Index)
	switch {
	case key[0] == 0:
		reason = "it does not run"
	case key[0] == 1:
		reason = "it was about to migrate"
	case key[1] == 0:
		reason = "a newer allocation has its name"
	case key[2] == 0:
		reason = "its version is older"
	}
	var client ClientStatus
	if nodeGone(it.node) && !ClientTerminal(a) {
		client = Lost
	}
	p.d.stop(it, client, fmt.Sprintf("not needed: the count is %d and %s", p.g.Count, reason))
	p.up.Stop++
}
