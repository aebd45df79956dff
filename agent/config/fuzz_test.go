package config

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
)

// FuzzLoad wants an error or a valid configuration for any file, never a panic, and the
// same answer twice.
func FuzzLoad(f *testing.F) {
	archives, _ := filepath.Glob("testdata/good/*.txt")
	for _, path := range append(archives, "testdata/bad.txt") {
		a, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range a.Files {
			if !strings.HasSuffix(file.Name, "want") {
				f.Add(file.Data)
			}
		}
	}
	f.Add([]byte(strings.Repeat("[", 1000)))
	f.Add([]byte("a = " + strings.Repeat("!", 1000)))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, name := range []string{"f", "f.json", "f.hcl"} {
			src := Source{Dev: true, Paths: []string{name}, System: machine(map[string]string{name: string(data)})}
			start := time.Now()
			c, _, err := Load(src)
			if took := time.Since(start); took > time.Second {
				t.Fatalf("took %s", took)
			}
			if (c == nil) == (err == nil) {
				t.Fatalf("configuration %v and error %v", c, err)
			}
			if c != nil && c.Validate() != nil {
				t.Fatalf("loaded and invalid: %v", c.Validate())
			}
			_, _, again := Load(src)
			if err != nil && (again == nil || err.Error() != again.Error()) {
				t.Fatalf("first %v, then %v", err, again)
			}
		}
	})
}

// TestNesting wants the parsers' recursion bounded: a stack overflow cannot be recovered.
func TestNesting(t *testing.T) {
	const n = 300_000
	for _, text := range []string{
		strings.Repeat("[", n),
		strings.Repeat(`{"a":`, n),
		"a = " + strings.Repeat("[", n),
		"a = " + strings.Repeat("(", n),
		"a = " + strings.Repeat("!", n) + "true",
		"a = " + strings.Repeat("-", n) + "1",
		"a = " + strings.Repeat("- ", n) + "1",
		"a = " + strings.Repeat(`"${`, n),
		"a = " + strings.Repeat("1 ? 1 : ", n) + "1",
		"a = " + strings.Repeat("x[*]", n/4),
		"a = " + strings.Repeat("1 + ", n/4) + "1",
		`a = "x${1e9999999}"`,
		`a = "x${1e99` + strings.Repeat("*1e99", 1500) + `}"`,
		"a = " + strings.Repeat("9", n),
		`{"ports": {"http": ` + strings.Repeat("9", n) + `}}`,
		"a = (" + strings.Repeat("!\n", n) + "true)",
		strings.Repeat("a {\n", n),
		strings.Repeat("a ", n),
	} {
		src := Source{Dev: true, Paths: []string{"f"}, System: machine(map[string]string{"f": text})}
		if _, _, err := Load(src); err == nil {
			t.Errorf("%.20q... is accepted", text)
		}
	}
	long := Source{Dev: true, Paths: []string{"f"}, System: machine(map[string]string{"f": strings.Repeat("#\n", 600_000)})}
	if _, _, err := Load(long); err == nil || !strings.Contains(err.Error(), "at most 1048576 are read") {
		t.Errorf("a file of 1.2 MB: %v", err)
	}
}
