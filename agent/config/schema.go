package config

import (
	"reflect"
	"slices"
	"strings"
)

// leaf is one key of a Config with its value: what reload compares and tests print.
type leaf struct {
	key   string
	value reflect.Value
}

// leaves lists every key of a Config that holds a value, in the order of the structs;
// maps in the order of their keys.
func leaves(c *Config) []leaf {
	var out []leaf
	walk("", reflect.ValueOf(c).Elem(), func(key string, v reflect.Value) {
		out = append(out, leaf{key, v})
	})
	return out
}

func walk(path string, v reflect.Value, visit func(string, reflect.Value)) {
	t := v.Type()
	if t.Kind() != reflect.Struct {
		visit(path, v)
		return
	}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("hcl"), ",")
		switch {
		case f.Anonymous:
			walk(path, v.Field(i), visit)
		case name == "" || name == "-":
		case f.Type.Kind() == reflect.Pointer:
			if !v.Field(i).IsNil() {
				walk(join(path, name), v.Field(i).Elem(), visit)
			}
		case f.Type.Kind() == reflect.Map:
			keys := v.Field(i).MapKeys()
			slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
			for _, k := range keys {
				walk(join(join(path, name), k.String()), v.Field(i).MapIndex(k), visit)
			}
		default:
			walk(join(path, name), v.Field(i), visit)
		}
	}
}

// blocksWith names the blocks that have a key of this name, for a key that was written
// in the wrong one.
func blocksWith(name string) []string {
	var out []string
	add := func(key string) {
		path, last := split(key)
		if last != name {
			return
		}
		where := path + " { }"
		if path == "" {
			where = "the top level"
		}
		if !slices.Contains(out, where) {
			out = append(out, where)
		}
	}
	for _, key := range schemaKeys("", reflect.TypeFor[Config]()) {
		add(key)
	}
	for key := range ignored {
		add(key)
	}
	slices.Sort(out)
	return out
}

// schemaKeys lists the key paths of a struct type, without those of labelled blocks.
func schemaKeys(path string, t reflect.Type) []string {
	var out []string
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("hcl"), ",")
		ft := f.Type
		if ft.Kind() == reflect.Pointer {
			ft = ft.Elem()
		}
		switch {
		case f.Anonymous:
			out = append(out, schemaKeys(path, ft)...)
		case name == "" || name == "-":
		case ft.Kind() == reflect.Struct:
			out = append(out, join(path, name))
			out = append(out, schemaKeys(join(path, name), ft)...)
		default:
			out = append(out, join(path, name))
		}
	}
	return out
}
