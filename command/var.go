package command

import (
	"errors"
	"fmt"
	"maps"
	"os"

	"github.com/hashicorp/nomad/api"
	"github.com/posener/complete"
)

func varVerbs() entries {
	return entries{
		noun("var", "Keep and read variables: secrets and settings"),
		{name: "var get", make: varGet},
		{name: "var put", make: varPut},
		{name: "var list", make: varList},
		{name: "var purge", make: varPurge},
		{name: "var init", make: varInit},
		{name: "var lock", make: varLock},
	}
}

// varOutput are the flags of a verb that prints one variable.
type varOutput struct{ format, template, item string }

func (v *varOutput) rows() []flagRow {
	return []flagRow{
		{"out", "FORMAT", "table, json, hcl, go-template or none (default: table on a terminal, else json).", oneOf(&v.format, "table", "json", "hcl", "go-template", "none"), nil},
		{"template", "TEMPLATE", "With -out go-template: the template.", &v.template, nil},
	}
}

// print shows a variable as the flags say. fallback is the format without -out.
func (v varOutput) print(s *session, x *api.Variable, fallback string) error {
	format := v.format
	if format == "" {
		format = fallback
	}
	if v.template != "" && v.format == "" {
		format = "go-template"
	}
	if v.item != "" {
		value, ok := x.Items[v.item]
		if !ok {
			return fmt.Errorf("variable %q has no item %q%s", x.Path, v.item, didYouMean(v.item, keys(x.Items)))
		}
		s.printf("%s", value)
		if isTerminal(s.out) {
			s.printf("\n")
		}
		return nil
	}
	switch format {
	case "json":
		return output{json: true}.print(s, x)
	case "hcl":
		s.printf("%s", variableHCL(x))
	case "go-template":
		if v.template == "" {
			return usagef("-out go-template wants -template")
		}
		return output{template: v.template}.print(s, x)
	case "table":
		showVariable(s, x)
	}
	return nil
}

func showVariable(s *session, x *api.Variable) {
	rows := [][2]string{
		{"Namespace", x.Namespace}, {"Path", x.Path}, {"Create Time", s.nanos(x.CreateTime, true)},
	}
	if x.CreateTime != x.ModifyTime {
		rows = append(rows, [2]string{"Modify Time", s.nanos(x.ModifyTime, true)})
	}
	rows = append(rows, [2]string{"Check Index", fmt.Sprint(x.ModifyIndex)})
	if x.Lock != nil {
		rows = append(rows, [2]string{"Lock ID", x.Lock.ID}, [2]string{"Lock TTL", x.Lock.TTL}, [2]string{"Lock Delay", x.Lock.LockDelay})
	}
	s.pairs(rows...)
	s.section("Items")
	var items [][2]string
	for _, k := range keys(x.Items) {
		items = append(items, [2]string{k, x.Items[k]})
	}
	s.pairs(items...)
}

// autoFormat is table for a person and json for a program.
func (s *session) autoFormat() string {
	if isTerminal(s.out) {
		return "table"
	}
	return "json"
}

func varGet() verb {
	var v varOutput
	return verb{
		args: "PATH", min: 1, max: 1,
		short: "Read a variable",
		flags: append(v.rows(), flagRow{"item", "KEY", "Print only the value of this item, as it is.", &v.item, nil}),
		run: func(s *session, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			x, _, err := c.Variables().Peek(args[0], &api.QueryOptions{Namespace: s.namespace()})
			if err == nil && x == nil || isStatus(err, 404) {
				return fmt.Errorf("no variable is kept at %q in namespace %q (selfheal var list shows them)", args[0], s.namespace())
			}
			if err != nil {
				return fmt.Errorf("read variable: %w", err)
			}
			return v.print(s, x, s.autoFormat())
		},
	}
}

