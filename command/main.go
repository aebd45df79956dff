package command

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/hashicorp/cli"

	"github.com/selfheal/selfheal/agent/driver"
)

// Exit codes that differ from "0 worked, 1 did not".
const (
	// ExitChanges is `job plan` with something to do; 0 is nothing to do.
	ExitChanges = 1
	// ExitPlanFailed is `job plan` without an answer.
	ExitPlanFailed = 255
	// ExitUnplaced is a monitor that saw the evaluation end with allocations that
	// found no node, or the deployment fail. The job itself is registered. A drain that
	// would not fit and a node that cannot be lost end with it, too.
	ExitUnplaced = 2
	// ExitNoCommand is a command line that names no command.
	ExitNoCommand = 127
)

// Main runs the command line args, args[0] being the program, and returns the
// exit code: 0 done, 1 an error (one line on standard error says which and what
// to do about it), or one of the constants above.
func Main(args []string) int {
	// A supervisor is a small process that starts often: before anything else.
	if len(args) > 1 && args[1] == driver.SuperviseCommand {
		return driver.Supervise(args[2:])
	}
	return run(args[1:], &session{
		in: os.Stdin, out: os.Stdout, err: os.Stderr,
		lookup: os.LookupEnv,
	})
}

// run is Main with everything that it touches.
func run(args []string, s *session) int {
	s.color, s.errColor = s.wantsColor(s.out), s.wantsColor(s.err)
	known := catalogue()
	if _, completing := s.lookup("COMP_LINE"); !completing {
		if len(args) == 0 {
			fmt.Fprint(s.err, overview(known))
			return ExitNoCommand
		}
		if err := known.check(args); err != nil {
			return s.fail("", err)
		}
	}
	commands := map[string]cli.CommandFactory{}
	for _, e := range known {
		commands[e.name] = func() (cli.Command, error) { return &adapter{entry: e, session: s, all: known}, nil }
	}
	c := &cli.CLI{
		Name: "selfheal", Version: versionText(), Args: args, Commands: commands,
		Autocomplete: true, HelpWriter: s.out, ErrorWriter: s.err,
		HelpFunc: func(map[string]cli.CommandFactory) string { return overview(known) },
	}
	code, err := c.Run()
	if err != nil {
		return s.fail("", err)
	}
	return code
}

// exitError ends a verb with a code of its own. A nil err has been told already.
type exitError struct {
	code int
	err  error
}

func (e exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e exitError) Unwrap() error { return e.err }

// usageError is a command line that cannot be meant.
type usageError struct{ text string }

func (e usageError) Error() string { return e.text }

func usagef(format string, args ...any) error { return usageError{fmt.Sprintf(format, args...)} }

// fail tells an error and returns the exit code for it. name is the verb, "" for none.
func (s *session) fail(name string, err error) int {
	code := 1
	var exit exitError
	if errors.As(err, &exit) {
		code = exit.code
		if exit.err == nil {
			return code
		}
	}
	fmt.Fprintf(s.err, "%s %s\n", s.paintErr(red, "Error:"), s.explain(err))
	var usage usageError
	if errors.As(err, &usage) {
		help := "selfheal -h"
		if name != "" {
			help = "selfheal " + name + " -h"
		}
		fmt.Fprintf(s.err, "See: %s\n", help)
	}
	return code
}

// printf writes to standard output.
func (s *session) printf(format string, args ...any) { fmt.Fprintf(s.out, format, args...) }

// say writes one line of progress to standard error.
func (s *session) say(format string, args ...any) { fmt.Fprintf(s.err, format+"\n", args...) }

// readAll reads a file, or standard input for "-".
func (s *session) readAll(path string) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(s.in)
	}
	return os.ReadFile(path)
}
