package jobspec

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// TestPublic parses job files in the styles that people publish. Each is one of ours.
// What a file says is held against the .json beside it, and goes the whole way through
// defaults, the API's JSON and back, printing, and the judgement of Validate.
func TestPublic(t *testing.T) {
	for _, path := range glob(t, "testdata/public/*.hcl") {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".nomad.hcl"), func(t *testing.T) {
			job, diags := Parse(input(t, path))
			if diags.HasErrors() {
				t.Fatalf("parse:\n%s", diags)
			}
			out := encode(t, plain(reflect.ValueOf(job)))
			for _, d := range diags {
				out = append(out, "// "+d.String()+"\n"...)
			}
			golden(t, strings.TrimSuffix(path, ".hcl")+".json", out)
			readsBack(t, path, job, none)
			readsBack(t, path, job, APIDefaults)
			readsBack(t, path, job, Canonicalize)
			lifecycle(t, job)
		})
	}
}
