package jobspec

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// names settles what every name in the file refers to, before anything is
// evaluated. A name that only the node knows (${attr.kernel.name},
// ${NOMAD_ALLOC_ID}) is replaced in the syntax tree by its own text, so that it
// survives evaluation wherever it stands, also beside names known now.
type names struct {
	src       []byte
	variables []string
	locals    []string
	cost      *budget // of what the expressions make
	strict    bool    // an unknown name is an error: the text is not for a task
	diags     Diagnostics
}

// runtimeRoots are the names that the node replaces when it starts a task.
// NOMAD_* belongs to them by its prefix.
var runtimeRoots = []string{"attr", "device", "env", "meta", "node", "secret"}

// environmentName is how variables of the environment are spelled. No name that
// a job file can declare stands alone, so such a word is meant for the task.
var environmentName = regexp.MustCompile(`^[A-Z_][A-Z0-9_]*$`)

// scope are the names that an enclosing for expression or dynamic block declares.
type scope []string

func (s scope) with(names ...string) scope { return append(slices.Clone(s), names...) }

// body settles a body and the blocks in it. Attributes named in skip are left alone.
func (n *names) body(b *hclsyntax.Body, s scope, skip map[string]bool) {
	for _, a := range sortedAttributes(b) {
		if !skip[a.Name] {
			n.expression(&a.Expr, s)
		}
	}
	for _, inner := range b.Blocks {
		if inner.Type == "dynamic" && len(inner.Labels) == 1 {
			n.dynamic(inner, s)
			continue
		}
		n.body(inner.Body, s, nil)
	}
}

// dynamic settles a dynamic block, whose content and labels see the iterator.
func (n *names) dynamic(b *hclsyntax.Block, s scope) {
	inside := s.with(iteratorName(b))
	for _, a := range sortedAttributes(b.Body) {
		switch a.Name {
		case "iterator": // a name that is declared, not used
		case "labels":
			n.expression(&a.Expr, inside)
		default:
			n.expression(&a.Expr, s)
		}
	}
	for _, inner := range b.Body.Blocks {
		n.body(inner.Body, inside, nil)
	}
}

// iteratorName is how the content of a dynamic block calls the element.
func iteratorName(b *hclsyntax.Block) string {
	if a, ok := b.Body.Attributes["iterator"]; ok {
		return hcl.ExprAsKeyword(a.Expr)
	}
	return b.Labels[0]
}

// expression settles one expression; it replaces it in place where needed.
func (n *names) expression(e *hclsyntax.Expression, s scope) {
	if t, ok := (*e).(*hclsyntax.ScopeTraversalExpr); ok {
		n.traversal(e, t, s)
		return
	}
	if f, ok := (*e).(*hclsyntax.ForExpr); ok {
		n.expression(&f.CollExpr, s)
		s = s.with(f.KeyVar, f.ValVar)
	}
	for _, child := range children(*e) {
		if *child != nil {
			n.expression(child, s)
		}
	}
	*e = counted(*e, n.cost)
}

// children are the operands of an expression, as places that can be replaced.
// The collection of a for expression is not among them: it lies outside of the
// scope that the expression opens.
func children(e hclsyntax.Expression) []*hclsyntax.Expression {
	switch e := e.(type) {
	case *hclsyntax.TemplateExpr:
		return each(e.Parts)
	case *hclsyntax.TemplateWrapExpr:
		return []*hclsyntax.Expression{&e.Wrapped}
	case *hclsyntax.TemplateJoinExpr:
		return []*hclsyntax.Expression{&e.Tuple}
	case *hclsyntax.ParenthesesExpr:
		return []*hclsyntax.Expression{&e.Expression}
	case *hclsyntax.FunctionCallExpr:
		if e.Name == "convert" && len(e.Args) == 2 {
			return each(e.Args[:1]) // the second is a type: number, list(string)
		}
		return each(e.Args)
	case *hclsyntax.ConditionalExpr:
		return []*hclsyntax.Expression{&e.Condition, &e.TrueResult, &e.FalseResult}
	case *hclsyntax.BinaryOpExpr:
		return []*hclsyntax.Expression{&e.LHS, &e.RHS}
	case *hclsyntax.UnaryOpExpr:
		return []*hclsyntax.Expression{&e.Val}
	case *hclsyntax.IndexExpr:
		return []*hclsyntax.Expression{&e.Collection, &e.Key}
	case *hclsyntax.RelativeTraversalExpr:
		return []*hclsyntax.Expression{&e.Source}
	case *hclsyntax.SplatExpr:
		return []*hclsyntax.Expression{&e.Source, &e.Each}
	case *hclsyntax.TupleConsExpr:
		return each(e.Exprs)
	case *hclsyntax.ForExpr:
		return []*hclsyntax.Expression{&e.KeyExpr, &e.ValExpr, &e.CondExpr}
	case *hclsyntax.ObjectConsExpr:
		out := make([]*hclsyntax.Expression, 0, 2*len(e.Items))
		for i := range e.Items {
			out = append(out, &e.Items[i].KeyExpr, &e.Items[i].ValueExpr)
		}
		return out
	case *hclsyntax.ObjectConsKeyExpr:
		if _, bare := e.Wrapped.(*hclsyntax.ScopeTraversalExpr); bare && !e.ForceNonLiteral {
			return nil // { name = 1 }: the key is the word itself
		}
		return []*hclsyntax.Expression{&e.Wrapped}
	}
	return nil
}

