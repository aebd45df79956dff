package jobspec

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/nomad/api"
	"github.com/zclconf/go-cty/cty"
)

// jsonSyntax turns a job file in the JSON form of HCL into the blocks and attributes
// that the same file has in the native form:
//
//	{"job": {"web": {"group": {"g": {"count": 2}}}}}     job "web" { group "g" { count = 2 } }
//
// Labels are keys; several blocks of a type are an array. What is a block, and with
// how many labels, is known from the api types. Strings are templates.
type jsonSyntax struct {
	decoder // for its shapes
	path    string
	src     []byte
	dec     *json.Decoder
	diags   Diagnostics
}

// jsonMember is a member of an object, in the order of the text.
type jsonMember struct {
	name  string
	at    hcl.Range
	value jsonValue
}

// jsonValue is one value with its place.
type jsonValue struct {
	at      hcl.Range
	members []jsonMember // of an object
	items   []jsonValue  // of an array
	scalar  any          // string, json.Number, bool or nil
	kind    byte         // '{', '[' or 's' for a scalar
}

// isHCLJSON tells the two forms of JSON apart: HCL's has a member "job" with labels
// as keys, the API's has "Job", or is the bare job.
func isHCLJSON(src []byte) bool {
	var top map[string]json.RawMessage
	if json.Unmarshal(src, &top) != nil || top["job"] == nil || top["Job"] != nil {
		return false
	}
	var job map[string]json.RawMessage
	if json.Unmarshal(top["job"], &job) != nil {
		return true // an array of jobs: only HCL has that
	}
	for name := range job {
		if strings.EqualFold(name, "ID") || strings.EqualFold(name, "TaskGroups") {
			return false
		}
	}
	return true
}

// body reads the whole file.
func (j *jsonSyntax) body() (*hclsyntax.Body, Diagnostics) {
	j.dec = json.NewDecoder(bytes.NewReader(j.src))
	j.dec.UseNumber()
	top, err := j.read()
	if err != nil {
		reader := &jsonReader{path: j.path, src: j.src}
		return nil, Diagnostics{reader.failure(err)}
	}
	body := j.newBody(top)
	for _, m := range top.members {
		switch m.name {
		case "job":
			j.blocks(body, m, m.value, 1, reflect.TypeFor[api.Job](), nil)
		case "variable":
			j.blocks(body, m, m.value, 1, reflect.TypeFor[jsonVariable](), nil)
		case "variables", "locals":
			j.blocks(body, m, m.value, 0, nil, nil)
		case "//":
		default:
			j.fail(m.at, fmt.Sprintf("unknown member %q outside of the job", m.name), didYouMean(m.name, keys(topLevel)))
		}
	}
	return body, j.diags
}

// jsonVariable says what is a block in a variable.
type jsonVariable struct {
	Validation []struct{} `hcl:"validation,block"`
}

// blocks adds the blocks that one member stands for: labels are keys, arrays repeat.
func (j *jsonSyntax) blocks(into *hclsyntax.Body, m jsonMember, v jsonValue, labels int, typ reflect.Type, taken []jsonMember) {
	switch {
	case v.kind == '[':
		for _, item := range v.items {
			j.blocks(into, m, item, labels, typ, taken)
		}
	case v.kind != '{':
		j.fail(v.at, fmt.Sprintf("%s is a block", m.name), "write an object")
	case labels > 0:
		for _, label := range v.members {
			j.blocks(into, m, label.value, labels-1, typ, append(slices.Clone(taken), label))
		}
	default:
		b := &hclsyntax.Block{Type: m.name, TypeRange: m.at, OpenBraceRange: m.at, CloseBraceRange: m.at}
		for _, label := range taken {
			b.Labels, b.LabelRanges = append(b.Labels, label.name), append(b.LabelRanges, label.at)
		}
		b.Body = j.newBody(v)
		for _, inner := range v.members {
			j.member(b.Body, inner, typ)
		}
		into.Blocks = append(into.Blocks, b)
	}
}

