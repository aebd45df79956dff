package httpapi

import (
	"fmt"
	"reflect"
	"slices"
	"sort"
	"strings"

	"github.com/hashicorp/nomad/api"
)

// Kinds of a difference, as the API names them.
const (
	diffNone    = "None"
	diffAdded   = "Added"
	diffDeleted = "Deleted"
	diffEdited  = "Edited"
)

// notSpec are the fields of a job that are not its specification.
var notSpec = map[string]bool{
	"ID": true, "Namespace": true, "Region": true, "Status": true, "StatusDescription": true, "Stable": true,
	"Version": true, "SubmitTime": true, "CreateIndex": true, "ModifyIndex": true, "JobModifyIndex": true,
	"VersionTag": true, "NomadTokenID": true, "DispatchIdempotencyToken": true, "Payload": true,
	"Dispatched": true, "ParentID": true, "TaskGroups": true,
}

// diffJobs says what the newer job changes; either may be nil. It is a pure
// comparison of the two specifications, field by field: it knows no field's
// meaning, so that a field added to the API is compared too.
func diffJobs(older, newer *api.Job) *api.JobDiff {
	d := &api.JobDiff{Type: diffNone}
	for _, j := range []*api.Job{older, newer} {
		if j != nil {
			d.ID = value(j.ID)
		}
	}
	d.Fields, d.Objects = diffStructs(reflect.ValueOf(older), reflect.ValueOf(newer), notSpec)
	for _, p := range pair(groupsOf(older), groupsOf(newer), func(g *api.TaskGroup) string { return value(g.Name) }) {
		if gd := diffGroups(p.older, p.newer); gd.Type != diffNone {
			d.TaskGroups = append(d.TaskGroups, gd)
		}
	}
	d.Type = kindOf(older == nil, newer == nil, len(d.Fields)+len(d.Objects)+len(d.TaskGroups))
	return d
}

func groupsOf(j *api.Job) []*api.TaskGroup {
	if j == nil {
		return nil
	}
	return j.TaskGroups
}

func tasksOf(g *api.TaskGroup) []*api.Task {
	if g == nil {
		return nil
	}
	return g.Tasks
}

func diffGroups(older, newer *api.TaskGroup) *api.TaskGroupDiff {
	d := &api.TaskGroupDiff{}
	for _, g := range []*api.TaskGroup{older, newer} {
		if g != nil {
			d.Name = value(g.Name)
		}
	}
	d.Fields, d.Objects = diffStructs(reflect.ValueOf(older), reflect.ValueOf(newer), map[string]bool{"Tasks": true})
	for _, p := range pair(tasksOf(older), tasksOf(newer), func(t *api.Task) string { return t.Name }) {
		td := &api.TaskDiff{}
		for _, t := range []*api.Task{p.older, p.newer} {
			if t != nil {
				td.Name = t.Name
			}
		}
		td.Fields, td.Objects = diffStructs(reflect.ValueOf(p.older), reflect.ValueOf(p.newer), nil)
		td.Type = kindOf(p.older == nil, p.newer == nil, len(td.Fields)+len(td.Objects))
		if td.Type != diffNone {
			d.Tasks = append(d.Tasks, td)
		}
	}
	d.Type = kindOf(older == nil, newer == nil, len(d.Fields)+len(d.Objects)+len(d.Tasks))
	return d
}

func kindOf(added, deleted bool, changes int) string {
	switch {
	case added && deleted:
		return diffNone
	case added:
		return diffAdded
	case deleted:
		return diffDeleted
	case changes > 0:
		return diffEdited
	}
	return diffNone
}

// pairOf is the same thing, by name, in the older and the newer list.
type pairOf[T any] struct{ older, newer *T }

// pair matches two lists by name, sorted by name.
func pair[T any](older, newer []*T, name func(*T) string) []pairOf[T] {
	byName := map[string]*pairOf[T]{}
	at := func(v *T) *pairOf[T] {
		if byName[name(v)] == nil {
			byName[name(v)] = &pairOf[T]{}
		}
		return byName[name(v)]
	}
	for _, v := range older {
		at(v).older = v
	}
	for _, v := range newer {
		at(v).newer = v
	}
	var out []pairOf[T]
	for _, n := range sortedKeys(byName) {
		out = append(out, *byName[n])
	}
	return out
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

// diffStructs compares two pointers to the same struct type, either of which may
// be nil, leaving out the fields in skip.
func diffStructs(older, newer reflect.Value, skip map[string]bool) ([]*api.FieldDiff, []*api.ObjectDiff) {
	var fields []*api.FieldDiff
	var objects []*api.ObjectDiff
	t := older.Type().Elem()
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.IsExported() || skip[f.Name] {
			continue
		}
		fd, od := diffValues(f.Name, field(older, i), field(newer, i))
		fields, objects = append(fields, fd...), append(objects, od...)
	}
	slices.SortFunc(fields, func(a, b *api.FieldDiff) int { return strings.Compare(a.Name, b.Name) })
	return fields, objects
}

