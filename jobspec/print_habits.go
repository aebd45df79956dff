package jobspec

import (
	"reflect"
	"strings"

	"github.com/hashicorp/nomad/api"
)

// printSkips are attributes that a file says in another way: by a label, or by default.
var printSkips = map[reflect.Type][]string{
	jobType:                           {"id", "name"},
	reflect.TypeFor[api.Port]():       {"static"},
	reflect.TypeFor[api.Constraint](): {"operator"},
	reflect.TypeFor[api.Affinity]():   {"operator"},
}

// printHabit writes one field.
type printHabit func(p *printer, f reflect.Value)

// printHabits write the fields that do not stand in the block of their tag, by the
// type around them and the Go name: what the habits of the decoder read.
func printHabits() map[reflect.Type]map[string]printHabit {
	return map[reflect.Type]map[string]printHabit{
		jobType: {"Meta": (*printer).meta},
		reflect.TypeFor[api.TaskGroup](): {
			"Meta": (*printer).meta,
		},
		reflect.TypeFor[api.Task](): {
			"Identity":        func(p *printer, f reflect.Value) { p.block("identity", f) },
			"ScalingPolicies": (*printer).vertical,
		},
		reflect.TypeFor[api.NetworkResource](): {
			"ReservedPorts": func(p *printer, f reflect.Value) { p.ports(f, true) },
			"DynamicPorts":  func(p *printer, f reflect.Value) { p.ports(f, false) },
		},
		reflect.TypeFor[api.Constraint](): {"Operand": (*printer).operator},
		reflect.TypeFor[api.Affinity]():   {"Operand": (*printer).operator},
	}
}

// operator writes an operator that is not the default.
func (p *printer) operator(f reflect.Value) {
	if op := f.String(); op != "=" {
		p.attribute("operator", literal(f))
	}
}

func (p *printer) ports(f reflect.Value, static bool) {
	for i := range f.Len() {
		port := f.Index(i)
		p.open("port", port.Interface().(api.Port).Label)
		if static {
			p.attribute("static", literal(port.FieldByName("Value")))
		}
		p.structure(port)
		p.close()
	}
}

// vertical writes the scaling of a task, whose type is a label.
func (p *printer) vertical(f reflect.Value) {
	for i := range f.Len() {
		policy := f.Index(i).Interface().(*api.ScalingPolicy)
		label := ""
		for name, typ := range verticalTypes {
			if typ == policy.Type {
				label = name
			}
		}
		if label == "" {
			p.fail("scaling: type %q has no place in a task", policy.Type)
			continue
		}
		p.open("scaling", label)
		bare := *policy
		bare.Type = ""
		p.structure(reflect.ValueOf(bare))
		p.close()
	}
}

// meta writes the keys of our own as the blocks that they came from, and the rest.
func (p *printer) meta(f reflect.Value) {
	all := f.Interface().(map[string]string)
	if all == nil {
		return
	}
	rest := map[string]string{}
	own := map[string]any{}
	for key, value := range all {
		k, _, ok := parseOwnKey(key)
		if !strings.HasPrefix(key, ourMeta) || !ok || k.label != "" && !plainName(k.label) {
			rest[key] = value
			continue
		}
		at := nested(nested(own, k.block), k.label)
		for _, step := range k.path[:len(k.path)-1] {
			at = nested(at, step)
		}
		at[k.path[len(k.path)-1]] = value
	}
	for _, name := range keys(own) {
		blocks := own[name].(map[string]any)
		for _, label := range keys(blocks) {
			var labels []string
			if label != "" && label != defaultLabel {
				labels = []string{label}
			}
			p.open(name, labels...)
			p.settings(blocks[label].(map[string]any))
			p.close()
		}
	}
	if len(rest) > 0 || len(own) == 0 {
		p.mapBlock("meta", reflect.ValueOf(rest))
	}
}

// nested is the map at a key, made if it is missing.
func nested(m map[string]any, key string) map[string]any {
	if _, ok := m[key]; !ok {
		m[key] = map[string]any{}
	}
	return m[key].(map[string]any)
}

// settings writes the inside of an own block.
func (p *printer) settings(m map[string]any) {
	for _, key := range keys(m) {
		if text, ok := m[key].(string); ok {
			p.attribute(key, settingLiteral(text))
		}
	}
	for _, key := range keys(m) {
		if inside, ok := m[key].(map[string]any); ok {
			p.open(key)
			p.settings(inside)
			p.close()
		}
	}
}
