package command

import (
	"fmt"
	"sort"
	"strconv"
	"strings"

	tea "charm.land/bubbletea/v2"
	"github.com/hashicorp/nomad/api"
)

// topModel is the dashboard as bubbletea runs it. Update and View do no I/O; what
// they need from the cluster is a tea.Cmd that asks.
type topModel struct {
	topFrame
	ask func(alloc string) tea.Cmd // the end of an allocation's log, as a topLog

	subject string // the allocation that the detail is about, "" for none
}

// topLog is the end of an allocation's log.
type topLog struct {
	alloc string
	title string
	lines []string
}

// Init asks for nothing: the feed speaks first.
func (m *topModel) Init() tea.Cmd { return nil }

// View draws the frame.
func (m *topModel) View() tea.View {
	v := tea.NewView(m.render())
	v.AltScreen = true
	v.WindowTitle = "selfheal top"
	return v
}

// Update takes a key, a size, or news of the cluster.
func (m *topModel) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch x := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = x.Width, x.Height
	case tea.KeyPressMsg:
		return m, m.key(x.String(), x.Text)
	case topLog:
		m.subject = x.alloc
		m.detail = &topDetail{title: x.title, lines: x.lines, top: max(0, len(x.lines)-max(1, m.height-3))}
	default:
		m.t.apply(msg)
		m.clamp()
	}
	return m, nil
}

// clamp keeps the cursors on rows that there are.
func (m *topModel) clamp() {
	for p := range panes {
		m.cursor[p] = max(0, min(m.cursor[p], len(m.rows(p))-1))
	}
}

// topKeys is what each key does outside of the filter's line.
var topKeys = map[string]func(*topModel) tea.Cmd{
	"q": func(*topModel) tea.Cmd { return tea.Quit }, "ctrl+c": func(*topModel) tea.Cmd { return tea.Quit },
	"tab":       func(m *topModel) tea.Cmd { m.pane = (m.pane + 1) % panes; return nil },
	"shift+tab": func(m *topModel) tea.Cmd { m.pane = (m.pane + panes - 1) % panes; return nil },
	"up":        func(m *topModel) tea.Cmd { return m.move(-1) }, "k": func(m *topModel) tea.Cmd { return m.move(-1) },
	"down": func(m *topModel) tea.Cmd { return m.move(1) }, "j": func(m *topModel) tea.Cmd { return m.move(1) },
	"pgup": func(m *topModel) tea.Cmd { return m.move(-10) }, "pgdown": func(m *topModel) tea.Cmd { return m.move(10) },
	"home": func(m *topModel) tea.Cmd { return m.move(-1 << 20) }, "end": func(m *topModel) tea.Cmd { return m.move(1 << 20) },
	"enter": (*topModel).open, "l": (*topModel).logs, "esc": (*topModel).back,
	"/": func(m *topModel) tea.Cmd { m.filtering = m.detail == nil; return nil },
}

func (m *topModel) key(name, text string) tea.Cmd {
	if m.filtering {
		m.typeFilter(name, text)
		m.clamp()
		return nil
	}
	if do := topKeys[name]; do != nil {
		return do(m)
	}
	return nil
}

func (m *topModel) typeFilter(name, text string) {
	switch name {
	case "enter":
		m.filtering = false
	case "esc", "ctrl+c":
		m.filtering, m.filter = false, ""
	case "backspace":
		if r := []rune(m.filter); len(r) > 0 {
			m.filter = string(r[:len(r)-1])
		}
	default:
		m.filter += text
	}
}

func (m *topModel) move(by int) tea.Cmd {
	if m.detail != nil {
		m.detail.top = max(0, min(m.detail.top+by, len(m.detail.lines)-1))
		return nil
	}
	m.cursor[m.pane] += by
	m.clamp()
	return nil
}

func (m *topModel) back() tea.Cmd {
	switch {
	case m.detail != nil:
		m.detail, m.subject = nil, ""
	default:
		m.filter = ""
		m.clamp()
	}
	return nil
}

// selected is the row under the cursor.
func (m *topModel) selected() (lineRow, bool) {
	rows := m.rows(m.pane)
	if i := m.cursor[m.pane]; i >= 0 && i < len(rows) {
		return rows[i], true
	}
	return lineRow{}, false
}

// open shows what is known about the row under the cursor.
func (m *topModel) open() tea.Cmd {
	r, ok := m.selected()
	if !ok || m.detail != nil {
		return nil
	}
	switch m.pane {
	case paneNodes:
		m.detail = m.nodeDetail(r.key)
	case paneJobs:
		m.detail = m.jobDetail(r.key)
	case paneEvents:
		if i, err := strconv.Atoi(r.key); err == nil && i < len(m.t.events) {
			m.subject = m.t.events[i].alloc
			m.detail = &topDetail{title: "EVENT", lines: strings.Split(strings.TrimRight(wrap(r.text, "", m.width), "\n"), "\n")}
			if m.subject != "" {
				m.detail.lines = append(m.detail.lines, "", "More: selfheal alloc status "+shortID(m.subject, false))
			}
		}
	}
	return nil
}

