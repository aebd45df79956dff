package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
)

// decoder writes trees of nodes into a Config, one after the other. What a tree does not
// name stays as it was: that is all there is to merging.
type decoder struct {
	origin   map[string]string
	problems Problems
	warned   map[string]bool
	warnings []string
}

func newDecoder() *decoder {
	return &decoder{origin: map[string]string{}, warned: map[string]bool{}}
}

// slot is a field of a struct that a key fills.
type slot struct {
	value     reflect.Value
	appending bool
}

// slots lists the keys of a struct; embedded groups contribute theirs.
func slots(v reflect.Value) map[string]slot {
	out := map[string]slot{}
	for _, f := range reflect.VisibleFields(v.Type()) {
		tag := strings.Split(f.Tag.Get("hcl"), ",")
		if tag[0] == "" || tag[0] == "-" || slices.Contains(tag, "label") {
			continue
		}
		out[tag[0]] = slot{v.FieldByIndex(f.Index), slices.Contains(tag, "append")}
	}
	return out
}

// structAt fills a struct from every field of n. path is the struct's own key path.
func (d *decoder) structAt(path string, n node, v reflect.Value) {
	known := slots(v)
	first := map[string]hcl.Range{}
	for _, f := range n.fields {
		key := join(path, f.name)
		s, ok := known[f.name]
		if !ok {
			if target, renamed := aliases[key]; renamed {
				d.setPath(v, path, target, f)
				continue
			}
			d.unknown(path, f, known)
			continue
		}
		if at, again := first[f.name]; again && !repeatable(s.value.Type()) {
			d.fail(f.rng, key, "given twice; first at %s", position(at))
			continue
		}
		first[f.name] = f.rng
		d.value(key, f.value, s)
	}
}

// repeatable are the types whose key may appear several times in one block.
func repeatable(t reflect.Type) bool {
	return t.Kind() == reflect.Map || t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct
}

// aliases are older places of keys: the first is read as if it were the second, which is
// relative to the same block.
var aliases = map[string]string{
	"server.retry_join":     "server_join.retry_join",
	"server.start_join":     "server_join.start_join",
	"server.retry_max":      "server_join.retry_max",
	"server.retry_interval": "server_join.retry_interval",
}

// setPath decodes f as if it stood at the dotted path target below the struct v.
func (d *decoder) setPath(v reflect.Value, path, target string, f field) {
	parts := strings.Split(target, ".")
	n := f.value
	for _, name := range slices.Backward(parts) {
		n = node{kind: object, rng: f.rng, fields: []field{{name, f.rng, n}}}
	}
	d.structAt(path, n, v)
}

// value fills one field with one node.
func (d *decoder) value(key string, n node, s slot) {
	if n.kind == null {
		return
	}
	switch t := s.value.Type(); {
	case t.Kind() == reflect.Struct:
		d.origin[key] = position(n.rng)
		d.block(key, n, s.value)
	case t.Kind() == reflect.Pointer:
		if s.value.IsNil() {
			s.value.Set(reflect.New(t.Elem()))
			if p, ok := s.value.Interface().(interface{ setDefaults() }); ok {
				p.setDefaults()
			}
		}
		d.origin[key] = position(n.rng)
		d.block(key, n, s.value.Elem())
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct:
		d.labelled(key, n, func(label field) {
			// One of these is known by its label: a Name that no key sets.
			item := reflect.New(t.Elem()).Elem()
			item.FieldByName("Name").SetString(label.name)
			d.origin[join(key, label.name)] = position(label.rng)
			d.block(join(key, label.name), label.value, item)
			s.value.Set(reflect.Append(s.value, item))
		})
	case t.Kind() == reflect.Slice:
		d.texts(key, n, s)
	case t.Kind() == reflect.Map:
		d.mapping(key, n, s.value)
	default:
		d.scalar(key, n, s.value)
	}
}

// block fills a struct from an object, or from a list of objects as JSON writers make it.
func (d *decoder) block(key string, n node, v reflect.Value) {
	switch n.kind {
	case object:
		d.structAt(key, n, v)
	case list:
		for _, item := range n.items {
			d.block(key, item, v)
		}
	case scalar:
		d.fail(n.rng, key, "wants a block, not a value")
	}
}

// labelled calls each for every `name "label" {}`, and for {"name": {"label": {}}} and
// the same with lists in between.
func (d *decoder) labelled(key string, n node, each func(label field)) {
	switch n.kind {
	case object:
		for _, f := range n.fields {
			if f.value.kind == scalar {
				d.fail(f.rng, key, "wants a label: %s \"name\" { ... }", last(key))
				return
			}
			each(f)
		}
	case list:
		for _, item := range n.items {
			d.labelled(key, item, each)
		}
	case scalar:
		d.fail(n.rng, key, "wants a block with a label: %s \"name\" { ... }", last(key))
	}
}

