package rules

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/selfheal/selfheal"

// rooms says which of our packages each of our packages may import. A package
// that is missing here fails the test: say first where it stands.
var rooms = map[string][]string{
	"":                {"command"},
	"command":         {"agent", "agent/config", "agent/driver", "agent/healapi", "agent/simnode", "agent/transport", "jobspec"},
	"jobspec":         {},
	"scheduler":       {},
	"agent":           {"agent/*", "scheduler", "jobspec"},
	"agent/config":    {},
	"agent/telemetry": {},
	"agent/transport": {},
	"agent/gossip":    {},
	"agent/simnet":    {},
	"agent/acl":       {},
	"agent/rootkey":   {"agent/state"},
	"agent/state":     {"agent/healapi"},
	"agent/consensus": {},
	"agent/leader":    {"agent/state", "agent/healapi", "scheduler"},
	"agent/nodeapi":   {},
	"agent/healapi":   {},
	"agent/client":    {"agent/nodeapi", "agent/driver", "agent/check"},
	"agent/simnode":   {"agent/nodeapi"},
	"agent/driver":    {},
	"agent/check":     {},
	"agent/httpapi":   {"agent/acl", "agent/state", "agent/nodeapi", "agent/healapi", "jobspec"},
}

// outside says which foreign modules a package may import, where that is limited.
var outside = map[string][]string{
	"scheduler": {"github.com/hashicorp/go-version"},
}

// impure are the packages and functions that a pure room may not use.
var impure = map[string][]string{
	"scheduler":   {"math/rand", "math/rand/v2", "crypto/rand", "os", "net", "net/http", "time.Now", "time.Since", "time.Until", "time.After", "time.Sleep", "time.NewTimer", "time.NewTicker", "time.AfterFunc"},
	"agent/state": {"math/rand", "math/rand/v2", "crypto/rand", "github.com/hashicorp/go-uuid", "net", "net/http", "time.Now", "time.Since", "time.Until", "time.After", "time.Sleep", "time.NewTimer", "time.NewTicker", "time.AfterFunc"},
}

// source is one parsed file of ours.
type source struct {
	path string // relative to the module's root
	room string // its package's directory, "" for the root
	test bool
	file *ast.File
	fset *token.FileSet
	size int // lines
}

func (s source) pos(n ast.Node) string {
	return s.path + ":" + strconv.Itoa(s.fset.Position(n.Pos()).Line)
}

// sources parses every Go file of the project but those under testdata and the
// modules of their own.
func sources(t *testing.T) []source {
	t.Helper()
	root := filepath.Join("..", "..")
	var out []source
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		if d.IsDir() {
			_, modErr := os.Stat(filepath.Join(path, "go.mod"))
			if d.Name() == "testdata" || d.Name() == "node_modules" || (strings.HasPrefix(d.Name(), ".") && rel != ".") || (modErr == nil && rel != ".") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, path, text, parser.ParseComments)
		if err != nil {
			return err
		}
		room := filepath.ToSlash(filepath.Dir(rel))
		if room == "." {
			room = ""
		}
		out = append(out, source{rel, room, strings.HasSuffix(path, "_test.go"), f, fset, strings.Count(string(text), "\n")})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) < 20 {
		t.Fatalf("found only %d source files: the walk is broken", len(out))
	}
	return out
}

func TestImportsFollowTheMap(t *testing.T) {
	for _, s := range sources(t) {
		if s.test || strings.HasPrefix(s.room, "e2e") {
			continue
		}
		allowed, known := rooms[s.room]
		if !known {
			t.Errorf("%s: package %q is not on the map of rooms", s.path, s.room)
			continue
		}
		for _, spec := range s.file.Imports {
			path, _ := strconv.Unquote(spec.Path.Value)
			if ours, is := strings.CutPrefix(path, module+"/"); is {
				wild := slices.ContainsFunc(allowed, func(a string) bool {
					prefix, ok := strings.CutSuffix(a, "*")
					return ok && strings.HasPrefix(ours, prefix)
				})
				if !wild && !slices.Contains(allowed, ours) {
					t.Errorf("%s: %s may not import %s", s.pos(spec), s.room, ours)
				}
			} else if foreign, limited := outside[s.room]; limited && strings.Contains(path, ".") && !slices.Contains(foreign, path) {
				t.Errorf("%s: %s may not import %s", s.pos(spec), s.room, path)
			}
		}
	}
}

func TestPureRoomsReadNoClockAndNoDice(t *testing.T) {
	for _, s := range sources(t) {
		banned, pure := impure[s.room]
		if !pure || s.test {
			continue
		}
		for _, spec := range s.file.Imports {
			if path, _ := strconv.Unquote(spec.Path.Value); slices.Contains(banned, path) {
				t.Errorf("%s: %s is pure and may not import %s", s.pos(spec), s.room, path)
			}
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok {
				if id, ok := sel.X.(*ast.Ident); ok && slices.Contains(banned, id.Name+"."+sel.Sel.Name) {
					t.Errorf("%s: %s is pure and may not use %s.%s", s.pos(n), s.room, id.Name, sel.Sel.Name)
				}
			}
			return true
		})
	}
}

func TestTopLevelIsFixed(t *testing.T) {
	want := []string{"CHANGELOG.md", "GNUmakefile", "LICENSE", "README.md", "agent", "bin", "command", "coverage.html", "coverage.out", "e2e", "go.mod", "go.sum", "jobspec", "main.go", "scheduler", "website"}
	entries, err := os.ReadDir(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if _, found := sort.Find(len(want), func(i int) int { return strings.Compare(e.Name(), want[i]) }); !found && !strings.HasPrefix(e.Name(), ".") {
			t.Errorf("%s does not belong at the top level", e.Name())
		}
	}
}
