package command

import (
	"fmt"
	"strings"
	"time"

	"charm.land/lipgloss/v2"
)

// The panes of the dashboard, from top to bottom.
const (
	paneNodes = iota
	paneJobs
	paneEvents
	panes
)

// barWidth is the length of the bars of use.
const barWidth = 8

// lineRow is a line of a pane: its text, the colour of it, and what it is about.
type lineRow struct {
	text  string
	style style
	key   string // of the node, the job or the event
}

// topFrame is a picture of the dashboard: pure, and of exactly width columns.
type topFrame struct {
	t             *topState
	width, height int // height 0: as much as there is
	pane          int // the one with the cursor; -1 for none
	cursor        [panes]int
	filter        string
	filtering     bool
	detail        *topDetail
	color         bool
	address       string
}

// topDetail is what lies over the panes: a title and lines that scroll.
type topDetail struct {
	title string
	lines []string
	top   int
}

// styles of the dashboard, by the colours of the other commands.
var topColors = map[style]string{red: "1", green: "2", yellow: "3", blue: "6"}

func (f *topFrame) paint(s style, text string) string {
	if !f.color {
		return text
	}
	st := lipgloss.NewStyle()
	switch {
	case s == bold:
		st = st.Bold(true)
	case s == dim:
		st = st.Faint(true)
	case topColors[s] != "":
		st = st.Foreground(lipgloss.Color(topColors[s]))
	}
	return st.Render(text)
}

// fit cuts or fills a text to a width in columns.
func fit(text string, width int) string {
	if width <= 0 {
		return ""
	}
	if w := lipgloss.Width(text); w <= width {
		return text + strings.Repeat(" ", width-w)
	}
	out, used := "", 0
	for _, r := range text {
		w := lipgloss.Width(string(r))
		if used+w > width-1 {
			break
		}
		out, used = out+string(r), used+w
	}
	return out + "…" + strings.Repeat(" ", width-1-used)
}

// bar draws a share of 1.
func bar(x float64) string {
	if x < 0 {
		return strings.Repeat("·", barWidth) + "    -"
	}
	full := min(barWidth, int(x*barWidth+0.5))
	return strings.Repeat("█", full) + strings.Repeat("░", barWidth-full) + fmt.Sprintf(" %3.0f%%", min(x, 9.99)*100)
}

func (f *topFrame) matches(texts ...string) bool {
	if f.filter == "" {
		return true
	}
	for _, text := range texts {
		if strings.Contains(strings.ToLower(text), strings.ToLower(f.filter)) {
			return true
		}
	}
	return false
}

// rows are the lines of a pane that match the filter.
func (f *topFrame) rows(pane int) []lineRow {
	var out []lineRow
	switch pane {
	case paneNodes:
		for _, n := range f.t.nodeRows() {
			if f.matches(n.Name, n.ID, n.status, n.NodePool, n.Datacenter, n.NodeClass) {
				text := fmt.Sprintf("%s %s %s  %s %6d", fit(n.Name, 20), fit(n.status, 12), bar(n.cpu), bar(n.memory), n.allocs)
				out = append(out, lineRow{text, nodeStyle(n.status), n.ID})
			}
		}
	case paneJobs:
		for _, j := range f.t.jobRows() {
			if f.matches(j.ID, j.Namespace, j.status, j.Type) {
				kind := jobKind(j.Type, j.Periodic, j.ParameterizedJob)
				text := fmt.Sprintf("%s %s %s %s %s", fit(j.ID, 24), fit(kind, 14), fit(j.status, 9), fit(count(j), 8), j.deployment)
				out = append(out, lineRow{text, jobStyle(j), jobKey(j.Namespace, j.ID)})
			}
		}
	case paneEvents:
		for i := len(f.t.events) - 1; i >= 0; i-- {
			if e := f.t.events[i]; f.matches(e.text) {
				out = append(out, lineRow{e.at.Format(time.TimeOnly) + "  " + e.text, e.style, fmt.Sprint(i)})
			}
		}
	}
	return out
}

// count is how many allocations of a job run, of how many.
func count(j topJob) string {
	if j.desired == 0 {
		return "-"
	}
	return fmt.Sprintf("%d/%d", j.running, j.desired)
}

func nodeStyle(status string) style {
	if status == "draining" || status == "ineligible" {
		return yellow
	}
	if status == "ready" {
		return ""
	}
	return statusStyle[status]
}

func jobStyle(j topJob) style {
	switch {
	case j.Status == "dead" || j.Stop:
		return dim
	case j.running < j.desired:
		return yellow
	}
	return ""
}

// heads are the headings of the panes.
func (f *topFrame) head(pane, shown, all int) string {
	more := ""
	if shown < all {
		more = fmt.Sprintf(" of %d", all)
	}
	return []string{
		fmt.Sprintf("%s %s %s  %s %6s", fit(fmt.Sprintf("NODES (%d%s)", shown, more), 22), fit("STATUS", 12), fit("CPU", barWidth+5), fit("MEMORY", barWidth+5), "ALLOCS"),
		fmt.Sprintf("%s %s %s %s %s", fit(fmt.Sprintf("JOBS (%d%s)", shown, more), 26), fit("TYPE", 14), fit("STATUS", 9), fit("RUNNING", 8), "DEPLOYMENT"),
		fmt.Sprintf("EVENTS (%d%s)", shown, more),
	}[pane]
}

