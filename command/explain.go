package command

import (
	"cmp"
	"fmt"
	"io"
	"sort"
	"strings"

	"github.com/hashicorp/nomad/api"
)

// unplacedHead is the heading above writeUnplaced.
func unplacedHead(group string, m *api.AllocationMetric) string {
	return fmt.Sprintf("Task Group %q (failed to place %s):", group, plural(unplacedTotal(m), "allocation"))
}

// writeUnplaced says why allocations of a group found no node: what ruled the
// nodes out, most first, in the words that people search for, and what would help:
// the scheduler's advice, if it gave any.
func writeUnplaced(w io.Writer, indent string, m *api.AllocationMetric, advice string) {
	m = orNew(m)
	line := func(format string, args ...any) { fmt.Fprintf(w, indent+"* "+format+"\n", args...) }
	if m.NodesEvaluated == 0 && m.NodesFiltered == 0 && m.NodesExhausted == 0 {
		line("No nodes were eligible for evaluation: none in the job's datacenters and node pool is ready")
	}
	for _, dc := range keys(m.NodesAvailable) {
		if m.NodesAvailable[dc] == 0 {
			line("No nodes are available in datacenter %q", dc)
		}
	}
	for _, c := range byCount(m.ClassFiltered) {
		line("Class %q: %d nodes excluded by filter", c, m.ClassFiltered[c])
	}
	for _, c := range byCount(m.ConstraintFiltered) {
		line("Constraint %q: %d nodes excluded by filter", c, m.ConstraintFiltered[c])
	}
	if m.NodesExhausted > 0 {
		line("Resources exhausted on %d nodes", m.NodesExhausted)
	}
	for _, c := range byCount(m.ClassExhausted) {
		line("Class %q exhausted on %d nodes", c, m.ClassExhausted[c])
	}
	for _, d := range byCount(m.DimensionExhausted) {
		line("Dimension %q exhausted on %d nodes", d, m.DimensionExhausted[d])
	}
	for _, q := range m.QuotaExhausted {
		line("Quota limit hit: %s", q)
	}
	if hint := cmp.Or(advice, hint(m)); hint != "" {
		fmt.Fprintf(w, "%s  Hint: %s\n", indent, hint)
	}
}

// adviceFor finds the scheduler's hint for a group in the description of an evaluation:
// `group "web": needs 500 MHz more cpu on node n1; group "db": ...`.
func adviceFor(description, group string) string {
	_, rest, found := strings.Cut(description, fmt.Sprintf("group %q: ", group))
	if !found {
		return ""
	}
	advice, _, _ := strings.Cut(rest, `; group "`)
	return advice
}

// byCount orders reasons by how many nodes each ruled out.
func byCount(m map[string]int) []string {
	names := keys(m)
	sort.SliceStable(names, func(i, j int) bool { return m[names[i]] > m[names[j]] })
	return names
}

// hints are the ways out by the beginning of an exhausted dimension.
var hints = []struct{ dimension, text string }{
	{"network: reserved port", "another allocation has the static port on every node that fits; use a dynamic port, or fewer instances than nodes"},
	{"network: port", "another allocation has the static port on every node that fits; use a dynamic port, or fewer instances than nodes"},
	{"network: dynamic", "no dynamic port is left; widen min_dynamic_port to max_dynamic_port on the clients"},
	{"cpu", "ask for less cpu, stop something, or add a node"},
	{"cores", "ask for fewer cores, stop something, or add a node"},
	{"memory", "ask for less memory, stop something, or add a node"},
	{"disk", "ask for a smaller ephemeral_disk, or add a node"},
}

// hint is the smallest change that may help, from what ruled out most nodes.
func hint(m *api.AllocationMetric) string {
	exhausted, filtered := byCount(m.DimensionExhausted), byCount(m.ConstraintFiltered)
	switch {
	case len(exhausted) > 0:
		for _, h := range hints {
			if strings.HasPrefix(exhausted[0], h.dimension) {
				return h.text
			}
		}
	case len(filtered) > 0 && strings.HasPrefix(filtered[0], "missing drivers"):
		return "enable the driver on the clients: config { enabled = true } inside a plugin block with its name"
	case len(filtered) > 0:
		return "selfheal node status -verbose NODE shows what a node has to match a constraint with"
	case m.NodesEvaluated == 0 && m.NodesFiltered == 0:
		return "selfheal node status shows which nodes are ready and eligible, and in which datacenter and node pool"
	}
	return ""
}

// unplacedTotal is how many allocations of a group a metric stands for.
func unplacedTotal(m *api.AllocationMetric) int { return orNew(m).CoalescedFailures + 1 }
