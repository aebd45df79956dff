package httpapi

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/jobspec"
)

func TestDiffJobs(t *testing.T) {
	task := func(fields []*api.FieldDiff, objects []*api.ObjectDiff) []*api.TaskGroupDiff {
		return []*api.TaskGroupDiff{{Type: "Edited", Name: "web", Tasks: []*api.TaskDiff{
			{Type: "Edited", Name: "app", Fields: fields, Objects: objects},
		}}}
	}
	for _, c := range []struct {
		name   string
		change func(*api.Job)
		want   *api.JobDiff
	}{
		{"nothing", func(*api.Job) {}, &api.JobDiff{Type: "None", ID: "web"}},
		{"what servers set", func(j *api.Job) {
			j.Version, j.ModifyIndex, j.Status, j.Stable = new(uint64(9)), new(uint64(9)), new("dead"), new(true)
		}, &api.JobDiff{Type: "None", ID: "web"}},
		{"a field", func(j *api.Job) { j.Priority = new(60) }, &api.JobDiff{Type: "Edited", ID: "web", Fields: []*api.FieldDiff{
			{Type: "Edited", Name: "Priority", Old: "50", New: "60"},
		}}},
		{"meta", func(j *api.Job) { j.Meta = map[string]string{"a": "1"} }, &api.JobDiff{Type: "Edited", ID: "web", Fields: []*api.FieldDiff{
			{Type: "Added", Name: "Meta[a]", New: "1"},
		}}},
		{"datacenters", func(j *api.Job) { j.Datacenters = []string{"dc1", "dc2"} }, &api.JobDiff{Type: "Edited", ID: "web", Objects: []*api.ObjectDiff{
			{Type: "Added", Name: "Datacenters", Fields: []*api.FieldDiff{{Type: "Added", Name: "Datacenters[1]", New: "dc2"}}},
		}}},
		{"a constraint", func(j *api.Job) { j.Constrain(api.NewConstraint("${attr.kernel.name}", "=", "linux")) }, &api.JobDiff{
			Type: "Edited", ID: "web", Objects: []*api.ObjectDiff{{Type: "Added", Name: "Constraint", Fields: []*api.FieldDiff{
				{Type: "Added", Name: "LTarget", New: "${attr.kernel.name}"},
				{Type: "Added", Name: "Operand", New: "="},
				{Type: "Added", Name: "RTarget", New: "linux"},
			}}},
		}},
		{"config", func(j *api.Job) {
			j.TaskGroups[0].Tasks[0].Config = map[string]any{"command": "/bin/true", "args": []any{"-x"}}
		}, &api.JobDiff{Type: "Edited", ID: "web", TaskGroups: task(nil, []*api.ObjectDiff{
			{Type: "Edited", Name: "Config", Fields: []*api.FieldDiff{
				{Type: "Added", Name: "Config[args][0]", New: "-x"},
				{Type: "Edited", Name: "Config[command]", Old: "/bin/sleep", New: "/bin/true"},
			}},
		})}},
		{"resources", func(j *api.Job) { j.TaskGroups[0].Tasks[0].Resources.CPU = new(200) }, &api.JobDiff{
			Type: "Edited", ID: "web", TaskGroups: task(nil, []*api.ObjectDiff{
				{Type: "Edited", Name: "Resources", Fields: []*api.FieldDiff{{Type: "Edited", Name: "CPU", Old: "100", New: "200"}}},
			}),
		}},
		{"env", func(j *api.Job) { j.TaskGroups[0].Tasks[0].Env = map[string]string{"A": "b"} }, &api.JobDiff{
			Type: "Edited", ID: "web", TaskGroups: task([]*api.FieldDiff{{Type: "Added", Name: "Env[A]", New: "b"}}, nil),
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			older, newer := webJob("web"), webJob("web")
			c.change(newer)
			jobspec.Canonicalize(older)
			jobspec.Canonicalize(newer)
			if d := cmp.Diff(c.want, diffJobs(older, newer)); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestDiffOfNewAndRenamedParts(t *testing.T) {
	older, newer := webJob("web"), webJob("web")
	newer.TaskGroups[0].Name = new("api")
	jobspec.Canonicalize(older)
	jobspec.Canonicalize(newer)
	d := diffJobs(older, newer)
	if len(d.TaskGroups) != 2 || d.TaskGroups[0].Type != "Added" || d.TaskGroups[0].Name != "api" ||
		d.TaskGroups[1].Type != "Deleted" || d.TaskGroups[1].Tasks[0].Type != "Deleted" {
		t.Errorf("%s", asJSON(t, d))
	}
	if d := diffJobs(nil, newer); d.Type != "Added" || d.TaskGroups[0].Type != "Added" || d.TaskGroups[0].Tasks[0].Type != "Added" {
		t.Errorf("%s", asJSON(t, d))
	}
}

func TestAnnotate(t *testing.T) {
	older, newer := webJob("web"), webJob("web")
	newer.TaskGroups[0].Count = new(10)
	newer.TaskGroups[0].Tasks[0].Driver = "mock_driver"
	jobspec.Canonicalize(older)
	jobspec.Canonicalize(newer)
	d := diffJobs(older, newer)
	annotate(d, &api.PlanAnnotations{DesiredTGUpdates: map[string]*api.DesiredUpdates{"web": {DestructiveUpdate: 1, Ignore: 1, Place: 8}}})
	g := d.TaskGroups[0]
	if diff := cmp.Diff(map[string]uint64{"create/destroy update": 1, "ignore": 1, "create": 8}, g.Updates); diff != "" {
		t.Error(diff)
	}
	if g.Fields[0].Annotations[0] != "forces create" || g.Tasks[0].Annotations[0] != "forces create/destroy update" {
		t.Errorf("%s", asJSON(t, g))
	}
}
