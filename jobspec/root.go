package jobspec

import (
	"fmt"
	"sort"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// root is the top level of a job file, taken apart but not yet evaluated.
type root struct {
	job       *hclsyntax.Block            // the one job block; nil if it is missing
	variables map[string]*hclsyntax.Block // variable "name" {...}
	shorthand map[string]*hclsyntax.Attribute
	locals    map[string]*hclsyntax.Attribute
	diags     Diagnostics
}

// topLevel are the block types that may stand outside the job, with their labels.
var topLevel = map[string]int{"job": 1, "variable": 1, "variables": 0, "locals": 0}

// splitRoot sorts the top-level blocks by what they are for.
func splitRoot(body *hclsyntax.Body) *root {
	r := &root{
		variables: map[string]*hclsyntax.Block{},
		shorthand: map[string]*hclsyntax.Attribute{},
		locals:    map[string]*hclsyntax.Attribute{},
	}
	for _, a := range sortedAttributes(body) {
		r.fail(a.NameRange, fmt.Sprintf("unknown attribute %q outside of the job", a.Name), `a job file has a job "name" { } block at its top level`)
	}
	for _, b := range body.Blocks {
		labels, known := topLevel[b.Type]
		switch {
		case !known:
			r.fail(b.TypeRange, fmt.Sprintf("unknown block %q outside of the job", b.Type), didYouMean(b.Type, keys(topLevel)))
		case len(b.Labels) != labels:
			r.fail(b.TypeRange, fmt.Sprintf("%s takes %s", b.Type, labelCount(labels)), "")
		case b.Type == "job":
			r.addJob(b)
		case b.Type == "variable":
			r.addVariable(b)
		case b.Type == "variables":
			r.addAttributes(b, r.shorthand, "variable")
		case b.Type == "locals":
			r.addAttributes(b, r.locals, "local")
		}
	}
	if r.job == nil && !r.diags.HasErrors() {
		r.fail(body.EndRange, "no job in the file", `write job "name" { ... }`)
	}
	return r
}

func (r *root) addJob(b *hclsyntax.Block) {
	if r.job != nil {
		r.fail(b.TypeRange, "more than one job in the file", fmt.Sprintf("the first is on line %d; put each job into its own file", r.job.TypeRange.Start.Line))
		return
	}
	r.job = b
}

func (r *root) addVariable(b *hclsyntax.Block) {
	name := b.Labels[0]
	if !hclsyntax.ValidIdentifier(name) {
		r.fail(b.LabelRanges[0], fmt.Sprintf("%q cannot be the name of a variable", name), "use letters, digits, _ and -, beginning with a letter")
		return
	}
	if r.declared(name, b.LabelRanges[0]) {
		return
	}
	r.variables[name] = b
}

// addAttributes collects the attributes of a variables or locals block.
func (r *root) addAttributes(b *hclsyntax.Block, into map[string]*hclsyntax.Attribute, what string) {
	for _, inner := range b.Body.Blocks {
		r.fail(inner.TypeRange, fmt.Sprintf("%s holds only attributes", b.Type), "write "+inner.Type+" = { ... }")
	}
	for _, a := range sortedAttributes(b.Body) {
		if what == "variable" && r.declared(a.Name, a.NameRange) {
			continue
		}
		if first, ok := into[a.Name]; ok {
			r.fail(a.NameRange, fmt.Sprintf("%s %q is declared twice", what, a.Name), fmt.Sprintf("first on line %d", first.NameRange.Start.Line))
			continue
		}
		into[a.Name] = a
	}
}

// declared reports, with a diagnostic, that a variable name is taken.
func (r *root) declared(name string, at hcl.Range) bool {
	line := 0
	if b, ok := r.variables[name]; ok {
		line = b.TypeRange.Start.Line
	}
	if a, ok := r.shorthand[name]; ok {
		line = a.NameRange.Start.Line
	}
	if line > 0 {
		r.fail(at, fmt.Sprintf("variable %q is declared twice", name), fmt.Sprintf("first on line %d", line))
	}
	return line > 0
}

func (r *root) variableNames() []string {
	return append(keys(r.variables), keys(r.shorthand)...)
}

func (r *root) localNames() []string { return keys(r.locals) }

// resolve settles every name in every expression of the file.
func (r *root) resolve(n *names) {
	for _, name := range keys(r.variables) {
		// The type is a constraint expression (string, list(number)), not a value.
		n.body(r.variables[name].Body, nil, map[string]bool{"type": true})
	}
	for _, name := range keys(r.shorthand) {
		n.expression(&r.shorthand[name].Expr, nil)
	}
	for _, name := range keys(r.locals) {
		n.expression(&r.locals[name].Expr, nil)
	}
	if r.job != nil {
		n.body(r.job.Body, nil, nil)
	}
}

func (r *root) fail(at hcl.Range, summary, detail string) {
	r.diags = append(r.diags, Diagnostic{Summary: summary, Detail: detail}.at(at))
}

// labelCount words how many labels a block takes.
func labelCount(n int) string {
	return [...]string{"no label", `one label: write it as type "name" { }`}[min(n, 1)]
}

// sortedAttributes are the attributes of a body in the order of the text.
func sortedAttributes(body *hclsyntax.Body) []*hclsyntax.Attribute {
	out := make([]*hclsyntax.Attribute, 0, len(body.Attributes))
	for _, a := range body.Attributes {
		out = append(out, a)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].SrcRange.Start.Byte < out[j].SrcRange.Start.Byte })
	return out
}

// keys are the keys of a map, sorted.
func keys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Slice(out, func(i, j int) bool { return strings.Compare(out[i], out[j]) < 0 })
	return out
}
