package state

import (
	"maps"
	"slices"
	"time"

	"github.com/hashicorp/nomad/api"
)

// tx is one log entry on its way into the tables. It reads its own writes through
// the embedded Snapshot, and collects what follows from them (summaries, job
// statuses, woken evaluations, marks) to do it once, in finish.
type tx struct {
	*Snapshot
	s     *Store
	index uint64
	at    int64 // ns, the entry's time
	cmd   Type

	changes []Change
	tables  map[string]struct{} // touched
	marks   map[mark]struct{}   // touched
	evals   int                 // evaluations made so far: the ordinal of the next

	counts    map[lifetime]map[string]*api.TaskGroupSummary // changes of the counts, by job and group
	queued    map[JobKey]map[string]int                     // allocations that wait, by job and group
	jobs      map[JobKey]struct{}                           // jobs whose status may have changed
	evaluated map[JobKey]string                             // evaluations that evaluate returned
	freed     map[capacity]struct{}                         // where capacity was freed or added
}

// capacity says where there is room now.
type capacity struct{ pool, datacenter string }

func (s *Store) begin(index uint64, at int64, cmd Type) *tx {
	db := s.gen.Load().db
	txn := db.Txn(true)
	root, err := txn.First(tableAllocR, byID, "")
	if err != nil || root == nil {
		panic("state: no allocation root: " + errText(err))
	}
	return &tx{
		Snapshot: &Snapshot{txn: txn, allocs: root.(*allocTrees)},
		s:        s, index: index, at: at, cmd: cmd,
		tables: map[string]struct{}{}, marks: map[mark]struct{}{},
		counts: map[lifetime]map[string]*api.TaskGroupSummary{}, queued: map[JobKey]map[string]int{},
		jobs: map[JobKey]struct{}{}, evaluated: map[JobKey]string{}, freed: map[capacity]struct{}{},
	}
}

// commit finishes the transaction and makes it visible, or does nothing when
// nothing changed.
func (t *tx) commit() []Change {
	t.finish()
	if len(t.tables) == 0 && len(t.marks) == 0 {
		t.txn.Abort()
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(t.tables)) {
		t.insert(tableIndex, &indexRow{name, t.index})
	}
	for m := range t.marks { // their order does not show
		t.insert(tableMarks, &indexRow{m.name(), t.index})
	}
	if _, changed := t.tables[TableAllocs]; changed {
		t.insert(tableAllocR, t.allocs)
	}
	t.txn.Commit()
	return t.changes
}

// finish derives what follows from the entry's own changes.
func (t *tx) finish() {
	t.wakeBlocked()
	t.storeSummaries()
	t.storeJobStatuses()
}

// secondsUp is the entry's time in seconds since 1970, rounded up: who noted the
// second before asking for something finds that it happened later, not at once.
func (t *tx) secondsUp() int64 { return t.time().Add(time.Second - 1).Unix() }

func (t *tx) time() time.Time { return time.Unix(0, t.at).UTC() }

// insert stores a row without recording a change. The rows are ours and well formed:
// an error is a broken invariant.
func (t *tx) insert(table string, row any) {
	if err := t.txn.Insert(table, row); err != nil {
		panic("state: insert into " + table + ": " + err.Error())
	}
}

func (t *tx) remove(table string, row any) {
	if err := t.txn.Delete(table, row); err != nil {
		panic("state: delete from " + table + ": " + err.Error())
	}
}

// put stores a row and records the change; before is the row as it was, or nil.
func put[T any](t *tx, table string, before, after *T) {
	t.insert(table, after)
	t.tables[table] = struct{}{}
	t.changes = append(t.changes, change(t.index, table, before, after))
}

// drop deletes a row and records the change.
func drop[T any](t *tx, table string, before *T) {
	t.remove(table, before)
	t.tables[table] = struct{}{}
	t.changes = append(t.changes, change(t.index, table, before, nil))
}

// change avoids the typed nil that a plain conversion to any would leave.
func change[T any](index uint64, table string, before, after *T) Change {
	c := Change{Index: index, Table: table}
	if before != nil {
		c.Before = before
	}
	if after != nil {
		c.After = after
	}
	return c
}

// putAlloc stores an allocation, counts it and marks who watches it. orders says
// that servers changed it, so that its node has to know.
func (t *tx) putAlloc(before, after *Alloc, orders bool) {
	t.ownAllocs()
	after.ModifyIndex, after.ModifyTime = t.index, t.at
	if orders {
		after.AllocModifyIndex = t.index
	}
	t.allocs.put(after)
	t.markAlloc(after, orders)
	t.changes = append(t.changes, change(t.index, TableAllocs, before, after))
	t.count(before, after)
	if before != nil && !before.ClientTerminal() && (after.ClientTerminal() || after.ServerTerminal() && !before.ServerTerminal()) {
		t.freeOn(after.NodeID)
	}
	if before != nil && mayServe(before) && !mayServe(after) {
		t.dropServices(after.ID)
	}
}

// dropAlloc forgets an allocation.
func (t *tx) dropAlloc(a *Alloc) {
	t.ownAllocs()
	t.allocs.remove(a)
	t.markAlloc(a, true)
	t.changes = append(t.changes, change(t.index, TableAllocs, a, nil))
	t.count(a, nil)
	t.dropServices(a.ID)
	if !a.ClientTerminal() {
		t.freeOn(a.NodeID)
	}
}

// ownAllocs makes the allocation trees this transaction's own before the first write.
func (t *tx) ownAllocs() {
	if _, own := t.tables[TableAllocs]; !own {
		t.Snapshot = &Snapshot{txn: t.txn, allocs: t.allocs.clone()}
		t.tables[TableAllocs] = struct{}{}
	}
}

func (t *tx) markAlloc(a *Alloc, orders bool) {
	t.marks[mark{markJob, a.Namespace, a.JobID}] = struct{}{}
	kind := markReports
	if orders {
		kind = markOrders
	}
	t.marks[mark{kind, a.NodeID, ""}] = struct{}{}
}

// freeOn notes that there is room on a node.
func (t *tx) freeOn(node string) {
	if n := t.Node(nil, node); n != nil {
		t.freed[capacity{n.NodePool, n.Datacenter}] = struct{}{}
	}
}