// field is the ith field of what p points to, the zero Value when p is nil.
func field(p reflect.Value, i int) reflect.Value {
	if p.IsNil() {
		return reflect.Value{}
	}
	return p.Elem().Field(i)
}

// diffValues compares two values of one type; an absent one is the zero Value.
func diffValues(name string, older, newer reflect.Value) ([]*api.FieldDiff, []*api.ObjectDiff) {
	t := typeOf(older, newer)
	switch {
	case t == nil:
		return nil, nil
	case t.Kind() == reflect.Pointer && t.Elem().Kind() == reflect.Struct:
		return nil, objectDiff(name, nilIfAbsent(older, t), nilIfAbsent(newer, t))
	case t.Kind() == reflect.Struct && t.PkgPath() == reflect.TypeFor[api.Job]().PkgPath():
		return nil, objectDiff(name, addressOf(older, t), addressOf(newer, t))
	case t.Kind() == reflect.Slice && isStruct(t.Elem()):
		return nil, diffStructLists(older, newer)
	case t.Kind() == reflect.Map || t.Kind() == reflect.Slice && t.Elem().Kind() != reflect.Uint8:
		old, now := map[string]string{}, map[string]string{}
		flatten(name, older, old)
		flatten(name, newer, now)
		flat := diffFlat(old, now)
		if t.Kind() == reflect.Map && (name == "Config" || t.Elem().Kind() == reflect.Interface) || t.Kind() == reflect.Slice {
			return nil, wrap(name, flat)
		}
		return flat, nil
	}
	old, now := map[string]string{}, map[string]string{}
	flatten(name, older, old)
	flatten(name, newer, now)
	return diffFlat(old, now), nil
}

func typeOf(a, b reflect.Value) reflect.Type {
	for _, v := range []reflect.Value{a, b} {
		if v.IsValid() {
			return v.Type()
		}
	}
	return nil
}

func isStruct(t reflect.Type) bool {
	return t.Kind() == reflect.Struct || t.Kind() == reflect.Pointer && t.Elem().Kind() == reflect.Struct
}

func nilIfAbsent(v reflect.Value, t reflect.Type) reflect.Value {
	if !v.IsValid() {
		return reflect.Zero(t)
	}
	return v
}

// addressOf makes a pointer to a struct value, nil for an absent one.
func addressOf(v reflect.Value, t reflect.Type) reflect.Value {
	if !v.IsValid() {
		return reflect.Zero(reflect.PointerTo(t))
	}
	p := reflect.New(t)
	p.Elem().Set(v)
	return p
}

func objectDiff(name string, older, newer reflect.Value) []*api.ObjectDiff {
	fields, objects := diffStructs(older, newer, nil)
	d := &api.ObjectDiff{
		Type: kindOf(older.IsNil(), newer.IsNil(), len(fields)+len(objects)), Name: name, Fields: fields, Objects: objects,
	}
	if d.Type == diffNone {
		return nil
	}
	return []*api.ObjectDiff{d}
}

// wrap makes an object of the differences of a map or list.
func wrap(name string, fields []*api.FieldDiff) []*api.ObjectDiff {
	if len(fields) == 0 {
		return nil
	}
	kind := fields[0].Type
	for _, f := range fields {
		if f.Type != kind {
			kind = diffEdited
		}
	}
	return []*api.ObjectDiff{{Type: kind, Name: name, Fields: fields}}
}

// diffFlat compares flattened values.
func diffFlat(older, newer map[string]string) []*api.FieldDiff {
	var out []*api.FieldDiff
	keys := map[string]bool{}
	for k := range older {
		keys[k] = true
	}
	for k := range newer {
		keys[k] = true
	}
	for _, k := range sortedKeys(keys) {
		was, hadIt := older[k]
		is, hasIt := newer[k]
		if was == is && hadIt == hasIt {
			continue
		}
		out = append(out, &api.FieldDiff{Type: kindOf(!hadIt, !hasIt, 1), Name: k, Old: was, New: is})
	}
	return out
}

// flatten writes a value as text under its name, one entry a leaf: Meta[key], args[0].
// What is unset, or empty text, is absent.
func flatten(name string, v reflect.Value, out map[string]string) {
	for v.IsValid() && (v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface) {
		if v.IsNil() {
			return
		}
		v = v.Elem()
	}
	switch {
	case !v.IsValid():
	case v.Kind() == reflect.Map:
		for _, k := range v.MapKeys() {
			flatten(fmt.Sprintf("%s[%v]", name, k), v.MapIndex(k), out)
		}
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8:
		out[name] = fmt.Sprintf("%x", v.Bytes())
	case v.Kind() == reflect.Slice || v.Kind() == reflect.Array:
		for i := range v.Len() {
			flatten(fmt.Sprintf("%s[%d]", name, i), v.Index(i), out)
		}
	case v.Kind() == reflect.Int64 && v.Type().String() == "time.Duration":
		out[name] = fmt.Sprint(v.Int()) // nanoseconds, as in JSON
	case v.Kind() == reflect.String && v.String() == "":
	default:
		out[name] = fmt.Sprint(v.Interface())
	}
}
