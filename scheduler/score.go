package scheduler

import (
	"cmp"
	"maps"
	"slices"
)

// Names of scores that are told of every node, also when they are 0: tools show them as
// columns.
const (
	scoreAntiAffinity = "job-anti-affinity"
	scoreAffinity     = "node-affinity"
	scorePenalty      = "node-reschedule-penalty"
	scorePreemption   = "preemption"
)

// bestScores lists the five best nodes of the ranking with what their scores are made of.
func (p *pass) bestScores() []NodeScore {
	const most = 5
	var out []NodeScore
	var seen []int32
	for len(out) < most {
		cand, norm, ok := p.best()
		if !ok {
			break
		}
		out = append(out, p.explainScore(cand.ord, norm))
		seen = append(seen, cand.ord)
		p.gen[cand.ord]++
		p.top(p.bucketOf(cand.ord))
	}
	for _, ord := range slices.Backward(seen) {
		b := p.bucketOf(ord)
		cand, parts := p.candidate(ord)
		p.buckets[b].heaps[parts-1].push(cand)
		p.top(b)
	}
	return out
}

func (p *pass) explainScore(ord int32, norm float64) NodeScore {
	scores := map[string]float64{p.packingName(): p.packing(ord), scoreAntiAffinity: 0, scoreAffinity: p.liked(ord), scorePenalty: 0}
	if n := p.onGroup[ord]; n > 0 {
		scores[scoreAntiAffinity] = antiAffinity(n, p.group.Count)
	}
	if liked := p.devicesLiked(ord); liked != 0 {
		scores["devices"] = liked
	}
	if boost := p.buckets[p.bucketOf(ord)].boost; boost != 0 {
		scores["allocation-spread"] = boost
	}
	return NodeScore{NodeID: p.c.slots[ord].id, Scores: scores, Norm: norm}
}

func (p *pass) packingName() string {
	if p.spread {
		return "job-spread"
	}
	return "binpack"
}

// explained is the metric of one placement: that of the pass, unless the nodes of earlier
// attempts were held against it, or it evicts.
func (p *pass) explained(w *want, ord int32, victims []*record) *Metric {
	if p.buckets == nil || len(w.avoid)+len(victims) == 0 {
		return p.metric
	}
	m := *p.metric
	m.Scores = slices.Clone(m.Scores)
	for _, bad := range w.avoid {
		for i := range m.Scores {
			if m.Scores[i].NodeID == p.c.slots[bad].id {
				m.Scores[i] = m.Scores[i].with(scorePenalty, -1)
			}
		}
	}
	if len(victims) > 0 {
		m.Scores = append(m.Scores, p.explainScore(ord, 0).with(scorePreemption, preemptionScore(p.d.costOf(victims))))
	}
	slices.SortStableFunc(m.Scores, func(a, b NodeScore) int { return cmp.Compare(b.Norm, a.Norm) })
	return &m
}

// with adds a score; the norm is the mean of those that apply, the ones that are not 0.
func (s NodeScore) with(name string, score float64) NodeScore {
	s.Scores = maps.Clone(s.Scores)
	s.Scores[name] = score
	sum, n := 0.0, 0
	for _, name := range slices.Sorted(maps.Keys(s.Scores)) { // in order: sums of floats depend on it
		if v := s.Scores[name]; v != 0 {
			sum, n = sum+v, n+1
		}
	}
	s.Norm = sum / float64(max(1, n))
	return s
}

// preemptionScore is 1 for victims without any priority and 0 for the dearest there are,
// of priority 100 beyond what their migrate block allows.
func preemptionScore(cost evictionCost) float64 { return 1 - float64(cost.highest)/(100+overMigrate) }
