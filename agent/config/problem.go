package config

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// Problem is one thing that is wrong with a configuration, and what to change.
type Problem struct {
	// Pos is "file:line:column", a flag such as "-region", or "" for a default.
	Pos string
	// Key is the dotted path of the key; "" when a file cannot be read as a whole.
	Key string
	// Text says what is wrong and what would be right.
	Text string
}

// String is "pos: key: text" without the parts that are empty.
func (p Problem) String() string {
	var b strings.Builder
	for _, part := range []string{p.Pos, p.Key} {
		if part != "" {
			b.WriteString(part)
			b.WriteString(": ")
		}
	}
	return b.String() + p.Text
}

// Problems are everything found wrong in one attempt, in the order of the sources. It is
// the error of Load and Validate.
type Problems []Problem

// maxShown is how many problems are worth reading at once: more come from a file of
// another kind, where the first says it all.
const maxShown = 10

// Error is one line a problem, for the first maxShown of them.
func (ps Problems) Error() string {
	var lines []string
	for _, p := range ps[:min(len(ps), maxShown)] {
		lines = append(lines, p.String())
	}
	if more := len(ps) - maxShown; more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(lines, "\n")
}

// asError is nil when there is nothing wrong: a typed nil must not escape as an error.
func (ps Problems) asError() error {
	if len(ps) == 0 {
		return nil
	}
	return ps
}

// position writes a range the way compilers do. A flag has no lines.
func position(r hcl.Range) string {
	if r.Start.Line == 0 {
		return r.Filename
	}
	return fmt.Sprintf("%s:%d:%d", r.Filename, r.Start.Line, r.Start.Column)
}

// fromDiags turns the parser's findings into problems, in fewer words.
func fromDiags(diags hcl.Diagnostics) Problems {
	var ps Problems
	for _, d := range diags {
		if d.Severity != hcl.DiagError {
			continue
		}
		p := Problem{Text: plain(d.Summary)}
		if d.Detail != "" {
			p.Text += ": " + plain(d.Detail)
		}
		if d.Subject != nil {
			p.Pos = position(*d.Subject)
		}
		ps = append(ps, p)
	}
	return ps
}

// plain is one line, starting in lower case, without a final stop.
func plain(s string) string {
	s = strings.TrimSuffix(strings.Join(strings.Fields(s), " "), ".")
	if len(s) > 1 && s[0] >= 'A' && s[0] <= 'Z' && s[1] >= 'a' && s[1] <= 'z' {
		s = string(s[0]+'a'-'A') + s[1:]
	}
	return s
}
