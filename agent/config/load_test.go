package config

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "rewrite golden files")

// machine is a System over files in memory, with one private address and a hostname.
func machine(files map[string]string) System {
	m := fstest.MapFS{}
	for name, text := range files {
		m[strings.TrimPrefix(name, "/")] = &fstest.MapFile{Data: []byte(text)}
	}
	local := func(path string) string { return strings.TrimPrefix(path, "/") }
	return System{
		ReadFile: func(path string) ([]byte, error) { return m.ReadFile(local(path)) },
		ReadDir:  func(path string) ([]fs.DirEntry, error) { return m.ReadDir(local(path)) },
		Stat:     func(path string) (fs.FileInfo, error) { return m.Stat(local(path)) },
		Hostname: func() (string, error) { return "box", nil },
		Template: func(text string) (string, error) {
			if strings.Contains(text, "Nonsense") {
				return "", errors.New(`function "Nonsense" not defined`)
			}
			return strings.NewReplacer(
				ownTemplates[true][0], "10.0.0.7",
				ownTemplates[false][0], "fd00::7",
				"{{ GetPrivateIP }}", "10.0.0.7",
				`{{ GetInterfaceIP "eth0" }}`, "10.9.9.9",
				`{{ GetPrivateInterfaces | attr "name" }}`, "eth1",
				`{{ GetInterfaceIP "none" }}`, "",
			).Replace(text), nil
		},
	}
}

// script is one case of a golden archive: a comment of `flags:` and `paths:` lines, the
// files, and a section "want" with what Load makes of them.
func script(t *testing.T, path string, run func(src Source) string) {
	t.Helper()
	a, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	files, want, args := map[string]string{}, "", []string{}
	for _, f := range a.Files {
		if f.Name == "want" {
			want = string(f.Data)
			continue
		}
		files[f.Name] = string(f.Data)
		if filepath.Dir(f.Name) == "." {
			args = append(args, "-config", f.Name)
		}
	}
	for line := range strings.Lines(string(a.Comment)) {
		if rest, ok := strings.CutPrefix(line, "flags:"); ok {
			args = append(args, strings.Fields(rest)...)
		}
	}
	src, err := ParseFlags(args)
	if err != nil {
		t.Fatal(err)
	}
	src.System = machine(files)
	got := run(src)
	if *update {
		a.Files = append(withoutWant(a.Files), txtar.File{Name: "want", Data: []byte(got)})
		if err := os.WriteFile(path, txtar.Format(a), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func withoutWant(files []txtar.File) []txtar.File {
	var out []txtar.File
	for _, f := range files {
		if f.Name != "want" {
			out = append(out, f)
		}
	}
	return out
}

// TestLoad reads what should work: the golden part lists the keys that differ from the
// defaults, and the warnings.
func TestLoad(t *testing.T) {
	each(t, "testdata/good/*.txt", func(src Source) string {
		c, warnings, err := Load(src)
		if err != nil {
			t.Errorf("%v: %v", src.Paths, err)
			return ""
		}
		var b strings.Builder
		for _, w := range warnings {
			fmt.Fprintln(&b, "warning:", w)
		}
		before := byKey(Default())
		for _, l := range leaves(c) {
			if _, had := before[l.key]; !had && l.value.IsZero() {
				continue
			}
			if old, ok := before[l.key]; !ok || !reflect.DeepEqual(old, l.value.Interface()) {
				fmt.Fprintf(&b, "%s = %#v\n", l.key, readable(l.value.Interface()))
			}
		}
		return b.String()
	})
}

func readable(v any) any {
	if s, ok := v.(fmt.Stringer); ok {
		return s.String()
	}
	return v
}

// TestRefused reads what must not work, case by case of one archive: NAME.hcl, NAME.json or
// NAME without extension, then NAME.want with the error. A case starts as a client with a
// data_dir unless its first line is "# flags: ...".
func TestRefused(t *testing.T) {
	const path = "testdata/bad.txt"
	a, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out []txtar.File
	for _, f := range a.Files {
		name := strings.TrimSuffix(f.Name, filepath.Ext(f.Name))
		if filepath.Ext(f.Name) == ".want" {
			continue
		}
		want := txtar.File{Name: name + ".want"}
		for _, w := range a.Files {
			if w.Name == want.Name {
				want.Data = w.Data
			}
		}
		t.Run(name, func(t *testing.T) {
			got := refusal(t, f.Name, string(f.Data))
			if diff := cmp.Diff(string(want.Data), got); diff != "" && !*update {
				t.Errorf("-want +got:\n%s", diff)
			}
			want.Data = []byte(got)
		})
		out = append(out, f, want)
	}
	if *update {
		a.Files = out
		if err := os.WriteFile(path, txtar.Format(a), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func refusal(t *testing.T, name, text string) string {
	t.Helper()
	flags := "-client -data-dir /data"
	if rest, ok := strings.CutPrefix(text, "# flags:"); ok {
		flags, _, _ = strings.Cut(rest, "\n")
	}
	src, err := ParseFlags(append([]string{"-config", name}, strings.Fields(flags)...))
	if err != nil {
		return err.Error() + "\n"
	}
	src.System = machine(map[string]string{name: text})
	c, _, err := Load(src)
	if err == nil || c != nil {
		t.Fatalf("accepted: %v", err)
	}
	return err.Error() + "\n"
}

func each(t *testing.T, glob string, run func(Source) string) {
	t.Helper()
	paths, err := filepath.Glob(glob)
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scripts %s: %v", glob, err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) { script(t, path, run) })
	}
}
