package jobspec

import (
	"fmt"
	"maps"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/json"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// variable is one declared variable on its way to a value.
type variable struct {
	name      string
	typ       cty.Type           // DynamicPseudoType when the author gave none
	optional  *typeexpr.Defaults // for optional() attributes of object types; may be nil
	value     cty.Value          // cty.NilVal until something gives one
	from      hcl.Range          // where the value comes from
	place     hcl.Range          // where the variable is declared
	sensitive bool               // its value is kept out of messages
	rules     []*hclsyntax.Block // validation blocks
}

// variables computes the value of every declared variable. The weakest source
// comes first: default, environment, variable files in order, -var.
func (e *evaluation) variables(r *root) map[string]cty.Value {
	declared := map[string]*variable{}
	for _, name := range keys(r.variables) {
		declared[name] = e.declare(name, r.variables[name])
	}
	for _, name := range keys(r.shorthand) {
		attr := r.shorthand[name]
		declared[name] = &variable{name: name, typ: cty.DynamicPseudoType, value: e.constant(attr.Expr), from: attr.Expr.Range(), place: attr.NameRange}
	}
	for _, key := range keys(e.in.EnvVars) {
		if v, ok := declared[strings.TrimPrefix(key, "NOMAD_VAR_")]; ok {
			e.setRaw(v, e.in.EnvVars[key], "NOMAD_VAR_"+v.name)
		}
	}
	for _, file := range e.in.VarFiles {
		e.setFile(declared, file)
	}
	for _, name := range keys(e.in.Vars) {
		v, ok := declared[name]
		if !ok {
			e.undeclared(hcl.Range{}, fmt.Sprintf("variable %q is given with -var but not declared in the job file", name), didYouMean(name, keys(declared)))
			continue
		}
		e.setRaw(v, e.in.Vars[name], "-var "+name)
	}
	values := map[string]cty.Value{}
	for _, name := range keys(declared) {
		values[name] = e.settle(declared[name])
	}
	return values
}

// variableAttributes are what a variable block may hold.
var variableAttributes = []string{"default", "description", "sensitive", "type"}

// declare reads one variable block.
func (e *evaluation) declare(name string, b *hclsyntax.Block) *variable {
	v := &variable{name: name, typ: cty.DynamicPseudoType, place: b.LabelRanges[0]}
	for _, a := range sortedAttributes(b.Body) {
		switch a.Name {
		case "type":
			typ, optional, diags := typeexpr.TypeConstraintWithDefaults(a.Expr)
			e.diags = append(e.diags, fromHCL(diags)...)
			if !diags.HasErrors() {
				v.typ, v.optional = typ, optional
			}
		case "default":
			v.value, v.from = e.constant(a.Expr), a.Expr.Range()
		case "sensitive":
			if val := e.constant(a.Expr); val.Type() == cty.Bool && val.IsWhollyKnown() && !val.IsNull() {
				v.sensitive = val.True()
			} else if val.IsWhollyKnown() {
				e.fail(a.Expr.Range(), "sensitive is true or false", "")
			}
		case "description":
			e.constant(a.Expr)
		default:
			e.fail(a.NameRange, fmt.Sprintf("unknown attribute %q in variable %q", a.Name, name), didYouMean(a.Name, variableAttributes))
		}
	}
	for _, inner := range b.Body.Blocks {
		if inner.Type != "validation" {
			e.fail(inner.TypeRange, fmt.Sprintf("unknown block %q in variable %q", inner.Type, name), didYouMean(inner.Type, []string{"validation"}))
			continue
		}
		v.rules = append(v.rules, inner)
	}
	return v
}

// constant evaluates an expression that may call functions but refers to nothing.
func (e *evaluation) constant(expr hcl.Expression) cty.Value {
	val, diags := expr.Value(&hcl.EvalContext{Functions: e.functions})
	e.diags = append(e.diags, fromHCL(diags)...)
	return val
}

// setRaw gives a variable the raw text of a -var or an environment variable. A
// string is the text as it is; anything else is an HCL expression. Without a
// declared type, the type of the default decides, and without a default it is text.
func (e *evaluation) setRaw(v *variable, raw, source string) {
	want := v.typ
	if want == cty.DynamicPseudoType && v.value != cty.NilVal {
		want = v.value.Type()
	}
	v.from = hcl.Range{Filename: source, Start: hcl.InitialPos, End: hcl.InitialPos}
	if want == cty.String || want == cty.DynamicPseudoType {
		v.value = cty.StringVal(raw)
		return
	}
	if diags := checkNesting(source, []byte(raw)); diags.HasErrors() {
		e.diags = append(e.diags, diags...)
		v.value = cty.DynamicVal
		return
	}
	v.value = cty.DynamicVal
	expr, diags := hclsyntax.ParseExpression([]byte(raw), source, hcl.InitialPos)
	if diags.HasErrors() {
		e.diags = append(e.diags, fromHCL(diags)...)
		return
	}
	n := &names{src: []byte(raw), cost: e.cost, strict: true}
	if n.expression(&expr, nil); n.diags.HasErrors() {
		e.fail(v.from, fmt.Sprintf("variable %q has a value of the wrong type", v.name), fmt.Sprintf("its type is %s; text inside a value needs quotes", typeexpr.TypeString(want)))
		return
	}
	v.value = e.constant(expr)
}

// setFile gives variables the values of one variable file.
func (e *evaluation) setFile(declared map[string]*variable, file VarFile) {
	for name, attr := range e.fileAttributes(file) {
		v, ok := declared[name]
		if ok {
			v.value, v.from = e.constant(attr.Expr), attr.Expr.Range()
			continue
		}
		e.undeclared(attr.NameRange, fmt.Sprintf("variable %q is not declared in the job file", name), didYouMean(name, keys(declared)))
	}
}

// undeclared reports a value for a variable that the job file does not have.
func (e *evaluation) undeclared(at hcl.Range, summary, detail string) {
	d := Diagnostic{Severity: Warning, Summary: summary, Detail: detail}
	if e.in.Strict {
		d.Severity = Error
	}
	e.diags = append(e.diags, d.at(at))
}

// fileAttributes reads a variable file without evaluating it.
func (e *evaluation) fileAttributes(file VarFile) hcl.Attributes {
	if diags := checkNesting(file.Path, file.Body); diags.HasErrors() {
		e.diags = append(e.diags, diags...)
		return nil
	}
	if strings.HasSuffix(file.Path, ".json") {
		parsed, diags := json.Parse(file.Body, file.Path)
		e.diags = append(e.diags, fromHCL(diags)...)
		if diags.HasErrors() {
			return nil
		}
		attrs, diags := parsed.Body.JustAttributes()
		e.diags = append(e.diags, fromHCL(diags)...)
		return attrs
	}
	parsed, diags := hclsyntax.ParseConfig(file.Body, file.Path, hcl.InitialPos)
	e.diags = append(e.diags, fromHCL(diags)...)
	if diags.HasErrors() {
		return nil
	}
	body := parsed.Body.(*hclsyntax.Body)
	n := &names{src: file.Body, cost: e.cost, strict: true}
	n.body(body, nil, nil)
	e.diags = append(e.diags, n.diags...)
	attrs, diags := body.JustAttributes()
	e.diags = append(e.diags, fromHCL(diags)...)
	return attrs
}

// settle converts a variable's value to its type and holds it against its rules.
func (e *evaluation) settle(v *variable) cty.Value {
	if v.value == cty.NilVal {
		e.fail(v.place, fmt.Sprintf("variable %q has no value", v.name), fmt.Sprintf("give it a default, or set it with -var %s=..., -var-file or NOMAD_VAR_%s", v.name, v.name))
		return cty.DynamicVal
	}
	val := v.value
	if v.optional != nil && !val.IsNull() && val.IsKnown() {
		val = v.optional.Apply(val)
	}
	converted, err := convert.Convert(val, v.typ)
	if err != nil {
		detail := fmt.Sprintf("its type is %s: %s", typeexpr.TypeString(v.typ), err)
		if v.sensitive {
			detail = "its type is " + typeexpr.TypeString(v.typ)
		}
		e.fail(v.from, fmt.Sprintf("variable %q has a value of the wrong type", v.name), detail)
		return cty.DynamicVal
	}
	for _, rule := range v.rules {
		e.validate(v, rule, converted)
	}
	return converted
}

// validate holds a value against one validation block.
func (e *evaluation) validate(v *variable, rule *hclsyntax.Block, val cty.Value) {
	attrs := maps.Clone(rule.Body.Attributes)
	condition, message := attrs["condition"], attrs["error_message"]
	delete(attrs, "condition")
	delete(attrs, "error_message")
	for _, name := range keys(attrs) {
		e.fail(attrs[name].NameRange, fmt.Sprintf("unknown attribute %q in validation", name), didYouMean(name, []string{"condition", "error_message"}))
	}
	for _, b := range rule.Body.Blocks {
		e.fail(b.TypeRange, fmt.Sprintf("unknown block %q in validation", b.Type), "")
	}
	if condition == nil || message == nil {
		e.fail(rule.TypeRange, "validation needs condition and error_message", "")
		return
	}
	ctx := &hcl.EvalContext{Functions: e.functions, Variables: map[string]cty.Value{
		"var": cty.ObjectVal(map[string]cty.Value{v.name: val}),
	}}
	result, diags := condition.Expr.Value(ctx)
	text, more := message.Expr.Value(ctx)
	e.diags = append(e.diags, fromHCL(append(diags, more...))...)
	if diags.HasErrors() || more.HasErrors() || !result.IsWhollyKnown() || !text.IsWhollyKnown() {
		return
	}
	ok, err := convert.Convert(result, cty.Bool)
	words, textErr := convert.Convert(text, cty.String)
	if err != nil || ok.IsNull() || textErr != nil || words.IsNull() {
		e.fail(rule.TypeRange, "validation: condition must be true or false, and error_message a string", "")
		return
	}
	if ok.False() {
		e.fail(v.from, fmt.Sprintf("invalid value for variable %q", v.name), lowerFirst(strings.TrimSuffix(words.AsString(), ".")))
	}
}

// fail reports an error; an empty range leaves it without a place.
func (e *evaluation) fail(at hcl.Range, summary, detail string) {
	d := Diagnostic{Summary: summary, Detail: detail}
	if at.Filename != "" || at.Start.Line > 0 {
		d = d.at(at)
	}
	e.diags = append(e.diags, d)
}
