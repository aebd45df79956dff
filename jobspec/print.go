package jobspec

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/hashicorp/nomad/api"
)

// Print writes a job as a job file. What the file says is what Parse reads back:
//
//	Parse(Print(job)) == job
//
// for every job that Parse can make, field by field (free form values as their JSON).
// Fields that a server fills in (status, version, indexes) are left out. Meta keys
// under selfheal. come back as blocks, text in several lines as a heredoc. The error
// names what HCL cannot say, such as the key "a b" in the config of a driver.
func Print(job *api.Job) ([]byte, error) {
	p := &printer{habits: printHabits()}
	v := reflect.ValueOf(job).Elem()
	p.open("job", or(job.ID))
	p.structure(v)
	p.close()
	return hclwrite.Format(p.out.Bytes()), errors.Join(p.errs...)
}

// printer writes blocks and attributes, led by the hcl tags as the decoder is.
type printer struct {
	decoder // for its shapes
	habits  map[reflect.Type]map[string]printHabit
	out     bytes.Buffer
	place   []string // the blocks around, for errors
	errs    []error
}

func (p *printer) open(name string, labels ...string) {
	if p.out.Len() > 0 && !bytes.HasSuffix(p.out.Bytes(), []byte("{\n")) {
		p.out.WriteByte('\n')
	}
	p.out.WriteString(name)
	for _, label := range labels {
		p.out.WriteString(" " + quotedLabel(label))
	}
	p.out.WriteString(" {\n")
	p.place = append(p.place, name)
}

func (p *printer) close() {
	if bytes.HasSuffix(p.out.Bytes(), []byte("{\n")) {
		p.out.Truncate(p.out.Len() - 1) // an empty block is one line
	}
	p.out.WriteString("}\n")
	p.place = p.place[:len(p.place)-1]
}

func (p *printer) attribute(name, value string) { fmt.Fprintf(&p.out, "%s = %s\n", name, value) }

func (p *printer) fail(format string, args ...any) {
	p.errs = append(p.errs, fmt.Errorf("print job: %s: %s", strings.Join(p.place, ": "), fmt.Sprintf(format, args...)))
}

// structure writes the attributes of a struct, then its blocks.
func (p *printer) structure(v reflect.Value) {
	t := v.Type()
	s := p.shape(t)
	skip := printSkips[t]
	for i := range t.NumField() {
		name, field, ok := fieldAt(s, i)
		if !ok || field.isBlock || slices.Contains(skip, name) {
			continue
		}
		p.field(name, v.Field(i), field.required)
	}
	if t == jobType && or(v.Interface().(api.Job).Name) != or(v.Interface().(api.Job).ID) {
		p.field("name", v.FieldByName("Name"), false)
	}
	for _, i := range blockOrder(t) {
		name, field, ok := fieldAt(s, i)
		if habit := p.habits[t][t.Field(i).Name]; habit != nil {
			habit(p, v.Field(i))
			continue
		}
		if ok && field.isBlock {
			p.block(name, v.Field(i))
		}
	}
}

// blockOrder is the order of the fields of a struct, with the blocks that are the
// longest, groups and tasks, at the end.
func blockOrder(t reflect.Type) []int {
	var first, last []int
	for i := range t.NumField() {
		if name := t.Field(i).Name; name == "TaskGroups" || name == "Tasks" {
			last = append(last, i)
			continue
		}
		first = append(first, i)
	}
	return append(first, last...)
}

// fieldAt is the name and the kind of a field, by its index in the struct.
func fieldAt(s shape, index int) (string, shapeField, bool) {
	for name, field := range s.fields {
		if field.index == index {
			return name, field, true
		}
	}
	return "", shapeField{}, false
}

// field writes one attribute unless it was never set.
func (p *printer) field(name string, f reflect.Value, required bool) {
	switch f.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		if f.IsNil() {
			return
		}
	default:
		if f.IsZero() && !required {
			return
		}
	}
	p.attribute(name, literal(f))
}

// block writes a field that is a block by the kind of the field.
func (p *printer) block(name string, f reflect.Value) {
	switch f.Kind() {
	case reflect.Slice:
		for i := range f.Len() {
			p.block(name, f.Index(i))
		}
	case reflect.Pointer:
		if !f.IsNil() {
			p.block(name, f.Elem())
		}
	case reflect.Struct:
		p.open(name, p.labelsOf(f)...)
		p.structure(f)
		p.close()
	case reflect.Map:
		p.mapBlock(name, f)
	}
}

func (p *printer) labelsOf(f reflect.Value) []string {
	var labels []string
	for _, index := range p.shape(f.Type()).labels {
		labels = append(labels, printable(f.Field(index)))
	}
	return labels
}

// mapBlock writes a field that is a map: blocks by label, free form, or pairs.
func (p *printer) mapBlock(name string, f reflect.Value) {
	if f.IsNil() {
		return
	}
	names := keys(stringKeys(f))
	elem := f.Type().Elem().Kind()
	if elem == reflect.Pointer {
		for _, key := range names {
			p.block(name, f.MapIndex(reflect.ValueOf(key)))
		}
		return
	}
	odd := slices.IndexFunc(names, func(key string) bool { return !hclsyntax.ValidIdentifier(key) })
	switch {
	case odd >= 0 && !alsoAttribute[name]:
		p.fail("%s: the key %q cannot be written in HCL", name, names[odd])
	case odd >= 0:
		p.attribute(name, literal(f))
	case elem == reflect.Interface:
		p.open(name)
		p.free(f.Interface().(map[string]any))
		p.close()
	default:
		p.open(name)
		for _, key := range names {
			p.attribute(key, literal(f.MapIndex(reflect.ValueOf(key))))
		}
		p.close()
	}
}

// free writes what is the business of a driver or a plugin: attributes, then the
// lists of maps that blocks become.
func (p *printer) free(m map[string]any) {
	for _, key := range keys(m) {
		if _, ok := asBlocks(key, m[key]); !ok {
			p.attribute(key, literal(reflect.ValueOf(m[key])))
		}
	}
	for _, key := range keys(m) {
		list, _ := asBlocks(key, m[key])
		for _, item := range list {
			p.open(key)
			p.free(item)
			p.close()
		}
	}
}

// asBlocks tells lists of maps that read well as blocks from all other values.
func asBlocks(key string, value any) ([]map[string]any, bool) {
	list, ok := value.([]map[string]any)
	if items, isAny := value.([]any); isAny && len(items) > 0 {
		ok = true
		for _, item := range items {
			m, isMap := item.(map[string]any)
			ok = ok && isMap
			list = append(list, m)
		}
	}
	if !ok || len(list) == 0 {
		return nil, false
	}
	for _, item := range list {
		for name := range item {
			if !hclsyntax.ValidIdentifier(name) {
				return nil, false
			}
		}
	}
	return list, hclsyntax.ValidIdentifier(key)
}
