package jobspec

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/nomad/api"
	"github.com/zclconf/go-cty/cty"
)

// decoder fills api structs from blocks, led by the hcl tags of their fields.
// What the tags cannot say is in the table of habits.
type decoder struct {
	habits map[reflect.Type]map[string]blockHabit
	shapes map[reflect.Type]shape
	own    map[ownAt]bool // the own blocks that were compiled
	cost   *budget
	broke  bool                       // whether there was a report that cost is spent
	made   int                        // blocks made by dynamic blocks, see maxBlocks
	shared map[*api.TaskGroup]*shared // of groups, for their tasks; of the job under nil
	diags  Diagnostics
}

// shape is what a block may hold, by name, read from a struct's hcl tags.
type shape struct {
	fields map[string]shapeField
	labels []int // fields that take the labels of the block, in order
}

type shapeField struct {
	index    int
	isBlock  bool
	required bool // an attribute that has no default
}

func (d *decoder) shape(t reflect.Type) shape {
	if s, ok := d.shapes[t]; ok {
		return s
	}
	s := shape{fields: map[string]shapeField{}}
	for i := range t.NumField() {
		name, kind, _ := strings.Cut(t.Field(i).Tag.Get("hcl"), ",")
		switch {
		case kind == "label":
			s.labels = append(s.labels, i)
		case name != "":
			s.fields[name] = shapeField{
				index: i, isBlock: kind == "block",
				required: kind == "" && t.Field(i).Type.Kind() != reflect.Pointer,
			}
		}
	}
	if d.shapes == nil {
		d.shapes = map[reflect.Type]shape{}
	}
	d.shapes[t] = s
	return s
}

// job decodes the job block. Name and ID come from its label unless they are set.
func (d *decoder) job(b block) *api.Job {
	d.habits = d.blockHabits()
	job := &api.Job{ID: new(b.Labels[0]), Name: new(b.Labels[0])}
	d.structure(b, reflect.ValueOf(job).Elem())
	d.shareWithTasks(job)
	return job
}

// structure fills a struct from the attributes and blocks inside b.
func (d *decoder) structure(b block, dst reflect.Value) {
	s := d.shape(dst.Type())
	d.labels(b, s, dst)
	for _, a := range sortedAttributes(b.Body) {
		d.attribute(a, b, s, dst)
	}
	for _, name := range keys(s.fields) {
		if s.fields[name].required && b.Body.Attributes[name] == nil {
			d.fail(b.TypeRange, fmt.Sprintf("%s needs the attribute %s", b.Type, name), "")
		}
	}
	seen := map[string]bool{}
	for _, inner := range d.expand(b) {
		if single := singleMap(s, inner.Type, dst); single && (seen[inner.Type] || b.Body.Attributes[inner.Type] != nil) {
			d.fail(inner.TypeRange, fmt.Sprintf("more than one %s", inner.Type), "only one is allowed here")
			continue
		}
		seen[inner.Type] = true
		d.nested(inner, b, s, dst)
	}
	if finish := finishers[dst.Type()]; finish != nil {
		finish(dst.Addr().Interface())
	}
}

// singleMap reports whether a block is a whole map, so that there is one of it.
func singleMap(s shape, name string, dst reflect.Value) bool {
	field, known := s.fields[name]
	return known && isWholeMap(dst.Field(field.index).Type())
}

// isWholeMap reports whether a field takes all that one block says as its keys: env,
// meta, config, options, headers.
func isWholeMap(t reflect.Type) bool {
	return t.Kind() == reflect.Map && t.Elem().Kind() != reflect.Pointer
}

// labels puts the labels of a block into the fields meant for them. The job is
// the exception whose label has no field.
func (d *decoder) labels(b block, s shape, dst reflect.Value) {
	if dst.Type() == jobType {
		return
	}
	if len(b.Labels) != len(s.labels) {
		d.fail(b.TypeRange, fmt.Sprintf("%s takes %s", b.Type, labelCount(len(s.labels))), "")
		return
	}
	for i, index := range s.labels {
		d.set(dst.Field(index), cty.StringVal(b.Labels[i]), b.LabelRanges[i], b.Type)
	}
}

