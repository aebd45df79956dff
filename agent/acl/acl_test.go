package acl

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func compile(t testing.TB, rules ...string) *ACL {
	t.Helper()
	var ps []*Policy
	for _, r := range rules {
		p, err := Parse(r)
		if err != nil {
			t.Fatalf("%v\nin %s", err, r)
		}
		ps = append(ps, p)
	}
	return Compile(ps...)
}

func TestNamespaces(t *testing.T) {
	for _, c := range []struct {
		name, rules           string
		namespace, capability string
		want                  bool
	}{
		{"read lists", `namespace "default" { policy = "read" }`, "default", ListJobs, true},
		{"read does not submit", `namespace "default" { policy = "read" }`, "default", SubmitJob, false},
		{"read shows no logs", `namespace "default" { policy = "read" }`, "default", ReadLogs, false},
		{"other namespace", `namespace "default" { policy = "write" }`, "prod", ReadJob, false},
		{"no label is default", `namespace { policy = "read" }`, "default", ReadJob, true},
		{"write submits", `namespace "default" { policy = "write" }`, "default", SubmitJob, true},
		{"write is not exec on nodes", `namespace "default" { policy = "write" }`, "default", AllocNodeExec, false},
		{"write does not override", `namespace "default" { policy = "write" }`, "default", SentinelOverride, false},
		{"scale scales", `namespace "default" { policy = "scale" }`, "default", ScaleJob, true},
		{"scale reads no jobs", `namespace "default" { policy = "scale" }`, "default", ReadJob, false},
		{"capability", `namespace "default" { capabilities = ["submit-job"] }`, "default", SubmitJob, true},
		{"read-fs brings read-logs", `namespace "default" { capabilities = ["read-fs"] }`, "default", ReadLogs, true},
		{"policy and capability", "namespace \"default\" {\n policy = \"read\"\n capabilities = [\"read-logs\"]\n}", "default", ReadLogs, true},
		{"deny beats", "namespace \"default\" {\n policy = \"write\"\n capabilities = [\"deny\"]\n}", "default", ReadJob, false},
		{"star", `namespace "*" { policy = "read" }`, "anything", ReadJob, true},
		{"exact before star", "namespace \"*\" { policy = \"write\" }\nnamespace \"prod\" { policy = \"read\" }", "prod", SubmitJob, false},
		{"exact deny", "namespace \"*\" { policy = \"write\" }\nnamespace \"prod\" { policy = \"deny\" }", "prod", ReadJob, false},
		{"closest pattern", "namespace \"prod-*\" { policy = \"read\" }\nnamespace \"prod-web-*\" { policy = \"write\" }", "prod-web-1", SubmitJob, true},
		{"closest pattern, other", "namespace \"prod-*\" { policy = \"read\" }\nnamespace \"prod-web-*\" { policy = \"write\" }", "prod-db-1", SubmitJob, false},
		{"star in the middle", `namespace "a*c*e" { policy = "read" }`, "abcde", ReadJob, true},
		{"star in the middle does not overlap", `namespace "ab*ba" { policy = "read" }`, "aba", ReadJob, false},
		{"equally close, one denies", "namespace \"a*\" { policy = \"read\" }\nnamespace \"*b\" { policy = \"deny\" }", "ab", ReadJob, false},
		{"one line", `namespace "default" { policy = "read" capabilities = ["read-logs"] }`, "default", ReadLogs, true},
		{"one line, blocks", `namespace "a" { variables { path "x" { capabilities = ["read"] } path "y" { capabilities = ["read"] } } policy = "read" } node { policy = "read" }`, "a", ReadJob, true},
		{"json", `{"namespace": {"default": {"policy": "read", "capabilities": ["read-logs"]}}}`, "default", ReadLogs, true},
		{"json, list of objects", `{"namespace": [{"default": {"policy": "read"}}, {"prod": [{"policy": "write"}]}]}`, "prod", SubmitJob, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := compile(t, c.rules).AllowNamespace(c.namespace, c.capability); got != c.want {
				t.Errorf("%s in %s: %v", c.capability, c.namespace, got)
			}
		})
	}
}

func TestPoliciesAddUpAndDenyBeats(t *testing.T) {
	read, logs := `namespace "default" { policy = "read" }`, `namespace "default" { capabilities = ["read-logs"] }`
	both := compile(t, read, logs)
	if !both.AllowNamespace("default", ReadJob) || !both.AllowNamespace("default", ReadLogs) {
		t.Error("two policies grant less than each")
	}
	if compile(t, read, logs, `namespace "default" { policy = "deny" }`).AllowNamespace("default", ReadJob) {
		t.Error("deny of another policy did not beat")
	}
	if !compile(t, `node { policy = "read" }`, `node { policy = "write" }`).AllowNode(Write) {
		t.Error("the higher access did not win")
	}
	if compile(t, `node { policy = "deny" }`, `node { policy = "write" }`).AllowNode(Read) {
		t.Error("deny did not beat write")
	}
}

