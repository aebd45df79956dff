package scheduler

import (
	"fmt"
	"slices"
	"strings"
)

// groupVersion names a group in a version of its job.
type groupVersion struct {
	group   groupKey
	version uint64
}

// findRooms finds out, for the groups on each kind of node, how many nodes have room for
// one more of them.
func (s *losses) findRooms() bool {
	for _, k := range s.kinds {
		if k.lost == 0 || s.t.work >= s.cfg.Work {
			continue // what is not known proves nothing
		}
		k.room = maxSlack
		for _, a := range s.t.c.AllocsOnNode(k.nodes[0]) {
			if replaced(a) {
				k.room = min(k.room, s.room(a))
			}
		}
		if !s.t.rest() {
			return false
		}
	}
	return true
}

// room counts the nodes that could take one more of an allocation's group now; -1 when that
// would prove nothing about a loss.
func (s *losses) room(a *Alloc) int {
	key := groupVersion{groupOf(a), a.JobVersion}
	n, known := s.rooms[key]
	if !known {
		req := s.t.source(a.Namespace, a.Job)
		req.Cluster, req.Namespace, req.JobID = s.t.c, a.Namespace, a.Job
		n = -1
		if g := provable(&req, a); g != nil {
			n = roomFor(&req, g)
		}
		s.t.work += decisionWork + len(s.t.c.loads)
		s.rooms[key] = n
	}
	if a.Canary {
		return -1
	}
	return n
}

// provable returns the group of an allocation if a placement of it takes room for others of
// it away on its own node only, and if nothing else of it waits for a place; else nil.
func provable(req *Request, a *Alloc) *Group {
	job := req.Job
	if job == nil || job.Stopped || job.Version != a.JobVersion || job.CreateIndex != a.JobCreateIndex {
		return nil
	}
	if d := req.Deployment; d != nil && !slices.Contains(deploymentOver, d.Status) {
		return nil
	}
	g := job.group(a.Group)
	if g == nil || perIndex(g) || hasOperand(job.Constraints, distinctProperty) || hasOperand(g.Constraints, distinctProperty) {
		return nil
	}
	for _, other := range job.Groups {
		if taken(req, other) < other.Count {
			return nil
		}
	}
	return g
}

// taken counts the slots of a group that are taken.
func taken(req *Request, g *Group) int {
	n := 0
	for _, r := range req.Cluster.sortedJob(req.Namespace, req.JobID) {
		a := r.alloc
		if a.Group == g.Name && a.Desired == Run && a.Client != Failed && a.Client != Lost {
			n++
		}
	}
	return n
}

func hasOperand(list []Constraint, operand string) bool {
	return slices.ContainsFunc(list, func(c Constraint) bool { return c.Operand == operand })
}

// roomFor counts the nodes that are candidates for one more of a group.
func roomFor(req *Request, g *Group) int {
	d := newDecision(req)
	defer d.c.undo()
	p := newPass(d, d.job, g, d.itemsOf(g.Name), -1)
	p.finish()
	return p.metric.NodesEvaluated - p.metric.NodesFiltered - p.metric.NodesExhausted
}

// signature tells nodes apart that are not alike: another class, capacity, use or work. What
// a loss leaves without a place may still differ between two that are alike where only the
// names of nodes decide a tie.
func (s *losses) signature(ord int32) string {
	l, sl := &s.t.c.loads[ord], &s.t.c.slots[ord]
	n := sl.node
	var b strings.Builder
	fmt.Fprint(&b, *l, sl.reserved, n.MinDynamicPort, n.MaxDynamicPort, n.Status, n.Draining)
	for _, d := range n.Devices {
		fmt.Fprint(&b, d.Vendor, d.Type, d.Name, len(d.IDs))
	}
	work := make([]string, 0, len(sl.live))
	for _, r := range sl.live {
		a := r.alloc
		var index any
		if s.unique(a) {
			index = a.ID
		}
		work = append(work, fmt.Sprint(a.Namespace, "\x00", a.Job, "\x00", a.Group, "\x00", a.JobVersion, a.JobCreateIndex, a.Canary, a.Migrate, a.Used, a.Priority, index))
	}
	slices.Sort(work)
	b.WriteString(strings.Join(work, "\n"))
	return b.String()
}

// unique reports whether the place of an allocation's successor depends on more than the
// shape of nodes: a rule names something unique, or a volume belongs to an index.
func (s *losses) unique(a *Alloc) bool {
	key := groupVersion{groupOf(a), a.JobVersion}
	answer, known := s.uniques[key]
	if !known {
		req := s.t.source(a.Namespace, a.Job)
		answer = namesUnique(req.Job, a.Group)
		s.uniques[key] = answer
	}
	return answer
}

func namesUnique(job *Job, group string) bool {
	if job == nil {
		return false
	}
	g := job.group(group)
	if g == nil {
		return false
	}
	for _, list := range [][]Constraint{job.Constraints, g.Constraints} {
		for _, con := range list {
			if con.Operand != distinctHosts && (isUnique(con.LTarget) || isUnique(con.RTarget)) {
				return true
			}
		}
	}
	return perIndex(g)
}
