package jobspec

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/nomad/api"
)

// FuzzParse looks for job files that make the way from text to a judged job
// panic, or that yield a job together with errors.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/jobs/*.hcl", "testdata/errors/*.hcl", "testdata/invalid/*.hcl", "testdata/public/*.hcl"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, path := range paths {
			body, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(body, "x = 1", "count", "5")
		}
	}
	f.Fuzz(func(t *testing.T, body []byte, file, name, value string) {
		job, diags := Parse(Input{
			Path: "fuzz.hcl", Body: body,
			Vars:     map[string]string{name: value},
			VarFiles: []VarFile{{Path: "vars.hcl", Body: []byte(file)}},
		})
		_ = diags.Error()
		if (job == nil) != diags.HasErrors() {
			t.Fatalf("job %v with diagnostics %q", job, diags)
		}
		if job != nil {
			printed(t, job)
			Validate(job, Limits{})
			APIDefaults(job)
			Canonicalize(job)
			Validate(job, Limits{})
			once := encode(t, job)
			if Canonicalize(job); !bytes.Equal(once, encode(t, job)) {
				t.Fatal("canonicalizing twice changed the job")
			}
		}
	})
}

// printed makes sure that a job that was parsed is written so that it reads back.
func printed(t *testing.T, job *api.Job) {
	before := encode(t, job)
	src, err := Print(job)
	if err != nil {
		return // keys that HCL has no way to write, from JSON
	}
	again, diags := Parse(Input{Path: "printed.hcl", Body: src})
	if diags.HasErrors() {
		t.Fatalf("%s\n%s", diags, src)
	}
	if job.Name == nil || job.ID == nil {
		return // a file has no job without
	}
	if diff := cmp.Diff(string(before), string(encode(t, again))); diff != "" {
		t.Fatalf("(-before +after):\n%s\n%s", diff, src)
	}
}

// FuzzFormat looks for text whose layout is not stable.
func FuzzFormat(f *testing.F) {
	f.Add([]byte("job \"x\" {\n a=1\n}"))
	f.Add(Example(false))
	f.Fuzz(func(t *testing.T, src []byte) {
		once, diags := Format(src)
		if diags.HasErrors() {
			return
		}
		if _, diags := Format(once); diags.HasErrors() {
			t.Fatalf("formatting broke the text: %s\n%q\n%q", diags, src, once)
		}
	})
}
