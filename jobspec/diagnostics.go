package jobspec

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
)

// Severity says whether a diagnostic stops the job from being used.
type Severity int

// The two severities. The zero value is an error, so that a forgotten severity is loud.
const (
	Error Severity = iota
	Warning
)

// String is "error" or "warning".
func (s Severity) String() string {
	if s == Warning {
		return "warning"
	}
	return "error"
}

// Diagnostic is one thing to tell the author of a job file.
type Diagnostic struct {
	Severity Severity
	Summary  string // lower case, no full stop: what is wrong
	Detail   string // what to change; may be empty
	File     string // as in Input.Path or VarFile.Path; "" when it has no place in a file
	Line     int    // from 1; 0 when it has no place
	Column   int    // from 1, in characters
	Width    int    // characters to underline, all on Line; at least 1
}

// String is "file:line:col: summary; detail", without the parts that are empty.
func (d Diagnostic) String() string {
	var b strings.Builder
	if d.File != "" {
		b.WriteString(d.File + ":")
	}
	if d.Line > 0 {
		fmt.Fprintf(&b, "%d:%d:", d.Line, d.Column)
	}
	if b.Len() > 0 {
		b.WriteByte(' ')
	}
	if d.Severity == Warning {
		b.WriteString("warning: ")
	}
	b.WriteString(d.Summary)
	if d.Detail != "" {
		b.WriteString("; " + d.Detail)
	}
	return b.String()
}

// Diagnostics is everything found in one Parse, in the order of the text.
type Diagnostics []Diagnostic

// HasErrors reports whether anything in the list stops the job.
func (ds Diagnostics) HasErrors() bool {
	for _, d := range ds {
		if d.Severity == Error {
			return true
		}
	}
	return false
}

// Warnings are those that do not stop the job.
func (ds Diagnostics) Warnings() Diagnostics {
	var out Diagnostics
	for _, d := range ds {
		if d.Severity == Warning {
			out = append(out, d)
		}
	}
	return out
}

// Err is nil without errors; else its text is one line an error, warnings left out.
func (ds Diagnostics) Err() error {
	var lines []string
	for _, d := range ds {
		if d.Severity == Error {
			lines = append(lines, d.String())
		}
	}
	if len(lines) == 0 {
		return nil
	}
	return errors.New(strings.Join(lines, "\n"))
}

// Error is every diagnostic, one a line, as Diagnostic.String writes it.
func (ds Diagnostics) Error() string {
	lines := make([]string, len(ds))
	for i, d := range ds {
		lines[i] = d.String()
	}
	return strings.Join(lines, "\n")
}

// Render writes each diagnostic with its source line and a caret under the
// place. sources maps a file name to its text; a name that is missing loses
// the source line only. Colour is ANSI: red for errors, yellow for warnings. After
// maxRendered it only says how many more there are: so many come from a file of
// another kind, where the first says it all.
func (ds Diagnostics) Render(w io.Writer, sources map[string][]byte, color bool) error {
	if more := len(ds) - maxRendered; more > 0 {
		defer fmt.Fprintf(w, "\nand %d more\n", more)
		ds = ds[:maxRendered]
	}
	for i, d := range ds {
		var b strings.Builder
		if i > 0 {
			b.WriteByte('\n')
		}
		d.render(&b, sources[d.File], color)
		if _, err := io.WriteString(w, b.String()); err != nil {
			return fmt.Errorf("write diagnostics: %w", err)
		}
	}
	return nil
}

const maxRendered = 30

