package state

import (
	"iter"

	"github.com/google/btree"
)

// allocTrees holds the allocations, ordered in three ways. It is the one row of
// its memdb table, so that it is read, committed and aborted with all the rest.
//
// Allocations are the only rows that come in millions. A memdb index of them costs
// 523 bytes an entry (a radix node, a leaf, a channel for each; measured with
// 200,000); a copy-on-write B-tree of pointers costs 13, and a transaction copies a
// page once, however many of its rows it changes. What is lost is memdb's watch on a
// single allocation: readers watch the mark of its job or its node instead (see mark).
type allocTrees struct {
	id   *btree.BTreeG[*Alloc] // ID
	job  *btree.BTreeG[*Alloc] // Namespace, JobID, ID
	node *btree.BTreeG[*Alloc] // NodeID, ID
}

// btreeDegree makes pages of at most 63 pointers, half a kilobyte.
const btreeDegree = 32

func newAllocTrees() *allocTrees {
	return &allocTrees{
		id:   btree.NewG(btreeDegree, func(a, b *Alloc) bool { return a.ID < b.ID }),
		job:  btree.NewG(btreeDegree, lessByJob),
		node: btree.NewG(btreeDegree, lessByNode),
	}
}

func lessByJob(a, b *Alloc) bool {
	switch {
	case a.Namespace != b.Namespace:
		return a.Namespace < b.Namespace
	case a.JobID != b.JobID:
		return a.JobID < b.JobID
	}
	return a.ID < b.ID
}

func lessByNode(a, b *Alloc) bool {
	if a.NodeID != b.NodeID {
		return a.NodeID < b.NodeID
	}
	return a.ID < b.ID
}

// clone is a copy that may be changed while others read the original; O(1).
func (t *allocTrees) clone() *allocTrees {
	return &allocTrees{id: t.id.Clone(), job: t.job.Clone(), node: t.node.Clone()}
}

// put stores a row. Its Namespace, JobID and NodeID never change.
func (t *allocTrees) put(a *Alloc) {
	t.id.ReplaceOrInsert(a)
	t.job.ReplaceOrInsert(a)
	t.node.ReplaceOrInsert(a)
}

func (t *allocTrees) remove(a *Alloc) {
	t.id.Delete(a)
	t.job.Delete(a)
	t.node.Delete(a)
}

func (t *allocTrees) get(id string) *Alloc {
	a, _ := t.id.Get(&Alloc{ID: id})
	return a
}

// from yields the rows at and after pivot for as long as ok says so.
func from(t *btree.BTreeG[*Alloc], pivot *Alloc, ok func(*Alloc) bool) iter.Seq[*Alloc] {
	return func(yield func(*Alloc) bool) {
		t.AscendGreaterOrEqual(pivot, func(a *Alloc) bool { return ok(a) && yield(a) })
	}
}
