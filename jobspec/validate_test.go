package jobspec

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/nomad/api"
)

// valid is a job without any problem, for tests to spoil.
func valid() *api.Job {
	job := &api.Job{
		ID: new("web"),
		TaskGroups: []*api.TaskGroup{{
			Name:  new("g"),
			Tasks: []*api.Task{{Name: "t", Driver: "mock_driver"}},
		}},
	}
	Canonicalize(job)
	return job
}

func TestValidateSpoiled(t *testing.T) {
	for _, tt := range []struct {
		name   string
		spoil  func(*api.Job)
		limits Limits
		want   string // "" for no error
	}{
		{"nothing", func(*api.Job) {}, Limits{}, ""},
		{"no ID", func(j *api.Job) { j.ID = new("") }, Limits{}, "job ID is missing"},
		{"NUL in ID", func(j *api.Job) { j.ID = new("a\x00b") }, Limits{}, `job ID "a\x00b" holds a control character`},
		{"long ID", func(j *api.Job) { j.ID = new(strings.Repeat("a", 1025)) }, Limits{}, "job ID has 1025 bytes; at most 1024 are allowed"},
		{"ID of bytes", func(j *api.Job) { j.ID = new("\xff") }, Limits{}, "job ID is not UTF-8 text"},
		{"slash in ID", func(j *api.Job) { j.ID = new("team/web") }, Limits{}, ""},
		{"priority of an agent", func(j *api.Job) { j.Priority = new(200) }, Limits{MaxPriority: 200}, ""},
		{"priority 0", func(j *api.Job) { j.Priority = new(0) }, Limits{}, "priority must be between 1 and 100 (is 0)"},
		{"count at the limit", func(j *api.Job) { j.TaskGroups[0].Count = new(10) }, Limits{MaxCount: 10}, ""},
		{"count beyond the limit", func(j *api.Job) { j.TaskGroups[0].Count = new(11) }, Limits{MaxCount: 10}, "the counts of all groups sum up to more than the limit of 10"},
		{"no datacenter", func(j *api.Job) { j.Datacenters = nil }, Limits{}, `datacenters is empty; name one or more, or write ["*"] for all`},
		{"null group", func(j *api.Job) { j.TaskGroups = append(j.TaskGroups, nil) }, Limits{}, "group 2 is null"},
		{"null task", func(j *api.Job) { j.TaskGroups[0].Tasks = append(j.TaskGroups[0].Tasks, nil) }, Limits{}, `group "g": task 2 is null`},
		{"static port out of range", func(j *api.Job) {
			j.TaskGroups[0].Networks = []*api.NetworkResource{{ReservedPorts: []api.Port{{Label: "a", Value: 65536}}}}
		}, Limits{}, `group "g": network: port "a": static must be between 1 and 65535 (is 65536)`},
		{"same static port on purpose", func(j *api.Job) {
			j.TaskGroups[0].Networks = []*api.NetworkResource{{ReservedPorts: []api.Port{
				{Label: "a", Value: 80}, {Label: "b", Value: 80, IgnoreCollision: true},
			}}}
		}, Limits{}, ""},
		{"cpu -5", func(j *api.Job) { j.TaskGroups[0].Tasks[0].Resources.CPU = new(-5) }, Limits{}, `group "g": task "t": resources: cpu must be at least 1 (is -5)`},
		{"memory without limit", func(j *api.Job) { j.TaskGroups[0].Tasks[0].Resources.MemoryMaxMB = new(-1) }, Limits{}, ""},
		{"a thousand constraints", func(j *api.Job) {
			for range 1000 {
				j.Constrain(api.NewConstraint("${meta.x}", "=", "y"))
			}
		}, Limits{}, ""},
		{"a million tasks", func(j *api.Job) {
			j.TaskGroups[0].Tasks = make([]*api.Task, 1_000_000)
		}, Limits{}, "the job has 1000000 tasks; at most 5000 are allowed"},
		{"a million groups", func(j *api.Job) {
			j.TaskGroups = make([]*api.TaskGroup, 1_000_000)
		}, Limits{}, "the job has 1000000 tasks; at most 5000 are allowed"},
		{"attempts that overflow", func(j *api.Job) { j.TaskGroups[0].RestartPolicy.Attempts = new(1 << 62) }, Limits{}, `group "g": restart: 4611686018427387904 attempts with a delay of 15s do not fit into an interval of 30m0s`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			job := valid()
			tt.spoil(job)
			got := Validate(job, tt.limits).Errors
			if tt.want == "" && len(got) == 0 {
				return
			}
			if !slices.Contains(got, tt.want) {
				t.Errorf("got %q\nwant %q among them", got, tt.want)
			}
		})
	}
}

