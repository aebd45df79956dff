package command

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/posener/complete"
)

// flagRow is one flag: what parses it, explains it and completes it.
type flagRow struct {
	name  string // without a dash
	arg   string // names the argument in the help; "" for a flag that takes none
	usage string // one sentence
	value any    // *bool, *toggle, *string, *int, *uint64, *time.Duration, *[]string (repeated), choice or func(string) error

	predict complete.Predictor // completes the argument
}

// toggle is a switch that knows whether it was given.
type toggle struct{ given, on bool }

// choice is a flag's value that is one of a few words.
type choice struct {
	to *string
	of []string
}

// oneOf is a choice.
func oneOf(to *string, of ...string) choice { return choice{to, of} }

func (c choice) set(text string) error {
	for _, word := range c.of {
		if strings.EqualFold(word, text) {
			*c.to = word
			return nil
		}
	}
	return errors.New("want " + strings.Join(c.of[:len(c.of)-1], ", ") + " or " + c.of[len(c.of)-1])
}

// parseFlags sets what the rows point at and returns the other arguments. Flags
// may stand before and after them; everything after "--" is an argument.
func parseFlags(rows []flagRow, args []string) ([]string, error) {
	set := flagSet(rows)
	var rest []string
	for {
		if err := set.Parse(args); err != nil {
			return nil, explainFlag(err, rows)
		}
		done := len(args) - set.NArg()
		if set.NArg() == 0 || done > 0 && args[done-1] == "--" {
			return append(rest, set.Args()...), nil
		}
		rest, args = append(rest, set.Arg(0)), set.Args()[1:]
	}
}

// parseLeadingFlags is parseFlags for a verb that takes a command line: what
// follows its first argument belongs to that.
func parseLeadingFlags(rows []flagRow, args []string) ([]string, error) {
	set := flagSet(rows)
	if err := set.Parse(args); err != nil {
		return nil, explainFlag(err, rows)
	}
	return set.Args(), nil
}

func flagSet(rows []flagRow) *flag.FlagSet {
	set := flag.NewFlagSet("", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	for _, r := range rows {
		if r.isSwitch() {
			set.BoolFunc(r.name, "", r.set)
		} else {
			set.Func(r.name, "", r.set)
		}
	}
	return set
}

// isSwitch reports whether the flag stands alone: -name, or -name=false.
func (r flagRow) isSwitch() bool {
	switch r.value.(type) {
	case *bool, *toggle:
		return true
	}
	return false
}

// parseSwitch reads a bool.
func parseSwitch(text string) (bool, error) {
	b, err := strconv.ParseBool(text)
	if err != nil {
		err = errors.New("want true or false")
	}
	return b, err
}

// set stores one argument.
func (r flagRow) set(text string) error {
	switch p := r.value.(type) {
	case *bool:
		b, err := parseSwitch(text)
		*p = b
		return err
	case *toggle:
		b, err := parseSwitch(text)
		*p = toggle{true, b}
		return err
	case *string:
		*p = text
	case *[]string:
		*p = append(*p, text)
	case *int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return errors.New("want a whole number")
		}
		*p = n
	case *uint64:
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return errors.New("want a whole number that is not negative")
		}
		*p = n
	case *time.Duration:
		d, err := time.ParseDuration(text)
		if err != nil {
			return errors.New("want a duration such as 30s, 5m or 1h30m")
		}
		*p = d
	case choice:
		return p.set(text)
	case func(string) error:
		return p(text)
	default:
		panic(fmt.Sprintf("flag -%s: nothing parses a %T", r.name, r.value))
	}
	return nil
}

// explainFlag rewords the flag package's errors and adds a near name.
func explainFlag(err error, rows []flagRow) error {
	text := err.Error()
	if name, ok := strings.CutPrefix(text, "flag provided but not defined: -"); ok {
		var names []string
		for _, r := range rows {
			names = append(names, r.name)
		}
		near := ""
		if n, ok := nearest(name, names); ok {
			near = "; did you mean -" + n + "?"
		}
		return usagef("no such flag: -%s%s", name, near)
	}
	if name, ok := strings.CutPrefix(text, "flag needs an argument: -"); ok {
		return usagef("-%s wants an argument", name)
	}
	if m := badValue.FindStringSubmatch(text); m != nil {
		return usagef("-%s: %s, not %s", m[2], m[3], m[1])
	}
	return usageError{text}
}

// badValue is how the flag package words a value that a row's set refused.
var badValue = regexp.MustCompile(`^invalid (?:boolean )?value (".*") for (?:flag )?-([^:]+): (.*)$`)

// wrap breaks a text into lines of at most width characters, each after indent.
func wrap(text, indent string, width int) string {
	var b strings.Builder
	for i, paragraph := range strings.Split(strings.TrimSpace(text), "\n\n") {
		if i > 0 {
			b.WriteByte('\n')
		}
		if strings.HasPrefix(paragraph, "  ") { // an example: as it is
			for _, line := range strings.Split(paragraph, "\n") {
				b.WriteString(strings.TrimRight(indent+line, " ") + "\n")
			}
			continue
		}
		line := indent
		for _, word := range strings.Fields(paragraph) {
			if len(line) > len(indent) && len(line)+1+len(word) > width {
				b.WriteString(line + "\n")
				line = indent
			}
			if len(line) > len(indent) {
				line += " "
			}
			line += word
		}
		b.WriteString(line + "\n")
	}
	return b.String()
}
