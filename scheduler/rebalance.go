package scheduler

import (
	"cmp"
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

	share int // work of one step; 0 = stepWork
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
	share := cfg.share
	if share == 0 {
		share = stepWork
	}
	return inquire(c, source, share, func(t *trial) {
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
	b.t.work += decisionWork + len(b.t.c.sortedJob(key.namespace, key.id))
	if !steady(&req) {
		return b.t.rest()
	}
	for _, g := range req.Job.Groups {
		for !b.full() && b.mayMove(&req, g) && b.wishful(&req, g) {
			best := b.lookAt(&req, g, nil, func(f *finding) bool { return b.worthwhile(f, g) })
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

// worthwhile reports whether a wish is met better by a move that is worth its cost. That not
// many of a group share a node is nobody's stated wish: it must not load the other node more.
func (b *balancer) worthwhile(f *finding, g *Group) bool {
	level := !b.spread || b.t.c.shareWith(f.to, &g.Resources) <= b.t.c.loads[f.from].share()
	return f.better && (f.asked || level) && f.gain() >= b.cfg.MinGain
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
		left -= max(0, g.Count-b.well(req, g))
		writable := slices.ContainsFunc(g.Volumes, func(v VolumeAsk) bool { return !v.ReadOnly })
		if g.Sticky || writable || perIndex(g) {
			left = 0
		}
		b.budgets[key] = left
	}
	return left > 0
}

// well counts the allocations of a group that run and stay where they are. The successor of
// one that moves is not counted, nor is that.
func (b *balancer) well(req *Request, g *Group) int {
	n := 0
	for _, r := range b.t.c.sortedJob(req.Namespace, req.JobID) {
		a := r.alloc
		old, _ := b.t.c.Alloc(a.Previous)
		moves := a.MoveTo != "" || old != nil && old.MoveTo != "" && !Terminal(old)
		if r.live >= 0 && a.Group == g.Name && a.Client == Running && a.Health != Unhealthy && !moves && !a.Migrate {
			n++
		}
	}
	return n
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
	asked.Change(func(_ *AllocGroup, x *AllocExtras) { x.MoveTo = b.t.c.slots[f.to].id })
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