// nestedBlocks are the blocks that have no field of their name, by the type around
// them: what they hold, and how many labels they take.
var nestedBlocks = map[reflect.Type]map[string]struct {
	holds  reflect.Type
	labels int
}{
	jobType: {
		"task": {reflect.TypeFor[api.Task](), 1}, "vault": {reflect.TypeFor[api.Vault](), 0}, "secret": {reflect.TypeFor[api.Secret](), 1},
		"heal": {nil, 0}, "ingress": {nil, 1}, "analysis": {nil, 1},
	},
	reflect.TypeFor[api.TaskGroup](): {
		"vault": {reflect.TypeFor[api.Vault](), 0}, "secret": {reflect.TypeFor[api.Secret](), 1},
		"heal": {nil, 0}, "ingress": {nil, 1}, "analysis": {nil, 1},
	},
	reflect.TypeFor[api.Task](): {"scaling": {reflect.TypeFor[api.ScalingPolicy](), 1}},
}

// member adds one member of a block: more blocks, or an attribute.
func (j *jsonSyntax) member(body *hclsyntax.Body, m jsonMember, typ reflect.Type) {
	if m.name == "//" {
		return // how JSON configuration spells a comment
	}
	if m.name == "dynamic" {
		j.dynamic(body, m, m.value, typ)
		return
	}
	if holds, labels, ok := j.nested(typ, m); ok {
		j.blocks(body, m, m.value, labels, holds, nil)
		return
	}
	body.Attributes[m.name] = j.attribute(m, m.name == "type" && typ == reflect.TypeFor[jsonVariable]())
}

// nested tells whether a member is a block, what it then holds (nil: every member of
// it is an attribute) and how many labels it takes.
func (j *jsonSyntax) nested(typ reflect.Type, m jsonMember) (holds reflect.Type, labels int, ok bool) {
	if own, ok := nestedBlocks[typ][m.name]; ok {
		return own.holds, own.labels, true
	}
	if typ == nil {
		return nil, 0, m.name == "slow" && m.value.kind != 's'
	}
	field, known := j.shape(typ).fields[m.name]
	if !known || !field.isBlock {
		return nil, 0, false
	}
	t := typ.Field(field.index).Type
	if t.Kind() == reflect.Slice || t.Kind() == reflect.Map && t.Elem().Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t = deref(t); t.Kind() != reflect.Struct {
		return nil, 0, true // a map
	}
	return t, len(j.shape(t).labels), true
}

// dynamic adds dynamic blocks: {"dynamic": {"port": {"for_each": ..., "content": {...}}}}.
func (j *jsonSyntax) dynamic(into *hclsyntax.Body, m jsonMember, v jsonValue, typ reflect.Type) {
	for _, item := range v.items {
		j.dynamic(into, m, item, typ)
	}
	for _, made := range v.members {
		values := made.value.items
		if made.value.kind == '{' {
			values = []jsonValue{made.value}
		}
		holds, _, _ := j.nested(typ, jsonMember{name: made.name, value: jsonValue{kind: '{'}})
		for _, value := range values {
			b := &hclsyntax.Block{Type: "dynamic", TypeRange: m.at, Labels: []string{made.name}, LabelRanges: []hcl.Range{made.at}, Body: j.newBody(value)}
			for _, inner := range value.members {
				if inner.name == "content" {
					j.blocks(b.Body, inner, inner.value, 0, holds, nil)
					continue
				}
				b.Body.Attributes[inner.name] = j.attribute(inner, inner.name == "iterator")
			}
			into.Blocks = append(into.Blocks, b)
		}
	}
}

// attribute is a member as an attribute. A bare one is a word of the language and
// not a template: a type, the name of an iterator.
func (j *jsonSyntax) attribute(m jsonMember, bare bool) *hclsyntax.Attribute {
	return &hclsyntax.Attribute{
		Name: m.name, NameRange: m.at, SrcRange: hcl.RangeBetween(m.at, m.value.at), EqualsRange: m.at,
		Expr: j.expression(m.value, bare),
	}
}

func (j *jsonSyntax) newBody(v jsonValue) *hclsyntax.Body {
	return &hclsyntax.Body{Attributes: hclsyntax.Attributes{}, SrcRange: v.at, EndRange: v.at}
}

