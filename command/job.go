package command

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/hashicorp/nomad/api"
	"github.com/posener/complete"

	"github.com/selfheal/selfheal/jobspec"
)

func jobVerbs() entries {
	return entries{
		noun("job", "Run, watch and change jobs"),
		{name: "job run", make: jobRun},
		{name: "job plan", make: jobPlan},
		{name: "job status", make: jobStatus},
		{name: "job stop", make: jobStop},
		{name: "job start", make: jobStart},
		{name: "job validate", make: jobValidate},
		{name: "job inspect", make: jobInspect},
		{name: "job init", make: jobInit},
		{name: "job scale", make: jobScale},
		{name: "job scaling-events", make: jobScalingEvents},
		{name: "job history", make: jobHistory},
		{name: "job allocs", make: jobAllocs},
		{name: "job eval", make: jobEval},
		{name: "job restart", make: jobRestart},
		{name: "job revert", make: jobRevert},
		{name: "job promote", make: jobPromote},
		{name: "job deployments", make: jobDeployments},
		{name: "job periodic force", make: jobPeriodicForce},
		{name: "job dispatch", make: jobDispatch},
	}
}

// predictJobFile completes job files.
var predictJobFile = complete.PredictOr(complete.PredictFiles("*.hcl"), complete.PredictFiles("*.nomad"), complete.PredictFiles("*.json"))

// watching are the flags of a verb that begins an evaluation.
type watching struct {
	detach, verbose bool
	detached        string // what -detach prints, the evaluation's ID for %s; "" is the ID alone
}

func (w *watching) rows() []flagRow {
	return []flagRow{
		{"detach", "", "Return at once instead of watching until it is done.", &w.detach, nil},
		{"verbose", "", "Show whole IDs.", &w.verbose, nil},
	}
}

// follow watches an evaluation, or with -detach prints its ID.
func (w watching) follow(s *session, c *api.Client, evalID, namespace string) error {
	if evalID == "" {
		return nil
	}
	if w.detach {
		s.printf(cmp.Or(w.detached, "%s\n"), evalID)
		return nil
	}
	return s.watch(c, evalID, namespace, w.verbose)
}

func jobRun() verb {
	var f jobFile
	w := watching{detached: "Job registration successful\nEvaluation ID: %s\n"}
	var checkIndex func() (uint64, bool)
	var preserve, resources, override, print, hcl bool
	var priority int
	indexFlag, checkIndex := checkIndexFlag()
	return verb{
		args: "FILE", min: 1, max: 1, predict: predictJobFile,
		short: "Run a new job, or change a running one",
		long: `Registers the job of FILE ("-" is standard input; it may be a URL) and watches until its allocations are placed and its deployment, if it has one, is over.

Exit code 0: done. 2: registered, but not everything found a node, or the deployment failed. 1: anything else. Ctrl-C stops only the watching.`,
		flags: concat(f.rows(), w.rows(), []flagRow{
			indexFlag,
			{"preserve-counts", "", "Keep the counts that the running job was scaled to.", &preserve, nil},
			{"preserve-resources", "", "Keep the resources that the running job was given.", &resources, nil},
			{"policy-override", "", "Accepted for older scripts: there are no policies to override.", &override, nil},
			{"eval-priority", "N", "Priority of the evaluation, 1 to 100.", &priority, nil},
			{"output", "", "Print the job as JSON and do not run it.", &print, nil},
			{"hcl", "", "With -output: as HCL, in which everything is written out.", &hcl, nil},
		}),
		run: func(s *session, args []string) error {
			p, err := f.read(s, args[0])
			if err != nil {
				return err
			}
			switch {
			case hcl && !print:
				return usagef("-hcl says how -output prints; give both")
			case hcl:
				return s.printHCL(p.job)
			case print:
				return output{json: true}.print(s, map[string]any{"Job": p.job})
			}
			c, err := s.client()
			if err != nil {
				return err
			}
			opts := &api.RegisterOptions{PreserveCounts: preserve, PreserveResources: resources, PolicyOverride: override, EvalPriority: priority, Submission: p.submission}
			opts.ModifyIndex, opts.EnforceIndex = checkIndex()
			resp, _, err := c.Jobs().RegisterOpts(p.job, opts, &api.WriteOptions{Namespace: deref(p.job.Namespace)})
			if err != nil {
				return p.refused(s, fmt.Errorf("register job: %w", err))
			}
			s.warn(resp.Warnings)
			if resp.EvalID == "" {
				s.printf("Job registration successful\n%s", s.nextLaunch(p.job))
				return nil
			}
			return w.follow(s, c, resp.EvalID, deref(p.job.Namespace))
		},
	}
}

