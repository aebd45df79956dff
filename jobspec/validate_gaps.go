package jobspec

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/hashicorp/nomad/api"
)

// refused walks the whole job and reports every field in the table of gaps that
// asks for something.
func (c checker) refused(job *api.Job, table gapTable) {
	c.walk(reflect.ValueOf(job).Elem(), func(c checker, typ reflect.Type, index int, held reflect.Value) {
		row := table.find(typ.Name(), typ.Field(index).Name)
		if row == nil || row.allows(held) {
			return
		}
		c.errorf("%s", strings.TrimSuffix(row.message(printable(held))+"; "+row.instead, "; "))
	})
}

// obsolete are fields that are accepted for old job files' sake and do nothing.
var obsolete = []struct{ in, field, text string }{
	{"Resources", "DiskMB", "resources disk has no effect; use ephemeral_disk in the group"},
	{"Resources", "IOPS", "resources iops has no effect"},
	{"NetworkResource", "MBits", "network mbits has no effect"},
	{"TaskGroup", "StopAfterClientDisconnect", "stop_after_client_disconnect has no effect; use disconnect { stop_on_client_after }"},
	{"TaskGroup", "MaxClientDisconnect", "max_client_disconnect has no effect; use disconnect { lost_after }"},
	{"TaskGroup", "PreventRescheduleOnLost", "prevent_reschedule_on_lost has no effect; use disconnect { replace }"},
	{"Template", "VaultGrace", "template vault_grace has no effect"},
	{"LogConfig", "Enabled", "logs enabled has no effect; use disabled"},
}

// deprecated warns of fields that do nothing any more.
func (c checker) deprecated(job *api.Job) {
	c.walk(reflect.ValueOf(job).Elem(), func(c checker, typ reflect.Type, index int, held reflect.Value) {
		for _, row := range obsolete {
			if row.in == typ.Name() && row.field == typ.Field(index).Name && !(&gap{}).allows(held) {
				c.warnf("%s", row.text)
			}
		}
	})
}

// walk visits every field of every struct in v, with a checker that knows the
// place. Maps of free form (driver configuration) are not entered.
func (c checker) walk(v reflect.Value, visit func(checker, reflect.Type, int, reflect.Value)) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			c.walk(v.Elem(), visit)
		}
	case reflect.Slice:
		if k := deref(v.Type().Elem()).Kind(); k == reflect.Struct {
			for i := range v.Len() {
				c := c
				if check, ok := v.Index(i).Interface().(api.ServiceCheck); ok && check.Name == "" {
					c.place += fmt.Sprintf("check %q: ", strconv.Itoa(i+1))
				}
				c.walk(v.Index(i), visit)
			}
		}
	case reflect.Map:
		if k := deref(v.Type().Elem()).Kind(); k == reflect.Struct {
			for _, key := range keys(stringKeys(v)) {
				c.walk(v.MapIndex(reflect.ValueOf(key)), visit)
			}
		}
	case reflect.Struct:
		c.place += placeOf(v)
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				visit(c, v.Type(), i, v.Field(i))
				c.walk(v.Field(i), visit)
			}
		}
	}
}

func stringKeys(v reflect.Value) map[string]bool {
	out := map[string]bool{}
	for _, key := range v.MapKeys() {
		out[key.String()] = true
	}
	return out
}

// placeOf names the structs that a reader looks for: `group "web": `.
func placeOf(v reflect.Value) string {
	name := func(what, s string) string { return fmt.Sprintf("%s %q: ", what, s) }
	switch x := v.Interface().(type) {
	case api.TaskGroup:
		return name("group", or(x.Name))
	case api.Task:
		return name("task", x.Name)
	case api.Service:
		return name("service", x.Name)
	case api.ServiceCheck:
		if x.Name != "" { // else its number, which the list around it knows
			return name("check", x.Name)
		}
	case api.Port:
		return "network: " + name("port", x.Label)
	case api.VolumeRequest:
		return name("volume", x.Name)
	}
	return ""
}
