package jobspec

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/nomad/api"
)

var update = flag.Bool("update", false, "rewrite the expected results under testdata")

// TestJobs parses every job file under testdata/jobs and holds the result
// against the .json beside it. A file says on lines that begin with "# test"
// what it is given: -var, -var-file (under testdata/files) and env.
func TestJobs(t *testing.T) {
	for _, path := range glob(t, "testdata/jobs/*.hcl") {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".hcl"), func(t *testing.T) {
			job, diags := Parse(input(t, path))
			if diags.HasErrors() {
				t.Fatalf("parse:\n%s", diags)
			}
			out := encode(t, plain(reflect.ValueOf(job)))
			if len(diags) > 0 {
				out = append(out, []byte("// "+strings.ReplaceAll(diags.Error(), "\n", "\n// ")+"\n")...)
			}
			golden(t, strings.TrimSuffix(path, ".hcl")+".json", out)
			lifecycle(t, job)
		})
	}
}

// lifecycle puts a parsed job through everything that follows.
func lifecycle(t *testing.T, job *api.Job) {
	t.Helper()
	Canonicalize(job)
	once := encode(t, job)
	Canonicalize(job)
	if diff := cmp.Diff(string(once), string(encode(t, job))); diff != "" {
		t.Errorf("canonicalizing twice changed the job (-once +twice):\n%s", diff)
	}
	var back api.Job
	if err := json.Unmarshal(once, &back); err != nil {
		t.Fatalf("unmarshal: %v", err)
	}
	Canonicalize(&back)
	if diff := cmp.Diff(string(once), string(encode(t, &back))); diff != "" {
		t.Errorf("the way through JSON changed the job (-before +after):\n%s", diff)
	}
	for _, message := range Validate(&back, Limits{}).Errors {
		if !strings.Contains(message, "is not supported by this version") {
			t.Errorf("validate: %s", message)
		}
	}
	again, diags := Parse(Input{Path: "again.json", Body: once})
	if diags.HasErrors() {
		t.Fatalf("parse our own JSON:\n%s", diags)
	}
	if diff := cmp.Diff(string(once), string(encode(t, again))); diff != "" {
		t.Errorf("parsing our own JSON changed the job (-before +after):\n%s", diff)
	}
}

// TestDefaults shows every default that a job of two lines receives.
func TestDefaults(t *testing.T) {
	for _, kind := range []string{"service", "batch", "system", "sysbatch"} {
		t.Run(kind, func(t *testing.T) {
			job, diags := Parse(Input{Path: "x", Body: []byte(`job "x" {
				type = "` + kind + `"
				group "g" {
				  task "t" { driver = "raw_exec" }
				}
			}`)})
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			Canonicalize(job)
			golden(t, "testdata/defaults/"+kind+".json", encode(t, plain(reflect.ValueOf(job))))
		})
	}
}

// TestErrors parses every faulty file under testdata/errors and holds what the
// user would see against the .txt beside it.
func TestErrors(t *testing.T) {
	for _, path := range glob(t, "testdata/errors/*.hcl") {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".hcl"), func(t *testing.T) {
			in := input(t, path)
			job, diags := Parse(in)
			if !diags.HasErrors() || job != nil {
				t.Fatalf("job %v with diagnostics %q; want no job and an error", job, diags)
			}
			sources := map[string][]byte{in.Path: in.Body}
			for _, file := range in.VarFiles {
				sources[file.Path] = file.Body
			}
			var out bytes.Buffer
			if err := diags.Render(&out, sources, false); err != nil {
				t.Fatal(err)
			}
			golden(t, strings.TrimSuffix(path, ".hcl")+".txt", out.Bytes())
		})
	}
}