func TestCoarseRules(t *testing.T) {
	a := compile(t, `
agent    { policy = "read" }
node     { policy = "write" }
operator { policy = "deny" }
plugin   { policy = "list" }
quota    { policy = "read" }`)
	for name, ok := range map[string]bool{
		"agent reads": a.AllowAgent(Read), "agent does not write": !a.AllowAgent(Write), "node writes": a.AllowNode(Write) && a.AllowNode(Read),
		"operator is denied": !a.AllowOperator(Read), "plugin lists": a.AllowPlugin(List), "plugin does not read": !a.AllowPlugin(Read),
		"quota reads": a.AllowQuota(Read), "no pool": !a.AllowNodePool("default", PoolRead), "not management": !a.Management(),
	} {
		if !ok {
			t.Error(name)
		}
	}
	var none *ACL
	if none.AllowNode(Read) || none.AllowNamespace("default", ReadJob) || none.Management() || none.AllowVariable("default", "a", VariableRead, nil) {
		t.Error("nobody may do something")
	}
	if !Everything.AllowNode(Write) || !Everything.AllowVariable("x", "y", VariableDestroy, nil) || !Everything.AllowEverywhere(ReadJob) {
		t.Error("management may not do everything")
	}
}

func TestPoolsAndHostVolumes(t *testing.T) {
	a := compile(t, `
node_pool "prod-*" { policy = "write" }
node_pool "prod-db" { policy = "read" }
host_volume "data" { policy = "read" }
host_volume "scratch-*" { capabilities = ["mount-readwrite"] }`)
	for name, ok := range map[string]bool{
		"pool": a.AllowNodePool("prod-web", PoolDelete), "closer pool": !a.AllowNodePool("prod-db", PoolWrite) && a.AllowNodePool("prod-db", PoolRead),
		"volume read":   a.AllowHostVolume("data", MountReadOnly) && !a.AllowHostVolume("data", MountReadWrite),
		"volume write":  a.AllowHostVolume("scratch-1", MountReadOnly) && a.AllowHostVolume("scratch-1", MountReadWrite),
		"other volume":  !a.AllowHostVolume("secrets", MountReadOnly),
		"pool anywhere": a.AllowNodePoolSomewhere(PoolRead),
	} {
		if !ok {
			t.Error(name)
		}
	}
}

func TestVariables(t *testing.T) {
	a := compile(t, `
namespace "*" { 
  variables { 
    path "shared/*" { capabilities = ["read"] } 
  } 
}
namespace "prod" {
  policy = "read"
  variables {
    path "*"            { capabilities = ["list"] }
    path "app/*"        { capabilities = ["write"] }
    path "app/secret/*" { capabilities = ["deny"] }
    path "app/secret/mine" { capabilities = ["read", "destroy"] }
  }
}
namespace "closed" { policy = "deny" }`)
	w := &Workload{Namespace: "prod", JobID: "web", Group: "front", Task: "server"}
	for _, c := range []struct {
		ns, path, verb string
		w              *Workload
		want           bool
	}{
		{"prod", "x", VariableList, nil, true},
		{"prod", "x", VariableRead, nil, false},
		{"prod", "app/a", VariableWrite, nil, true},
		{"prod", "app/a", VariableList, nil, true},
		{"prod", "app/a", VariableRead, nil, false},
		{"prod", "app/secret/a", VariableList, nil, false},
		{"prod", "app/secret/mine", VariableRead, nil, true},
		{"prod", "app/secret/mine", VariableDestroy, nil, true},
		{"prod", "shared/a", VariableRead, nil, false}, // the rule of "prod" is closer
		{"dev", "shared/a", VariableRead, nil, true},
		{"dev", "shared/a", VariableWrite, nil, false},
		{"closed", "shared/a", VariableRead, nil, false},
		{"prod", "nomad/jobs", VariableRead, w, true},
		{"prod", "nomad/jobs/web", VariableRead, w, true},
		{"prod", "nomad/jobs/web/front", VariableList, w, true},
		{"prod", "nomad/jobs/web/front/server", VariableRead, w, true},
		{"prod", "nomad/jobs/web/front/server", VariableWrite, w, false},
		{"prod", "nomad/jobs/web/front/other", VariableRead, w, false},
		{"prod", "nomad/jobs/webb", VariableRead, w, false},
		{"dev", "nomad/jobs/web", VariableRead, w, false},
	} {
		if got := a.AllowVariable(c.ns, c.path, c.verb, c.w); got != c.want {
			t.Errorf("%s %s in %s: %v", c.verb, c.path, c.ns, got)
		}
	}
	if !a.AllowNamespaceAny("dev") || a.AllowNamespaceAny("closed") || !a.AllowVariables("prod", nil) || a.AllowVariables("closed", w) {
		t.Error("what may be listed is wrong")
	}
	// A service's identity has no task: it owns what its group owns, and no more.
	if a.AllowVariable("prod", "nomad/jobs/web/server", VariableRead, &Workload{Namespace: "prod", JobID: "web", Task: "server"}) {
		t.Error("a path was made by leaving the group out")
	}
}

