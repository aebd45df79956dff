package jobspec

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// maxFile bounds a file that an expression reads, in bytes.
const maxFile = 8 << 20

// errNoFiles is the answer of every file function on a server.
var errNoFiles = errors.New("files are read only where the job file is; parse the job with the command line, or put the text into the job file")

// fileFunctions are the functions that read files, all through one fs.FS.
type fileFunctions struct {
	fsys fs.FS
	dir  string // see Input.Dir
	home string // see Input.Home
	cost *budget
}

func (f fileFunctions) table() map[string]function.Function {
	onPath := func(impl func(name string) (string, error)) function.Function {
		return function.New(&function.Spec{
			Params: []function.Parameter{{Name: "path", Type: cty.String}},
			Type:   function.StaticReturnType(cty.String),
			Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
				s, err := impl(args[0].AsString())
				return cty.StringVal(s), err
			},
		})
	}
	return map[string]function.Function{
		"abspath":    onPath(f.abs),
		"basename":   onPath(func(name string) (string, error) { return path.Base(name), nil }),
		"dirname":    onPath(func(name string) (string, error) { return path.Dir(name), nil }),
		"file":       onPath(f.text),
		"filebase64": onPath(f.base64),
		"fileexists": f.exists(),
		"fileset":    f.set(),
		"pathexpand": onPath(f.expand),
	}
}

// expand replaces a leading ~ by the home directory.
func (f fileFunctions) expand(name string) (string, error) {
	if name != "~" && !strings.HasPrefix(name, "~/") {
		return name, nil
	}
	if f.home == "" {
		return "", errors.New("no home directory is known for ~; write the whole path")
	}
	return path.Join(f.home, name[1:]), nil
}

// abs is the absolute form of a name.
func (f fileFunctions) abs(name string) (string, error) {
	name, err := f.expand(name)
	if err != nil {
		return "", err
	}
	if path.IsAbs(name) {
		return path.Clean(name), nil
	}
	if f.dir == "" {
		return "", errNoFiles
	}
	return path.Join("/", f.dir, name), nil
}

// resolve turns a name from the job file into one that fs.FS takes.
func (f fileFunctions) resolve(name string) (string, error) {
	if f.fsys == nil {
		return "", errNoFiles
	}
	if f.dir != "" {
		abs, err := f.abs(name)
		if err != nil {
			return "", err
		}
		if abs == "/" {
			return ".", nil
		}
		return abs[1:], nil
	}
	clean := path.Clean(name)
	if !fs.ValidPath(clean) {
		return "", fmt.Errorf("%s is outside of the directory that files may be read from", name)
	}
	return clean, nil
}

func (f fileFunctions) read(name string) ([]byte, error) {
	resolved, err := f.resolve(name)
	if err != nil {
		return nil, err
	}
	info, err := fs.Stat(f.fsys, resolved)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("no file %s", name)
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", name, err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", name)
	case info.Size() > maxFile:
		return nil, fmt.Errorf("%s is larger than 8 MiB", name)
	}
	body, err := fs.ReadFile(f.fsys, resolved)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return body, nil
}

func (f fileFunctions) text(name string) (string, error) {
	body, err := f.read(name)
	if err == nil && !utf8.Valid(body) {
		return "", fmt.Errorf("%s is not UTF-8 text; use filebase64", name)
	}
	return string(body), err
}

func (f fileFunctions) base64(name string) (string, error) {
	body, err := f.read(name)
	return base64.StdEncoding.EncodeToString(body), err
}

func (f fileFunctions) exists() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "path", Type: cty.String}},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			resolved, err := f.resolve(args[0].AsString())
			if err != nil {
				return cty.False, err
			}
			info, err := fs.Stat(f.fsys, resolved)
			return cty.BoolVal(err == nil && info.Mode().IsRegular()), nil
		},
	})
}