// TestValidateOnlyReads makes sure that judging a job does not change it.
func TestValidateOnlyReads(t *testing.T) {
	job := valid()
	before := encode(t, job)
	Validate(job, Limits{})
	if diff := cmp.Diff(string(before), string(encode(t, job))); diff != "" {
		t.Errorf("Validate changed the job (-before +after):\n%s", diff)
	}
}

// TestHostileJSON puts bodies through the whole way that the API takes. None may
// panic; those without an error named here must be valid.
func TestHostileJSON(t *testing.T) {
	for body, want := range map[string]string{
		`{}`:                                "job ID is missing",
		`null`:                              "job ID is missing",
		`{"ID": "x"}`:                       "the job has no group",
		`{"ID": "x", "TaskGroups": [null]}`: "the job has no group",
		`{"ID": "x", "TaskGroups": [{}]}`:   "name is missing",
		`{"ID": "x", "Type": "", "TaskGroups": [{"Name": "g", "Tasks": [null, {"Name": "t", "Driver": "d"}]}]}`: "",
		`{"ID": "x", "TaskGroups": [{"Name": "g", "Services": [null], "Networks": [null], "Volumes": {"a": null},
		  "Constraints": [null], "Affinities": [null], "Spreads": [{"SpreadTarget": [null]}],
		  "Tasks": [{"Name": "t", "Driver": "d", "Templates": [null], "Artifacts": [null], "VolumeMounts": [null],
		  "Services": [null], "Resources": {"Devices": [null], "Networks": [null]}, "Config": {"a": null}}]}]}`: "spread 1: attribute is missing",
		`{"ID": "x", "Multiregion": {"Regions": [null]}}`:                                   "multiregion is not supported",
		`{"ID": "x", "TaskGroups": [{"Name": "g", "Scaling": {}, "Update": {}}]}`:           "max is missing",
		`{"ID": "x", "Periodic": {}, "ParameterizedJob": {}, "Update": {"MaxParallel": 0}}`: "cron or crons is needed",
	} {
		var job *api.Job
		if err := json.Unmarshal([]byte(body), &job); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		if job == nil {
			job = &api.Job{}
		}
		Validate(job, Limits{}) // also before canonicalization it must not panic
		var parsed *api.Job
		if err := json.Unmarshal([]byte(body), &parsed); err == nil && parsed != nil {
			APIDefaults(parsed)
		}
		Canonicalize(job)
		got := Validate(job, Limits{})
		text := fmt.Sprint(got.Err())
		if want == "" && got.Err() == nil {
			continue
		}
		if want == "" || !strings.Contains(text, want) {
			t.Errorf("%s:\ngot %s\nwant %q in it", body, text, want)
		}
	}
	if got := Validate(nil, Limits{}).Err(); got == nil {
		t.Error("a nil job is valid")
	}
}

