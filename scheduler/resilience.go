package scheduler

import (
	"cmp"
	"slices"
	"strings"
)

// Resilience says which nodes may be lost with everything still placed.
type Resilience struct {
	// Nodes has every node that carries something that would be replaced, by ID.
	Nodes []NodeLoss
	// Idle counts the nodes that may be lost since they carry nothing of that kind.
	Idle   int
	Single Coverage
	Pair   Coverage
	// WorstPair is the pair whose loss leaves most without a place, nil if every pair that
	// was examined may be lost.
	WorstPair *Loss
}

// NodeLoss is what the loss of one node would mean.
type NodeLoss struct {
	NodeID   string
	Allocs   int  // that would need another place
	Examined bool // false: the budget was spent before; Survives says nothing then
	Survives bool
	Unplaced []Unplaced
}

// Loss is what the loss of some nodes together would leave without a place.
type Loss struct {
	NodeIDs  []string
	Unplaced []Unplaced
}

// Unplaced is how many allocations of a group would have no place, and the smallest change
// that would give one to the first of them.
type Unplaced struct {
	Namespace, Job, Group string
	Count                 int
	Hint                  string
}

// Coverage says how much of a question was answered.
type Coverage struct {
	Asked    bool
	Total    int // losses that are possible
	Examined int // of them: proved, tried, or alike one that was tried
	Survived int // of those
}

// Exhaustive reports whether every possible loss was examined.
func (v Coverage) Exhaustive() bool { return v.Asked && v.Examined == v.Total }

// All reports whether every possible loss is known to leave everything placed.
func (v Coverage) All() bool { return v.Asked && v.Survived == v.Total }

// ResilienceConfig bounds the question.
type ResilienceConfig struct {
	// Pairs asks for losses of two nodes at once, too.
	Pairs bool
	// Work is how many nodes and allocations decisions may look at (about 100 ns each).
	// Single losses come first and may have all of it; pairs get what is left.
	Work int
	// First is a change to do before the question is asked: nil for none.
	First *Request

	share int // work of one step; 0 = stepWork
}

// DefaultResilience spends at most some seconds of one core, on a cluster where no short
// cut applies.
func DefaultResilience() ResilienceConfig { return ResilienceConfig{Work: 40_000_000} }

// FindResilience asks which nodes can be lost, one at a time and two at once, with
// everything still placed. The answer is complete when Step says that there is no more to do.
//
// A loss is tried as it would happen: the nodes are taken away and every job that lost
// something is scheduled, the most important first. Three things keep that affordable:
//
//   - A loss is proved harmless without a trial when each group that loses something has more
//     nodes with room for one more than all groups together lose allocations: each placement
//     uses up one node at most, so the scheduler cannot run out of them.
//   - Nodes of one class with equal capacity and equal work are alike: one stands for all.
//   - Losses are tried from the largest to the smallest within a budget of work, and the answer
//     says how many were examined.
func FindResilience(c *Cluster, source Source, cfg ResilienceConfig) (*Inquiry, *Resilience) {
	out := &Resilience{}
	share := cfg.share
	if share == 0 {
		share = stepWork
	}
	return inquire(c, source, share, func(t *trial) {
		s := &losses{t: t, cfg: cfg, out: out, rooms: map[groupVersion]int{}, uniques: map[groupVersion]bool{}}
		s.run()
	}), out
}

// losses is a search for nodes that must not be lost.
type losses struct {
	t     *trial
	cfg   ResilienceConfig
	out   *Resilience
	kinds []*kind              // most allocations first, the idle nodes last
	rooms map[groupVersion]int // by group: nodes with room for one more
	base  int                  // length of the trial's log before any loss

	uniques map[groupVersion]bool // by group: its rules tell alike nodes apart
	scanned int                   // pairs
}

// kind is a set of nodes that are alike.
type kind struct {
	signature string
	nodes     []string // IDs in order; the first stands for all
	lost      int      // allocations that would need another place
	room      int      // the least number of nodes with room for one more of what is there; -1 unknown
}

// slack is how many more allocations may be lost together with a node of this kind, and
// everything is placed for certain: each needs a node of its own, neither of the two lost.
func (k *kind) slack() int {
	if k.lost == 0 {
		return maxSlack
	}
	return k.room - k.lost - 2
}

const maxSlack = 1 << 30

func (s *losses) run() {
	if s.cfg.First != nil {
		s.t.schedulePlanned(s.cfg.First)
	}
	s.base = len(s.t.log)
	if !s.findKinds() || !s.findRooms() {
		return
	}
	s.tryAll()
	if s.cfg.Pairs {
		s.tryPairs()
	}
	slices.SortFunc(s.out.Nodes, func(a, b NodeLoss) int { return strings.Compare(a.NodeID, b.NodeID) })
}

