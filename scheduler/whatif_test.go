package scheduler

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// source tells the latest version of every job of the world.
func (w *world) source(namespace, id string) Request {
	req := Request{
		Now: w.now, Namespace: namespace, JobID: id, Settings: w.settings,
		Versions: func(v uint64) *Job { return w.versions[id][v] },
	}
	if known := w.versions[id]; len(known) > 0 {
		req.Job = known[slices.Max(slices.Collect(maps.Keys(known)))]
	}
	if w.job != nil && w.job.ID == id {
		req.Deployment = w.deployment
	}
	return req
}

// drainPlan tells where everything on some nodes would go.
func (w *world) drainPlan(nodes []string) string {
	q, plan := Drain(w.cluster, w.source, nodes)
	for q.Step() {
	}
	var b strings.Builder
	for _, m := range plan.Moves {
		fmt.Fprintf(&b, "%s/%s ", m.Alloc.Job, m.Alloc.ID)
		switch {
		case m.NodeID != "":
			fmt.Fprintf(&b, "to %s\n", m.NodeID)
		case m.Ends:
			b.WriteString("ends\n")
		default:
			fmt.Fprintf(&b, "nowhere: %s\n", m.Metric.Hint)
		}
	}
	if plan.Nowhere == 0 {
		b.WriteString("fits\n")
	} else {
		fmt.Fprintf(&b, "does not fit: %d nowhere\n", plan.Nowhere)
	}
	return b.String()
}

// resilience tells which nodes can be lost.
func (w *world) resilience(opts []string) string {
	cfg := DefaultResilience()
	cfg.Pairs = slices.Contains(opts, "pairs")
	if slices.Contains(opts, "after") {
		req := w.request()
		cfg.First = &req
	}
	q, r := FindResilience(w.cluster, w.source, cfg)
	for q.Step() {
	}
	var b strings.Builder
	for _, n := range r.Nodes {
		fmt.Fprintf(&b, "lose %s (%d): %s\n", n.NodeID, n.Allocs, renderUnplaced(n.Unplaced))
	}
	renderCoverage(&b, "any one node", r.Single)
	if cfg.Pairs {
		renderCoverage(&b, "any two nodes", r.Pair)
	}
	if r.WorstPair != nil {
		fmt.Fprintf(&b, "worst: %s: %s\n", strings.Join(r.WorstPair.NodeIDs, " and "), renderUnplaced(r.WorstPair.Unplaced))
	}
	return b.String()
}

func renderUnplaced(list []Unplaced) string {
	if len(list) == 0 {
		return "all placed"
	}
	var parts []string
	for _, u := range list {
		parts = append(parts, fmt.Sprintf("%d of %s/%s nowhere: %s", u.Count, u.Job, u.Group, u.Hint))
	}
	return strings.Join(parts, "; ")
}

func renderCoverage(b *strings.Builder, what string, v Coverage) {
	answer := "no"
	if v.All() {
		answer = "yes"
	}
	fmt.Fprintf(b, "%s: %s, %d of %d, %d examined\n", what, answer, v.Survived, v.Total, v.Examined)
}
