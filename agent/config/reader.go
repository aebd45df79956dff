package config

import (
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// reader turns a parsed file into nodes and collects what it cannot turn.
type reader struct {
	problems Problems
}

// body reads a block's inside: attributes and blocks alike are fields, in file order.
func (r *reader) body(b *hclsyntax.Body) node {
	n := node{kind: object, rng: b.SrcRange}
	attributes := slices.SortedFunc(maps.Values(b.Attributes), func(x, y *hclsyntax.Attribute) int {
		return x.NameRange.Start.Byte - y.NameRange.Start.Byte
	})
	for _, a := range attributes {
		n.fields = append(n.fields, field{a.Name, a.NameRange, r.expr(a.Expr)})
	}
	for _, blk := range b.Blocks {
		f := field{blk.Type, blk.TypeRange, r.body(blk.Body)}
		f.value.rng = blk.TypeRange
		for i, label := range slices.Backward(blk.Labels) {
			labelled := field{label, blk.LabelRanges[i], f.value}
			f.value = node{kind: object, rng: blk.TypeRange, fields: []field{labelled}}
		}
		n.fields = append(n.fields, f)
	}
	slices.SortFunc(n.fields, func(a, b field) int { return a.rng.Start.Byte - b.rng.Start.Byte })
	return n
}

// expr reads a value. Objects and lists keep the places of their parts.
func (r *reader) expr(e hcl.Expression) node {
	if pairs, diags := hcl.ExprMap(e); !diags.HasErrors() {
		n := node{kind: object, rng: e.Range()}
		for _, p := range pairs {
			if name, ok := r.key(p.Key); ok {
				n.fields = append(n.fields, field{name, p.Key.Range(), r.expr(p.Value)})
			}
		}
		return n
	}
	if items, diags := hcl.ExprList(e); !diags.HasErrors() {
		n := node{kind: list, rng: e.Range()}
		for _, item := range items {
			n.items = append(n.items, r.expr(item))
		}
		return n
	}
	v, diags := e.Value(nil)
	if diags.HasErrors() {
		r.refuse(e, diags)
		return node{kind: null, rng: e.Range()}
	}
	return fromValue(v, e.Range())
}

// key reads an object's key: a bare name or a string.
func (r *reader) key(e hcl.Expression) (string, bool) {
	v, diags := e.Value(nil)
	if diags.HasErrors() {
		r.refuse(e, diags)
		return "", false
	}
	text, err := asText(v)
	if err != nil {
		r.problems = append(r.problems, Problem{Pos: position(e.Range()), Text: "a key must be a name or a string"})
		return "", false
	}
	return text, true
}

// refuse says why a value cannot be had, with the two usual slips put plainly.
func (r *reader) refuse(e hcl.Expression, diags hcl.Diagnostics) {
	p := Problem{Pos: position(e.Range())}
	_, bare := e.(*hclsyntax.ScopeTraversalExpr)
	switch vars := e.Variables(); {
	case bare && len(vars) == 1:
		p.Text = fmt.Sprintf("%s is not a value; text needs quotes: %q", vars[0].RootName(), vars[0].RootName())
	case len(vars) > 0:
		p.Text = "a configuration has no variables; write $${ for a literal ${"
	default:
		r.problems = append(r.problems, fromDiags(diags)...)
		return
	}
	r.problems = append(r.problems, p)
}

// fromValue reads what an expression computed, which has no places of its own.
func fromValue(v cty.Value, rng hcl.Range) node {
	n := node{rng: rng}
	switch t := v.Type(); {
	case v.IsNull() || !v.IsKnown():
	case t.IsPrimitiveType():
		n.kind, n.scalar = scalar, v
	case t.IsObjectType() || t.IsMapType():
		n.kind = object
		for k, item := range v.Elements() {
			n.fields = append(n.fields, field{k.AsString(), rng, fromValue(item, rng)})
		}
	case v.CanIterateElements():
		n.kind = list
		for _, item := range v.Elements() {
			n.items = append(n.items, fromValue(item, rng))
		}
	}
	return n
}
