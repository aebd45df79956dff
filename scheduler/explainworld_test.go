package scheduler

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// explain tells in full what the last plan says of its failures and of its first
// placement: "explain" in a script.
func (w *world) explain() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(w.plan.Failed)) {
		fmt.Fprintf(&b, "%s failed\n", name)
		explainMetric(&b, w.plan.Failed[name])
	}
	if len(w.plan.Placements) > 0 {
		pl := w.plan.Placements[0]
		fmt.Fprintf(&b, "%s[%d] on %s\n", pl.Group, pl.Index, pl.NodeID)
		explainMetric(&b, pl.Metric)
	}
	return b.String()
}

func explainMetric(b *strings.Builder, m *Metric) {
	fmt.Fprintf(b, "  pool %q has %d nodes, available %v, evaluated %d\n", m.NodePool, m.NodesInPool, m.NodesAvailable, m.NodesEvaluated)
	if m.NodesFiltered > 0 {
		fmt.Fprintf(b, "  filtered %d: constraints %v classes %v\n", m.NodesFiltered, m.ConstraintFiltered, m.ClassFiltered)
	}
	if m.NodesExhausted > 0 {
		fmt.Fprintf(b, "  exhausted %d: dimensions %v classes %v\n", m.NodesExhausted, m.DimensionExhausted, m.ClassExhausted)
	}
	for _, task := range slices.Sorted(maps.Keys(m.ResourcesExhausted)) {
		r := m.ResourcesExhausted[task]
		fmt.Fprintf(b, "  task %s asks for %d MHz, %d cores, %d MB\n", task, r.CPU, r.Cores, r.Memory)
	}
	if m.CoalescedFailures > 0 {
		fmt.Fprintf(b, "  and %d more like it\n", m.CoalescedFailures)
	}
	for _, s := range m.Scores {
		fmt.Fprintf(b, "  %s %.3f", s.NodeID, s.Norm)
		for _, name := range slices.Sorted(maps.Keys(s.Scores)) {
			fmt.Fprintf(b, " %s %.3f", name, s.Scores[name])
		}
		b.WriteString("\n")
	}
	if m.Hint != "" {
		fmt.Fprintf(b, "  hint: %s\n", m.Hint)
	}
}
