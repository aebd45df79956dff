package scheduler

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the expected plans in testdata")

// TestScripts plays testdata/*.txt: lines tell the world, "schedule" answers with a plan
// in indented lines. A line "== name" begins a scenario with an empty world.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	scenarios := 0
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		parts := strings.Split(string(raw), "== ")
		got := parts[0]
		for _, part := range parts[1:] {
			name, _, _ := strings.Cut(part, "\n")
			scenarios++
			played := part
			t.Run(strings.TrimSuffix(filepath.Base(file), ".txt")+"/"+name, func(t *testing.T) {
				played = play(t, part)
				if diff := cmp.Diff(strings.Split(part, "\n"), strings.Split(played, "\n")); diff != "" && !*update {
					t.Errorf("plan differs (-want +got; -update accepts it):\n%s", diff)
				}
			})
			got += "== " + played
		}
		if *update && got != string(raw) {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	if scenarios < 40 {
		t.Errorf("%d scenarios, want at least 40", scenarios)
	}
}

// play runs one scenario and returns it with the answers that the scheduler gave.
func play(t *testing.T, script string) string {
	t.Helper()
	w := newWorld()
	var out strings.Builder
	for i, line := range strings.SplitAfter(script, "\n") {
		if strings.HasPrefix(line, "    ") {
			continue // an old answer
		}
		out.WriteString(line)
		line = strings.TrimSpace(line)
		if i == 0 || line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		answer, err := w.run(line)
		if err != nil {
			t.Fatalf("line %d: %v", i+1, err)
		}
		for l := range strings.Lines(answer) {
			out.WriteString("    " + l)
		}
	}
	return out.String()
}

// render tells a plan in lines.
func (w *world) render(p *Plan) string {
	var b strings.Builder
	if ch := p.Deployment; ch != nil {
		if ch.Status != "" {
			fmt.Fprintf(&b, "deployment %s: %s\n", ch.Status, ch.Description)
		}
		for _, name := range slices.Sorted(maps.Keys(ch.Create)) {
			fmt.Fprintf(&b, "new deployment: %s total %d", name, ch.Create[name].DesiredTotal)
			if n := ch.Create[name].DesiredCanaries; n > 0 {
				fmt.Fprintf(&b, " canaries %d", n)
			}
			b.WriteString("\n")
		}
	}
	if ch := p.Deployment; ch != nil {
		for _, name := range slices.Sorted(maps.Keys(ch.Totals)) {
			fmt.Fprintf(&b, "deployment now waits for %d of %s\n", ch.Totals[name], name)
		}
	}
	for _, s := range p.Stops {
		w.renderStop(&b, &s)
	}
	for _, u := range p.Updates {
		fmt.Fprintf(&b, "update %s in place\n", u.ID)
	}
	for _, pl := range p.Placements {
		w.renderPlacement(&b, &pl)
	}
	for _, f := range p.Followups {
		fmt.Fprintf(&b, "follow-up in %s (%s): %s\n", f.At.Sub(w.now), f.Trigger, strings.Join(f.Allocs, ", "))
	}
	for _, name := range slices.Sorted(maps.Keys(p.Failed)) {
		renderFailure(&b, name, p.Queued[name], p.Failed[name])
	}
	if b.Len() == 0 {
		b.WriteString("nothing to do\n")
	}
	for _, name := range slices.Sorted(maps.Keys(p.Desired)) {
		renderDesired(&b, name, p.Desired[name])
	}
	return b.String()
}

// renderDesired tells the counts that "job plan" shows.
func renderDesired(b *strings.Builder, group string, u *DesiredUpdates) {
	fmt.Fprintf(b, "(%s:", group)
	for _, c := range []struct {
		name string
		n    uint64
	}{
		{"ignore", u.Ignore}, {"place", u.Place}, {"stop", u.Stop}, {"migrate", u.Migrate}, {"in-place", u.InPlaceUpdate},
		{"destructive", u.DestructiveUpdate}, {"canary", u.Canary}, {"preempt", u.Preemptions}, {"disconnect", u.Disconnect},
		{"reconnect", u.Reconnect}, {"reschedule-now", u.RescheduleNow}, {"reschedule-later", u.RescheduleLater},
	} {
		if c.n > 0 {
			fmt.Fprintf(b, " %s %d", c.name, c.n)
		}
	}
	b.WriteString(")\n")
}

func (w *world) renderStop(b *strings.Builder, s *StopAlloc) {
	verb := string(s.Desired)
	if s.KeepDesired {
		verb = "keep"
	}
	fmt.Fprintf(b, "%s %s", verb, s.ID)
	if s.Client != "" {
		fmt.Fprintf(b, " as %s", s.Client)
	}
	fmt.Fprintf(b, ": %s\n", s.Description)
}

func (w *world) renderPlacement(b *strings.Builder, p *Placement) {
	fmt.Fprintf(b, "place %s[%d] on %s", p.Group, p.Index, p.NodeID)
	if p.Canary {
		b.WriteString(" as canary")
	}
	if p.JobVersion != w.job.Version {
		fmt.Fprintf(b, " at version %d", p.JobVersion)
	}
	if p.Previous != "" {
		fmt.Fprintf(b, " for %s", p.Previous)
	}
	if p.Reschedule != nil {
		fmt.Fprintf(b, " rescheduled after %s", p.Reschedule.Delay)
	}
	for _, port := range p.Ports {
		fmt.Fprintf(b, " %s=%s:%d", port.Label, port.HostIP, port.Value)
		if port.To != 0 {
			fmt.Fprintf(b, ">%d", port.To)
		}
	}
	if len(p.Cores) > 0 {
		fmt.Fprintf(b, " cores %v", p.Cores)
	}
	for _, g := range p.Devices {
		fmt.Fprintf(b, " device %s/%s/%s %v", g.Vendor, g.Type, g.Name, g.IDs)
	}
	if len(p.Preempts) > 0 {
		fmt.Fprintf(b, " evicting %s", strings.Join(p.Preempts, ", "))
	}
	b.WriteString("\n")
}

func renderFailure(b *strings.Builder, group string, queued int, m *Metric) {
	fmt.Fprintf(b, "cannot place %d of %s: %d evaluated", queued, group, m.NodesEvaluated)
	if m.NodesFiltered > 0 {
		fmt.Fprintf(b, ", %d filtered %v", m.NodesFiltered, m.ConstraintFiltered)
	}
	if m.NodesExhausted > 0 {
		fmt.Fprintf(b, ", %d exhausted %v", m.NodesExhausted, m.DimensionExhausted)
	}
	fmt.Fprintf(b, "\n  hint: %s\n", m.Hint)
}
