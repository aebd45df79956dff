package scheduler

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestClusterKeepsCount applies random changes and compares with a cluster that was told
// only what is left.
func TestClusterKeepsCount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := NewCluster()
		nodes, allocs := map[string]Node{}, map[string]*Alloc{}
		for range rapid.IntRange(1, 40).Draw(t, "changes") {
			switch rapid.IntRange(0, 4).Draw(t, "what") {
			case 0:
				n := drawNode(t)
				nodes[n.ID] = n
				c.UpsertNode(n)
			case 1:
				id := fmt.Sprintf("n%d", rapid.IntRange(0, 3).Draw(t, "node"))
				delete(nodes, id)
				c.DeleteNode(id)
			case 2:
				id := fmt.Sprintf("a%d", rapid.IntRange(0, 9).Draw(t, "alloc"))
				delete(allocs, id)
				c.DeleteAlloc(id)
			default:
				a := drawAlloc(t)
				allocs[a.ID] = a
				c.UpsertAlloc(a)
				c.UpsertAlloc(a)
			}
		}
		want := NewCluster()
		for _, a := range allocs { // before their nodes
			want.UpsertAlloc(a)
		}
		for _, n := range nodes {
			want.UpsertNode(n)
		}
		if diff := cmp.Diff(describe(want), describe(c)); diff != "" {
			t.Fatalf("index differs from one built at once (-want +got):\n%s", diff)
		}
	})
}

func drawNode(t *rapid.T) Node {
	return Node{
		ID: fmt.Sprintf("n%d", rapid.IntRange(0, 3).Draw(t, "node")), Status: NodeReady, Eligible: rapid.Bool().Draw(t, "eligible"),
		Datacenter: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "dc"), Pool: "default",
		Capacity: Resources{CPU: int64(rapid.IntRange(1, 3).Draw(t, "cpu")) * 1000, Memory: 1000, Cores: rapid.IntRange(0, 4).Draw(t, "cores")},
	}
}

func drawAlloc(t *rapid.T) *Alloc {
	a := &Alloc{
		AllocGroup:  &AllocGroup{Namespace: "default", Job: rapid.SampledFrom([]string{"j", "k"}).Draw(t, "job"), Group: "g", Used: Resources{CPU: 100, Memory: 10, Cores: rapid.IntRange(0, 2).Draw(t, "pinned")}},
		AllocExtras: &AllocExtras{},
		ID:          fmt.Sprintf("a%d", rapid.IntRange(0, 9).Draw(t, "alloc")), NodeID: fmt.Sprintf("n%d", rapid.IntRange(0, 3).Draw(t, "on")), Index: rapid.IntRange(0, 3).Draw(t, "index"), Desired: rapid.SampledFrom([]Desired{Run, Run, Stop}).Draw(t, "desired"), Client: rapid.SampledFrom([]ClientStatus{Pending, Running, Complete, Failed, Lost, Unknown}).Draw(t, "client"),
	}
	for p := range rapid.IntRange(0, 2).Draw(t, "ports") {
		a.Ports = append(a.Ports, Port{Value: 8000 + p, HostIP: rapid.SampledFrom([]string{"", "10.0.0.1"}).Draw(t, "ip")})
	}
	for k := range a.Used.Cores {
		a.Cores = append(a.Cores, k)
	}
	return a
}

// describe tells all that can be asked of a cluster, whatever the order it was told in.
func describe(c *Cluster) string {
	var lines []string
	for id, ord := range c.ordinals {
		s, l := &c.slots[ord], c.loads[ord]
		class := c.classes.list[l.class]
		l.class = 0
		ports := slices.Clone(s.ports)
		for i := range ports {
			for addr, n := range c.ips {
				if n == ports[i].ip && n != 0 {
					ports[i].ip = uint32(len(addr))
				}
			}
		}
		slices.SortFunc(ports, func(a, b portUse) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		cores := slices.Clone(s.cores)
		for len(cores) > 0 && cores[len(cores)-1] == 0 {
			cores = cores[:len(cores)-1]
		}
		var on []string
		for _, a := range c.AllocsOnNode(id) {
			on = append(on, a.ID)
		}
		lines = append(lines, fmt.Sprint(id, s.node != nil, l, ports, cores, class.nodes, class.open, s.refs, on))
	}
	for _, job := range []string{"j", "k"} {
		for _, a := range c.AllocsOfJob("default", job) {
			lines = append(lines, job+" "+a.ID)
		}
	}
	slices.Sort(lines[:len(c.ordinals)])
	return strings.Join(lines, "\n")
}

// TestPredicates fixes what each combination of statuses means.
func TestPredicates(t *testing.T) {
	for _, tt := range []struct {
		desired         Desired
		client          ClientStatus
		terminal, ended bool
	}{
		{Run, Pending, false, false},
		{Run, Running, false, false},
		{Run, Unknown, false, false},
		{Run, Complete, true, true},
		{Run, Failed, true, true},
		{Run, Lost, true, true},
		{Stop, Running, true, false},
		{Evict, Running, true, false},
		{Stop, Complete, true, true},
	} {
		a := &Alloc{AllocGroup: &AllocGroup{}, AllocExtras: &AllocExtras{}, Desired: tt.desired, Client: tt.client}
		if Terminal(a) != tt.terminal || ClientTerminal(a) != tt.ended || HoldsResources(a) == tt.terminal {
			t.Errorf("%s/%s: terminal %v, ended %v, holds %v", tt.desired, tt.client, Terminal(a), ClientTerminal(a), HoldsResources(a))
		}
	}
}

// TestLookups asks for what is and is not there.
func TestLookups(t *testing.T) {
	c := NewCluster()
	c.UpsertAlloc(&Alloc{AllocGroup: &AllocGroup{Namespace: "default", Job: "j"}, AllocExtras: &AllocExtras{}, ID: "a", NodeID: "n", Desired: Run, Client: Running, CreatedAt: time.Unix(2, 0)})
	c.UpsertAlloc(&Alloc{AllocGroup: &AllocGroup{Namespace: "default", Job: "j"}, AllocExtras: &AllocExtras{}, ID: "b", NodeID: "n", Desired: Stop, Client: Running, CreatedAt: time.Unix(1, 0)})
	if _, ok := c.Node("n"); ok {
		t.Error("a node that never registered is known")
	}
	if _, ok := c.Alloc("z"); ok {
		t.Error("an unknown allocation is known")
	}
	if got := c.AllocsOnNode("n"); len(got) != 1 || got[0].ID != "a" {
		t.Errorf("AllocsOnNode = %v, want only a", got)
	}
	if got := c.AllocsOfJob("default", "j"); len(got) != 2 || got[0].ID != "b" {
		t.Errorf("AllocsOfJob = %v, want b and a", got)
	}
	c.UpsertNode(Node{ID: "n"})
	if _, ok := c.Node("n"); !ok {
		t.Error("a registered node is unknown")
	}
}