// schedulePlanned does the change that is asked about, as it is at the end of its rollout.
func (t *trial) schedulePlanned(first *Request) {
	job := *first.Job
	job.Groups = nil
	for _, g := range first.Job.Groups {
		whole := *g
		whole.Update = nil // all at once
		job.Groups = append(job.Groups, &whole)
	}
	asked := t.source
	t.source = func(namespace, id string) Request {
		req := asked(namespace, id)
		if namespace == job.Namespace && id == job.ID {
			req.Job, req.Deployment = &job, nil
		}
		return req
	}
	t.schedule(jobKey{job.Namespace, job.ID})
}

// findKinds groups the nodes that are alike.
func (s *losses) findKinds() bool {
	by := map[string]*kind{}
	idle := map[string]*kind{}
	for ord := range s.t.c.slots {
		sl := &s.t.c.slots[ord]
		if sl.node == nil || nodeGone(sl.node) {
			continue
		}
		lost := 0
		for _, r := range sl.live {
			if replaced(r.alloc) {
				lost++
			}
		}
		table := by
		if lost == 0 {
			s.out.Idle++
			if !Open(sl.node) {
				continue // neither carries anything nor would take anything
			}
			table = idle
		}
		sig := s.signature(int32(ord))
		k := table[sig]
		if k == nil {
			k = &kind{signature: sig, lost: lost, room: -1}
			table[sig] = k
			s.kinds = append(s.kinds, k)
		}
		k.nodes = append(k.nodes, sl.id)
		s.t.work += signatureWork * (1 + len(sl.live))
		if !s.t.rest() {
			return false
		}
	}
	for _, k := range s.kinds {
		slices.Sort(k.nodes)
	}
	slices.SortFunc(s.kinds, func(a, b *kind) int {
		return cmp.Or(cmp.Compare(b.lost, a.lost), strings.Compare(a.nodes[0], b.nodes[0]))
	})
	s.t.work += len(s.kinds)
	return s.t.rest()
}

// signatureWork is what it costs to describe an allocation, in nodes looked at.
const signatureWork = 10

// replaced reports whether another has to run when an allocation's node is lost.
func replaced(a *Alloc) bool { return a.JobType != System && a.JobType != SysBatch }

// tryAll finds out what the loss of each node would mean.
func (s *losses) tryAll() {
	single := &s.out.Single
	single.Asked = true
	single.Total, single.Examined, single.Survived = s.out.Idle, s.out.Idle, s.out.Idle
	for _, k := range s.kinds {
		if k.lost == 0 {
			continue
		}
		n := len(k.nodes)
		single.Total += n
		loss := NodeLoss{Allocs: k.lost}
		if k.slack() >= -1 { // one node is lost, not two
			loss.Examined, loss.Survives = true, true
		} else if s.t.work < s.cfg.Work {
			left, ok := s.try(k.nodes[:1])
			if !ok {
				return
			}
			loss.Examined, loss.Survives, loss.Unplaced = true, len(left) == 0, left
		}
		if loss.Examined {
			single.Examined += n
		}
		if loss.Survives {
			single.Survived += n
		}
		for _, id := range k.nodes {
			loss.NodeID = id
			s.out.Nodes = append(s.out.Nodes, s.inTheName(loss, k.nodes[0]))
		}
		s.t.work += n
		if !s.t.rest() {
			return
		}
	}
}

// try takes nodes away and lists what finds no place.
func (s *losses) try(nodes []string) (left []Unplaced, ok bool) {
	var affected []*Alloc
	for _, id := range nodes {
		for _, a := range s.t.c.AllocsOnNode(id) {
			if replaced(a) {
				affected = append(affected, a)
			}
		}
	}
	for _, id := range nodes {
		s.t.lose(id)
	}
	settled, ok := s.t.settle(affected)
	s.t.rewind(s.base)
	return unplaced(settled), ok
}

// unplaced counts by group what needs a place and has none.
func unplaced(settled []moved) []Unplaced {
	var out []Unplaced
	for _, m := range settled {
		if !m.needed || m.to != "" {
			continue
		}
		a := m.alloc
		i := slices.IndexFunc(out, func(u Unplaced) bool {
			return u.Namespace == a.Namespace && u.Job == a.Job && u.Group == a.Group
		})
		if i < 0 {
			i = len(out)
			out = append(out, Unplaced{Namespace: a.Namespace, Job: a.Job, Group: a.Group, Hint: m.metric.Hint})
		}
		out[i].Count++
	}
	return out
}

// inTheName is the loss of a node that is like the one that was tried: where the one names
// the other in a hint, it is the other way round.
func (s *losses) inTheName(loss NodeLoss, tried string) NodeLoss {
	if loss.NodeID == tried {
		return loss
	}
	own, known := s.t.c.Node(loss.NodeID)
	other, alsoKnown := s.t.c.Node(tried)
	if !known || !alsoKnown { // one was forgotten meanwhile
		return loss
	}
	loss.Unplaced = slices.Clone(loss.Unplaced)
	for i := range loss.Unplaced {
		if rest, found := strings.CutSuffix(loss.Unplaced[i].Hint, " on node "+own.Name); found {
			loss.Unplaced[i].Hint = rest + " on node " + other.Name
		}
	}
	return loss
}
