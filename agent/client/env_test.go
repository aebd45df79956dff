package client

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/nodeapi"
)

func testScope() taskScope {
	a := &nodeapi.Alloc{}
	a.ID, a.Name, a.JobID, a.Namespace, a.TaskGroup = allocID(1), "shop/web.api[3]", "shop/web", "default", "api"
	a.AllocatedResources = &api.AllocatedResources{
		Tasks: map[string]*api.AllocatedTaskResources{
			"web": {Cpu: api.AllocatedCpuResources{CpuShares: 500}, Memory: api.AllocatedMemoryResources{MemoryMB: 64, MemoryMaxMB: 128}},
			"db":  {Networks: []*api.NetworkResource{{IP: "10.0.0.1", DynamicPorts: []api.Port{{Label: "sql", Value: 25432}}}}},
		},
		Shared: api.AllocatedSharedResources{Ports: []api.PortMapping{
			{Label: "http", Value: 20001, HostIP: "10.0.0.1"},
			{Label: "ad-min", Value: 20002, To: 8080, HostIP: "10.0.0.1"},
		}},
	}
	spec := &api.Task{
		Name: "web", Meta: map[string]string{"tier": "task", "on": "${attr.kernel.name}"},
		Env: map[string]string{
			"URL": "http://${NOMAD_ADDR_http}/", "WHERE": "${meta.rack}-${node.datacenter}", "HOME": "/srv",
			"KEEP": "${UNKNOWN} $HOME", "TIER": `${env["NOMAD_META_TIER"]}`,
		},
	}
	group := &api.TaskGroup{Name: new("api"), Meta: map[string]string{"tier": "group", "a.b": "c"}, Tasks: []*api.Task{spec}}
	job := &api.Job{ID: new("shop/web"), Name: new("web shop"), Meta: map[string]string{"tier": "job", "owner": "me", "selfheal.heal": "{}"}}
	return taskScope{
		alloc: a, job: job, group: group, spec: spec, region: "eu",
		dirs: allocDir("/d/x").of("web"), host: map[string]string{"PATH": "/bin", "HOME": "/root"},
		node: nodeFacts{
			attributes: map[string]string{"kernel.name": "linux"}, meta: map[string]string{"rack": "r1"},
			names: map[string]string{"datacenter": "dc7", "unique.id": "n1"},
		},
	}
}

