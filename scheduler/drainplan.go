package scheduler

import (
	"cmp"
	"slices"
	"strings"
)

// DrainPlan says where everything on some nodes would go if they were drained.
type DrainPlan struct {
	// Moves lists their allocations, by node, namespace, job, group and index.
	Moves []DrainMove
	// Nowhere counts the moves that would find no place.
	Nowhere int
}

// DrainMove is one allocation of a drained node.
type DrainMove struct {
	Alloc  *Alloc
	NodeID string // where it would go, "" for nowhere
	// Ends: nothing takes its place. System work ends with its node; batch work may finish
	// before the drain's deadline and is then stopped.
	Ends bool
	// Metric explains why it would go nowhere, nil otherwise.
	Metric *Metric
}

// Drain asks where everything on some nodes would go if all of them were drained now. The
// answer is complete when Step says that there is no more to do.
//
// The order is that of evaluations: the most important job first. How fast the drain may go
// is not looked at: everything moves at once here.
func Drain(c *Cluster, source Source, nodes []string) (*Inquiry, *DrainPlan) {
	out := &DrainPlan{}
	return inquire(c, source, stepWork, func(t *trial) { out.fill(t, nodes) }), out
}

func (p *DrainPlan) fill(t *trial, nodes []string) {
	var moving []*Alloc
	for _, id := range nodes {
		t.drain(id)
		for _, a := range t.c.AllocsOnNode(id) {
			if staysTillTheEnd(a) {
				p.Moves = append(p.Moves, DrainMove{Alloc: a, Ends: true})
			} else {
				moving = append(moving, a)
			}
		}
	}
	settled, ok := t.settle(moving)
	if !ok {
		return
	}
	for _, m := range settled {
		move := DrainMove{Alloc: m.alloc, NodeID: m.to, Ends: !m.needed, Metric: m.metric}
		if m.needed && m.to == "" {
			p.Nowhere++
		}
		p.Moves = append(p.Moves, move)
	}
	slices.SortFunc(p.Moves, func(a, b DrainMove) int {
		return cmp.Or(
			strings.Compare(a.Alloc.NodeID, b.Alloc.NodeID), strings.Compare(a.Alloc.Namespace, b.Alloc.Namespace),
			strings.Compare(a.Alloc.Job, b.Alloc.Job), compareAllocs(a.Alloc, b.Alloc),
		)
	})
}
