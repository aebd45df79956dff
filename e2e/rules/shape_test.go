package rules

import (
	"go/ast"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Limits on size. They are where a reader starts to lose the thread, not targets.
const (
	maxFileLines     = 600
	maxFunctionLines = 100
	maxParameters    = 7 // with the context; beyond it take a Config
)

func TestPackagesAndExportedNamesAreDocumented(t *testing.T) {
	documented, first := map[string]bool{}, map[string]string{}
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		if _, seen := first[s.room]; !seen {
			first[s.room] = s.path
		}
		if s.file.Doc != nil && len(s.file.Doc.Text()) > 20 {
			documented[s.room] = true
		}
		for _, decl := range s.file.Decls {
			checkDocumented(t, s, decl)
		}
	}
	for room, path := range first {
		if !documented[room] {
			t.Errorf("%s: package %q has no comment", path, room)
		}
	}
}

func checkDocumented(t *testing.T, s source, decl ast.Decl) {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && d.Doc == nil && receiverExported(d) && !conventional(d) {
			t.Errorf("%s: %s has no comment", s.pos(d), d.Name.Name)
		}
	case *ast.GenDecl:
		if d.Tok == token.IMPORT {
			return
		}
		for _, spec := range d.Specs {
			switch sp := spec.(type) {
			case *ast.TypeSpec:
				if sp.Name.IsExported() && d.Doc == nil && sp.Doc == nil {
					t.Errorf("%s: type %s has no comment", s.pos(sp), sp.Name.Name)
				}
			case *ast.ValueSpec:
				if sp.Names[0].IsExported() && d.Doc == nil && sp.Doc == nil && sp.Comment == nil {
					t.Errorf("%s: %s has no comment", s.pos(sp), sp.Names[0].Name)
				}
			}
		}
	}
}

func receiverExported(d *ast.FuncDecl) bool {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return true
	}
	typ := d.Recv.List[0].Type
	for {
		switch x := typ.(type) {
		case *ast.StarExpr:
			typ = x.X
		case *ast.IndexExpr:
			typ = x.X
		case *ast.Ident:
			return x.IsExported()
		default:
			return true
		}
	}
}

// conventional methods mean what they mean everywhere, or are rows of one table
// (Type of the log commands, Help and Synopsis of the CLI).
func conventional(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return false
	}
	switch d.Name.Name {
	case "Error", "Unwrap", "String", "Type", "Len", "Less", "Swap", "Close", "Read", "Write", "MarshalJSON", "UnmarshalJSON",
		"Help", "Synopsis", "Run", "AutocompleteArgs", "AutocompleteFlags", "Is",
		"Network", "Addr", "LocalAddr", "RemoteAddr", "SetDeadline", "SetReadDeadline", "SetWriteDeadline", "Accept":
		return true
	}
	return false
}

func TestSizes(t *testing.T) {
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		if s.size > maxFileLines {
			t.Errorf("%s: %d lines; more than one concept?", s.path, s.size)
		}
		for _, decl := range s.file.Decls {
			d, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if lines := s.fset.Position(d.End()).Line - s.fset.Position(d.Pos()).Line; lines > maxFunctionLines {
				t.Errorf("%s: %s has %d lines; it does not fit a screen", s.pos(d), d.Name.Name, lines)
			}
			if n := d.Type.Params.NumFields(); n > maxParameters && d.Name.IsExported() {
				t.Errorf("%s: %s takes %d parameters; take a Config", s.pos(d), d.Name.Name, n)
			}
		}
	}
}

func TestTestsDoNotSleep(t *testing.T) {
	all, bubbles := sources(t), map[string]bool{} // rooms whose tests run in virtual time, where sleep is free
	for _, s := range all {
		for _, spec := range s.file.Imports {
			bubbles[s.room] = bubbles[s.room] || s.test && spec.Path.Value == `"testing/synctest"`
		}
	}
	for _, s := range all {
		if !s.test || strings.HasPrefix(s.room, "e2e") || bubbles[s.room] {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok {
				if id, ok := sel.X.(*ast.Ident); ok && id.Name == "time" && sel.Sel.Name == "Sleep" {
					t.Errorf("%s: a test that sleeps is slow or flaky; wait for what it waits for, or use a bubble", s.pos(n))
				}
			}
			return true
		})
	}
}

func TestNoAtticPackages(t *testing.T) {
	attic := regexp.MustCompile(`^(util|utils|common|helper|helpers|types|structs|misc|shared|lib)$`)
	for _, s := range sources(t) {
		if attic.MatchString(s.file.Name.Name) {
			t.Errorf("%s: package %s says nothing about what it holds", s.path, s.file.Name.Name)
		}
	}
}

func TestGoModIsExplained(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	pins := map[string]string{ // versions above these do not build together
		"github.com/armon/go-metrics":   "v0.4.1",
		"github.com/hashicorp/raft-wal": "v0.4.1",
	}
	direct := regexp.MustCompile(`^\t?(?:require )?(\S+) (v\S+)(?: // (.*))?$`)
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(strings.TrimSpace(line), "replace") {
			t.Errorf("go.mod: no replace: %s", line)
		}
		m := direct.FindStringSubmatch(line)
		if m == nil || m[3] == "indirect" {
			continue
		}
		if m[3] == "" {
			t.Errorf("go.mod: %s has no reason beside it", m[1])
		}
		if pin, ok := pins[m[1]]; ok && m[2] != pin {
			t.Errorf("go.mod: %s must stay at %s, not %s", m[1], pin, m[2])
		}
	}
}
