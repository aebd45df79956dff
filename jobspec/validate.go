package jobspec

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/nomad/api"
)

// Limits bound what one job may ask for. A zero field takes its default.
type Limits struct {
	MaxCount    int // sum of the counts of all groups; 50,000
	MaxPriority int // 100
	MaxTasks    int // tasks over all groups; 5,000
}

func (l Limits) withDefaults() Limits {
	if l.MaxCount <= 0 {
		l.MaxCount = 50_000
	}
	if l.MaxPriority <= 0 {
		l.MaxPriority = 100
	}
	if l.MaxTasks <= 0 {
		l.MaxTasks = 5_000
	}
	return l
}

// Problems are all that is wrong, or odd, with a job. Each names its place:
//
//	group "web": task "app": resources: cpu must be at least 1 (is -5)
type Problems struct{ Errors, Warnings []string }

// Err is nil without errors; else its text is one line an error.
func (p Problems) Err() error {
	if len(p.Errors) == 0 {
		return nil
	}
	return errors.New(strings.Join(p.Errors, "\n"))
}

// Validate judges a canonicalized job in one pass and reports everything at
// once. It reads the job only.
func Validate(job *api.Job, limits Limits) Problems {
	p := &Problems{}
	c := checker{problems: p, limits: limits.withDefaults()}
	if job == nil {
		c.errorf("the job is missing")
		return *p
	}
	if c.size(job) {
		c.job(job)
		c.refused(job, gaps)
		c.deprecated(job)
	}
	return *p
}

// checker collects problems below one place of the job.
type checker struct {
	problems *Problems
	limits   Limits
	place    string // "" or `group "web": `
}

// in is the checker for a place further down.
func (c checker) in(format string, args ...any) checker {
	c.place += fmt.Sprintf(format, args...) + ": "
	return c
}

func (c checker) errorf(format string, args ...any) {
	c.problems.Errors = append(c.problems.Errors, c.place+fmt.Sprintf(format, args...))
}

func (c checker) warnf(format string, args ...any) {
	c.problems.Warnings = append(c.problems.Warnings, c.place+fmt.Sprintf(format, args...))
}

// atLeast reports a number below its least value.
func (c checker) atLeast(name string, is, least int) {
	if is < least {
		c.errorf("%s must be at least %d (is %d)", name, least, is)
	}
}

// oneOf reports a word outside of a closed list.
func (c checker) oneOf(name, is string, allowed ...string) {
	if slices.Contains(allowed, is) {
		return
	}
	quoted := make([]string, 0, len(allowed))
	for _, word := range allowed {
		if word != "" {
			quoted = append(quoted, strconv.Quote(word))
		}
	}
	c.errorf("%s must be one of %s (is %q)", name, strings.Join(quoted, ", "), is)
}

// name judges an identifier that ends up in URLs, directories and the environment.
func (c checker) name(what, is string, refused string) {
	const maxName = 1024
	switch {
	case is == "":
		c.errorf("%s is missing", what)
	case len(is) > maxName:
		c.errorf("%s has %d bytes; at most %d are allowed", what, len(is), maxName)
	case !utf8.ValidString(is):
		c.errorf("%s is not UTF-8 text", what)
	case strings.ContainsRune(is, 0), !strings.HasPrefix(what, "job ") && strings.ContainsFunc(is, unicode.IsControl):
		c.errorf("%s %q holds a control character", what, is)
	case strings.ContainsAny(is, refused):
		c.errorf("%s %q may not hold %s", what, is, spelled(refused))
	}
}

// spelled names the characters of a set for a reader.
func spelled(set string) string {
	if set == " " {
		return "spaces"
	}
	return strings.Join(strings.Split(set, ""), " or ")
}

// or is what a pointer points to, and the zero value for nil: Validate must
// survive jobs that were not canonicalized.
func or[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// atRuntime reports whether text is completed on the node only.
func atRuntime(text string) bool { return strings.Contains(text, "${") }

// size refuses a job too large to be looked at in detail.
func (c checker) size(job *api.Job) bool {
	tasks := 0
	for _, group := range job.TaskGroups {
		tasks++ // a group counts for one even when it is null or empty
		if group != nil {
			tasks += max(0, len(group.Tasks)-1)
		}
	}
	if tasks > c.limits.MaxTasks {
		c.errorf("the job has %d tasks; at most %d are allowed", tasks, c.limits.MaxTasks)
		return false
	}
	return true
}