// set lists the regular files below a directory that match a pattern.
func (f fileFunctions) set() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "path", Type: cty.String}, {Name: "pattern", Type: cty.String}},
		Type:   function.StaticReturnType(cty.Set(cty.String)),
		Impl: func(args []cty.Value, retType cty.Type) (cty.Value, error) {
			resolved, err := f.resolve(args[0].AsString())
			if err != nil {
				return cty.UnknownVal(retType), err
			}
			names, err := matchFiles(f.fsys, resolved, args[1].AsString())
			if err != nil {
				return cty.UnknownVal(retType), err
			}
			if len(names) == 0 {
				return cty.SetValEmpty(cty.String), nil
			}
			vals := make([]cty.Value, len(names))
			for i, name := range names {
				vals[i] = cty.StringVal(name)
			}
			return cty.SetVal(vals), nil
		},
	})
}

// matchFiles walks a directory. In the pattern, "**" stands for any number of
// directories; the rest is as in path.Match.
func matchFiles(fsys fs.FS, root, pattern string) ([]string, error) {
	const maxVisited = 10_000
	parts := strings.Split(path.Clean(pattern), "/")
	for _, part := range parts {
		if _, err := path.Match(part, ""); err != nil {
			return nil, fmt.Errorf("pattern %q: %w", pattern, err)
		}
	}
	var out []string
	visited := 0
	err := fs.WalkDir(fsys, root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if visited++; visited > maxVisited {
			return fmt.Errorf("more than %d files below %s", maxVisited, root)
		}
		relative := strings.TrimPrefix(strings.TrimPrefix(name, root), "/")
		if root == "." {
			relative = name
		}
		if entry.Type().IsRegular() && matchParts(parts, strings.Split(relative, "/")) {
			out = append(out, relative)
		}
		return nil
	})
	return out, err
}

// matchParts matches a path, element by element.
func matchParts(pattern, name []string) bool {
	if len(pattern) == 0 {
		return len(name) == 0
	}
	if pattern[0] == "**" {
		return matchParts(pattern[1:], name) || (len(name) > 0 && matchParts(pattern, name[1:]))
	}
	if len(name) == 0 {
		return false
	}
	ok, err := path.Match(pattern[0], name[0])
	return err == nil && ok && matchParts(pattern[1:], name[1:])
}

// templateFile renders a file as an HCL template with the given variables. A
// template may call every function but templatefile itself.
func (f fileFunctions) templateFile(all map[string]function.Function) function.Function {
	inside := maps.Clone(all)
	render := func(args []cty.Value) (cty.Value, error) {
		name := args[0].AsString()
		text, err := f.text(name)
		if err != nil {
			return cty.DynamicVal, err
		}
		if diags := checkNesting(name, []byte(text)); diags.HasErrors() {
			return cty.DynamicVal, diags.Err()
		}
		expr, diags := hclsyntax.ParseTemplate([]byte(text), name, hcl.InitialPos)
		if diags.HasErrors() {
			return cty.DynamicVal, fromHCL(diags).Err()
		}
		if t := args[1].Type(); !t.IsObjectType() && !t.IsMapType() {
			return cty.DynamicVal, errors.New("the second argument is a map of the template's variables")
		}
		given := args[1].AsValueMap()
		n := &names{src: []byte(text), cost: f.cost, strict: true}
		n.expression(&expr, scope(slices.Collect(maps.Keys(given))))
		if n.diags.HasErrors() {
			return cty.DynamicVal, n.diags.Err()
		}
		val, diags := expr.Value(&hcl.EvalContext{Variables: given, Functions: inside})
		if diags.HasErrors() {
			return cty.DynamicVal, fromHCL(diags).Err()
		}
		return val, nil
	}
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "path", Type: cty.String}, {Name: "vars", Type: cty.DynamicPseudoType}},
		Type: func(args []cty.Value) (cty.Type, error) {
			if !args[0].IsWhollyKnown() || !args[1].IsWhollyKnown() {
				return cty.DynamicPseudoType, nil
			}
			val, err := render(args)
			return val.Type(), err
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return render(args) },
	})
}