// attribute fills one field from name = value.
func (d *decoder) attribute(a *hclsyntax.Attribute, b block, s shape, dst reflect.Value) {
	if habit, ok := attributeHabits[dst.Type()][a.Name]; ok {
		if val, ok := d.value(a.Expr, b.ctx); ok && val.IsKnown() {
			if err := habit(dst.Addr().Interface(), a.Name, val); err != nil {
				d.fail(a.Expr.Range(), fmt.Sprintf("%s: %s", a.Name, err), "")
			}
		}
		return
	}
	field, known := s.fields[a.Name]
	if !known {
		d.unknown(a.NameRange, "attribute", a.Name, b, s, dst)
		return
	}
	f := dst.Field(field.index)
	if field.isBlock && !alsoAttribute[a.Name] {
		d.fail(a.NameRange, fmt.Sprintf("%s is a block", a.Name), fmt.Sprintf("write %s { } without the equals sign", a.Name))
		return
	}
	val, ok := d.value(a.Expr, b.ctx)
	if !ok {
		return
	}
	d.set(f, val, a.Expr.Range(), a.Name)
}

// alsoAttribute are the blocks that may be written as attributes: their keys may then be
// any text, and the whole an expression. The others took both forms in HCL1 only, and
// files that still write them so are refused by every parser of HCL2 (Nomad #9606, #9936).
var alsoAttribute = map[string]bool{"env": true, "meta": true}

// nested fills one field from a block.
func (d *decoder) nested(b, parent block, s shape, dst reflect.Value) {
	field, known := s.fields[b.Type]
	if habit, ok := d.habits[dst.Type()][b.Type]; ok {
		habit(b, dst.Addr().Interface())
		return
	}
	if !known {
		d.unknown(b.TypeRange, "block", b.Type, parent, s, dst)
		return
	}
	f := dst.Field(field.index)
	if !field.isBlock && f.Kind() != reflect.Map {
		d.fail(b.TypeRange, fmt.Sprintf("%s is an attribute", b.Type), fmt.Sprintf("write %s = ...", b.Type))
		return
	}
	d.block(b, f)
}

// block decodes a block into a field by the kind of the field: a map takes the
// block's attributes, a slice one more element, a struct the block itself.
func (d *decoder) block(b block, f reflect.Value) {
	switch f.Kind() {
	case reflect.Map:
		d.mapping(b, f)
	case reflect.Slice:
		item := reflect.New(f.Type().Elem()).Elem()
		d.block(b, item)
		f.Set(reflect.Append(f, item))
	case reflect.Pointer:
		if !f.IsNil() {
			d.fail(b.TypeRange, fmt.Sprintf("more than one %s block", b.Type), "only one is allowed here")
			return
		}
		f.Set(reflect.New(f.Type().Elem()))
		d.structure(b, f.Elem())
	case reflect.Struct:
		d.structure(b, f)
	default:
		panic("jobspec: no way to decode a block into " + f.Type().String())
	}
}

// mapping decodes the three kinds of block that become maps: free form
// (config), blocks by label (volume) and plain pairs (env, meta).
func (d *decoder) mapping(b block, f reflect.Value) {
	if f.IsNil() {
		f.Set(reflect.MakeMap(f.Type()))
	}
	elem := f.Type().Elem()
	switch elem.Kind() {
	case reflect.Interface:
		for key, val := range d.freeBody(b) {
			f.SetMapIndex(reflect.ValueOf(key), reflect.ValueOf(&val).Elem())
		}
	case reflect.Pointer:
		item := reflect.New(elem.Elem())
		d.structure(b, item.Elem())
		if len(b.Labels) != 1 {
			return
		}
		key := reflect.ValueOf(b.Labels[0])
		if f.MapIndex(key).IsValid() {
			d.fail(b.LabelRanges[0], fmt.Sprintf("%s %q is declared twice", b.Type, b.Labels[0]), "")
			return
		}
		f.SetMapIndex(key, item)
	default:
		d.pairs(b, f)
	}
}