func each(list []hclsyntax.Expression) []*hclsyntax.Expression {
	out := make([]*hclsyntax.Expression, len(list))
	for i := range list {
		out[i] = &list[i]
	}
	return out
}

// traversal settles a reference such as var.image or attr.cpu.arch.
func (n *names) traversal(e *hclsyntax.Expression, t *hclsyntax.ScopeTraversalExpr, s scope) {
	name := t.Traversal.RootName()
	switch {
	case slices.Contains(s, name):
	case name == "var":
		n.declared(e, t, "variable", "var", n.variables)
	case name == "local":
		n.declared(e, t, "local", "local", n.locals)
	case slices.Contains(runtimeRoots, name) || strings.HasPrefix(name, "NOMAD_"):
		n.keep(e, t)
	case n.strict:
		n.report(t.SrcRange, Error, fmt.Sprintf("unknown name %q", name), n.advice(t, s))
		n.unknown(e, t)
	default:
		n.keep(e, t)
		n.report(t.SrcRange, Warning, fmt.Sprintf("unknown name %q is kept as text for the task", name), n.advice(t, s))
	}
}

// advice is what else an unknown name may have been meant to be.
func (n *names) advice(t *hclsyntax.ScopeTraversalExpr, s scope) string {
	name := t.Traversal.RootName()
	switch {
	case slices.Contains(n.variables, name):
		return fmt.Sprintf("did you mean var.%s?", name)
	case slices.Contains(n.locals, name):
		return fmt.Sprintf("did you mean local.%s?", name)
	case environmentName.MatchString(name):
		return fmt.Sprintf("no variable of that name exists when the job is read; write $${%s} to say that this is meant", name)
	}
	known := append(append([]string{"var", "local"}, runtimeRoots...), s...)
	if near := didYouMean(name, known); near != "" {
		return near
	}
	return fmt.Sprintf("values come from var.NAME and local.NAME, and at run time from NOMAD_*, attr, meta, node, device, secret and env; write $${%s} for literal text", name)
}

// declared checks the second step of var.x and local.x.
func (n *names) declared(e *hclsyntax.Expression, t *hclsyntax.ScopeTraversalExpr, what, prefix string, known []string) {
	if len(t.Traversal) < 2 {
		return // the whole object
	}
	name := stepName(t.Traversal)
	if slices.Contains(known, name) {
		return
	}
	detail := fmt.Sprintf("declare it with %s %q { }", what, name)
	if what == "local" {
		detail = fmt.Sprintf("declare it with locals { %s = ... }", name)
	}
	if near := nearest(name, known); near != "" {
		detail = fmt.Sprintf("did you mean %s.%s?", prefix, near)
	}
	n.report(t.SrcRange, Error, fmt.Sprintf("%s %q is not declared", what, name), detail)
	n.unknown(e, t)
}

// keep replaces a reference by its own text, ${...} around it.
func (n *names) keep(e *hclsyntax.Expression, t *hclsyntax.ScopeTraversalExpr) {
	source := string(t.SrcRange.SliceBytes(n.src))
	if n.src == nil {
		source = traversalText(t.Traversal)
	}
	text := "${" + source + "}"
	*e = &hclsyntax.LiteralValueExpr{Val: cty.StringVal(text), SrcRange: t.SrcRange}
}

// traversalText writes a reference.
func traversalText(t hcl.Traversal) string {
	var b strings.Builder
	for _, step := range t {
		switch step := step.(type) {
		case hcl.TraverseRoot:
			b.WriteString(step.Name)
		case hcl.TraverseAttr:
			b.WriteString("." + step.Name)
		case hcl.TraverseIndex:
			b.WriteString("[" + literal(reflect.ValueOf(goValue(step.Key))) + "]")
		}
	}
	return b.String()
}

// unknown replaces a reference that was reported by a value that evaluates
// without a second report.
func (n *names) unknown(e *hclsyntax.Expression, t *hclsyntax.ScopeTraversalExpr) {
	*e = &hclsyntax.LiteralValueExpr{Val: cty.DynamicVal, SrcRange: t.SrcRange}
}

func (n *names) report(at hcl.Range, severity Severity, summary, detail string) {
	n.diags = append(n.diags, Diagnostic{Severity: severity, Summary: summary, Detail: detail}.at(at))
}
