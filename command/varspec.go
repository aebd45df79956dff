package command

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsimple"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/hashicorp/nomad/api"
	"github.com/zclconf/go-cty/cty"
)

const exampleVariableHCL = `# A variable: selfheal var put @spec.nv.hcl

# Where it is kept. Tasks of the job "example" may read nomad/jobs/example
# and what is below it.
path = "nomad/jobs/example"

# The namespace may also come from -namespace.
# namespace = "default"

# Only if the variable still has this index; see the table of var get.
# modify_index = 0

items {
  user     = "admin"
  password = "change me"
}
`

const exampleVariableJSON = `{
  "Path": "nomad/jobs/example",
  "Items": {
    "user": "admin",
    "password": "change me"
  }
}
`

// specification is a variable's file.
type specification struct {
	Namespace   string     `hcl:"namespace,optional"`
	Path        string     `hcl:"path,optional"`
	CreateIndex uint64     `hcl:"create_index,optional"`
	ModifyIndex uint64     `hcl:"modify_index,optional"`
	CreateTime  int64      `hcl:"create_time,optional"`
	ModifyTime  int64      `hcl:"modify_time,optional"`
	Items       *textBlock `hcl:"items,block"`
}

// variableSpec reads a specification: "@file", or "-" for standard input.
func (s *session) variableSpec(name, format string) (*api.Variable, error) {
	path := strings.TrimPrefix(name, "@")
	text, err := s.readAll(path)
	if err != nil {
		return nil, fmt.Errorf("read specification: %w", err)
	}
	if path == "-" {
		path = "<stdin>"
	}
	if format == "" {
		format = strings.TrimPrefix(filepath.Ext(path), ".")
		if format != "json" && format != "hcl" {
			format = "hcl"
			if strings.HasPrefix(strings.TrimSpace(string(text)), "{") {
				format = "json"
			}
		}
	}
	x := &api.Variable{Items: api.VariableItems{}}
	if format == "hcl" {
		err = decodeVariable(path, text, x)
	} else if err = json.Unmarshal(text, x); err != nil {
		err = fmt.Errorf("read specification %s: %w", path, err)
	}
	if err != nil {
		return nil, err
	}
	if x.Items == nil {
		x.Items = api.VariableItems{}
	}
	x.CreateIndex, x.CreateTime, x.ModifyTime, x.Lock = 0, 0, 0, nil
	return x, nil
}

func decodeVariable(path string, text []byte, x *api.Variable) error {
	var spec specification
	if err := hclsimple.Decode(strings.TrimSuffix(path, ".hcl")+".hcl", text, nil, &spec); err != nil {
		return fmt.Errorf("read specification %s: %w", path, allProblems(err))
	}
	x.Namespace, x.Path, x.ModifyIndex = spec.Namespace, spec.Path, spec.ModifyIndex
	items, err := spec.Items.values()
	if err != nil {
		return fmt.Errorf("read specification %s: %w", path, allProblems(err))
	}
	x.Items = items
	return nil
}

// variableHCL writes a variable as a specification.
func variableHCL(x *api.Variable) []byte {
	f := hclwrite.NewEmptyFile()
	b := f.Body()
	b.SetAttributeValue("namespace", cty.StringVal(x.Namespace))
	b.SetAttributeValue("path", cty.StringVal(x.Path))
	b.SetAttributeValue("create_index", cty.NumberUIntVal(x.CreateIndex))
	b.SetAttributeValue("modify_index", cty.NumberUIntVal(x.ModifyIndex))
	b.SetAttributeValue("create_time", cty.NumberIntVal(x.CreateTime))
	b.SetAttributeValue("modify_time", cty.NumberIntVal(x.ModifyTime))
	b.AppendNewline()
	items := b.AppendNewBlock("items", nil).Body()
	for _, k := range keys(x.Items) {
		items.SetAttributeValue(k, cty.StringVal(x.Items[k]))
	}
	return f.Bytes()
}

// items reads KEY=VALUE arguments, where a value may stand elsewhere.
func (s *session) items(args []string) (map[string]string, error) {
	out := map[string]string{}
	stdin := false
	for _, arg := range args {
		key, value, ok := strings.Cut(arg, "=")
		if !ok || key == "" {
			return nil, usagef("wants KEY=VALUE, not %q", arg)
		}
		if !validItem(key) {
			return nil, usagef("%q is no name of an item: letters, digits, _ and others that are no space, quote or bracket", key)
		}
		switch {
		case value == "-":
			if stdin {
				return nil, usagef("standard input can be one item's value, not two")
			}
			stdin = true
			text, err := io.ReadAll(s.in)
			if err != nil {
				return nil, fmt.Errorf("read item %s: %w", key, err)
			}
			value = string(text)
		case strings.HasPrefix(value, "@"):
			text, err := os.ReadFile(value[1:])
			if err != nil {
				return nil, fmt.Errorf("read item %s: %w", key, err)
			}
			value = string(text)
		case strings.HasPrefix(value, `\@`), strings.HasPrefix(value, `\-`):
			value = value[1:]
		}
		out[key] = value
	}
	return out, nil
}

// validItem reports whether a name can be written in a template as .name.
func validItem(key string) bool { return !strings.ContainsAny(key, " \t\r\n\"'`{}[]()=") }
