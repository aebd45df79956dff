package numbers

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Unit is what a number counts.
type Unit string

// The units. Count is a sum over all rounds; the others have a distribution.
const (
	Milliseconds Unit = "ms"
	MiB          Unit = "MiB"
	MB           Unit = "MB"
	Bytes        Unit = "B"
	PerSecond    Unit = "/s"
	Count        Unit = ""
)

// Bound is what a number must keep. The zero Bound demands nothing.
type Bound struct {
	sign  string // "<=" or ">="
	value float64
}

// AtMost is an upper bound.
func AtMost(v float64) Bound { return Bound{"<=", v} }

// AtLeast is a lower bound.
func AtLeast(v float64) Bound { return Bound{">=", v} }

func (b Bound) kept(v float64) bool {
	switch b.sign {
	case "<=":
		return v <= b.value
	case ">=":
		return v >= b.value
	}
	return true
}

// Goal is what a row is to reach: a bound of the median and one of the worst sample.
type Goal struct{ P50, Worst Bound }

func (g Goal) format(u Unit) string {
	var out []string
	if g.P50.sign != "" {
		name := "p50 "
		if u == Count { // one number, no distribution
			name = ""
		}
		out = append(out, name+g.P50.sign+" "+number(g.P50.value, u))
	}
	if g.Worst.sign != "" {
		out = append(out, "max "+g.Worst.sign+" "+number(g.Worst.value, u))
	}
	if len(out) == 0 {
		return "-"
	}
	return strings.Join(out, ", ")
}

// Samples are what one program did. Rounds is set where a Count is over more
// rounds than there are samples.
type Samples struct {
	Values []float64
	Rounds int
	Note   string // why there are none, or what is to know about them
}

// Row is one line of the table.
type Row struct {
	What       string
	Unit       Unit
	Goal       Goal
	Command    string
	Ours, Peer Samples
}

func (s Samples) n() int { return max(s.Rounds, len(s.Values)) }

// p50 is the median, the upper one of two.
func (s Samples) p50() float64 {
	sorted := slices.Sorted(slices.Values(s.Values))
	return sorted[len(sorted)/2]
}

// worst is the largest sample; of a rate, the smallest.
func (s Samples) worst(u Unit) float64 {
	if u == PerSecond {
		return slices.Min(s.Values)
	}
	return slices.Max(s.Values)
}

// Verdict is ok, SHORT, or "-": nothing measured, or nothing demanded.
func (r Row) Verdict() string {
	switch {
	case len(r.Ours.Values) == 0 || r.Goal == Goal{}:
		return "-"
	case r.Goal.P50.kept(r.Ours.p50()) && r.Goal.Worst.kept(r.Ours.worst(r.Unit)):
		return "ok"
	}
	return "SHORT"
}

// ratio is how many times better than the peer's our median is.
func (r Row) ratio() string {
	if len(r.Ours.Values) == 0 || len(r.Peer.Values) == 0 {
		return "-"
	}
	ours, peer := r.Ours.p50(), r.Peer.p50()
	if r.Unit == PerSecond {
		ours, peer = peer, ours
	}
	if ours == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1fx", peer/ours)
}

// Render writes the table as aligned text: numbers, notes, and at the end the
// command of each row.
func Render(rows []Row) string {
	lines := [][]string{{"what", "n", "p50", "max", "to reach", "verdict", "peer p50", "peer max", "ratio", "command"}}
	for _, r := range rows {
		ours, peer := cells(r.Ours, r.Unit), cells(r.Peer, r.Unit)
		lines = append(lines, []string{r.What, ours[0], ours[1], ours[2], r.Goal.format(r.Unit), r.Verdict(), peer[1], peer[2], r.ratio(), r.Command})
	}
	var b strings.Builder
	widths := make([]int, len(lines[0]))
	for _, l := range lines {
		for i, cell := range l {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for i, l := range lines {
		var line strings.Builder
		for k, cell := range l {
			line.WriteString(cell + strings.Repeat(" ", widths[k]-utf8.RuneCountInString(cell)+2))
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
		if i == 0 {
			continue
		}
		for _, n := range []struct{ who, note string }{{"", rows[i-1].Ours.Note}, {"peer: ", rows[i-1].Peer.Note}} {
			if n.note != "" {
				b.WriteString("    " + n.who + n.note + "\n")
			}
		}
	}
	return b.String()
}

// cells are n, median and worst.
func cells(s Samples, u Unit) [3]string {
	switch {
	case len(s.Values) == 0:
		return [3]string{"-", "-", "-"}
	case u == Count:
		return [3]string{fmt.Sprint(s.n()), number(s.p50(), u), "-"}
	}
	worst := number(s.worst(u), u)
	if u == PerSecond {
		worst = "min " + worst
	}
	return [3]string{fmt.Sprint(s.n()), number(s.p50(), u), worst}
}

// number prints three significant digits, and thousands in full.
func number(v float64, u Unit) string {
	var text string
	switch {
	case v >= 1000:
		text = thousands(int64(v + 0.5))
	case v >= 100 || v == float64(int64(v)):
		text = fmt.Sprintf("%.0f", v)
	case v >= 10:
		text = fmt.Sprintf("%.1f", v)
	default:
		text = fmt.Sprintf("%.2f", v)
	}
	return strings.TrimSpace(text + " " + string(u))
}

func thousands(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
