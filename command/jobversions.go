package command

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/nomad/api"
)

func jobInspect() verb {
	var o output
	var version string
	var source, vars bool
	return verb{
		args: "JOB", min: 1, max: 1,
		short: "Print a job as it is stored",
		flags: concat(o.rows(), []flagRow{
			{"version", "N", "This version, or the one with this tag, instead of the current one.", &version, nil},
			{"hcl", "", "Print the text that it was submitted as; a job that came without one is written anew.", &source, nil},
			{"with-vars", "", "With -hcl: print the values of its variables as well.", &vars, nil},
		}),
		run: func(s *session, args []string) error {
			if vars && !source {
				return usagef("-with-vars wants -hcl as well")
			}
			c, id, ns, err := s.job(args[0])
			if err != nil {
				return err
			}
			q := &api.QueryOptions{Namespace: ns}
			job, _, err := c.Jobs().Info(id, q)
			if err == nil && job == nil {
				err = errEmpty
			}
			if err != nil {
				return fmt.Errorf("read job: %w", err)
			}
			if version != "" {
				if job, err = jobVersion(c, id, version, q); err != nil {
					return err
				}
			}
			if source {
				return s.submitted(c, id, job, vars, q)
			}
			if !o.wanted() {
				o.json = true
			}
			if o.json {
				return o.print(s, map[string]any{"Job": job})
			}
			return o.print(s, job)
		},
	}
}

// submitted prints the text of a version, and the values that it was given.
func (s *session) submitted(c *api.Client, id string, job *api.Job, vars bool, q *api.QueryOptions) error {
	version := deref(job.Version)
	sub, _, err := c.Jobs().Submission(id, int(version), q)
	if isStatus(err, 404) || err == nil && (sub == nil || sub.Format == "json") {
		return s.printHCL(job)
	}
	if err != nil {
		return fmt.Errorf("read submission: %w", err)
	}
	s.printf("%s", sub.Source)
	if !vars {
		return nil
	}
	if !strings.HasSuffix(sub.Source, "\n") {
		s.printf("\n")
	}
	for _, k := range keys(sub.VariableFlags) {
		s.printf("# -var %s=%s\n", k, strconv.Quote(sub.VariableFlags[k]))
	}
	for _, line := range strings.Split(strings.TrimSpace(sub.Variables), "\n") {
		if line != "" {
			s.printf("# %s\n", line)
		}
	}
	return nil
}

// jobVersion is a version of a job by its number or its tag.
func jobVersion(c *api.Client, id, version string, q *api.QueryOptions) (*api.Job, error) {
	n, numErr := strconv.ParseUint(version, 10, 64)
	versions, _, _, err := c.Jobs().Versions(id, false, q)
	if err != nil {
		return nil, fmt.Errorf("list versions: %w", err)
	}
	for _, v := range present(versions) {
		if numErr == nil && deref(v.Version) == n || tagOf(v) == version {
			return v, nil
		}
	}
	return nil, fmt.Errorf("job %q has no version %s; selfheal job history %s lists those that are kept", id, version, id)
}

func tagOf(v *api.Job) string {
	if v.VersionTag == nil {
		return ""
	}
	return v.VersionTag.Name
}

// historyFlags are the flags of job history.
type historyFlags struct {
	diffs, full                   bool
	version, diffVersion, diffTag string
}

func jobHistory() verb {
	var o output
	var f historyFlags
	return verb{
		args: "JOB", min: 1, max: 1,
		short: "List the versions of a job",
		flags: concat(o.rows(), []flagRow{
			{"p", "", "Show how each differs from the one before.", &f.diffs, nil},
			{"full", "", "Show each version as JSON.", &f.full, nil},
			{"version", "N", "Only this version, or the one with this tag.", &f.version, nil},
			{"diff-version", "N", "With -p: how each differs from this version.", &f.diffVersion, nil},
			{"diff-tag", "NAME", "With -p: how each differs from the version with this tag.", &f.diffTag, nil},
		}),
		run: func(s *session, args []string) error {
			if f.diffVersion != "" && f.diffTag != "" {
				return usagef("-diff-version and -diff-tag contradict each other")
			}
			f.diffs = f.diffs || f.diffVersion != "" || f.diffTag != ""
			c, id, ns, err := s.job(args[0])
			if err != nil {
				return err
			}
			versions, diffs, err := s.versions(c, id, ns, f)
			if err != nil {
				return err
			}
			o.json = o.json || f.full && o.template == ""
			if o.wanted() {
				return o.print(s, versions)
			}
			s.history(versions, diffs)
			return nil
		},
	}
}

// versions are the versions that the flags ask for, and their differences.
func (s *session) versions(c *api.Client, id, ns string, f historyFlags) ([]*api.Job, []*api.JobDiff, error) {
	opts := &api.VersionsOptions{Diffs: f.diffs, DiffTag: f.diffTag}
	if f.diffVersion != "" {
		n, err := strconv.ParseUint(f.diffVersion, 10, 64)
		if err != nil {
			return nil, nil, usagef("-diff-version wants a number, not %q", f.diffVersion)
		}
		opts.DiffVersion = &n
	}
	q := &api.QueryOptions{Namespace: ns}
	versions, diffs, _, err := c.Jobs().VersionsOpts(id, opts, q)
	if err != nil {
		return nil, nil, fmt.Errorf("list versions: %w", err)
	}
	if f.version == "" {
		return versions, diffs, nil
	}
	one, err := jobVersion(c, id, f.version, q)
	if err != nil {
		return nil, nil, err
	}
	i := slices.IndexFunc(versions, func(v *api.Job) bool { return v != nil && deref(v.Version) == deref(one.Version) })
	if i >= 0 && i < len(diffs) {
		return []*api.Job{one}, diffs[i : i+1], nil
	}
	return []*api.Job{one}, nil, nil
}

// history prints versions one after the other, with their differences if there are any.
func (s *session) history(versions []*api.Job, diffs []*api.JobDiff) {
	first := true
	for i, v := range versions {
		if v == nil {
			continue
		}
		if !first {
			s.printf("\n")
		}
		first = false
		rows := [][2]string{{"Version", fmt.Sprint(deref(v.Version))}, {"Stable", fmt.Sprint(deref(v.Stable))}, {"Submit Date", s.nanos(deref(v.SubmitTime), true)}}
		if t := v.VersionTag; t != nil {
			rows = append(rows, [2]string{"Tag Name", t.Name}, [2]string{"Tag Description", t.Description})
		}
		s.pairs(rows...)
		if i < len(diffs) && diffs[i] != nil {
			s.printf("Diff        =\n%s", jobDiff(diffs[i], nil, false, s.color))
		}
	}
}
