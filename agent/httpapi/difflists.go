package httpapi

import (
	"encoding/json"
	"reflect"

	"github.com/hashicorp/nomad/api"
)

// diffStructLists compares lists of blocks. Blocks with a name are matched by it
// and edited; the others are the same or not: added and deleted.
func diffStructLists(older, newer reflect.Value) []*api.ObjectDiff {
	t := typeOf(older, newer).Elem()
	elem := t
	if t.Kind() == reflect.Pointer {
		elem = t.Elem()
	}
	old, now := index(older), index(newer)
	keys := map[string]bool{}
	for k := range old {
		keys[k] = true
	}
	for k := range now {
		keys[k] = true
	}
	nothing := reflect.Zero(reflect.PointerTo(elem))
	at := func(m map[string]reflect.Value, k string) reflect.Value {
		if v, ok := m[k]; ok {
			return v
		}
		return nothing
	}
	var out []*api.ObjectDiff
	for _, k := range sortedKeys(keys) {
		out = append(out, objectDiff(elem.Name(), at(old, k), at(now, k))...)
	}
	return out
}

// index maps a list's elements, as pointers, by what identifies them.
func index(list reflect.Value) map[string]reflect.Value {
	out := map[string]reflect.Value{}
	if !list.IsValid() {
		return out
	}
	for i := range list.Len() {
		v := list.Index(i)
		if v.Kind() == reflect.Struct {
			v = addressOf(v, v.Type())
		}
		if v.IsNil() {
			continue
		}
		key := identityOf(v.Elem())
		for _, taken := out[key]; taken; _, taken = out[key] {
			key += "'" // twice the same block
		}
		out[key] = v
	}
	return out
}

// identityOf is a block's name or label where it has one, else its whole content.
func identityOf(v reflect.Value) string {
	for _, name := range []string{"Name", "Label", "DestPath", "RelativeDest", "Attribute"} {
		f := v.FieldByName(name)
		if f.IsValid() && f.Kind() == reflect.Pointer && !f.IsNil() {
			f = f.Elem()
		}
		if f.IsValid() && f.Kind() == reflect.String && f.String() != "" {
			return name + "\x00" + f.String()
		}
	}
	b, err := json.Marshal(v.Interface())
	if err != nil {
		return err.Error()
	}
	return string(b)
}
