package scheduler

import (
	"cmp"
	"iter"
	"slices"
	"strconv"
	"strings"
)

// Source tells everything that a decision about a job depends on besides the cluster:
// a Request whose Cluster is not set. Its Job is nil when the job no longer exists.
type Source func(namespace, job string) Request

// trial takes decisions one after another on a cluster that is put back afterwards.
//
//	lose, drain (nodes)  ─▶ affected jobs ─▶ Schedule ─▶ effects ─▶ Schedule ─▶ ... ─▶ rewind
//
// Every step is written in a log with what it replaced, so that it can be undone, and done
// again: between two decisions the owner of the cluster may have it back for a while.
type trial struct {
	c      *Cluster
	source Source
	log    []change
	serial int
	work   int // nodes and allocations looked at so far
	share  int // work between two rests
	rested int // work at the last rest
	pause  func() bool
	ended  bool // the owner of the cluster wants no answer any more
}

// change is a step of a trial: an allocation made or replaced, or a node masked.
type change struct {
	alloc, was *Alloc
	undone     bool // while paused, or for good when the world moved on meanwhile

	node    string // "" for an allocation
	mask    func(Node) *Node
	wasNode *Node
}

// result is a plan and where it placed the successors of allocations.
type result struct {
	plan   Plan
	placed map[string]string // by predecessor: the node
}

// lose takes a node away.
func (t *trial) lose(id string) { t.maskNode(id, func(Node) *Node { return nil }) }

// drain closes a node and asks its allocations to leave.
func (t *trial) drain(id string) {
	t.maskNode(id, func(n Node) *Node {
		n.Draining, n.DrainForced, n.Eligible = true, true, false // forced: a rollout under way does not hold it
		return &n
	})
	for _, a := range t.c.AllocsOnNode(id) {
		if !staysTillTheEnd(a) && !a.Migrate {
			next := *a
			next.Migrate = true
			t.put(&next)
		}
	}
}

// staysTillTheEnd reports whether an allocation is not moved when its node empties: what
// runs on every node ends with it, batch work may finish.
func staysTillTheEnd(a *Alloc) bool { return a.JobType != Service && a.JobType != "" }

func (t *trial) maskNode(id string, mask func(Node) *Node) {
	t.log = append(t.log, change{node: id, mask: mask, undone: true})
	t.do(&t.log[len(t.log)-1])
}

// put makes or replaces an allocation.
func (t *trial) put(a *Alloc) {
	was, _ := t.c.Alloc(a.ID)
	t.log = append(t.log, change{alloc: a, was: was, undone: true})
	t.do(&t.log[len(t.log)-1])
}

// do does a change. One of an allocation that is not any more what the trial found is left
// out: what really happened counts.
func (t *trial) do(ch *change) {
	if ch.node != "" {
		ord, ok := t.c.ordinals[ch.node]
		if !ok || t.c.slots[ord].node == nil {
			return
		}
		ch.wasNode, ch.undone = t.c.slots[ord].node, false
		t.c.mask(ord, ch.mask(*ch.wasNode))
		return
	}
	if now, _ := t.c.Alloc(ch.alloc.ID); now == ch.was {
		t.c.UpsertAlloc(ch.alloc)
		ch.undone = false
	}
}

// undo takes a change back.
func (t *trial) undo(ch *change) {
	if ch.undone {
		return
	}
	ch.undone = true
	switch {
	case ch.node != "":
		t.c.mask(t.c.ordinals[ch.node], ch.wasNode)
	case ch.was != nil:
		t.c.UpsertAlloc(ch.was)
	default:
		t.c.DeleteAlloc(ch.alloc.ID)
	}
}

// rewind takes back everything after the first n changes.
func (t *trial) rewind(n int) {
	for i := len(t.log) - 1; i >= n; i-- {
		t.undo(&t.log[i])
	}
	clear(t.log[n:])
	t.log = t.log[:n]
}

// rest gives the cluster back to its owner if enough was done since the last time. It
// returns false when the trial is to end.
func (t *trial) rest() bool {
	if t.ended || t.pause == nil || t.work-t.rested < t.share {
		return !t.ended
	}
	t.rested = t.work
	for i := len(t.log) - 1; i >= 0; i-- {
		t.undo(&t.log[i])
	}
	t.ended = !t.pause()
	if !t.ended {
		for i := range t.log {
			t.do(&t.log[i])
		}
	}
	return !t.ended
}

// schedule decides about one job and does what the plan says.
func (t *trial) schedule(key jobKey) result {
	req := t.source(key.namespace, key.id)
	req.Cluster, req.Namespace, req.JobID = t.c, key.namespace, key.id
	if set := t.c.jobs[key]; set != nil {
		t.work += len(set.records)
	}
	t.work += decisionWork + len(t.c.loads)
	out := result{plan: Schedule(req), placed: map[string]string{}}
	for i := range out.plan.Placements {
		if p := &out.plan.Placements[i]; p.Previous != "" {
			out.placed[p.Previous] = p.NodeID
		}
	}
	for _, a := range Effects(&req, &out.plan, t.name) {
		t.put(a)
	}
	return out
}

