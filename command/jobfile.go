package command

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/nomad/api"
	"github.com/posener/complete"

	"github.com/selfheal/selfheal/jobspec"
)

// jobFile are the flags of a verb that reads a job file.
type jobFile struct {
	vars, varFiles []string
	strict, json   bool
}

func (f *jobFile) rows() []flagRow {
	f.strict = true
	return []flagRow{
		{"var", "KEY=VALUE", "Set a variable of the job file; may be repeated. NOMAD_VAR_key in the environment is weaker.", &f.vars, nil},
		{"var-file", "PATH", "Read variables from this file; may be repeated.", &f.varFiles, complete.PredictFiles("*.hcl")},
		{"hcl2-strict", "", "Refuse variables of -var and -var-file that the job file does not declare (default true).", &f.strict, nil},
		{"json", "", "The job file is JSON; it is recognised without this flag.", &f.json, nil},
	}
}

// parsed is a job and what it was made from.
type parsed struct {
	job        *api.Job
	submission *api.JobSubmission
	path       string
	body       []byte
}

// invalid shows problems with the job at their places in the file; the error then
// only counts them.
func (p parsed) invalid(s *session, problems []string) error {
	diags := jobspec.Locate(p.path, p.body, problems)
	_ = diags.Render(s.err, map[string][]byte{p.path: p.body}, s.errColor)
	return fmt.Errorf("%s in the job file", plural(len(diags), "error"))
}

// warn shows warnings about the job at their places in the file.
func (p parsed) warn(s *session, warnings []string) {
	diags := jobspec.Locate(p.path, p.body, warnings)
	for i := range diags {
		diags[i].Severity = jobspec.Warning
	}
	_ = diags.Render(s.err, map[string][]byte{p.path: p.body}, s.errColor)
}

// printHCL writes a job as a job file.
func (s *session) printHCL(job *api.Job) error {
	text, err := jobspec.Print(job)
	if err != nil {
		return err
	}
	s.printf("%s", text)
	return nil
}

// refused does the same for a server's answer, if that is what it is about.
func (p parsed) refused(s *session, err error) error {
	if !isStatus(err, http.StatusBadRequest) {
		return err
	}
	jobspec.Canonicalize(p.job)
	known := jobspec.Validate(p.job, jobspec.Limits{}).Errors
	lines := strings.Split(s.explain(err), "\n")
	for _, line := range lines {
		if !slices.Contains(known, line) {
			return err // a server may have limits of its own, or be of another version
		}
	}
	return p.invalid(s, lines)
}

// read parses the job file at path ("-" is standard input) on this machine.
// Mistakes are shown with their source lines; the error then only counts them.
func (f *jobFile) read(s *session, path string) (parsed, error) {
	if strings.Contains(path, "://") && !isURL(path) {
		return parsed{}, usagef("%s: only http:// and https:// are fetched; get the job file in another way and pipe it to -", path)
	}
	body, err := s.readJobFile(path)
	if err != nil {
		return parsed{}, fmt.Errorf("read job file: %w", err)
	}
	in, err := f.input(s, path, body)
	if err != nil {
		return parsed{}, err
	}
	job, diags := jobspec.Parse(in)
	if len(diags) > 0 {
		sources := map[string][]byte{in.Path: body}
		for _, v := range in.VarFiles {
			sources[v.Path] = v.Body
		}
		_ = diags.Render(s.err, sources, s.errColor)
	}
	if diags.HasErrors() {
		n := len(diags) - len(diags.Warnings())
		return parsed{}, fmt.Errorf("%s in the job file", plural(n, "error"))
	}
	if ns := s.or(s.flags.namespace, "NAMESPACE"); ns != "" && job.Namespace == nil {
		job.Namespace = &ns
	}
	if region := s.or(s.flags.region, "REGION"); region != "" && job.Region == nil {
		job.Region = &region
	}
	return parsed{job, f.submission(in), in.Path, body}, nil
}

// input gathers everything that the job file may refer to.
func (f *jobFile) input(s *session, path string, body []byte) (jobspec.Input, error) {
	near := "." // what file() and its like begin at: where the job file is
	if path != "-" && !isURL(path) {
		near = filepath.Dir(path)
	}
	dir, err := filepath.Abs(near)
	if err != nil {
		return jobspec.Input{}, fmt.Errorf("read job file: %w", err)
	}
	in := jobspec.Input{
		Path: path, Body: body, Strict: f.strict, JSON: f.json,
		Vars: map[string]string{}, EnvVars: map[string]string{},
		Files: os.DirFS("/"), Dir: filepath.ToSlash(dir),
	}
	if path == "-" {
		in.Path = "<stdin>"
	}
	in.Home, _ = os.UserHomeDir()
	for _, v := range f.vars {
		name, value, ok := strings.Cut(v, "=")
		if !ok || name == "" {
			return in, usagef("-var wants key=value, not %q", v)
		}
		in.Vars[name] = value
	}
	for _, p := range f.varFiles {
		text, err := os.ReadFile(p)
		if err != nil {
			return in, fmt.Errorf("read -var-file: %w", err)
		}
		in.VarFiles = append(in.VarFiles, jobspec.VarFile{Path: p, Body: text})
	}
	for _, prefix := range []string{"NOMAD_VAR_", "SELFHEAL_VAR_"} {
		for _, pair := range os.Environ() {
			if name, value, ok := strings.Cut(pair, "="); ok && strings.HasPrefix(name, prefix) {
				in.EnvVars[strings.TrimPrefix(name, prefix)] = value
			}
		}
	}
	return in, nil
}

// submission is what the cluster keeps of the text, for `job inspect -hcl`.
func (f *jobFile) submission(in jobspec.Input) *api.JobSubmission {
	sub := &api.JobSubmission{Source: string(in.Body), Format: "hcl2", VariableFlags: in.Vars}
	if strings.HasPrefix(strings.TrimSpace(sub.Source), "{") {
		sub.Format = "json"
	}
	for _, v := range in.VarFiles {
		sub.Variables += string(v.Body) + "\n"
	}
	return sub
}