func TestWrongRules(t *testing.T) {
	for name, c := range map[string]struct{ rules, want string }{
		"syntax":             {`namespace "a" {`, "line 1, column"},
		"unknown block":      {"node { policy = \"read\" }\nnodes { policy = \"read\" }", "line 2, column 1: Unsupported block type"},
		"unknown attribute":  {`namespace "a" { polcy = "read" }`, "line 1, column 17: Unsupported argument"},
		"unknown policy":     {`namespace "a" { policy = "admin" }`, `Invalid policy "admin": use one of deny, list, read, scale, write`},
		"unknown capability": {`namespace "a" { capabilities = ["fly"] }`, `line 1, column 17: Invalid capability "fly": use one of alloc-exec`},
		"coarse":             {`node { policy = "list" }`, `Invalid node policy "list": use one of deny, read, write`},
		"no policy":          {`node { }`, "Missing required argument"},
		"twice":              {"node { policy = \"read\" }\nnode { policy = \"read\" }", "line 2, column 1: Duplicate node block"},
		"bad name":           {`namespace "has a space" { policy = "read" }`, `Invalid namespace name "has a space"`},
		"no name":            {`host_volume { policy = "read" }`, "Missing name for host_volume"},
		"list of numbers":    {`namespace "a" { capabilities = [1] }`, "capabilities must be a list of strings"},
		"not a string":       {`namespace "a" { policy = 1 }`, "policy must be a string"},
		"an expression":      {`namespace "a" { policy = foo }`, "line 1"},
		"variable policy":    {`namespace "a" { variables { path "x" { policy = "read" } } }`, "Unsupported argument"},
		"one line":           {`namespace "a" { variables { path "x" { capabilities = ["fly"] } } }`, `line 1, column 40: Invalid capability "fly"`},
		"empty path":         {`namespace "a" { variables { path "" { capabilities = ["read"] } } }`, "Invalid variable path"},
		"empty":              {"# nothing\n", "the policy has no rules"},
		"json":               {`{"Name": "x", "Rules": "anything"}`, "Extraneous JSON object property"},
		"json list":          {`["a"]`, "line 1"},
		"deep":               {strings.Repeat("{", 40), "nest deeper"},
		"long":               {strings.Repeat(" ", MaxRules+1), "longer than"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse(c.rules)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// A rule for the name itself decides, whatever patterns stand beside it.
func TestExactNameDecides(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		label := rapid.StringMatching(`[ab*]{1,6}`)
		name := rapid.StringMatching(`[ab]{1,6}`).Draw(t, "name")
		l := labels{}
		for range rapid.IntRange(0, 5).Draw(t, "n") {
			l.add(label.Draw(t, "label"), []string{rapid.SampledFrom([]string{ReadJob, Deny}).Draw(t, "capability")})
		}
		l[name] = set{SubmitJob: true}
		if !l.find(name).allows(SubmitJob) {
			t.Fatalf("%v: %v", l, l.find(name))
		}
		delete(l, name)
		first := l.find(name)
		for range 5 {
			if again := l.find(name); len(again) != len(first) || again[Deny] != first[Deny] {
				t.Fatalf("%v: %v, then %v", l, first, again)
			}
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add(`namespace "default" { policy = "read" }`)
	f.Add(`{"namespace": {"default": {"policy": "read", "capabilities": ["read-logs"]}}}`)
	f.Add("namespace \"a*\" {\n variables {\n path \"x/*\" { capabilities = [\"read\"] }\n }\n}\nnode_pool \"p\" { policy = \"write\" }")
	f.Add(`host_volume "*" { capabilities = ["mount-readonly"] }`)
	f.Fuzz(func(t *testing.T, rules string) {
		p, err := Parse(rules)
		if err != nil {
			return
		}
		a := Compile(p, p)
		a.AllowNamespace("default", ReadJob)
		a.AllowVariable("default", "a/b", VariableRead, nil)
		if a.Management() {
			t.Error("rules made a manager")
		}
	})
}
