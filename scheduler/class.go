package scheduler

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// classTable groups nodes into computed classes: two nodes of a class have the same
// datacenter, pool, class, attributes, meta, drivers, host networks, host volumes, kinds
// and numbers of devices, and sizes of NUMA nodes, so every constraint that names nothing unique has one answer for both.
//
// Attributes and meta whose name starts with "unique." are left out.
type classTable struct {
	byDigest map[[sha256.Size]byte]int32
	list     []class // index 0 stands for "no node"
	vacant   []int32
	// verdicts caches, by constraint, the answer of each class.
	verdicts map[Constraint][]verdict
}

// class is a set of nodes that are alike.
type class struct {
	digest   [sha256.Size]byte
	exemplar *Node // any node of it; only its shared attributes may be read
	nodes    int32
	open     int32 // nodes that take new work
}

// verdict is what is known of one constraint in one class.
type verdict int8

const (
	unasked verdict = iota
	passes
	fails
)

// maxVerdicts bounds the cache of constraints; beyond it the cache starts anew.
const maxVerdicts = 1024

func newClassTable() classTable {
	return classTable{
		byDigest: map[[sha256.Size]byte]int32{},
		list:     make([]class, 1),
		verdicts: map[Constraint][]verdict{},
	}
}

// join adds n to its class and returns the class's index.
func (t *classTable) join(n *Node) int32 {
	digest := classDigest(n)
	i, ok := t.byDigest[digest]
	if !ok {
		i = t.create(digest, n)
	}
	t.list[i].nodes++
	if Open(n) {
		t.list[i].open++
	}
	return i
}

func (t *classTable) create(digest [sha256.Size]byte, n *Node) int32 {
	var i int32
	if k := len(t.vacant); k > 0 {
		i = t.vacant[k-1]
		t.vacant = t.vacant[:k-1]
		for _, answers := range t.verdicts {
			if int(i) < len(answers) {
				answers[i] = unasked
			}
		}
	} else {
		i = int32(len(t.list))
		t.list = append(t.list, class{})
	}
	t.list[i] = class{digest: digest, exemplar: n}
	t.byDigest[digest] = i
	return i
}

// leave takes a node out of its class; n is nil when it was in none.
func (t *classTable) leave(n *Node, i int32) {
	if n == nil || i == 0 {
		return
	}
	c := &t.list[i]
	c.nodes--
	if Open(n) {
		c.open--
	}
	if c.nodes == 0 {
		delete(t.byDigest, c.digest)
		*c = class{}
		t.vacant = append(t.vacant, i)
	}
}

// answer returns the class's answer to a constraint that names nothing unique.
func (t *classTable) answer(con *compiled, i int32) bool {
	if con.answers == nil {
		con.answers = t.verdicts[con.source]
	}
	if int(i) >= len(con.answers) {
		if len(t.verdicts) >= maxVerdicts {
			clear(t.verdicts)
		}
		grown := make([]verdict, len(t.list)+len(t.list)/4+1)
		copy(grown, con.answers)
		con.answers = grown
		t.verdicts[con.source] = grown
	}
	if con.answers[i] == unasked {
		con.answers[i] = fails
		if con.match(t.list[i].exemplar) {
			con.answers[i] = passes
		}
	}
	return con.answers[i] == passes
}

func classDigest(n *Node) [sha256.Size]byte {
	w := digester{h: sha256.New()}
	w.text(n.Datacenter, n.Pool, n.Class)
	w.table(n.Attributes)
	w.table(n.Meta)
	w.names(n.Drivers, func(ok bool) string {
		if ok {
			return "+"
		}
		return "-"
	})
	for _, alias := range slices.Sorted(maps.Keys(n.HostNetworks)) {
		w.text(alias)
	}
	w.text("")
	for _, name := range slices.Sorted(maps.Keys(n.HostVolumes)) {
		w.text(name)
		if n.HostVolumes[name].ReadOnly {
			w.text("ro")
		}
	}
	w.text("")
	for _, d := range n.Devices {
		w.text(d.Vendor, d.Type, d.Name, strconv.Itoa(len(d.IDs)))
		w.table(d.Attributes)
	}
	if len(n.NUMA) > 0 {
		for _, list := range n.NUMA {
			w.text("numa", strconv.Itoa(len(n.pinnable(list))))
		}
	}
	return [sha256.Size]byte(w.h.Sum(nil))
}

// digester writes strings so that no two lists of strings collide.
type digester struct {
	h   hash.Hash
	buf []byte
}

func (w *digester) text(list ...string) {
	for _, s := range list {
		w.buf = binary.AppendUvarint(w.buf[:0], uint64(len(s)))
		w.buf = append(w.buf, s...)
		w.h.Write(w.buf)
	}
}

// table writes the shared part of m, and its end.
func (w *digester) table(m map[string]string) {
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if !strings.HasPrefix(k, "unique.") {
			w.text(k, m[k])
		}
	}
	w.text("")
}

func (w *digester) names(m map[string]bool, mark func(bool) string) {
	for _, k := range slices.Sorted(maps.Keys(m)) {
		w.text(k, mark(m[k]))
	}
	w.text("")
}
