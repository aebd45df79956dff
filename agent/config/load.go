package config

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/hashicorp/go-sockaddr/template"
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// Source is where a configuration comes from. ParseFlags makes one from a command line.
type Source struct {
	// Dev starts from Dev() instead of Default().
	Dev bool
	// Paths are files and directories, read in this order. Of a directory: its *.hcl and
	// *.json files in lexical order, not recursively.
	Paths []string
	// Flags are applied after the files, in this order.
	Flags []Setting
	// Version becomes Config.Version.
	Version string
	// System is the machine; the zero value means the one that we run on.
	System System
}

// Setting is one flag as it was given.
type Setting struct {
	// Flag is a name of the flag table, without a dash.
	Flag string
	// Value is its argument; "true" or "false" for a flag that takes none.
	Value string
}

// System is what Load asks of the machine. A nil field means the real one.
type System struct {
	// ReadFile reads a configuration file.
	ReadFile func(path string) ([]byte, error)
	// ReadDir lists a directory of them, in lexical order.
	ReadDir func(path string) ([]fs.DirEntry, error)
	// Stat tells a directory from a file, and whether a path exists.
	Stat func(path string) (fs.FileInfo, error)
	// Hostname is the default name.
	Hostname func() (string, error)
	// Template resolves a go-sockaddr template.
	Template func(text string) (string, error)
}

func (s System) orReal() System {
	if s.ReadFile == nil {
		s.ReadFile = os.ReadFile
	}
	if s.ReadDir == nil {
		s.ReadDir = os.ReadDir
	}
	if s.Stat == nil {
		s.Stat = os.Stat
	}
	if s.Hostname == nil {
		s.Hostname = os.Hostname
	}
	if s.Template == nil {
		s.Template = template.Parse
	}
	return s
}

// Load reads, merges, resolves and validates. The error, if any, is a Problems with
// everything that is wrong: problems of syntax and of keys come alone, since what the
// values mean together is only known when all could be read. Warnings are whole lines.
func Load(src Source) (*Config, []string, error) {
	sys := src.System.orReal()
	c := Default()
	if src.Dev {
		c = Dev()
	}
	d := newDecoder()
	c.origin = d.origin
	c.Version = src.Version
	for _, path := range src.Paths {
		d.path(sys, path, c)
	}
	if src.Dev {
		// -dev is a flag, and a flag wins over a file: the conformance harness writes
		// `client { enabled = false }` and starts with -dev.
		c.Server.Enabled, c.Client.Enabled = true, true
	}
	for _, s := range src.Flags {
		d.flag(s, c)
	}
	if err := d.problems.asError(); err != nil {
		return nil, d.warnings, err
	}
	unresolved := c.resolve(sys)
	// What could not be resolved is not checked as well.
	findings := slices.DeleteFunc(c.findings(), func(p Problem) bool {
		return slices.ContainsFunc(unresolved, func(q Problem) bool { return q.Key == p.Key })
	})
	problems := slices.Concat(unresolved, findings, c.missingFiles(sys))
	if err := problems.asError(); err != nil {
		return nil, d.warnings, err
	}
	return c, append(d.warnings, c.warnings()...), nil
}

// path reads one file, or the files of one directory.
func (d *decoder) path(sys System, path string, c *Config) {
	info, err := sys.Stat(path)
	if err != nil {
		d.problems = append(d.problems, Problem{Pos: path, Text: "read configuration: " + reason(err)})
		return
	}
	if !info.IsDir() {
		d.file(sys, path, c)
		return
	}
	entries, err := sys.ReadDir(path)
	if err != nil {
		d.problems = append(d.problems, Problem{Pos: path, Text: "read configuration: " + reason(err)})
		return
	}
	read := 0
	for _, e := range entries {
		ext := filepath.Ext(e.Name())
		if e.IsDir() || strings.HasPrefix(e.Name(), ".") || (ext != ".hcl" && ext != ".json") {
			continue
		}
		d.file(sys, filepath.Join(path, e.Name()), c)
		read++
	}
	if read == 0 {
		d.warnings = append(d.warnings, path+": no .hcl or .json file in this directory")
	}
}

func (d *decoder) file(sys System, path string, c *Config) {
	src, err := sys.ReadFile(path)
	if err != nil {
		d.problems = append(d.problems, Problem{Pos: path, Text: "read configuration: " + reason(err)})
		return
	}
	d.source(path, src, c)
}

// source decodes the text of one file.
func (d *decoder) source(name string, src []byte, c *Config) {
	root, problems := parse(name, src)
	d.problems = append(d.problems, problems...)
	if root.kind == scalar || root.kind == null && len(problems) == 0 {
		d.problems = append(d.problems, Problem{Pos: name, Text: "wants an object of keys and blocks"})
		return
	}
	d.top(root, c)
}

// top decodes a root: an object, or in JSON a list of objects.
func (d *decoder) top(root node, c *Config) {
	d.block("", root, reflect.ValueOf(c).Elem())
}

// flag decodes one flag as the key of its row.
func (d *decoder) flag(s Setting, c *Config) {
	rng := hcl.Range{Filename: "-" + s.Flag}
	row, ok := flagNamed(s.Flag)
	if !ok || row.Key == "" {
		d.problems = append(d.problems, Problem{Pos: rng.Filename, Text: "no such flag"})
		return
	}
	f := field{rng: rng, value: node{kind: scalar, rng: rng, scalar: cty.StringVal(s.Value)}}
	if row.Pairs {
		k, v, ok := strings.Cut(s.Value, "=")
		if !ok || k == "" {
			d.problems = append(d.problems, Problem{rng.Filename, row.Key, fmt.Sprintf("wants key=value, not %q", s.Value)})
			return
		}
		entry := field{k, rng, node{kind: scalar, rng: rng, scalar: cty.StringVal(v)}}
		f.value = node{kind: object, rng: rng, fields: []field{entry}}
	}
	d.setPath(reflect.ValueOf(c).Elem(), "", row.Key, f)
}

// reason is an error of the file system without the path, which the problem names.
func reason(err error) string {
	if pe, ok := err.(*fs.PathError); ok {
		return pe.Err.Error()
	}
	return err.Error()
}

// missingFiles are paths that must exist when the agent starts.
func (c *Config) missingFiles(sys System) Problems {
	var ps Problems
	need := func(key, path string) {
		if path == "" {
			return
		}
		if _, err := sys.Stat(path); err != nil {
			ps = append(ps, c.problem(key, "%s: %s", path, reason(err)))
		}
	}
	if c.TLS.HTTP || c.TLS.RPC {
		need("tls.ca_file", c.TLS.CAFile)
		need("tls.cert_file", c.TLS.CertFile)
		need("tls.key_file", c.TLS.KeyFile)
	}
	if c.Client.Enabled {
		for _, name := range slices.Sorted(maps.Keys(c.Client.HostVolumes)) {
			if p := c.Client.HostVolumes[name].Path; filepath.IsAbs(p) {
				need("client.host_volume."+name+".path", p)
			}
		}
	}
	return ps
}

// problem is a finding about a key, placed where the key was set, else where the nearest
// block around it begins.
func (c *Config) problem(key, format string, args ...any) Problem {
	pos := ""
	for at := key; at != "" && pos == ""; at, _ = split(at) {
		pos = c.origin[at]
	}
	return Problem{pos, key, fmt.Sprintf(format, args...)}
}
