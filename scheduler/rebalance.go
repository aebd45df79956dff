package scheduler

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// RebalanceConfig says when work moves to balance the cluster.
type RebalanceConfig struct {
	// Threshold is the skew at which balancing begins, and Goal the one at which it ends, as
	// shares of a node (0.2 = 20 points). The skew of a datacenter and node pool is the
	// difference between its most and its least used node, by dominant share: the larger of
	// cpu and memory in use. It counts with the spread algorithm only: binpack wants skew.
	Threshold, Goal float64
	// Begun: an earlier pass found the threshold exceeded, and the goal is not reached yet.
	Begun bool
	// MinGain is the least that a move must be worth, since it costs a restart: by so much
	// the scheduler's own score of the new node is better, or the new node is less used
	// than the old one was.
	MinGain float64
	// Cooldown is how long an allocation stays where it was placed, or stayed when a move of
	// it was called off.
	Cooldown time.Duration
	// MaxMoves bounds the moves of one pass.
	MaxMoves int
	// Allowed reports whether a job's allocations may be moved; nil is every job's.
	Allowed func(namespace, job string) bool
	// Settled reports whether a node has been there long enough to get work moved to it;
	// nil is every node.
	Settled func(nodeID string) bool
}

// DefaultRebalance is how the cluster is balanced unless an operator says otherwise.
func DefaultRebalance() RebalanceConfig {
	return RebalanceConfig{Threshold: 0.20, Goal: 0.10, MinGain: 0.05, Cooldown: 10 * time.Minute, MaxMoves: 10}
}

// Balance is what would bring the cluster nearer to balance.
type Balance struct {
	Moves []Move
	// Skews has the datacenters and pools with two nodes or more, by name, as they are
	// before the moves. Empty unless the algorithm is spread.
	Skews []Skew
	// Begun is RebalanceConfig.Begun of the next pass.
	Begun bool
	// Later is when the next allocation that was left alone for its cool-down may move;
	// zero for none.
	Later time.Time
}

// Move takes an allocation to another node.
type Move struct {
	Alloc *Alloc
	To    string // node ID
	Gain  float64
	Why   string
}

// Skew is how unevenly a datacenter and pool is used.
type Skew struct {
	Datacenter, Pool string
	Most, Least      string  // node IDs
	High, Low        float64 // their dominant shares
}

// Gap is the skew in shares of a node.
func (s Skew) Gap() float64 { return s.High - s.Low }

// Rebalance proposes moves of running service allocations. It is complete when Step says that
// there is no more to do. Two things make a move worth its restart:
//
//	wishes  the job's own are met better by more than the threshold: its spreads and
//	        affinities, and not many of a group on one node (either algorithm; as after a
//	        lost rack came back)
//	skew    the most used node is relieved (algorithm spread only)
//
// A move never makes one of the job's wishes worse. So each has a sum of penalties that only
// falls, and under equal sums the sorted list of node shares only falls: passes end, and no
// allocation ever goes back and forth.
func Rebalance(c *Cluster, source Source, cfg RebalanceConfig) (*Inquiry, *Balance) {
	out := &Balance{}
	return inquire(c, source, stepWork, func(t *trial) {
		b := &balancer{t: t, cfg: cfg, out: out, budgets: map[groupKey]int{}}
		b.run()
	}), out
}

// balancer finds moves one after another; each is tried before the next is looked for.
type balancer struct {
	t       *trial
	cfg     RebalanceConfig
	out     *Balance
	budgets map[groupKey]int // by group: moves that its disruption budget still allows
	spread  bool
}

func (b *balancer) run() {
	keys := b.jobs()
	if len(keys) == 0 {
		return
	}
	b.spread = b.t.source(keys[0].namespace, keys[0].id).Settings.Algorithm == "spread"
	b.closeFresh()
	if b.spread {
		b.measure()
	}
	for _, key := range keys {
		if !b.meetWishes(key) {
			return
		}
	}
	if b.spread {
		b.levelAll()
	}
}

