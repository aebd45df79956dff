package scheduler

import "fmt"

// finding is a node that the scheduler would choose for an allocation if it had to place it
// anew, beside the one that it is on.
type finding struct {
	alloc      *Alloc
	from, to   int32
	here, best standing
	better     bool // some wish is met better, and none worse
	asked      bool // one that the job states: a spread or an affinity
	relief     float64
}

func (f *finding) gain() float64 { return max(f.relief, f.best.norm-f.here.norm) }

// why says which wish is met better.
func (f *finding) why() string {
	switch {
	case f.best.beside < f.here.beside:
		return fmt.Sprintf("%d of its group are on its node, %d there", f.here.beside+1, f.best.beside)
	case f.best.liked > f.here.liked:
		return fmt.Sprintf("its affinities score %.2f there, %.2f here", f.best.liked, f.here.liked)
	}
	return fmt.Sprintf("its spread is better there: score %.2f, here %.2f", f.best.norm, f.here.norm)
}

// standing is how well a node suits one allocation of a group that is not counted.
type standing struct {
	norm   float64   // the scheduler's score
	liked  float64   // affinity, -1..1
	beside int32     // others of the group on the node
	served []service // by spread: how its value is served without the allocation
}

// service is how many allocations a value of a spread has, and how many count as all it
// should have: what is wanted where there are targets, else the group's count.
type service struct{ used, of float64 }

// unwanted is what a value that nobody wishes counts as wanting: next to nothing.
const unwanted = 1e-9

// standing rates a node for the allocation that was lifted off; false when it cannot be there.
func (p *pass) standing(ord int32) (standing, bool) {
	if !p.ranked(ord) || p.judge(ord).kind != candidateNode {
		return standing{}, false
	}
	c, parts := p.candidate(ord)
	s := standing{
		norm:  normalise(c.sum, parts, p.buckets[p.bucketOf(ord)].boost),
		liked: p.liked(ord), beside: p.onGroup[ord],
	}
	for _, dim := range p.dims {
		if dim.limit == 0 {
			s.served = append(s.served, dim.service(dim.value(p.c.slots[ord].node), p.group.Count))
		}
	}
	return s, true
}

func (d *dimension) service(v int32, count int) service {
	switch {
	case v == missing || d.want != nil && d.want[v] <= 0:
		return service{used: float64(d.used[v]), of: unwanted}
	case d.want != nil:
		return service{float64(d.used[v]), d.want[v]}
	}
	return service{float64(d.used[v]), float64(max(1, count))}
}

// compare says whether a standing meets some wish better than another by more than the
// threshold, whether that is one that the job states, and whether it meets some worse. Counts are compared as the shares of the group
// that they are now: with the allocation for other, without it for s.
func (s *standing) compare(other *standing, count int, threshold float64) (better, asked, worse bool) {
	wish := func(now, then, gap float64) { // the lower the better
		better = better || then < now && gap > threshold
		worse = worse || then > now
	}
	wish(-other.liked, -s.liked, s.liked-other.liked)
	for i, here := range other.served {
		there := s.served[i]
		wish((here.used+1)/here.of, (there.used+1)/there.of, (here.used+1)/here.of-there.used/there.of)
	}
	asked = better
	wish(float64(other.beside), float64(s.beside), float64(other.beside+1-s.beside)/float64(max(1, count)))
	return better, asked, worse
}

// lookAt lifts each movable allocation of a group off its node, on one node only if on is not
// nil, and returns the best finding that is wanted; nil for none. All are weighed in one pass.
func (b *balancer) lookAt(req *Request, g *Group, on *int32, wanted func(*finding) bool) *finding {
	d := newDecision(req)
	defer d.c.undo()
	items := d.itemsOf(g.Name)
	p := newPass(d, d.job, g, items, -1)
	defer p.finish()
	b.t.work += len(b.t.c.loads) + len(items)
	var best *finding
	for i := range items {
		it := &items[i]
		if on != nil && it.rec.ord != *on || !b.movable(req, it.rec) {
			continue
		}
		if f := p.lift(it, b.cfg.Threshold); f != nil && wanted(f) && (best == nil || f.gain() > best.gain()) {
			best = f
		}
	}
	return best
}

// lift weighs the node of an allocation against the one that would be chosen for it now.
func (p *pass) lift(it *item, threshold float64) *finding {
	from := it.rec.ord
	p.c.release(from, usageOf(it.a))
	it.stopped = true
	p.move(from, -1)
	defer func() {
		p.c.take(from, usageOf(it.a))
		it.stopped = false
		p.move(from, 1)
	}()
	to, _, ok := p.choose(nil)
	if !ok || to == from {
		return nil
	}
	f := &finding{alloc: it.a, from: from, to: to}
	if f.here, ok = p.standing(from); !ok {
		return nil
	}
	if f.best, ok = p.standing(to); !ok {
		return nil
	}
	better, asked, worse := f.best.compare(&f.here, p.group.Count, threshold)
	if worse {
		return nil
	}
	f.better, f.asked = better, asked
	return f
}