// render draws the frame.
func (f *topFrame) render() string {
	lines := []string{f.title()}
	if f.detail != nil {
		lines = append(lines, f.detailLines()...)
	} else {
		for pane, height := range f.heights() {
			lines = append(lines, f.paneLines(pane, height)...)
		}
	}
	if f.height > 0 {
		for len(lines) < f.height-1 {
			lines = append(lines, "")
		}
		lines = append(lines[:f.height-1], f.footer())
	}
	return strings.Join(lines, "\n")
}

func (f *topFrame) title() string {
	ready, running := 0, 0
	for _, n := range f.t.nodes {
		if nodeState(n) == "ready" {
			ready++
		}
	}
	for _, a := range f.t.allocs {
		if a.ClientStatus == "running" {
			running++
		}
	}
	leader := f.t.leader
	if leader == "" {
		leader = "none"
	}
	text := fmt.Sprintf("Selfheal  nodes %d/%d ready  allocations %d running  leader %s  at %s", ready, len(f.t.nodes), running, leader, f.address)
	switch {
	case f.t.away != "":
		return f.paint(red, strings.TrimRight(fit("Selfheal "+f.address+"  AWAY: "+f.t.away, f.width), " "))
	case !f.t.loaded:
		text = "Selfheal " + f.address + "  asking ..."
	}
	return f.paint(bold, strings.TrimRight(fit(text, f.width), " "))
}

// heights are the lines of rows that each pane gets: nodes and jobs a third each
// at most, events the rest, and what one does not need the next may have.
func (f *topFrame) heights() [panes]int {
	var need, out [panes]int
	for p := range panes {
		need[p] = max(1, len(f.rows(p)))
	}
	if f.height == 0 {
		return need
	}
	free := max(panes, f.height-2-panes) // the title, the footer, the headings
	out[paneNodes] = min(need[paneNodes], max(1, free/3))
	out[paneJobs] = min(need[paneJobs], max(1, (free-out[paneNodes])/2))
	out[paneEvents] = max(1, free-out[paneNodes]-out[paneJobs])
	for _, p := range []int{paneJobs, paneNodes} { // events that there are not need no room
		spare := out[paneEvents] - need[paneEvents]
		if more := min(spare, need[p]-out[p]); more > 0 {
			out[p], out[paneEvents] = out[p]+more, out[paneEvents]-more
		}
	}
	return out
}

func (f *topFrame) paneLines(pane, height int) []string {
	rows := f.rows(pane)
	first := 0
	if f.pane == pane && f.cursor[pane] >= height {
		first = f.cursor[pane] - height + 1
	}
	shown := rows[min(first, len(rows)):min(first+height, len(rows))]
	head := strings.TrimRight(fit(f.head(pane, len(shown), len(rows)), f.width), " ")
	out := []string{f.paint(bold, head)}
	for i, r := range shown {
		text := strings.TrimRight(fit("  "+r.text, f.width), " ")
		if f.pane == pane && first+i == f.cursor[pane] {
			text = strings.TrimRight(fit("> "+r.text, f.width), " ")
			if f.color {
				out = append(out, lipgloss.NewStyle().Reverse(true).Render(fit(text, f.width)))
				continue
			}
		}
		out = append(out, f.paint(r.style, text))
	}
	if len(rows) == 0 {
		nothing := "  " + []string{"no nodes", "no jobs", "nothing has happened since this began"}[pane]
		out = append(out, f.paint(dim, strings.TrimRight(fit(nothing, f.width), " ")))
	}
	for len(out) <= height && f.height > 0 {
		out = append(out, "")
	}
	return out
}

func (f *topFrame) detailLines() []string {
	out := []string{f.paint(bold, strings.TrimRight(fit(f.detail.title, f.width), " "))}
	room := len(f.detail.lines)
	if f.height > 0 {
		room = max(1, f.height-3)
	}
	top := min(f.detail.top, max(0, len(f.detail.lines)-room))
	for _, line := range f.detail.lines[top:min(len(f.detail.lines), top+room)] {
		out = append(out, strings.TrimRight(fit(line, f.width), " "))
	}
	return out
}

func (f *topFrame) footer() string {
	text := "tab pane  ↑↓ move  enter details  l logs  / filter  q quit"
	switch {
	case f.filtering:
		text = "filter: " + f.filter + "_  (enter keeps it, esc ends it)"
	case f.detail != nil:
		text = "↑↓ scroll  l logs  esc back  q quit"
	case f.filter != "":
		text = "filter: " + f.filter + "  (/ changes it, esc ends it)  " + text
	}
	return f.paint(dim, strings.TrimRight(fit(text, f.width), " "))
}