func varPut() verb {
	var v varOutput
	var in string
	var force, verbose bool
	indexFlag, checkIndex := checkIndexFlag()
	indexFlag.usage = "Only if the variable's index is still this one; 0: only if it does not exist."
	return verb{
		args: "[PATH|@FILE|-] [KEY=VALUE...]", max: -1,
		short: "Keep a variable",
		long: `Keeps items at PATH. What is kept there already is replaced as a whole, after a check that nobody changed it meanwhile, unless -force.

A VALUE of "@path" is a file's text, "-" is standard input, and "\@" and "\-" begin a value that looks like those. Instead of PATH, "@file" or "-" names a specification (HCL or JSON, as var init writes one); items on the command line are added to it and win. Its own path may be overridden: selfheal var put -in hcl PATH - < spec.`,
		predict: complete.PredictFiles("*.hcl"),
		flags: append(v.rows(), indexFlag,
			flagRow{"in", "FORMAT", "Read the specification as hcl or json (default: by its name, else by its text).", oneOf(&in, "hcl", "json"), nil},
			flagRow{"force", "", "Replace what is there without the check.", &force, nil},
			flagRow{"verbose", "", "Say on standard error what is there and what is checked.", &verbose, nil}),
		run: func(s *session, args []string) error {
			index, given := checkIndex()
			if force && given {
				return usagef("-force and -check-index contradict each other")
			}
			x, err := s.variableFrom(args, in)
			if err != nil {
				return err
			}
			c, err := s.client()
			if err != nil {
				return err
			}
			switch {
			case given:
				x.ModifyIndex = index
			case x.ModifyIndex == 0 && !force:
				now, _, err := c.Variables().Peek(x.Path, &api.QueryOptions{Namespace: x.Namespace})
				if err != nil && !isStatus(err, 404) {
					return fmt.Errorf("read variable: %w", err)
				}
				if now != nil {
					x.ModifyIndex = now.ModifyIndex
				}
			}
			if verbose {
				s.say("%s in variable %q, check index %d", plural(len(x.Items), "item"), x.Path, x.ModifyIndex)
			}
			write := c.Variables().CheckedUpdate
			if force {
				write = c.Variables().Update
			}
			kept, _, err := write(x, &api.WriteOptions{Namespace: x.Namespace})
			if err != nil {
				return conflict(err, "put")
			}
			if v.format == "" && v.template == "" && !isTerminal(s.out) {
				v.format = "none"
			}
			if kept == nil {
				return fmt.Errorf("put variable: %w", errEmpty)
			}
			if v.format == "none" || v.format == "table" || v.format == "" && v.template == "" {
				s.say("Kept variable %q in namespace %q.", kept.Path, kept.Namespace)
			}
			return v.print(s, kept, "table")
		},
	}
}

// conflict words a write that found another one before it.
func conflict(err error, verb string) error {
	var cas api.ErrCASConflict
	if !errors.As(err, &cas) {
		return fmt.Errorf("%s variable: %w", verb, err)
	}
	now := uint64(0)
	if cas.Conflict != nil {
		now = cas.Conflict.ModifyIndex
	}
	return fmt.Errorf("%s variable: its check index is %d now, not %d: somebody changed it; read it again, or give -check-index %d", verb, now, cas.CheckIndex, now)
}

// variableFrom is the variable that the arguments of var put describe.
func (s *session) variableFrom(args []string, format string) (*api.Variable, error) {
	x := &api.Variable{Items: api.VariableItems{}}
	path, spec := "", ""
	for len(args) > 0 && spec == "" {
		word := args[0]
		if word == "-" || word != "" && word[0] == '@' {
			spec, args = word, args[1:]
			break
		}
		if path != "" {
			break
		}
		path, args = word, args[1:]
	}
	if path == "" && spec == "" {
		return nil, usagef("wants a PATH, or a specification (@file, or - for standard input)")
	}
	if spec != "" {
		read, err := s.variableSpec(spec, format)
		if err != nil {
			return nil, err
		}
		x = read
	}
	items, err := s.items(args)
	if err != nil {
		return nil, err
	}
	maps.Copy(x.Items, items)
	if path != "" {
		x.Path = path
	}
	if ns := s.or(s.flags.namespace, "NAMESPACE"); ns != "" || x.Namespace == "" {
		x.Namespace = s.namespace()
	}
	switch {
	case x.Path == "":
		return nil, usagef("the specification has no path; give one: selfheal var put PATH %s", spec)
	case len(x.Items) == 0:
		return nil, usagef("a variable wants at least one item: KEY=VALUE")
	}
	return x, nil
}

