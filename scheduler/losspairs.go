package scheduler

// tryPairs finds out what the loss of two nodes at once would mean, the largest losses
// first, until the budget is spent.
//
//	kinds, by what they lose   0 1 2 3 ...
//	                         0 . 1 2 4      the order of the trials: along the diagonals,
//	                         1   . 3 5      so that pairs of large losses come first
//	                         2     .
func (s *losses) tryPairs() {
	pair := &s.out.Pair
	pair.Asked = true
	n := 0
	for _, k := range s.kinds {
		n += len(k.nodes)
	}
	pair.Total = n * (n - 1) / 2
	if s.everyPairHolds() {
		pair.Examined, pair.Survived = pair.Total, pair.Total
		return
	}
	for sum := range 2*len(s.kinds) - 1 {
		for i := max(0, sum-len(s.kinds)+1); i <= sum/2; i++ {
			if s.t.work >= s.cfg.Work || !s.tryPair(s.kinds[i], s.kinds[sum-i]) {
				return
			}
		}
	}
}

// everyPairHolds reports whether every kind has slack for the largest loss beside it.
func (s *losses) everyPairHolds() bool {
	for i, k := range s.kinds {
		beside := 0
		for j, other := range s.kinds[:min(2, len(s.kinds))] {
			if j != i || len(other.nodes) > 1 {
				beside = max(beside, other.lost)
			}
		}
		if k.slack() < beside {
			return false
		}
	}
	return true
}

// tryPair examines the loss of a node of each kind, for all such pairs. It returns false
// when the question is given up.
func (s *losses) tryPair(a, b *kind) bool {
	pairs := len(a.nodes) * len(b.nodes)
	nodes := []string{a.nodes[0], b.nodes[0]}
	if a == b {
		pairs = len(a.nodes) * (len(a.nodes) - 1) / 2
	}
	if pairs == 0 {
		return true
	}
	if a == b {
		nodes[1] = a.nodes[1]
	}
	pair := &s.out.Pair
	s.scanned++
	if s.scanned%scansPerWork == 0 {
		s.t.work++
	}
	if a.slack() >= b.lost && b.slack() >= a.lost {
		pair.Examined += pairs
		pair.Survived += pairs
		return s.t.rest()
	}
	left, ok := s.try(nodes)
	if !ok {
		return false
	}
	pair.Examined += pairs
	if len(left) == 0 {
		pair.Survived += pairs
	} else if worst := s.out.WorstPair; worst == nil || total(left) > total(worst.Unplaced) {
		s.out.WorstPair = &Loss{NodeIDs: nodes, Unplaced: left}
	}
	return true
}

// scansPerWork is how many pairs can be compared in the time that a decision needs for one
// node.
const scansPerWork = 16

func total(list []Unplaced) int {
	n := 0
	for _, u := range list {
		n += u.Count
	}
	return n
}