// name is the ID of an allocation that exists in a trial only.
func (t *trial) name(int) string {
	t.serial++
	return "what-if/" + strconv.Itoa(t.serial)
}

// moved is what became of an affected allocation: where it goes, or why nowhere.
type moved struct {
	alloc  *Alloc
	to     string // node ID, "" for none
	needed bool   // another has to run in its place
	metric *Metric
}

// settle decides about the jobs of the affected allocations, the most important first, and
// about those whose allocations are evicted on the way. It returns false when it was ended.
func (t *trial) settle(affected []*Alloc) (out []moved, ok bool) {
	waiting := byJob(affected)
	for len(waiting) > 0 {
		next := waiting[0]
		o := t.schedule(next.key)
		out = append(out, o.judge(next.allocs)...)
		var victims []*Alloc
		for _, s := range o.plan.Stops {
			if a, known := t.c.Alloc(s.ID); known && s.Desired == Evict {
				victims = append(victims, a)
			}
		}
		waiting = append(waiting[1:], byJob(victims)...)
		if !t.rest() {
			return nil, false
		}
	}
	return out, true
}

// judge says what became of the affected allocations of a job.
func (o *result) judge(allocs []*Alloc) []moved {
	left := map[string]int{}
	for group, n := range o.plan.Queued {
		left[group] = n
	}
	out := make([]moved, len(allocs))
	for i, a := range allocs {
		to, ok := o.placed[a.ID]
		out[i] = moved{alloc: a, to: to, needed: ok}
		if !ok && left[a.Group] > 0 {
			left[a.Group]--
			out[i].needed, out[i].metric = true, o.plan.Failed[a.Group]
		}
	}
	return out
}

// ofJob is the affected allocations of one job.
type ofJob struct {
	key      jobKey
	priority int
	allocs   []*Alloc
}

// byJob groups allocations by job: the highest priority first, then by name; within a job
// by group and index.
func byJob(allocs []*Alloc) []ofJob {
	at := map[jobKey]int{}
	var out []ofJob
	for _, a := range allocs {
		key := jobKey{a.Namespace, a.Job}
		i, ok := at[key]
		if !ok {
			i = len(out)
			at[key] = i
			out = append(out, ofJob{key: key})
		}
		out[i].priority = max(out[i].priority, a.Priority)
		out[i].allocs = append(out[i].allocs, a)
	}
	for i := range out {
		slices.SortFunc(out[i].allocs, compareAllocs)
	}
	slices.SortFunc(out, func(a, b ofJob) int {
		return cmp.Or(cmp.Compare(b.priority, a.priority), strings.Compare(a.key.namespace, b.key.namespace), strings.Compare(a.key.id, b.key.id))
	})
	return out
}

// mask replaces a node by n, which differs from it in status, eligibility and drain at
// most, or takes it away (nil). The class stays what it was, so nothing is hashed.
func (c *Cluster) mask(ord int32, n *Node) {
	c.changed()
	s, l := &c.slots[ord], &c.loads[ord]
	k := &c.classes.list[l.class]
	for _, each := range []struct {
		node *Node
		by   int32
	}{{s.node, -1}, {n, 1}} {
		if each.node == nil {
			continue
		}
		k.nodes += each.by
		if Open(each.node) {
			k.open += each.by
		}
	}
	s.node, l.open = n, n != nil && Open(n)
}

// Inquiry is a question whose answer takes many decisions. Between two steps the cluster
// is as its owner left it, and may be changed.
type Inquiry struct {
	next func() (struct{}, bool)
	stop func()
}

// What a decision costs besides looking at nodes and allocations, in their number; and how
// much of that a step does before it ends: about 2 ms.
const (
	decisionWork = 500
	stepWork     = 10_000
)

// inquire makes a question of f, which runs as a coroutine of the steps.
func inquire(c *Cluster, source Source, share int, f func(*trial)) *Inquiry {
	next, stop := iter.Pull(func(yield func(struct{}) bool) {
		t := &trial{c: c, source: source, share: share}
		defer t.rewind(0)
		t.pause = func() bool { return yield(struct{}{}) }
		f(t)
	})
	return &Inquiry{next: next, stop: stop}
}

// Step works on the answer for about 2 ms and reports whether there is more to do.
func (q *Inquiry) Step() bool {
	_, more := q.next()
	return more
}

// Close gives the question up; it is not needed after the last step.
func (q *Inquiry) Close() { q.stop() }
