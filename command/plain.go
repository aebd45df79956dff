package command

import (
	stdbytes "bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/nomad/api"
	"github.com/hashicorp/nomad/api/contexts"

	"github.com/selfheal/selfheal/agent/config"
	"github.com/selfheal/selfheal/jobspec"
)

// plainVerbs are the commands without a noun.
func plainVerbs() entries {
	return entries{
		{name: "status", make: statusVerb},
		{name: "version", make: versionVerb},
		{name: "agent-info", make: agentInfo},
		{name: "monitor", make: monitorVerb},
		{name: "fmt", make: fmtVerb},
		noun("config", "Check an agent's configuration"),
		{name: "config validate", make: configValidate},
	}
}

// statusPage is where `status` goes for a kind of thing.
type statusPage struct {
	context contexts.Context
	verb    string
	make    func() verb
}

// statusPages are all of them, the likeliest first.
var statusPages = []statusPage{
	{contexts.Jobs, "job status", jobStatus},
	{contexts.Allocs, "alloc status", allocStatus},
	{contexts.Nodes, "node status", nodeStatus},
	{contexts.Evals, "eval status", evalStatus},
	{contexts.Deployments, "deployment status", deploymentStatus},
	{contexts.Namespaces, "namespace status", namespaceStatus},
	{contexts.NodePools, "node pool info", nodePoolInfo},
	{contexts.HostVolumes, "volume status", volumeStatus},
	{contexts.Volumes, "volume status", volumeStatus},
	{contexts.Plugins, "plugin status", pluginStatus},
	{contexts.ScalingPolicies, "scaling policy info", scalingPolicyInfo},
	{contexts.Variables, "var get", varGet},
}

func statusVerb() verb {
	var verbose bool
	var o output
	return verb{
		args: "[ID]", max: 1,
		short: "Show anything by its ID, or list jobs",
		long:  "Shows the job, allocation, node, evaluation, deployment or whatever else has this ID, or an ID that begins so. Without ID it lists jobs.",
		flags: append(o.rows(), flagRow{"verbose", "", "Show whole IDs and times.", &verbose, nil}),
		run: func(s *session, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			if len(args) == 0 {
				if err := listJobs(s, c, o, ""); err != nil || o.wanted() {
					return err
				}
				s.sayResilience(c)
				return nil
			}
			found, id, err := guess(s, c, args[0])
			if err != nil {
				return err
			}
			v := found.make()
			var flags []string
			if verbose {
				flags = append(flags, "-verbose")
			}
			if o.json {
				flags = append(flags, "-json")
			}
			if o.template != "" {
				flags = append(flags, "-t", o.template)
			}
			known := slices.DeleteFunc(flags, func(f string) bool { return f == "-verbose" && !hasFlag(v.flags, "verbose") })
			rest, err := parseFlags(v.flags, append(known, id))
			if err != nil {
				return err
			}
			return v.run(s, rest)
		},
	}
}

func hasFlag(rows []flagRow, name string) bool {
	return slices.ContainsFunc(rows, func(r flagRow) bool { return r.name == name })
}

// guess finds what kind of thing an ID is. An exact match wins over prefixes.
func guess(s *session, c *api.Client, id string) (page statusPage, whole string, err error) {
	resp, _, err := c.Search().PrefixSearch(id, contexts.All, &api.QueryOptions{Namespace: s.idNamespace()})
	if err != nil {
		return page, "", fmt.Errorf("look up %q: %w", id, err)
	}
	if resp == nil {
		return page, "", fmt.Errorf("look up %q: %w", id, errEmpty)
	}
	var found []string
	for _, p := range statusPages {
		for _, m := range resp.Matches[p.context] {
			if m == id {
				return p, m, nil
			}
			found = append(found, fmt.Sprintf("selfheal %s %s", p.verb, m))
			page, whole = p, m
		}
	}
	switch {
	case len(found) == 0:
		return page, "", fmt.Errorf("nothing has the ID or prefix %q", id)
	case len(found) > 1:
		more := ""
		if len(found) > 10 {
			more = fmt.Sprintf("\n  and %d more", len(found)-10)
			found = found[:10]
		}
		return page, "", fmt.Errorf("%q may be any of these:\n  %s%s", id, strings.Join(found, "\n  "), more)
	}
	return page, whole, nil
}

