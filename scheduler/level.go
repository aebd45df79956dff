package scheduler

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// domain is a datacenter and node pool: work is levelled within it.
type domain struct{ datacenter, pool string }

// usedNode is a node with the share of it that is in use.
type usedNode struct {
	ord   int32
	share float64
}

// share is a node's dominant share: of cpu or memory, whichever is used more.
func (l *load) share() float64 {
	out := 0.0
	for _, part := range [][2]int64{{l.usedCPU, l.capCPU}, {l.usedMem, l.capMem}} {
		if part[1] > 0 {
			out = max(out, float64(part[0])/float64(part[1]))
		}
	}
	return out
}

// domains lists the open nodes of every domain, the most used first.
func (b *balancer) domains() map[domain][]usedNode {
	c := b.t.c
	out := map[domain][]usedNode{}
	for ord := range c.loads {
		if c.loads[ord].open {
			n := c.slots[ord].node
			key := domain{n.Datacenter, n.Pool}
			out[key] = append(out[key], usedNode{int32(ord), c.loads[ord].share()})
		}
	}
	b.t.work += len(c.loads)
	for _, nodes := range out {
		slices.SortFunc(nodes, func(x, y usedNode) int {
			return cmp.Or(cmp.Compare(y.share, x.share), strings.Compare(c.slots[x.ord].id, c.slots[y.ord].id))
		})
	}
	return out
}

// measure notes the skew of every domain.
func (b *balancer) measure() {
	for key, nodes := range b.domains() {
		if len(nodes) > 1 {
			b.out.Skews = append(b.out.Skews, b.skew(key, nodes))
		}
	}
	slices.SortFunc(b.out.Skews, func(x, y Skew) int {
		return cmp.Or(strings.Compare(x.Datacenter, y.Datacenter), strings.Compare(x.Pool, y.Pool))
	})
}

// levelAll relieves the most used nodes of every domain whose skew is beyond the threshold,
// until it is down to the goal.
func (b *balancer) levelAll() {
	for _, s := range b.out.Skews {
		key := domain{s.Datacenter, s.Pool}
		nodes := b.domains()[key] // wishes that were met have changed it
		if len(nodes) < 2 {
			continue
		}
		gap := b.skew(key, nodes).Gap()
		if gap > b.cfg.Threshold || b.cfg.Begun && gap > b.cfg.Goal {
			if !b.level(key) {
				return
			}
		}
	}
}

func (b *balancer) skew(key domain, nodes []usedNode) Skew {
	most, least := nodes[0], nodes[len(nodes)-1]
	return Skew{
		Datacenter: key.datacenter, Pool: key.pool,
		Most: b.t.c.slots[most.ord].id, Least: b.t.c.slots[least.ord].id, High: most.share, Low: least.share,
	}
}

// level moves allocations off the most used nodes of a domain. It returns false when the
// question is given up.
func (b *balancer) level(key domain) bool {
	for !b.full() {
		nodes := b.domains()[key]
		if len(nodes) < 2 {
			return true
		}
		if b.skew(key, nodes).Gap() <= b.cfg.Goal {
			return true
		}
		if !b.relieveOne(key, nodes) {
			return b.t.rest()
		}
		b.out.Begun = true // there may be more than one pass can do
		if !b.t.rest() {
			return false
		}
	}
	return true
}

// relieveOne moves one allocation off the most used node from which one may move; false when
// there is none whose use is further above the least than the goal.
func (b *balancer) relieveOne(key domain, nodes []usedNode) bool {
	low := nodes[len(nodes)-1].share
	for _, n := range nodes {
		if n.share-low <= b.cfg.Goal {
			return false
		}
		if b.relieve(key, n) {
			return true
		}
		if !b.t.rest() {
			return false
		}
	}
	return false
}

// relieve moves the allocation off a node that relieves it most.
func (b *balancer) relieve(key domain, n usedNode) bool {
	type option struct {
		req Request
		g   *Group
		f   *finding
	}
	var best *option
	for _, each := range b.groupsOn(n.ord) {
		req := b.request(jobKey{each.namespace, each.job})
		if !steady(&req) {
			continue
		}
		g := req.Job.group(each.group)
		if g == nil || !b.mayMove(&req, g) {
			continue
		}
		f := b.lookAt(&req, g, &n.ord, func(f *finding) bool {
			to := b.t.c.slots[f.to].node
			f.relief = n.share - b.t.c.shareWith(f.to, &g.Resources)
			return domain{to.Datacenter, to.Pool} == key && f.relief >= b.cfg.MinGain
		})
		if f != nil && (best == nil || f.relief > best.f.relief) {
			best = &option{req, g, f}
		}
	}
	if best == nil {
		return false
	}
	c := b.t.c
	why := fmt.Sprintf("node %s is %.0f %% used, %s %.0f %%", c.slots[n.ord].node.Name, 100*n.share, c.slots[best.f.to].node.Name, 100*c.loads[best.f.to].share())
	return b.try(&best.req, best.g, best.f, why)
}

// groupsOn lists the groups on a node that may be balanced, by name.
func (b *balancer) groupsOn(ord int32) []groupKey {
	var out []groupKey
	for _, r := range b.t.c.slots[ord].live {
		key := groupKey{namespace: r.alloc.Namespace, job: r.alloc.Job, group: r.alloc.Group}
		if !slices.Contains(out, key) && (b.cfg.Allowed == nil || b.cfg.Allowed(key.namespace, key.job)) {
			out = append(out, key)
		}
	}
	slices.SortFunc(out, func(x, y groupKey) int {
		return cmp.Or(strings.Compare(x.namespace, y.namespace), strings.Compare(x.job, y.job), strings.Compare(x.group, y.group))
	})
	return out
}

// shareWith is a node's dominant share with one more allocation.
func (c *Cluster) shareWith(ord int32, ask *Resources) float64 {
	l := c.loads[ord]
	l.usedCPU += l.cpu(ask)
	l.usedMem += ask.Memory
	return l.share()
}
