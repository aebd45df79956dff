package scheduler

// A spread or distinct property over something that tells single nodes apart has as many
// values as there are nodes. With a bucket for each, and another spread beside it, every
// placement would score thousands of buckets anew. What a value scores depends only on how
// often it is used, so such a dimension has a bucket for each level of use instead, and a
// placement moves the node one level up.
//
//	values    ${node.datacenter}: dc1 dc2 dc3        coordinate = value
//	levels    ${node.unique.id}:  used 0, 1, 2, ...  coordinate = 1 + times used
//	                              (coordinate 0: the node has no value)

// useLevels is called before there are buckets.
func (d *dimension) useLevels() {
	if !d.unique || d.want != nil {
		return
	}
	d.levels = true
	if d.nodes == nil {
		d.members = make([][]int32, len(d.used))
	}
	d.filled, d.buckets = make([]int32, 1), make([][]int32, 1)
}

// countNodes is called before anything is counted. Where the values are the nodes
// themselves there is nothing to look up.
func (d *dimension) countNodes(c *Cluster) {
	if d.attribute == "${node.unique.id}" && d.want == nil {
		d.nodes, d.used = c.ordinals, make([]int32, 1+len(c.loads))
	}
}

// coordinate returns where the buckets of a node are in this dimension.
func (d *dimension) coordinate(n *Node) int32 {
	v := d.value(n)
	if !d.levels || v == missing {
		return v
	}
	at := 1 + max(0, d.used[v])
	for int(at) >= len(d.filled) {
		d.filled = append(d.filled, 0)
		d.buckets = append(d.buckets, nil)
	}
	return at
}

// usedAt is how often each value with this coordinate is used.
func (d *dimension) usedAt(at int32) int32 {
	if d.levels {
		return at - 1
	}
	return d.used[at]
}

// join notes a node that takes part in the ranking, for when its level changes.
func (p *pass) join(ord int32) {
	for _, dim := range p.dims {
		if dim.levels && dim.nodes == nil {
			v := dim.value(p.c.slots[ord].node)
			dim.members[v] = append(dim.members[v], ord)
		}
	}
}

// relocate moves the nodes that share a value with n to the buckets of their new level.
func (p *pass) relocate(n *Node) {
	for _, dim := range p.dims {
		if !dim.levels {
			continue
		}
		v := dim.value(n)
		if v == missing {
			continue
		}
		if dim.nodes != nil {
			if p.ranked(v - 1) {
				p.rebucket(v - 1)
			}
			continue
		}
		for _, ord := range dim.members[v] {
			p.rebucket(ord)
		}
	}
}

// rebucket moves a node to the bucket that it belongs to now.
func (p *pass) rebucket(ord int32) {
	at := &p.c.scratch.bucket[ord]
	old := *at - 1
	*at = 0
	b := p.bucketOf(ord)
	if b == old {
		return
	}
	p.gen[ord]++
	p.push(ord)
	if old >= 0 {
		p.settle(old)
	}
	p.settle(b)
}