func monitorVerb() verb {
	var level, node, server string
	var json, location bool
	level = "info"
	return verb{
		short: "Follow an agent's log",
		flags: []flagRow{
			{"log-level", "LEVEL", "From this level: trace, debug, info, warn or error (default info).", &level, nil},
			{"node-id", "ID", "The agent of this node.", &node, nil},
			{"server-id", "ID", "This server, by name or ID.", &server, nil},
			{"log-include-location", "", "Say which line of code wrote each line.", &location, nil},
			{"json", "", "One JSON object a line.", &json, nil},
		},
		run: func(s *session, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			params := map[string]string{"log_level": level, "log_json": strconv.FormatBool(json), "log_include_location": strconv.FormatBool(location)}
			if node != "" {
				if params["node_id"], err = nodeID(c, node); err != nil {
					return err
				}
			}
			if server != "" {
				params["server_id"] = server
			}
			ctx, stop := s.interruptible()
			defer stop()
			frames, errs := c.Agent().Monitor(ctx.Done(), (&api.QueryOptions{Params: params}).WithContext(ctx))
			for {
				select {
				case err := <-errs:
					if ctx.Err() != nil {
						return nil
					}
					return fmt.Errorf("follow log: %w", err)
				case frame, ok := <-frames:
					if !ok {
						return nil
					}
					if _, err := s.out.Write(frame.Data); err != nil {
						return err
					}
				case <-ctx.Done():
					return nil
				}
			}
		},
	}
}

func fmtVerb() verb {
	var check, recursive bool
	write, list := true, true
	return verb{
		args: "[PATH...]", max: -1, local: true,
		short: "Lay out job and configuration files",
		long:  `Lays out .nomad, .hcl and .nomad.hcl files in the one canonical way. PATH is a file, a directory (default: this one) or "-" for standard input.`,
		flags: []flagRow{
			{"check", "", "Change nothing; exit 1 if a file would change.", &check, nil},
			{"list", "", "Name the files that were, or with -check would be, changed (default true).", &list, nil},
			{"write", "", "Write the files (default true); false prints them.", &write, nil},
			{"recursive", "", "Directories below as well.", &recursive, nil},
		},
		run: func(s *session, args []string) error {
			if len(args) == 0 {
				args = []string{"."}
			}
			files, err := hclFiles(args, recursive)
			if err != nil {
				return err
			}
			f := formatter{s: s, check: check, list: list, write: write}
			for _, path := range files {
				if err := f.file(path); err != nil {
					return err
				}
			}
			if check && f.changed > 0 {
				return exitError{code: 1}
			}
			return nil
		},
	}
}

// hclFiles are the files that paths stand for.
func hclFiles(paths []string, recursive bool) ([]string, error) {
	var out []string
	for _, p := range paths {
		info, err := os.Stat(p)
		if p == "-" || err == nil && !info.IsDir() {
			out = append(out, p)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("format: %w", err)
		}
		err = filepath.WalkDir(p, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() && path != p && !recursive {
				return fs.SkipDir
			}
			if ext := filepath.Ext(path); !d.IsDir() && (ext == ".hcl" || ext == ".nomad") {
				out = append(out, path)
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("format: %w", err)
		}
	}
	return out, nil
}

// formatter lays out files one by one.
type formatter struct {
	s                  *session
	check, list, write bool
	changed            int
}

func (f *formatter) file(path string) error {
	src, err := f.s.readAll(path)
	if err != nil {
		return fmt.Errorf("format: %w", err)
	}
	out, diags := jobspec.Format(src)
	if diags.HasErrors() {
		name := path
		for i := range diags {
			diags[i].File = name
		}
		_ = diags.Render(f.s.err, map[string][]byte{name: src}, f.s.errColor)
		return fmt.Errorf("%s is not valid HCL", name)
	}
	same := stdbytes.Equal(src, out)
	if !same {
		f.changed++
	}
	switch {
	case f.check:
		if f.list && !same {
			f.s.printf("%s\n", path)
		}
	case path == "-" || !f.write:
		_, err := f.s.out.Write(out)
		return err
	case !same:
		if err := overwrite(path, out); err != nil {
			return fmt.Errorf("format: %w", err)
		}
		if f.list {
			f.s.printf("%s\n", path)
		}
	}
	return nil
}

// overwrite replaces a file's text and keeps its permissions.
func overwrite(path string, text []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, stdbytes.NewReader(text))
	return errors.Join(err, file.Close())
}

func configValidate() verb {
	return verb{
		args: "PATH...", min: 1, max: -1, local: true,
		short: "Check configuration files without starting an agent",
		run: func(s *session, args []string) error {
			_, warnings, err := config.Load(config.Source{Paths: args, Version: Version})
			for _, w := range warnings {
				s.warn(w)
			}
			if err != nil {
				return fmt.Errorf("the configuration is not valid:\n%w", err)
			}
			s.printf("Configuration is valid.\n")
			return nil
		},
	}
}