// jobs lists the jobs that may be balanced, by name.
func (b *balancer) jobs() []jobKey {
	var keys []jobKey
	for key, set := range b.t.c.jobs {
		if kind := set.records[0].alloc.JobType; kind != Service && kind != "" {
			continue
		}
		if b.cfg.Allowed == nil || b.cfg.Allowed(key.namespace, key.id) {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, func(x, y jobKey) int {
		return cmp.Or(strings.Compare(x.namespace, y.namespace), strings.Compare(x.id, y.id))
	})
	return keys
}

// closeFresh closes nodes that have not settled: nothing moves to them.
func (b *balancer) closeFresh() {
	if b.cfg.Settled == nil {
		return
	}
	for ord := range b.t.c.slots {
		if n := b.t.c.slots[ord].node; n != nil && Open(n) && !b.cfg.Settled(n.ID) {
			b.t.maskNode(n.ID, func(n Node) *Node { n.Eligible = false; return &n })
		}
	}
}

func (b *balancer) full() bool { return len(b.out.Moves) >= b.cfg.MaxMoves }

// meetWishes moves allocations of a job to where its own wishes are met better.
func (b *balancer) meetWishes(key jobKey) bool {
	req := b.request(key)
	if !steady(&req) {
		return b.t.rest()
	}
	for _, g := range req.Job.Groups {
		for !b.full() && b.mayMove(&req, g) && b.wishful(&req, g) {
			best := b.lookAt(&req, g, nil, func(f *finding) bool { return f.better && f.gain() >= b.cfg.MinGain })
			if best == nil || !b.try(&req, g, best, best.why()) {
				break
			}
			if !b.t.rest() {
				return false
			}
		}
	}
	return b.t.rest()
}

func (b *balancer) request(key jobKey) Request {
	req := b.t.source(key.namespace, key.id)
	req.Cluster, req.Namespace, req.JobID = b.t.c, key.namespace, key.id
	return req
}

// steady reports whether nothing else is going on with a job.
func steady(req *Request) bool {
	if req.Job == nil || req.Job.Stopped || req.Job.Type != Service {
		return false
	}
	return req.Deployment == nil || slices.Contains(deploymentOver, req.Deployment.Status)
}

// wishful reports whether the group has wishes that a move could meet.
func (b *balancer) wishful(req *Request, g *Group) bool {
	if len(req.Job.Spreads)+len(g.Spreads)+len(req.Job.Affinities)+len(g.Affinities) > 0 {
		return true
	}
	on := map[int32]bool{}
	for _, r := range b.t.c.sortedJob(req.Namespace, req.JobID) {
		if r.live >= 0 && r.alloc.Group == g.Name {
			if on[r.ord] {
				return true
			}
			on[r.ord] = true
		}
	}
	return false
}

// mayMove reports whether another allocation of the group may be disrupted now: as many as
// migrate.max_parallel allows, less those that are missing, not well, or moving already. What
// a group keeps on its node's disk stays with it.
func (b *balancer) mayMove(req *Request, g *Group) bool {
	key := groupKey{namespace: req.Namespace, job: req.JobID, group: g.Name}
	left, known := b.budgets[key]
	if !known {
		left = max(1, g.MigrateMax)
		well := 0
		for _, r := range b.t.c.sortedJob(req.Namespace, req.JobID) {
			a := r.alloc
			if r.live >= 0 && a.Group == g.Name && a.Client == Running && a.Health != Unhealthy && a.MoveTo == "" && !a.Migrate {
				well++
			}
		}
		left -= max(0, g.Count-well)
		writable := slices.ContainsFunc(g.Volumes, func(v VolumeAsk) bool { return !v.ReadOnly })
		if g.Sticky || writable || perIndex(g) {
			left = 0
		}
		b.budgets[key] = left
	}
	return left > 0
}

// movable reports whether an allocation may move now.
func (b *balancer) movable(req *Request, r *record) bool {
	a := r.alloc
	n := b.t.c.slots[r.ord].node
	if r.live < 0 || a.Client != Running || a.Health == Unhealthy || a.MoveTo != "" || a.Migrate || a.Reschedule || a.Canary ||
		a.JobVersion != req.Job.Version || a.JobCreateIndex != req.Job.CreateIndex || n == nil || n.Status != NodeReady || n.Draining {
		return false
	}
	since := a.CreatedAt
	if a.MoveOffAt.After(since) {
		since = a.MoveOffAt
	}
	if until := since.Add(b.cfg.Cooldown); until.After(req.Now) {
		if b.out.Later.IsZero() || until.Before(b.out.Later) {
			b.out.Later = until
		}
		return false
	}
	return true
}

// try does a move as it would be done: the successor is placed beside the allocation, which
// then stops. It reports whether that worked.
func (b *balancer) try(req *Request, g *Group, f *finding, why string) bool {
	mark := len(b.t.log)
	asked := *f.alloc
	asked.MoveTo = b.t.c.slots[f.to].id
	b.t.put(&asked)
	o := b.t.schedule(jobKey{req.Namespace, req.JobID})
	if o.placed[asked.ID] != asked.MoveTo {
		b.t.rewind(mark)
		return false
	}
	gone := asked
	gone.Desired = Stop
	b.t.put(&gone)
	b.budgets[groupKey{namespace: req.Namespace, job: req.JobID, group: g.Name}]--
	b.out.Moves = append(b.out.Moves, Move{Alloc: f.alloc, To: asked.MoveTo, Gain: f.gain(), Why: why})
	return true
}

// finding is a node that the scheduler would choose for an allocation if it had to place it
// anew, beside the one that it is on.
type finding struct {
	alloc      *Alloc
	to         int32
	here, best standing
	better     bool // some wish is met better, and none worse
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
// threshold, and whether it meets some worse. Counts are compared as the shares of the group
// that they are now: with the allocation for other, without it for s.
func (s *standing) compare(other *standing, count int, threshold float64) (better, worse bool) {
	wish := func(now, then, gap float64) { // the lower the better
		better = better || then < now && gap > threshold
		worse = worse || then > now
	}
	wish(-other.liked, -s.liked, s.liked-other.liked)
	n := float64(max(1, count))
	wish(float64(other.beside), float64(s.beside), float64(other.beside+1-s.beside)/n)
	for i, here := range other.served {
		there := s.served[i]
		wish((here.used+1)/here.of, (there.used+1)/there.of, (here.used+1)/here.of-there.used/there.of)
	}
	return better, worse
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
	f := &finding{alloc: it.a, to: to}
	if f.here, ok = p.standing(from); !ok {
		return nil
	}
	if f.best, ok = p.standing(to); !ok {
		return nil
	}
	better, worse := f.best.compare(&f.here, p.group.Count, threshold)
	if worse {
		return nil
	}
	f.better = better
	return f
}
