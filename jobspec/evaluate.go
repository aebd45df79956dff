package jobspec

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// maxValues bounds what all locals together may hold, in bytes of text and
// elements: locals that double one another would otherwise eat a server's memory.
const maxValues = 4 << 20

// evaluation computes the values that the job block may refer to.
type evaluation struct {
	in        Input
	functions map[string]function.Function
	cost      *budget
	size      int // of the locals so far, see maxValues
	diags     Diagnostics
}

// context is what expressions in the job see: var, local and the functions.
func (e *evaluation) context(r *root) *hcl.EvalContext {
	ctx := &hcl.EvalContext{Functions: e.functions, Variables: map[string]cty.Value{}}
	ctx.Variables["var"] = cty.ObjectVal(e.variables(r))
	ctx.Variables["local"] = cty.ObjectVal(e.locals(r, ctx))
	return ctx
}

// locals evaluates the locals in the order of their dependencies. Those of a
// cycle are reported once and stand as unknown values.
func (e *evaluation) locals(r *root, ctx *hcl.EvalContext) map[string]cty.Value {
	done := map[string]cty.Value{}
	visiting := map[string]bool{}
	var visit func(name string)
	visit = func(name string) {
		if _, ok := done[name]; ok {
			return
		}
		attr := r.locals[name]
		if visiting[name] {
			e.diags = append(e.diags, Diagnostic{
				Summary: fmt.Sprintf("local %q depends on itself", name),
				Detail:  "break the circle of references",
			}.at(attr.NameRange))
			done[name] = cty.DynamicVal
			return
		}
		visiting[name] = true
		visible := map[string]cty.Value{}
		for _, used := range localsUsed(attr.Expr, r) {
			visit(used)
			visible[used] = done[used]
		}
		if _, ok := done[name]; ok {
			return // found to be part of a cycle
		}
		ctx.Variables["local"] = cty.ObjectVal(visible)
		done[name] = e.local(attr, ctx)
	}
	for _, name := range keys(r.locals) {
		visit(name)
	}
	return done
}

func (e *evaluation) local(attr *hclsyntax.Attribute, ctx *hcl.EvalContext) cty.Value {
	val, diags := attr.Expr.Value(ctx)
	e.diags = append(e.diags, fromHCL(diags)...)
	if e.size > maxValues {
		return cty.DynamicVal // reported before
	}
	if e.size += valueSize(val); e.size > maxValues {
		e.diags = append(e.diags, Diagnostic{Summary: fmt.Sprintf("local %q is too large", attr.Name), Detail: "all locals together may hold 4 MiB"}.at(attr.NameRange))
		return cty.DynamicVal
	}
	return val
}

// localsUsed are the locals that an expression refers to; all of them when it
// refers to the object itself.
func localsUsed(expr hclsyntax.Expression, r *root) []string {
	var used []string
	for _, t := range expr.Variables() {
		if t.RootName() != "local" {
			continue
		}
		name := stepName(t)
		if name == "" {
			return keys(r.locals)
		}
		if _, ok := r.locals[name]; ok {
			used = append(used, name)
		}
	}
	return used
}

// stepName is x in local.x and local["x"], "" for the object itself.
func stepName(t hcl.Traversal) string {
	if len(t) < 2 {
		return ""
	}
	switch step := t[1].(type) {
	case hcl.TraverseAttr:
		return step.Name
	case hcl.TraverseIndex:
		if step.Key.Type() == cty.String {
			return step.Key.AsString()
		}
	}
	return ""
}

// valueSize estimates the memory of a value: its text and one for each element.
func valueSize(val cty.Value) int {
	size := 0
	_ = cty.Walk(val, func(_ cty.Path, v cty.Value) (bool, error) {
		size++
		if v.Type() == cty.String && v.IsKnown() && !v.IsNull() {
			unmarked, _ := v.Unmark()
			size += len(unmarked.AsString())
		}
		return size <= maxValues, nil
	})
	return size
}