// expression is a value as HCL reads it: strings are templates, or, where a bare word
// is asked for, the expression itself. Tools that convert HCL wrap it into ${ }.
func (j *jsonSyntax) expression(v jsonValue, bare bool) hclsyntax.Expression {
	switch v.kind {
	case '{':
		object := &hclsyntax.ObjectConsExpr{SrcRange: v.at, OpenRange: v.at}
		for _, m := range v.members {
			key := j.template(m.name, m.at)
			object.Items = append(object.Items, hclsyntax.ObjectConsItem{KeyExpr: &hclsyntax.ObjectConsKeyExpr{Wrapped: key, ForceNonLiteral: true}, ValueExpr: j.expression(m.value, false)})
		}
		return object
	case '[':
		tuple := &hclsyntax.TupleConsExpr{SrcRange: v.at, OpenRange: v.at}
		for _, item := range v.items {
			tuple.Exprs = append(tuple.Exprs, j.expression(item, false))
		}
		return tuple
	}
	literal := &hclsyntax.LiteralValueExpr{SrcRange: v.at, Val: cty.NullVal(cty.DynamicPseudoType)}
	switch scalar := v.scalar.(type) {
	case string:
		if !bare {
			return j.template(scalar, v.at)
		}
		if inner, ok := strings.CutPrefix(scalar, "${"); ok {
			scalar = strings.TrimSuffix(inner, "}")
		}
		expr, diags := hclsyntax.ParseExpression([]byte(scalar), j.path, v.at.Start)
		j.diags = append(j.diags, fromHCL(diags)...)
		if !diags.HasErrors() {
			return expr
		}
	case bool:
		literal.Val = cty.BoolVal(scalar)
	case json.Number:
		val, err := cty.ParseNumberVal(scalar.String())
		if err != nil {
			j.fail(v.at, fmt.Sprintf("number %s: %s", scalar, err), "")
			return literal
		}
		literal.Val = val
	}
	return literal
}

// template parses a string. Its parts carry places near the string: escapes of JSON
// make the text shorter than its source.
func (j *jsonSyntax) template(text string, at hcl.Range) hclsyntax.Expression {
	if diags := checkNesting(j.path, []byte(text)); diags.HasErrors() {
		j.diags = append(j.diags, diags...)
		return &hclsyntax.LiteralValueExpr{SrcRange: at, Val: cty.DynamicVal}
	}
	start := at.Start
	start.Byte, start.Column = start.Byte+1, start.Column+1
	expr, diags := hclsyntax.ParseTemplate([]byte(text), j.path, start)
	j.diags = append(j.diags, fromHCL(diags)...)
	if diags.HasErrors() {
		return &hclsyntax.LiteralValueExpr{SrcRange: at, Val: cty.DynamicVal}
	}
	return expr
}

// read reads one value with its place. The text is valid JSON with bounded nesting.
func (j *jsonSyntax) read() (jsonValue, error) {
	token, err := j.dec.Token()
	if err != nil {
		return jsonValue{}, err
	}
	v := jsonValue{kind: 's', scalar: token, at: j.rangeOf(token)}
	switch token {
	case json.Delim('{'):
		v.kind, v.scalar = '{', nil
		for j.dec.More() {
			name, err := j.dec.Token()
			if err != nil {
				return v, err
			}
			at := j.rangeOf(name)
			value, err := j.read()
			if err != nil {
				return v, err
			}
			v.members = append(v.members, jsonMember{name.(string), at, value})
		}
		_, err = j.dec.Token()
	case json.Delim('['):
		v.kind, v.scalar = '[', nil
		for j.dec.More() {
			item, err := j.read()
			if err != nil {
				return v, err
			}
			v.items = append(v.items, item)
		}
		_, err = j.dec.Token()
	}
	return v, err
}

// rangeOf is the place of the token that was just read.
func (j *jsonSyntax) rangeOf(token json.Token) hcl.Range {
	width := 1
	switch t := token.(type) {
	case string:
		width = len(t) + 2
	case json.Number:
		width = len(t)
	case bool, nil:
		width = 4
	}
	reader := &jsonReader{src: j.src}
	end := int(j.dec.InputOffset())
	return hcl.Range{Filename: j.path, Start: reader.position(max(0, end-width)), End: reader.position(end)}
}

func (j *jsonSyntax) fail(at hcl.Range, summary, detail string) {
	j.diags = append(j.diags, Diagnostic{Summary: summary, Detail: detail}.at(at))
}