// pairs decodes a block of attributes only, such as env { }.
func (d *decoder) pairs(b block, f reflect.Value) {
	if len(b.Labels) > 0 {
		d.fail(b.LabelRanges[0], fmt.Sprintf("%s takes no label", b.Type), "")
	}
	for _, a := range sortedAttributes(b.Body) {
		val, ok := d.value(a.Expr, b.ctx)
		if !ok {
			continue
		}
		item := reflect.New(f.Type().Elem()).Elem()
		d.set(item, val, a.Expr.Range(), a.Name)
		f.SetMapIndex(reflect.ValueOf(a.Name), item)
	}
	for _, inner := range d.expand(b) {
		d.fail(inner.TypeRange, fmt.Sprintf("%s holds only attributes", b.Type), "")
	}
}

// freeBody decodes a block whose contents are the driver's business. A block
// inside becomes a list of maps, one for each time that it is written; its
// labels become keys on the way.
func (d *decoder) freeBody(b block) map[string]any {
	out := map[string]any{}
	for _, a := range sortedAttributes(b.Body) {
		val, ok := d.value(a.Expr, b.ctx)
		switch {
		case !ok || !val.IsWhollyKnown():
		case !jsonNumbers(val):
			d.fail(a.Expr.Range(), fmt.Sprintf("%s: a number is out of range", a.Name), "")
		default:
			out[a.Name] = goValue(val)
		}
	}
	for _, inner := range d.expand(b) {
		var item any = d.freeBody(inner)
		for _, label := range slices.Backward(inner.Labels) {
			item = map[string]any{label: []map[string]any{item.(map[string]any)}}
		}
		list, isList := out[inner.Type].([]map[string]any)
		if _, taken := out[inner.Type]; taken && !isList {
			d.fail(inner.TypeRange, fmt.Sprintf("%s is both an attribute and a block", inner.Type), "")
			continue
		}
		out[inner.Type] = append(list, item.(map[string]any))
	}
	return out
}

// unknown reports a name that a block does not have.
func (d *decoder) unknown(at hcl.Range, what, name string, in block, s shape, dst reflect.Value) {
	if _, ours := ownBlocks[name]; ours {
		d.fail(at, fmt.Sprintf("%s has no place in %s", name, in.Type), "write it in the job or the group")
		return
	}
	known := append(keys(s.fields), keys(attributeHabits[dst.Type()])...)
	known = append(known, keys(d.habits[dst.Type()])...)
	d.fail(at, fmt.Sprintf("unknown %s %q in %s", what, name, in.Type), didYouMean(name, known))
}

// value evaluates an expression; it is not ok when that failed and was reported.
func (d *decoder) value(expr hcl.Expression, ctx *hcl.EvalContext) (cty.Value, bool) {
	if d.broke {
		return cty.DynamicVal, false // reported before
	}
	if d.broke = !d.cost.spend(evaluationCost); d.broke {
		d.diags = append(d.diags, fromHCL(costDiagnostic(expr.Range()))...)
		return cty.DynamicVal, false
	}
	val, diags := expr.Value(ctx)
	if !d.cost.take(val) {
		diags = append(diags, costDiagnostic(expr.Range())...)
	}
	d.diags = append(d.diags, fromHCL(diags)...)
	return val, !diags.HasErrors()
}

// set stores an evaluated value in a field and reports a misfit.
func (d *decoder) set(f reflect.Value, val cty.Value, at hcl.Range, name string) {
	if err := assign(f, val); err != nil {
		d.fail(at, fmt.Sprintf("%s: %s", name, err), "")
	}
}

func (d *decoder) fail(at hcl.Range, summary, detail string) {
	d.diags = append(d.diags, Diagnostic{Summary: summary, Detail: detail}.at(at))
}