func TestTaskEnvironment(t *testing.T) {
	got, _ := testScope().build()
	want := map[string]string{
		"PATH": "/bin", "HOME": "/srv",
		"NOMAD_ALLOC_ID": allocID(1), "NOMAD_SHORT_ALLOC_ID": "bbbbbbbb", "NOMAD_ALLOC_NAME": "shop/web.api[3]", "NOMAD_ALLOC_INDEX": "3",
		"NOMAD_ALLOC_DIR": "/d/x/alloc", "NOMAD_TASK_DIR": "/d/x/web/local", "NOMAD_SECRETS_DIR": "/d/x/web/secrets",
		"NOMAD_TASK_NAME": "web", "NOMAD_GROUP_NAME": "api", "NOMAD_JOB_ID": "shop/web", "NOMAD_JOB_NAME": "web shop",
		"NOMAD_NAMESPACE": "default", "NOMAD_REGION": "eu", "NOMAD_DC": "dc7",
		"NOMAD_CPU_LIMIT": "500", "NOMAD_MEMORY_LIMIT": "64", "NOMAD_MEMORY_MAX_LIMIT": "128",
		"NOMAD_META_tier": "task", "NOMAD_META_TIER": "task", "NOMAD_META_owner": "me", "NOMAD_META_OWNER": "me",
		"NOMAD_META_a_b": "c", "NOMAD_META_A_B": "c", "NOMAD_META_on": "linux", "NOMAD_META_ON": "linux",
		"URL": "http://10.0.0.1:20001/", "WHERE": "r1-dc7", "KEEP": "${UNKNOWN} $HOME", "TIER": "task",
	}
	for _, p := range []struct{ label, inside, host string }{
		{"http", "20001", "20001"}, {"ad-min", "8080", "20002"}, {"ad_min", "8080", "20002"}, {"db_sql", "25432", "25432"},
	} {
		want["NOMAD_PORT_"+p.label], want["NOMAD_ALLOC_PORT_"+p.label] = p.inside, p.inside
		want["NOMAD_HOST_PORT_"+p.label] = p.host
		want["NOMAD_IP_"+p.label], want["NOMAD_HOST_IP_"+p.label] = "10.0.0.1", "10.0.0.1"
		want["NOMAD_ADDR_"+p.label], want["NOMAD_HOST_ADDR_"+p.label] = "10.0.0.1:"+p.host, "10.0.0.1:"+p.host
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestHostEnvironmentHidesSecrets(t *testing.T) {
	environ := []string{"PATH=/bin", "VAULT_TOKEN=x", "AWS_SECRET_ACCESS_KEY=x", "NOMAD_TOKEN=x", "A=b=c", "=bad", "bad", "MY=1"}
	if diff := cmp.Diff(map[string]string{"PATH": "/bin", "A": "b=c", "MY": "1"}, hostEnv(environ, nil)); diff != "" {
		t.Error(diff)
	}
	got := hostEnv(environ, map[string]string{"env.denylist": "PATH, MY*"})
	if _, ok := got["PATH"]; ok || got["VAULT_TOKEN"] != "x" || got["MY"] != "" {
		t.Errorf("with a list of its own: %v", got)
	}
}

func TestInterpolate(t *testing.T) {
	known := map[string]string{"a": "1", "b.c": "2", "nested": "${a}"}
	look := func(ref string) (string, bool) { v, ok := known[ref]; return v, ok }
	tests := []struct{ in, want string }{
		{"", ""},
		{"plain", "plain"},
		{"${a}", "1"},
		{"x${a}y${b.c}z", "x1y2z"},
		{"${ a }", "1"},
		{"${unknown}", "${unknown}"},
		{"${a", "${a"},
		{"$a $${a} $", "$a $1 $"},
		{"${x${a}}", "${x1}"},
		{"${nested}", "${a}"}, // what was put in is not looked at again
		{"${VAR:-${a}}", "${VAR:-1}"},
		{"{a} }${a}{", "{a} }1{"},
	}
	for _, tt := range tests {
		if got := interpolate(tt.in, look); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.in, got, tt.want)
		}
	}
	config := map[string]any{
		"command": "${a}", "n": 5, "args": []any{"${a}", map[string]any{"k${a}": []string{"${b.c}"}}},
		"mount": []map[string]any{{"source": "${a}"}}, "labels": map[string]string{"x": "${a}"}, "none": nil,
	}
	want := map[string]any{
		"command": "1", "n": 5, "args": []any{"1", map[string]any{"k1": []string{"2"}}},
		"mount": []map[string]any{{"source": "1"}}, "labels": map[string]string{"x": "1"}, "none": nil,
	}
	if diff := cmp.Diff(want, interpolateMap(config, look)); diff != "" {
		t.Error(diff)
	}
	if config["command"] != "${a}" {
		t.Error("the job's own config was changed")
	}
}

func FuzzInterpolate(f *testing.F) {
	for _, seed := range []string{"${a}", "${${a}}", "${", "}${a}${", "${env[\"a\"]}"} {
		f.Add(seed)
	}
	nothing := func(string) (string, bool) { return "", false }
	marked := func(string) (string, bool) { return "\x00", true }
	f.Fuzz(func(t *testing.T, s string) {
		if got := interpolate(s, nothing); got != s {
			t.Errorf("%q became %q though nothing is known", s, got)
		}
		if strings.Contains(s, "\x00") {
			return
		}
		got := interpolate(s, marked)
		if strings.Count(got, "\x00") > strings.Count(s, "${") {
			t.Errorf("%q: more was put in than asked for: %q", s, got)
		}
	})
}

func TestWithProgram(t *testing.T) {
	for path, want := range map[string]string{
		"/bin:/usr/bin":   "/bin:/usr/bin:/opt/selfheal",
		"/opt/selfheal:/": "/opt/selfheal:/",
		"":                "/opt/selfheal",
	} {
		if got := withProgram(map[string]string{"PATH": path}, "/opt/selfheal/selfheal")["PATH"]; got != want {
			t.Errorf("PATH %q became %q, want %q", path, got, want)
		}
	}
}

// TestPinnedCoresAreNamed follows the cores of an allocation to the task that asked for
// them, in its environment and in what its driver gets.
func TestPinnedCoresAreNamed(t *testing.T) {
	scope := testScope()
	scope.alloc.Cores = []int{2, 3, 7}
	scope.group.Tasks = []*api.Task{{Name: "first", Resources: &api.Resources{Cores: new(1)}}, scope.spec}
	scope.spec.Resources = &api.Resources{Cores: new(2)}
	env, _ := scope.build()
	if got := env["NOMAD_CPU_CORES"]; got != "3,7" {
		t.Errorf("NOMAD_CPU_CORES = %q, want 3,7", got)
	}
	if diff := cmp.Diff([]int{3, 7}, scope.cores()); diff != "" {
		t.Error(diff)
	}
}