// texts fills a list of strings; one string counts as a list of one.
func (d *decoder) texts(key string, n node, s slot) {
	items := n.items
	if n.kind != list {
		items = []node{n}
	}
	out := []string{}
	if s.appending {
		out = append(out, s.value.Interface().([]string)...)
	}
	for _, item := range items {
		if item.kind != scalar {
			d.fail(item.rng, key, "wants a list of text, not %s in it", item.kind)
			continue
		}
		text, err := asText(item.scalar)
		if err != nil {
			d.fail(item.rng, key, "wants a list of text")
			continue
		}
		if !s.appending || !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	d.origin[key] = position(n.rng)
	s.value.Set(reflect.ValueOf(out))
}

// mapping fills a map: of text or of labelled blocks. A map of anything, for a driver,
// is read as a whole.
func (d *decoder) mapping(key string, n node, v reflect.Value) {
	if v.IsNil() {
		v.Set(reflect.MakeMap(v.Type()))
	}
	elem := v.Type().Elem()
	if elem.Kind() == reflect.Interface {
		whole := node{kind: object}
		d.entries(key, n, func(f field) { whole.fields = append(whole.fields, f) })
		v.Set(reflect.ValueOf(asAny(whole)))
		return
	}
	seen := map[string]hcl.Range{}
	set := func(f field) {
		item := reflect.New(elem).Elem()
		name := join(key, f.name)
		if at, again := seen[f.name]; again {
			d.fail(f.rng, name, "given twice; first at %s", position(at))
			return
		}
		seen[f.name] = f.rng
		if elem.Kind() == reflect.Struct {
			d.block(name, f.value, item)
			d.origin[name] = position(f.rng)
		} else {
			d.scalar(name, f.value, item)
		}
		v.SetMapIndex(reflect.ValueOf(f.name), item)
	}
	if elem.Kind() == reflect.Struct {
		d.labelled(key, n, set)
		return
	}
	d.entries(key, n, set)
}

// entries calls set for every key of an object or of a list of objects.
func (d *decoder) entries(key string, n node, set func(field)) {
	switch n.kind {
	case object:
		for _, f := range n.fields {
			if f.value.kind != null {
				set(f)
			}
		}
	case list:
		for _, item := range n.items {
			d.entries(key, item, set)
		}
	case scalar:
		d.fail(n.rng, key, "wants key = value pairs in braces, not a value")
	}
}

// scalar fills a field that holds a single value.
func (d *decoder) scalar(key string, n node, v reflect.Value) {
	if n.kind != scalar {
		d.fail(n.rng, key, "wants a value, not %s", n.kind)
		return
	}
	if err := setScalar(n, v); err != nil {
		d.fail(n.rng, key, "%v", err)
		return
	}
	d.origin[key] = position(n.rng)
}

func setScalar(n node, v reflect.Value) (err error) {
	switch p := v.Addr().Interface().(type) {
	case *time.Duration:
		*p, err = asDuration(n.scalar)
	case *Bytes:
		*p, err = asBytes(n.scalar)
	case *string:
		*p, err = asText(n.scalar)
	case *bool:
		*p, err = asBool(n.scalar)
	case *float64:
		*p, err = asFloat(n.scalar)
	case *int:
		var wide int64
		wide, err = asInt(n.scalar)
		if *p = int(wide); err == nil && int64(*p) != wide {
			err = fmt.Errorf("%d is out of range", wide)
		}
	default:
		panic(fmt.Sprintf("config: no reader for fields of type %T", p))
	}
	return err
}

// unknown reports a key that no field takes: one warning where Nomad documents it, else
// an error with the nearest key, or the block where such a key belongs.
func (d *decoder) unknown(path string, f field, known map[string]slot) {
	key := join(path, f.name)
	if reason, ok := ignored[key]; ok {
		if !d.warned[key] {
			d.warned[key] = true
			d.warnings = append(d.warnings, fmt.Sprintf("%s: %s: has no effect: %s", position(f.rng), key, reason))
		}
		return
	}
	var names []string
	for name := range known {
		names = append(names, name)
	}
	for other := range ignored {
		if parent, name := split(other); parent == path {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	text := "no such key"
	if near, ok := nearest(f.name, names); ok {
		text += fmt.Sprintf("; did you mean %q?", near)
	} else if blocks := blocksWith(f.name); len(blocks) > 0 {
		text += "; it belongs in " + strings.Join(blocks, " or ")
	}
	d.problems = append(d.problems, Problem{position(f.rng), key, text})
}

func (d *decoder) fail(at hcl.Range, key, format string, args ...any) {
	d.problems = append(d.problems, Problem{position(at), key, fmt.Sprintf(format, args...)})
}

// join makes a key path.
func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// split undoes join.
func split(key string) (path, name string) {
	i := strings.LastIndexByte(key, '.')
	if i < 0 {
		return "", key
	}
	return key[:i], key[i+1:]
}

func last(key string) string {
	_, name := split(key)
	return name
}
