package jobspec

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/nomad/api"
	"pgregory.net/rapid"
)

// TestPrintReadsBack prints every job of the test data and reads it again, as it is
// and with all defaults.
func TestPrintReadsBack(t *testing.T) {
	for _, path := range glob(t, "testdata/jobs/*.hcl") {
		job, diags := Parse(input(t, path))
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		readsBack(t, path, job, none)
	}
}

// none leaves a job as it was parsed.
func none(*api.Job) {}

// readsBack prints a job, with such defaults, and reads it again.
func readsBack(t interface {
	Helper()
	Fatalf(string, ...any)
}, name string, job *api.Job, defaults func(*api.Job)) {
	t.Helper()
	defaults(job)
	if job.Name == nil {
		job.Name = job.ID // a file has no job without a name
	}
	src, err := Print(job)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	again, diags := Parse(Input{Path: "printed.hcl", Body: src})
	for _, d := range diags {
		if d.Severity == Error || strings.Contains(d.Summary, "kept as text") {
			t.Fatalf("%s: %s\n%s", name, diags, src)
		}
	}
	defaults(again) // those that a server fills in are not in the file
	if diff := cmp.Diff(string(encodeJSON(job)), string(encodeJSON(again))); diff != "" {
		t.Fatalf("%s (-before +after):\n%s\n%s", name, diff, src)
	}
}

// TestPrintText holds strings of all kinds against their way through HCL.
func TestPrintText(t *testing.T) {
	signs := rapid.SampledFrom([]string{"$", "%", "{", "}", "\n", "\\", `"`, "a", "EOT", " ", "\t", "\r", "é", "\x00", "${attr.x}", "${NOMAD_X}", "${x}", "%{if x}", "~", "😀", "\u2028"})
	rapid.Check(t, func(rt *rapid.T) {
		var s string
		for _, part := range rapid.SliceOfN(signs, 0, 12).Draw(rt, "parts") {
			s += part
		}
		if rapid.Bool().Draw(rt, "lines") {
			s += "\n"
		}
		job := &api.Job{ID: new("x"), Name: new("x"), Meta: map[string]string{"a": s}, TaskGroups: []*api.TaskGroup{{
			Name: new("g" + s),
			Tasks: []*api.Task{{Name: "t", Config: map[string]any{
				"a": s, "b": []any{s, map[string]any{"k" + s: s}}, "c": []map[string]any{{"d": s}}, "e": nil, "f": 0.5, "g": 1 << 40,
			}}},
		}}}
		readsBack(rt, "text", job, none)
	})
}

// TestPrinted shows how a job with much in it is laid out.
func TestPrinted(t *testing.T) {
	job, diags := Parse(input(t, "testdata/public/healed-shop.nomad.hcl"))
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	job.TaskGroups[0].Tasks[0].Templates = []*api.Template{{EmbeddedTmpl: new("one\ntwo ${x} ${NOMAD_IP_http}\n"), Splay: new(90 * time.Minute)}}
	job.TaskGroups[0].Tasks[0].Env = map[string]string{"a.b": "1"}
	job.TaskGroups[0].Tasks[0].Config["mount"] = []any{map[string]any{"type": "bind"}, map[string]any{}}
	src, err := Print(job)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/printed.hcl", src)
}

func TestPrintSaysWhatItCannot(t *testing.T) {
	_, err := Print(&api.Job{ID: new("x"), TaskGroups: []*api.TaskGroup{{Name: new("g"), Tasks: []*api.Task{{
		Name: "t", Config: map[string]any{"a b": 1}, ScalingPolicies: []*api.ScalingPolicy{{Type: "sideways"}},
	}}}}})
	want := "print job: job: group: task: config: the key \"a b\" cannot be written in HCL\n" +
		"print job: job: group: task: scaling: type \"sideways\" has no place in a task"
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
}