// checkIndexFlag is -check-index and what was given for it.
func checkIndexFlag() (flagRow, func() (uint64, bool)) {
	var index uint64
	var given bool
	row := flagRow{name: "check-index", arg: "INDEX", usage: "Only if the job's index is still this one, from `job plan`; 0: only if the job does not exist."}
	row.value = func(text string) error {
		given = true
		return flagRow{value: &index}.set(text)
	}
	return row, func() (uint64, bool) { return index, given }
}

// warn shows warnings of a server.
func (s *session) warn(text string) {
	if text = strings.TrimSpace(text); text != "" {
		s.say("%s %s", s.paintErr(yellow, "Warning:"), text)
	}
}

func concat(parts ...[]flagRow) []flagRow {
	var out []flagRow
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

func jobValidate() verb {
	var f jobFile
	return verb{
		args: "FILE", min: 1, max: 1, predict: predictJobFile,
		short: "Check a job file without running it",
		long:  `Checks the job of FILE on this machine and, when an agent answers, asks it as well. Exit code 0 means that it would be accepted.`,
		flags: f.rows(),
		run: func(s *session, args []string) error {
			p, err := f.read(s, args[0])
			if err != nil {
				return err
			}
			jobspec.Canonicalize(p.job)
			problems := jobspec.Validate(p.job, jobspec.Limits{})
			p.warn(s, problems.Warnings)
			if len(problems.Errors) > 0 {
				return p.invalid(s, problems.Errors)
			}
			c, err := s.client()
			if err != nil {
				return err
			}
			resp, _, err := c.Jobs().Validate(p.job, &api.WriteOptions{Namespace: deref(p.job.Namespace)})
			var unexpected api.UnexpectedResponseError
			switch {
			case err != nil && errors.As(err, &unexpected) && unexpected.HasStatusCode():
				return fmt.Errorf("validate job: %w", err)
			case err != nil:
				s.say("The job is valid here; no agent at %s was there to ask.", s.address())
				return nil
			case len(resp.ValidationErrors) > 0:
				return p.invalid(s, resp.ValidationErrors)
			case resp.Error != "":
				return fmt.Errorf("the job is not valid:\n%s", resp.Error)
			}
			s.warn(resp.Warnings)
			s.printf("Job validation successful\n")
			return nil
		},
	}
}

func jobInit() verb {
	var short, connect bool
	const name = "example.nomad.hcl"
	return verb{
		args: "[FILE]", max: 1, local: true,
		short: "Write a job file to begin with",
		long:  "Writes an example job file (default " + name + ") that runs as it is. A file that exists is left alone.",
		flags: []flagRow{
			{"short", "", "Without the explanations.", &short, nil},
			{"connect", "", "Two services of a mesh. This version reads connect and does not run it yet.", &connect, nil},
		},
		run: func(s *session, args []string) error {
			path := name
			if len(args) > 0 {
				path = args[0]
			}
			f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
			if errors.Is(err, os.ErrExist) {
				return fmt.Errorf("write job file: %s exists; name another, or remove it", path)
			}
			if err != nil {
				return fmt.Errorf("write job file: %w", err)
			}
			if _, err := f.Write(example(short, connect)); err != nil {
				f.Close()
				return fmt.Errorf("write job file: %w", err)
			}
			if err := f.Close(); err != nil {
				return fmt.Errorf("write job file: %w", err)
			}
			if connect {
				s.printf("Wrote %s. To see what it says: selfheal job run -output %s\n", path, path)
				return nil
			}
			s.printf("Example job file written to %s. To run it: selfheal job run %s\n", path, path)
			return nil
		},
	}
}

func example(short, connect bool) []byte {
	if connect {
		return jobspec.ExampleConnect(short)
	}
	return jobspec.Example(short)
}

// confirm asks a question on a terminal. Elsewhere it wants -yes.
func (s *session) confirm(question string) error {
	if !s.interactive() {
		return usagef("%s Nobody is there to ask: give -yes", question)
	}
	fmt.Fprintf(s.err, "%s [y/N] ", question)
	answer, _ := bufio.NewReader(s.in).ReadString('\n')
	if answer = strings.ToLower(strings.TrimSpace(answer)); answer != "y" && answer != "yes" {
		return exitError{1, errors.New("not confirmed; nothing was done")}
	}
	return nil
}

// interactive reports whether somebody is there to answer.
func (s *session) interactive() bool {
	f, ok := s.in.(*os.File)
	return ok && isTerminal(f)
}
