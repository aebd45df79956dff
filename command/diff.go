package command

import (
	"fmt"
	"sort"
	"strings"

	"github.com/hashicorp/nomad/api"
)

// marks is how each kind of change is drawn.
var marks = map[string]struct {
	sign  string
	color style
}{
	"Added":   {"+", green},
	"Deleted": {"-", red},
	"Edited":  {"+/-", yellow},
	"None":    {"", ""},
}

// differ draws a job diff as text.
type differ struct {
	b       strings.Builder
	verbose bool // unchanged fields as well
	color   bool
}

// jobDiff draws how a job would change, with what that does to its allocations.
func jobDiff(d *api.JobDiff, notes *api.PlanAnnotations, verbose, color bool) string {
	w := &differ{verbose: verbose, color: color}
	w.line(0, d.Type, fmt.Sprintf("Job: %q", d.ID), "")
	if verbose || d.Type == "Edited" {
		w.fields(0, d.Fields, d.Objects)
	}
	for _, g := range present(d.TaskGroups) {
		if g.Type == "None" && !verbose && len(g.Updates) == 0 {
			continue
		}
		w.line(0, g.Type, fmt.Sprintf("Task Group: %q", g.Name), updates(g, notes))
		if verbose || g.Type == "Edited" {
			w.fields(1, g.Fields, g.Objects)
		}
		for _, t := range present(g.Tasks) {
			if t.Type == "None" && !verbose && len(t.Annotations) == 0 {
				continue
			}
			w.line(1, t.Type, fmt.Sprintf("Task: %q", t.Name), annotations(t.Annotations))
			if verbose || t.Type == "Edited" {
				w.fields(2, t.Fields, t.Objects)
			}
		}
	}
	return w.b.String()
}

// line draws one line: indent, sign, text, note.
func (w *differ) line(depth int, kind, text, note string) {
	m := marks[kind]
	sign := m.sign
	if sign != "" {
		sign += " "
	}
	body := strings.Repeat("  ", depth) + sign + text
	if m.color != "" {
		body = paintIf(w.color, m.color, body)
	}
	if note != "" {
		body += " (" + note + ")"
	}
	w.b.WriteString(body + "\n")
}

func (w *differ) fields(depth int, fields []*api.FieldDiff, objects []*api.ObjectDiff) {
	fields, objects = present(fields), present(objects)
	width := 0
	for _, f := range fields {
		width = max(width, len(f.Name))
	}
	for _, f := range fields {
		if f.Type == "None" && !w.verbose {
			continue
		}
		name := fmt.Sprintf("%-*s ", width+1, f.Name+":")
		text := map[string]string{
			"Added":   name + fmt.Sprintf("%q", f.New),
			"Deleted": name + fmt.Sprintf("%q", f.Old),
			"Edited":  name + fmt.Sprintf("%q => %q", f.Old, f.New),
			"None":    name + fmt.Sprintf("%q", f.Old),
		}[f.Type]
		w.line(depth+1, f.Type, text, annotations(f.Annotations))
	}
	for _, o := range objects {
		if o.Type == "None" && !w.verbose {
			continue
		}
		w.line(depth+1, o.Type, o.Name+" {", "")
		w.fields(depth+1, o.Fields, o.Objects)
		w.b.WriteString(strings.Repeat("  ", depth+1) + "}\n")
	}
}

func annotations(notes []string) string {
	sorted := append([]string(nil), notes...)
	sort.Strings(sorted)
	return strings.Join(sorted, ", ")
}

// updates words what happens to a group's allocations: "3 create, 1 destroy".
func updates(g *api.TaskGroupDiff, notes *api.PlanAnnotations) string {
	counts := g.Updates
	if len(counts) == 0 && notes != nil && notes.DesiredTGUpdates[g.Name] != nil {
		u := notes.DesiredTGUpdates[g.Name]
		counts = map[string]uint64{
			"create": u.Place, "destroy": u.Stop, "migrate": u.Migrate, "canary": u.Canary, "in-place update": u.InPlaceUpdate,
			"create/destroy update": u.DestructiveUpdate, "ignore": u.Ignore,
		}
	}
	var parts []string
	for _, what := range keys(counts) {
		if counts[what] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[what], what))
		}
	}
	return strings.Join(parts, ", ")
}
