package jobspec

import (
	"reflect"

	"github.com/hashicorp/nomad/api"
)

// Canonicalize fills every default of a job, in place: those of the api package
// (update, restart, reschedule, migrate, logs, ephemeral disk, resources, ...)
// and, before them, ours:
//
//	region "global", datacenters ["*"], node_pool "default"
//	operator "=" in constraints and affinities that name none
//	networks of tasks, a habit of old job files, moved to their group
//
// Null entries of lists, which only hostile JSON holds, are dropped. Doing it
// twice changes nothing more. The job must not be nil.
func Canonicalize(job *api.Job) {
	dropNulls(reflect.ValueOf(job).Elem())
	if len(job.Datacenters) == 0 {
		job.Datacenters = []string{"*"}
	}
	for _, field := range []struct {
		at    **string
		value string
	}{
		{&job.Region, api.GlobalRegion},
		{&job.Namespace, api.DefaultNamespace},
		{&job.Type, api.JobTypeService},
		{&job.NodePool, api.NodePoolDefault},
	} {
		if *field.at == nil || **field.at == "" {
			*field.at = new(field.value)
		}
	}
	if job.ID != nil && (job.Name == nil || *job.Name == "") {
		job.Name = new(*job.ID)
	}
	defaultOperators(job.Constraints, job.Affinities)
	for _, group := range job.TaskGroups {
		defaultOperators(group.Constraints, group.Affinities)
		for _, task := range group.Tasks {
			defaultOperators(task.Constraints, task.Affinities)
			if task.Resources != nil {
				for _, device := range task.Resources.Devices {
					defaultOperators(device.Constraints, device.Affinities)
				}
			}
		}
		raiseNetworks(group)
	}
	job.Canonicalize()
}

// APIDefaults fills the defaults of the api package only, in place: what a client
// compares that asks for a job file to be parsed. Nulls are dropped here as well.
func APIDefaults(job *api.Job) {
	dropNulls(reflect.ValueOf(job).Elem())
	job.Canonicalize()
}

// defaultOperators writes out the operator that is meant where none is given.
func defaultOperators(constraints []*api.Constraint, affinities []*api.Affinity) {
	for _, c := range constraints {
		defaultTo(&c.Operand, "=")
	}
	for _, a := range affinities {
		defaultTo(&a.Operand, "=")
	}
}

// raiseNetworks moves the ports that tasks ask for to their group, where the
// scheduler looks. Port labels that then meet are left to Validate.
func raiseNetworks(group *api.TaskGroup) {
	for _, task := range group.Tasks {
		if task.Resources == nil {
			continue
		}
		for _, network := range task.Resources.Networks {
			if len(group.Networks) == 0 {
				group.Networks = []*api.NetworkResource{network}
				continue
			}
			first := group.Networks[0]
			first.ReservedPorts = append(first.ReservedPorts, network.ReservedPorts...)
			first.DynamicPorts = append(first.DynamicPorts, network.DynamicPorts...)
		}
		task.Resources.Networks = nil
	}
}

// dropNulls removes nil pointers from the slices and maps of a struct, however
// deep: code that reads a job may then rely on every element being there.
func dropNulls(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			dropNulls(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				dropNulls(v.Field(i))
			}
		}
	case reflect.Slice:
		dropNullElements(v)
	case reflect.Map:
		for _, key := range v.MapKeys() {
			elem := v.MapIndex(key)
			if elem.Kind() != reflect.Pointer {
				return
			}
			if elem.IsNil() {
				v.SetMapIndex(key, reflect.Value{})
				continue
			}
			dropNulls(elem)
		}
	}
}

func dropNullElements(v reflect.Value) {
	kind := v.Type().Elem().Kind()
	if kind != reflect.Pointer && kind != reflect.Struct {
		return
	}
	kept := 0
	for i := range v.Len() {
		elem := v.Index(i)
		if kind == reflect.Pointer && elem.IsNil() {
			continue
		}
		dropNulls(elem)
		if kept != i {
			v.Index(kept).Set(elem)
		}
		kept++
	}
	v.SetLen(kept)
}
