package jobspec

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/nomad/api"
)

// TestCarried parses what Validate refuses: it must arrive nevertheless.
func TestCarried(t *testing.T) {
	job, diags := Parse(Input{Path: "x", Body: []byte(`
job "x" {
  vault {
    policies = ["job"]
  }
  secret "s" {
    provider = "nomad"
  }
  multiregion {
    region "west" {
      count = 2
    }
  }
  task "direct" {
    driver = "exec"
  }
  group "g" {
    secret "g" {
      provider = "nomad"
    }
    network {
      mode = "bridge"
      cni {
        args = {
          a = "b"
        }
      }
    }
    service {
      connect {
        sidecar_service {
          proxy {
            upstreams {
              destination_name = "db"
              local_bind_port  = 5432
            }
          }
        }
      }
    }
    task "own" {
      driver = "exec"
      vault {
        role = "own"
      }
      identity {
        env = true
      }
      identity {
        name = "consul"
        aud  = ["consul.io"]
        ttl  = "1h"
      }
      secret "t" {
        provider = "vault"
      }
      action "reload" {
        command = "kill"
      }
    }
  }
}`)})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	direct, own := job.TaskGroups[0].Tasks[0], job.TaskGroups[1].Tasks[0]
	for _, tt := range []struct {
		what      string
		got, want any
	}{
		{"vault of the job", direct.Vault, &api.Vault{Policies: []string{"job"}}},
		{"vault of the task", own.Vault, &api.Vault{Role: "own"}},
		{"secrets of task, group and job", own.Secrets, []*api.Secret{
			{Name: "t", Provider: "vault"}, {Name: "g", Provider: "nomad"}, {Name: "s", Provider: "nomad"},
		}},
		{"default identity", own.Identity, &api.WorkloadIdentity{Env: true}},
		{"named identities", own.Identities, []*api.WorkloadIdentity{{Name: "consul", Audience: []string{"consul.io"}, TTL: 3600e9}}},
		{"action", own.Actions, []*api.Action{{Name: "reload", Command: "kill"}}},
		{"multiregion", job.Multiregion.Regions, []*api.MultiregionRegion{{Name: "west", Count: new(2)}}},
		{"upstream", job.TaskGroups[1].Services[0].Connect.SidecarService.Proxy.Upstreams[0].LocalBindPort, 5432},
		{"cni", job.TaskGroups[1].Networks[0].CNI, &api.CNIConfig{Args: map[string]string{"a": "b"}}},
	} {
		if diff := cmp.Diff(tt.want, tt.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.what, diff)
		}
	}
	if direct.Secrets[0] == own.Secrets[2] {
		t.Error("tasks share one secret; want a copy each")
	}
}

// TestVariableSources shows who wins.
func TestVariableSources(t *testing.T) {
	body := []byte("variable \"v\" {\n  default = \"default\"\n}\njob \"x\" {\n  meta {\n    v = var.v\n  }\n}\n")
	file := func(value string) VarFile { return VarFile{Path: value, Body: []byte(`v = "` + value + `"`)} }
	for _, tt := range []struct {
		name string
		in   Input
		want string
	}{
		{"default", Input{}, "default"},
		{"environment", Input{EnvVars: map[string]string{"v": "env"}}, "env"},
		{"file", Input{EnvVars: map[string]string{"NOMAD_VAR_v": "env"}, VarFiles: []VarFile{file("one")}}, "one"},
		{"later file", Input{VarFiles: []VarFile{file("one"), file("two")}}, "two"},
		{"flag", Input{Vars: map[string]string{"v": "flag"}, VarFiles: []VarFile{file("one")}}, "flag"},
		{"raw text", Input{Vars: map[string]string{"v": `"a" ${b} [`}}, `"a" ${b} [`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.in.Body = body
			job, diags := Parse(tt.in)
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			if got := job.Meta["v"]; got != tt.want {
				t.Errorf("v = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestUndeclaredVariables(t *testing.T) {
	for name, in := range map[string]Input{
		"file": {VarFiles: []VarFile{{Path: "f", Body: []byte(`v = 1`)}}},
		"flag": {Vars: map[string]string{"v": "1"}},
	} {
		t.Run(name, func(t *testing.T) {
			in.Path, in.Body = "x", []byte(`job "x" {}`)
			job, diags := Parse(in)
			if job == nil || len(diags.Warnings()) != 1 || diags.HasErrors() {
				t.Errorf("lenient: job %v with %q; want a job and one warning", job, diags)
			}
			in.Strict = true
			if job, diags = Parse(in); job != nil || !diags.HasErrors() {
				t.Errorf("strict: job %v with %q; want an error", job, diags)
			}
		})
	}
}

func TestSensitiveStaysHidden(t *testing.T) {
	_, diags := Parse(Input{Path: "x", Vars: map[string]string{"pin": `["hunter2"]`}, Body: []byte(`
variable "pin" {
  type      = number
  sensitive = true
}
job "x" {}`)})
	if text := diags.Error(); !diags.HasErrors() || strings.Contains(text, "hunter2") {
		t.Errorf("got %q; want an error without the value", text)
	}
}

func TestJSONTakesNoVariables(t *testing.T) {
	_, diags := Parse(Input{Path: "x.json", Body: []byte(`{"ID": "x"}`), Vars: map[string]string{"a": "b"}})
	if want := "x.json: a JSON job takes no variables; write the values into the job, or use HCL"; diags.Error() != want {
		t.Errorf("got %q, want %q", diags.Error(), want)
	}
}

// TestFilesWithDir reads as the command line does: the whole disk, from the
// directory of the job file.
func TestFilesWithDir(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/a.txt", []byte("A"), 0o600); err != nil {
		t.Fatal(err)
	}
	in := Input{Files: os.DirFS("/"), Dir: dir + "/sub", Home: dir, Body: []byte(`job "x" {
  meta {
    up   = file("../a.txt")
    abs  = file("` + dir + `/a.txt")
    home = file("~/a.txt")
    path = abspath("../a.txt")
  }
}`)}
	job, diags := Parse(in)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	want := map[string]string{"up": "A", "abs": "A", "home": "A", "path": dir + "/a.txt"}
	if diff := cmp.Diff(want, job.Meta); diff != "" {
		t.Errorf("meta (-want +got):\n%s", diff)
	}
}

// TestNesting refuses what would exhaust the stack of a recursive parser.
func TestNesting(t *testing.T) {
	for name, body := range map[string]string{
		"brackets":  `job "x" { meta { a = ` + strings.Repeat("[", 100_000) + ` } }`,
		"templates": `job "x" { meta { a = ` + strings.Repeat(`"${`, 100_000) + ` } }`,
		"blocks":    strings.Repeat("a {\n", 100_000),
		"nots":      `job "x" { meta { a = ` + strings.Repeat("!", 100_000) + `true } }`,
		"closers":   strings.Repeat("}", 1000) + strings.Repeat("[", 100_000),
	} {
		if _, diags := Parse(Input{Path: name, Body: []byte(body)}); !strings.Contains(diags.Error(), "nested too deeply") {
			t.Errorf("%s: got %.200q", name, diags.Error())
		}
	}
	if _, diags := Parse(Input{Body: make([]byte, MaxBody+1)}); !strings.Contains(diags.Error(), "too large") {
		t.Errorf("large: got %.200q", diags.Error())
	}
}