func (d Diagnostic) render(b *strings.Builder, source []byte, color bool) {
	paint := func(s string) string {
		switch {
		case !color:
			return s
		case d.Severity == Warning:
			return "\x1b[33m" + s + "\x1b[0m"
		default:
			return "\x1b[31m" + s + "\x1b[0m"
		}
	}
	label := string(unicode.ToUpper(rune(d.Severity.String()[0]))) + d.Severity.String()[1:]
	fmt.Fprintf(b, "%s %s\n", paint(label+":"), d.Summary)
	if d.Line > 0 {
		gutter := strings.Repeat(" ", len(strconv.Itoa(d.Line)))
		fmt.Fprintf(b, "%s--> %s:%d:%d\n", gutter, d.File, d.Line, d.Column)
		if text, ok := sourceLine(source, d.Line); ok {
			fmt.Fprintf(b, "%s |\n%d | %s\n%s | %s%s\n", gutter, d.Line, text,
				gutter, indentLike(text, d.Column-1), paint(strings.Repeat("^", max(d.Width, 1))))
		}
	}
	if d.Detail != "" {
		fmt.Fprintf(b, "  %s\n", d.Detail)
	}
}

// sourceLine cuts line n (from 1) out of a text.
func sourceLine(source []byte, n int) (string, bool) {
	lines := strings.SplitN(string(source), "\n", n+1)
	if len(lines) < n || source == nil {
		return "", false
	}
	return strings.TrimRight(lines[n-1], "\r"), true
}

// indentLike is white space as wide as the first n characters of a line; tabs
// stay tabs so that the caret lands under its column on any terminal.
func indentLike(line string, n int) string {
	var b strings.Builder
	for _, r := range line {
		if n--; n < 0 {
			break
		}
		if r == '\t' {
			b.WriteByte('\t')
		} else {
			b.WriteByte(' ')
		}
	}
	return b.String()
}

// sorted orders diagnostics by file and place, errors before warnings of the
// same place, and drops repetitions: an expression inside a dynamic block is
// evaluated once an element, but its mistake is one mistake.
func (ds Diagnostics) sorted() Diagnostics {
	order := map[string]int{}
	for _, d := range ds {
		if _, seen := order[d.File]; !seen {
			order[d.File] = len(order)
		}
	}
	sort.SliceStable(ds, func(i, j int) bool {
		a, b := ds[i], ds[j]
		if a.File != b.File {
			return order[a.File] < order[b.File]
		}
		if a.Line != b.Line {
			return a.Line < b.Line
		}
		if a.Column != b.Column {
			return a.Column < b.Column
		}
		return a.Severity < b.Severity
	})
	var out Diagnostics
	seen := map[Diagnostic]bool{}
	for _, d := range ds {
		if !seen[d] {
			seen[d] = true
			out = append(out, d)
		}
	}
	return out
}

// place fills in where a diagnostic points.
func (d Diagnostic) at(r hcl.Range) Diagnostic {
	d.File, d.Line, d.Column = r.Filename, r.Start.Line, r.Start.Column
	d.Width = 1
	if r.End.Line == r.Start.Line {
		d.Width = max(1, r.End.Column-r.Start.Column)
	}
	return d
}

// failedCall is how the library words the error of a function.
var failedCall = regexp.MustCompile(`(?s)^Call to function "(\w+)" failed: (.*)$`)

// fromHCL turns the library's diagnostics, written as sentences, into ours.
func fromHCL(in hcl.Diagnostics) Diagnostics {
	var out Diagnostics
	for _, h := range in {
		d := Diagnostic{Summary: lowerFirst(strings.TrimSuffix(h.Summary, ".")), Detail: lowerFirst(strings.TrimSuffix(h.Detail, "."))}
		if m := failedCall.FindStringSubmatch(h.Detail); m != nil {
			d.Summary, d.Detail = m[1]+"(): "+strings.TrimSuffix(m[2], "."), ""
		}
		if h.Severity == hcl.DiagWarning {
			d.Severity = Warning
		}
		if h.Subject != nil {
			d = d.at(*h.Subject)
		}
		out = append(out, d)
	}
	return out
}

// lowerFirst lowers the first letter of a sentence unless the first word is a
// name of several capitals.
func lowerFirst(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	if n == len(s) || n == 0 {
		return s
	}
	if next, _ := utf8.DecodeRuneInString(s[n:]); unicode.IsUpper(next) {
		return s
	}
	return string(unicode.ToLower(r)) + s[n:]
}
