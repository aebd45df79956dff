package command

import (
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/ryanuber/columnize"
)

// style is an ANSI colour.
type style string

const (
	bold   style = "1"
	red    style = "31"
	green  style = "32"
	yellow style = "33"
	blue   style = "36"
	dim    style = "2"
)

func (s *session) paint(c style, text string) string    { return paintIf(s.color, c, text) }
func (s *session) paintErr(c style, text string) string { return paintIf(s.errColor, c, text) }

func paintIf(color bool, c style, text string) string {
	if !color || text == "" {
		return text
	}
	return "\x1b[" + string(c) + "m" + text + "\x1b[0m"
}

// section prints a heading after an empty line.
func (s *session) section(name string) { s.printf("\n%s\n", s.paint(bold, name)) }

// cell separates columns; it occurs in no text that people write.
const cell = "\x1f"

// row is one line of a table.
func row(cells ...string) string { return strings.Join(cells, cell) }

// table aligns rows, the first of which is the heading.
func (s *session) table(rows []string) { s.printf("%s", tableText(rows, s.color)) }

func tableText(rows []string, color bool) string {
	text := columnize.Format(rows, &columnize.Config{Delim: cell, Glue: "  ", Empty: "<none>"})
	head, rest, _ := strings.Cut(text, "\n")
	var b strings.Builder
	b.WriteString(paintIf(color, bold, strings.TrimRight(head, " ")) + "\n")
	for _, line := range strings.Split(rest, "\n") {
		if line != "" {
			b.WriteString(strings.TrimRight(line, " ") + "\n")
		}
	}
	return b.String()
}

// pairs prints "Name = value" lines, aligned.
func (s *session) pairs(rows ...[2]string) {
	width := 0
	for _, r := range rows {
		width = max(width, len(r[0]))
	}
	for _, r := range rows {
		value := r[1]
		if value == "" {
			value = "<none>"
		}
		s.printf("%-*s = %s\n", width, r[0], value)
	}
}

// shortID is the first 8 characters of an ID, or all of it with -verbose.
func shortID(id string, verbose bool) string {
	if verbose || len(id) <= 8 {
		return id
	}
	return id[:8]
}

// stamp is a point in time for a table: how long ago, or the full time with
// -verbose. The zero time is empty.
func (s *session) stamp(t time.Time, verbose bool) string {
	switch {
	case t.IsZero() || t.UnixNano() == 0:
		return ""
	case verbose:
		return t.UTC().Format(time.RFC3339)
	}
	d := s.time().Sub(t)
	if d < 0 {
		return "in " + brief(-d)
	}
	return brief(d) + " ago"
}

func (s *session) nanos(ns int64, verbose bool) string {
	if ns == 0 {
		return ""
	}
	return s.stamp(time.Unix(0, ns), verbose)
}

// brief is a duration in its two largest units: 3d4h, 2m5s, 0s.
func brief(d time.Duration) string {
	units := []struct {
		size time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}}
	for i, u := range units {
		if d < u.size {
			continue
		}
		text := fmt.Sprintf("%d%s", d/u.size, u.name)
		if i+1 < len(units) && d%u.size >= units[i+1].size {
			text += fmt.Sprintf("%d%s", d%u.size/units[i+1].size, units[i+1].name)
		}
		return text
	}
	return "0s"
}

// bytes is a size in binary units.
func bytes(n uint64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	v, unit := float64(n)/1024, 0
	for v >= 1024 && unit < 4 {
		v, unit = v/1024, unit+1
	}
	return fmt.Sprintf("%.1f %ciB", v, "KMGTP"[unit])
}

// mebibytes is a size that the API gives in MiB.
func mebibytes(n int64) string { return bytes(uint64(max(n, 0)) << 20) }

// clip shortens a text for a table.
func clip(text string, width int) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) <= width {
		return text
	}
	return text[:width-3] + "..."
}

// keys are a map's keys in order.
func keys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

// plural is "1 node" or "2 nodes".
func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

// deref is what a pointer of the API points at, or the zero value.
func deref[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// orNew is p, or a zero value for what is not there.
func orNew[T any](p *T) *T {
	if p == nil {
		return new(T)
	}
	return p
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// statusStyle is the colour of a status anywhere.
var statusStyle = map[string]style{
	"running": green, "ready": green, "complete": green, "successful": green, "healthy": green, "alive": green, "passing": green,
	"pending": yellow, "blocked": yellow, "paused": yellow, "initializing": yellow, "unknown": yellow, "left": yellow, "ineligible": yellow,
	"failed": red, "lost": red, "down": red, "disconnected": red, "unhealthy": red, "dead": red, "failing": red,
}

func (s *session) status(text string) string {
	if c, ok := statusStyle[text]; ok {
		return s.paint(c, text)
	}
	return text
}