func varList() verb {
	var format, text string
	return listing[api.VariableMetadata]{
		args: "[PREFIX]", max: 1,
		short: "List variables, without their items", what: "variables", none: "No variables found",
		flags: []flagRow{
			{"out", "FORMAT", "table (default), terse for paths only, json or go-template.", oneOf(&format, "table", "terse", "json", "go-template"), nil},
			{"template", "TEMPLATE", "With -out go-template: the template.", &text, nil},
		},
		table: func(p *printer, all []*api.VariableMetadata) error { return variableTable(p, all, format, text) },
		read: func(_ *session, c *api.Client, q *api.QueryOptions, args []string) ([]*api.VariableMetadata, *api.QueryMeta, error) {
			if len(args) == 1 {
				return c.Variables().PrefixList(args[0], q)
			}
			return c.Variables().List(q)
		},
	}.verb()
}

func variableTable(p *printer, all []*api.VariableMetadata, format, text string) error {
	switch format {
	case "json":
		return output{json: true}.print(p.session, all)
	case "go-template":
		return output{template: text}.print(p.session, all)
	case "terse":
		for _, x := range all {
			p.printf("%s\n", x.Path)
		}
		return nil
	}
	columnTable(p, []column[api.VariableMetadata]{
		{"Namespace", func(_ *printer, x *api.VariableMetadata) string { return x.Namespace }},
		{"Path", func(_ *printer, x *api.VariableMetadata) string { return x.Path }},
		{"Last Updated", func(p *printer, x *api.VariableMetadata) string { return p.nanos(x.ModifyTime, true) }},
	}, all)
	return nil
}

func varPurge() verb {
	indexFlag, checkIndex := checkIndexFlag()
	indexFlag.usage = "Only if the variable's index is still this one."
	return verb{
		args: "PATH", min: 1, max: 1,
		short: "Delete a variable for good",
		flags: []flagRow{indexFlag, {"y", "", "Accepted for older scripts: nothing is asked.", new(bool), nil}},
		run: func(s *session, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			q := &api.WriteOptions{Namespace: s.namespace()}
			if index, given := checkIndex(); given {
				_, err = c.Variables().CheckedDelete(args[0], index, q)
			} else {
				_, err = c.Variables().Delete(args[0], q)
			}
			if err != nil {
				return conflict(err, "purge")
			}
			s.printf("Successfully purged variable %q!\n", args[0])
			return nil
		},
	}
}

func varInit() verb {
	format, quiet := "hcl", false
	return verb{
		args: "[FILE]", max: 1, local: true,
		short: "Write a specification of a variable to begin with",
		long:  `Writes an example specification for var put (default spec.nv.hcl or spec.nv.json; "-" is standard output). A file that exists is left alone.`,
		flags: []flagRow{
			{"out", "FORMAT", "hcl (default) or json.", oneOf(&format, "hcl", "json"), nil},
			{"quiet", "", "Say nothing.", &quiet, nil},
		},
		run: func(s *session, args []string) error {
			path, text := "spec.nv."+format, exampleVariableHCL
			if format == "json" {
				text = exampleVariableJSON
			}
			if len(args) == 1 {
				path = args[0]
			}
			if path == "-" {
				s.printf("%s", text)
				return nil
			}
			if err := writeNew(path, []byte(text), 0o644); err != nil {
				return err
			}
			if !quiet {
				s.printf("Wrote %s. To keep it: selfheal var put @%s\n", path, path)
			}
			return nil
		},
	}
}

// writeNew writes a file that must not exist.
func writeNew(path string, text []byte, mode os.FileMode) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("write %s: it exists; name another, or remove it", path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