// logs asks for the log of what the cursor or the detail is about.
func (m *topModel) logs() tea.Cmd {
	id := m.subject
	if r, ok := m.selected(); ok && id == "" {
		id = m.logSubject(r.key)
	}
	if id == "" || m.ask == nil {
		return nil
	}
	return m.ask(id)
}

// logSubject is the allocation whose log belongs to a row: a job's and a node's
// newest that runs, else the newest.
func (m *topModel) logSubject(key string) string {
	if m.pane == paneEvents {
		if i, err := strconv.Atoi(key); err == nil && i < len(m.t.events) {
			return m.t.events[i].alloc
		}
		return ""
	}
	all := m.allocsOf(func(a *api.AllocationListStub) bool { return a.NodeID == key || jobKey(a.Namespace, a.JobID) == key })
	for _, a := range all {
		if a.ClientStatus == api.AllocClientStatusRunning {
			return a.ID
		}
	}
	if len(all) > 0 {
		return all[0].ID
	}
	return ""
}

// allocsOf are allocations, the newest first.
func (m *topModel) allocsOf(keep func(*api.AllocationListStub) bool) []*api.AllocationListStub {
	var out []*api.AllocationListStub
	for _, a := range m.t.allocs {
		if keep(a) {
			out = append(out, a)
		}
	}
	sort.Slice(out, func(i, j int) bool {
		a, b := out[i], out[j]
		if a.CreateIndex != b.CreateIndex {
			return a.CreateIndex > b.CreateIndex
		}
		return a.ID < b.ID
	})
	return out
}

func (m *topModel) nodeDetail(id string) *topDetail {
	n := m.t.nodes[id]
	if n == nil {
		return nil
	}
	lines := []string{
		"ID          " + n.ID, "Status      " + nodeState(n), "Eligibility " + n.SchedulingEligibility,
		"Datacenter  " + n.Datacenter, "Node Pool   " + n.NodePool, "Class       " + n.NodeClass, "",
	}
	lines = append(lines, m.allocLines(m.allocsOf(func(a *api.AllocationListStub) bool { return a.NodeID == id }))...)
	return &topDetail{title: "NODE " + n.Name, lines: lines}
}

func (m *topModel) jobDetail(key string) *topDetail {
	j := m.t.jobs[key]
	if j == nil {
		return nil
	}
	lines := []string{
		"Namespace   " + j.Namespace, "Type        " + jobKind(j.Type, j.Periodic, j.ParameterizedJob),
		"Status      " + jobState(j.Status, j.Stop), fmt.Sprintf("Priority    %d", j.Priority),
	}
	if j.StatusDescription != "" {
		lines = append(lines, "            "+j.StatusDescription)
	}
	if d := m.t.deployments[key]; d != nil {
		lines = append(lines, "Deployment  "+shortID(d.ID, false)+" "+deploymentProgress(d), "            "+d.StatusDescription)
	}
	lines = append(lines, "")
	if j.JobSummary != nil {
		lines = append(lines, fmt.Sprintf("%s %7s %8s %7s %6s %8s %4s", fit("GROUP", 26), "QUEUED", "STARTING", "RUNNING", "FAILED", "COMPLETE", "LOST"))
		for _, name := range keys(j.JobSummary.Summary) {
			g := j.JobSummary.Summary[name]
			lines = append(lines, fmt.Sprintf("%s %7d %8d %7d %6d %8d %4d", fit(name, 26), g.Queued, g.Starting, g.Running, g.Failed, g.Complete, g.Lost))
		}
		lines = append(lines, "")
	}
	lines = append(lines, m.allocLines(m.allocsOf(func(a *api.AllocationListStub) bool { return jobKey(a.Namespace, a.JobID) == key }))...)
	return &topDetail{title: "JOB " + j.ID, lines: lines}
}

func (m *topModel) allocLines(all []*api.AllocationListStub) []string {
	out := []string{fmt.Sprintf("%s %s %s %s %s", fit("ALLOC", 8), fit("NAME", 28), fit("NODE", 16), fit("STATUS", 9), "VERSION")}
	for _, a := range all {
		out = append(out, fmt.Sprintf("%s %s %s %s %d", fit(shortID(a.ID, false), 8), fit(a.Name, 28), fit(m.t.nodeName(a), 16), fit(a.ClientStatus, 9), a.JobVersion))
	}
	if len(all) == 0 {
		out = append(out, "no allocations")
	}
	return out
}