// TestInvalid validates every well-formed job under testdata/invalid that makes
// no sense, and holds the problems against the .txt beside it.
func TestInvalid(t *testing.T) {
	for _, path := range glob(t, "testdata/invalid/*.hcl") {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".hcl"), func(t *testing.T) {
			job, diags := Parse(input(t, path))
			if diags.HasErrors() {
				t.Fatalf("parse:\n%s", diags)
			}
			Canonicalize(job)
			problems := Validate(job, Limits{})
			if problems.Err() == nil {
				t.Fatal("want errors")
			}
			lines := problems.Errors
			for _, warning := range problems.Warnings {
				lines = append(lines, "warning: "+warning)
			}
			golden(t, strings.TrimSuffix(path, ".hcl")+".txt", []byte(strings.Join(lines, "\n")+"\n"))
		})
	}
}

// TestRefused parses jobs that Parse carries and this version does not run, and holds
// what the user would see, at its place in the file, against the .txt beside it.
func TestRefused(t *testing.T) {
	for _, path := range glob(t, "testdata/refused/*.hcl") {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".hcl"), func(t *testing.T) {
			in := input(t, path)
			job, diags := Parse(in)
			if diags.HasErrors() {
				t.Fatalf("parse:\n%s", diags)
			}
			Canonicalize(job)
			problems := Validate(job, Limits{}).Errors
			var out bytes.Buffer
			if err := Locate(in.Path, in.Body, problems).Render(&out, map[string][]byte{in.Path: in.Body}, false); err != nil {
				t.Fatal(err)
			}
			golden(t, strings.TrimSuffix(path, ".hcl")+".txt", out.Bytes())
		})
	}
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("no files match %s (%v)", pattern, err)
	}
	return paths
}

// input builds the Input that a test file asks for.
func input(t *testing.T, path string) Input {
	t.Helper()
	read := func(path string) []byte {
		body, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return body
	}
	in := Input{
		Path: filepath.Base(path), Body: read(path), Strict: true, Files: os.DirFS("testdata/files"),
		Vars: map[string]string{}, EnvVars: map[string]string{},
	}
	for line := range strings.Lines(string(in.Body)) {
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), "# test ")
		if !ok {
			continue
		}
		what, arg, _ := strings.Cut(rest, " ")
		name, value, _ := strings.Cut(arg, "=")
		switch what {
		case "-var":
			in.Vars[name] = value
		case "env":
			in.EnvVars["NOMAD_VAR_"+name] = value
		case "-var-file":
			in.VarFiles = append(in.VarFiles, VarFile{Path: arg, Body: read("testdata/files/" + arg)})
		case "no-files":
			in.Files = nil
		default:
			t.Fatalf("unknown line %q", line)
		}
	}
	return in
}

// golden compares with a file, or writes it with -update.
func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (run with -update to write it)", err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func encode(t *testing.T, v any) []byte {
	t.Helper()
	return encodeJSON(v)
}

// encodeJSON panics on what JSON does not know, which no job holds.
func encodeJSON(v any) []byte {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		panic(err)
	}
	return out.Bytes()
}

// plain is a value with everything that was not said left out: nil pointers and
// zero fields. Durations are spelled out.
func plain(v reflect.Value) any {
	if !v.IsValid() {
		return nil
	}
	if v.Type() == durationType {
		return time.Duration(v.Int()).String()
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		return plain(v.Elem())
	case reflect.Struct:
		out := map[string]any{}
		for i := range v.NumField() {
			if !v.Field(i).IsZero() {
				out[v.Type().Field(i).Name] = plain(v.Field(i))
			}
		}
		return out
	case reflect.Slice:
		out := []any{}
		for i := range v.Len() {
			out = append(out, plain(v.Index(i)))
		}
		return out
	case reflect.Map:
		out := map[string]any{}
		for _, key := range v.MapKeys() {
			if v.MapIndex(key).Kind() == reflect.Interface && v.MapIndex(key).IsNil() {
				out[key.String()] = nil
				continue
			}
			out[key.String()] = plain(v.MapIndex(key))
		}
		return out
	}
	return v.Interface()
}