// TestGapsInJSON sets each refused field in a job, one at a time, as JSON would,
// and expects Validate to refuse it by name. It also keeps the table in step
// with the api types: a row for a field that is gone fails here.
func TestGapsInJSON(t *testing.T) {
	spots := map[string]func(*api.Job) any{
		"Job":             func(j *api.Job) any { return j },
		"TaskGroup":       func(j *api.Job) any { return j.TaskGroups[0] },
		"NetworkResource": func(j *api.Job) any { return j.TaskGroups[0].Networks[0] },
		"Port":            func(j *api.Job) any { return &j.TaskGroups[0].Networks[0].DynamicPorts[0] },
		"VolumeRequest":   func(j *api.Job) any { return j.TaskGroups[0].Volumes["v"] },
		"Service":         func(j *api.Job) any { return j.TaskGroups[0].Services[0] },
		"ServiceCheck":    func(j *api.Job) any { return &j.TaskGroups[0].Services[0].Checks[0] },
		"Task":            func(j *api.Job) any { return j.TaskGroups[0].Tasks[0] },
		"Resources":       func(j *api.Job) any { return j.TaskGroups[0].Tasks[0].Resources },
		"WorkloadIdentity": func(j *api.Job) any {
			t := j.TaskGroups[0].Tasks[0]
			t.Identity = &api.WorkloadIdentity{}
			return t.Identity
		},
	}
	for _, row := range gaps {
		if row.in == "*" {
			continue
		}
		t.Run(row.in+"."+row.field, func(t *testing.T) {
			job := valid()
			group := job.TaskGroups[0]
			group.Networks = []*api.NetworkResource{{DynamicPorts: []api.Port{{Label: "p"}}}}
			group.Volumes = map[string]*api.VolumeRequest{"v": {Name: "v", Type: "host", Source: "s"}}
			group.Services = []*api.Service{{Name: "s", Checks: []api.ServiceCheck{{Type: "tcp", PortLabel: "p", Interval: 1e9, Timeout: 1e9}}}}
			if err := Validate(job, Limits{}).Err(); err != nil {
				t.Fatalf("the job is faulty before the field is set: %v", err)
			}
			spot, ok := spots[row.in]
			if !ok {
				t.Fatalf("no spot for type %s", row.in)
			}
			field, value := reflect.ValueOf(spot(job)).Elem().FieldByName(row.field), "filled"
			fill(field)
			if row.not != nil {
				value = row.not[0]
				field.SetString(value)
			}
			err := fmt.Sprint(Validate(job, Limits{}).Err())
			if !strings.Contains(err, row.message(value)) {
				t.Errorf("got %s\nwant %q in it", err, row.message(value))
			}
		})
	}
}

// fill puts something that is not zero into a field.
func fill(f reflect.Value) {
	switch f.Kind() {
	case reflect.Pointer:
		f.Set(reflect.New(f.Type().Elem()))
		if f.Elem().Kind() != reflect.Struct {
			fill(f.Elem())
		}
	case reflect.Slice:
		f.Set(reflect.MakeSlice(f.Type(), 1, 1))
		if f.Index(0).Kind() == reflect.Pointer {
			f.Index(0).Set(reflect.New(f.Type().Elem().Elem()))
		}
	case reflect.Map:
		f.Set(reflect.ValueOf(map[string]string{"filled": "filled"}))
	case reflect.String:
		f.SetString("filled")
	case reflect.Bool:
		f.SetBool(true)
	case reflect.Int:
		f.SetInt(1)
	default:
		panic("cannot fill " + f.Type().String())
	}
}

// TestObsoleteFieldsExist keeps the other table in step with the api types.
func TestObsoleteFieldsExist(t *testing.T) {
	types := map[string]reflect.Type{
		"Resources": reflect.TypeFor[api.Resources](), "NetworkResource": reflect.TypeFor[api.NetworkResource](),
		"TaskGroup": reflect.TypeFor[api.TaskGroup](), "Template": reflect.TypeFor[api.Template](), "LogConfig": reflect.TypeFor[api.LogConfig](),
	}
	for _, row := range obsolete {
		typ, ok := types[row.in]
		if !ok {
			t.Errorf("type %s is unknown to this test", row.in)
			continue
		}
		if _, ok := typ.FieldByName(row.field); !ok {
			t.Errorf("%s has no field %s", row.in, row.field)
		}
	}
}
