package config

import (
	"fmt"
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
			if took := time.Since(start); took > 10*time.Second {
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

// TestExcess wants what would overflow a stack, or take minutes, refused before it is
// parsed: an overflow cannot be recovered from. 450,000 of these did overflow it.
func TestExcess(t *testing.T) {
	const n = 5_000
	refused := func(text, want string) {
		t.Helper()
		src := Source{Dev: true, Paths: []string{"f"}, System: machine(map[string]string{"f": text})}
		if _, _, err := Load(src); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q...: %v", text, err)
		}
	}
	for _, text := range []string{
		strings.Repeat("[", n),
		strings.Repeat(`{"a":`, n),
		strings.Repeat("a {\n", n),
		"a = " + strings.Repeat("[", n),
		"a = " + strings.Repeat("(", n),
		"a = " + strings.Repeat("!", n) + "true",
		"a = (" + strings.Repeat("!\n", n) + "true)",
		"a = " + strings.Repeat("- ", n) + "1",
		"a = " + strings.Repeat(`"${`, n),
		"a = " + strings.Repeat("1 ? 1 : ", n) + "1",
		"a = x" + strings.Repeat("[*]", n),
		"a = x" + strings.Repeat(".a", n),
		"a = " + strings.Repeat("1 + ", n) + "1",
	} {
		refused(text, "nested too deep")
	}
	refused(`a = "x${1e9999999}"`, "number too large")
	refused("a = "+strings.Repeat("9", n), "number too large")
	refused(`{"ports": {"http": `+strings.Repeat("9", n)+`}}`, "wants a whole number")
	refused(strings.Repeat("#\n", 600_000), "at most 1048576 are read")
}

// TestNotExcess wants the bounds to be far from what people write.
func TestNotExcess(t *testing.T) {
	var b strings.Builder
	b.WriteString("client {\n  meta {\n")
	for i := range 10_000 {
		fmt.Fprintf(&b, "    key%d = \"value [%d] - {!}\"\n", i, i)
	}
	b.WriteString("  }\n}\n")
	if got := len(load(t, b.String()).Client.Meta); got != 10_000 {
		t.Errorf("%d attributes", got)
	}
}
