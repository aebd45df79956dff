package command

import (
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"
)

// demoView is what the demo's table shows at one moment.
type demoView struct {
	nodes []demoNode
}

// demoNode is one line of it.
type demoNode struct {
	name, status string
	pid          int // 0: its agent does not run
	instances    []demoInstance
}

// demoInstance is one web server on it.
type demoInstance struct {
	index  int
	status string
	port   string
}

// view looks at the cluster; nodes that nobody knows of yet are "starting".
func (w *demoWatch) view() demoView {
	status := map[string]string{}
	if nodes, _, err := w.c().Nodes().List(nil); err == nil {
		for _, n := range nodes {
			status[n.Name] = n.Status
		}
	}
	on := map[string][]demoInstance{}
	for _, a := range w.wanted() {
		addr := w.address(a.ID)
		on[a.NodeID] = append(on[a.NodeID], demoInstance{allocIndex(a.Name), a.ClientStatus, addr[strings.LastIndex(addr, ":")+1:]})
	}
	var v demoView
	for _, a := range w.agents {
		if a.server {
			continue
		}
		n := demoNode{name: a.name, status: status[a.name], instances: on[w.nodeID(a.name)]}
		if n.status == "" {
			n.status = "starting"
		}
		if a.running() {
			n.pid = a.pid()
		}
		v.nodes = append(v.nodes, n)
	}
	return v
}

// lines draws the table for a terminal.
func (v demoView) lines(color bool) []string {
	out := []string{paintIf(color, bold, fmt.Sprintf("%-10s %-12s %s", "NODE", "STATUS", "INSTANCES"))}
	for _, n := range v.nodes {
		status := fmt.Sprintf("%-12s", n.status)
		if c, ok := statusStyle[n.status]; ok {
			status = paintIf(color, c, status)
		}
		line := fmt.Sprintf("%-10s %s", n.name, status)
		for _, i := range n.instances {
			mark, c := "○", yellow
			if i.status == api.AllocClientStatusRunning {
				mark, c = "●", green
			}
			if n.status != api.NodeStatusReady {
				mark, c = "✗", red
			}
			line += fmt.Sprintf(" %s web[%d]%s", paintIf(color, c, mark), i.index, paintIf(color, dim, ":"+i.port))
		}
		if n.pid == 0 {
			line += paintIf(color, red, " no agent")
		}
		out = append(out, line)
	}
	return out
}

// plain is one line for a log.
func (v demoView) plain() string {
	var parts []string
	for _, n := range v.nodes {
		var names []string
		for _, i := range n.instances {
			name := fmt.Sprint(i.index)
			if i.status != api.AllocClientStatusRunning {
				name += "(" + i.status + ")"
			}
			names = append(names, name)
		}
		parts = append(parts, fmt.Sprintf("%s %s [%s]", n.name, n.status, strings.Join(names, " ")))
	}
	return strings.Join(parts, "  ")
}

// board is the demo's picture: lines that scroll by and, on a terminal, a table
// under them that is redrawn in place.
type board struct {
	s     *session
	live  bool
	begin time.Time
	view  demoView
	shown int    // lines of the table that are on the screen
	last  string // what plain showed last
}

func newBoard(s *session) *board {
	return &board{s: s, live: isTerminal(s.out), begin: time.Now()}
}

// log adds one line above the table, with the time since the beginning.
func (b *board) log(format string, args ...any) {
	b.erase()
	stamp := fmt.Sprintf("%6.2fs", time.Since(b.begin).Seconds())
	b.s.printf("%s  %s\n", b.s.paint(dim, stamp), fmt.Sprintf(format, args...))
	b.show()
}

// draw shows a table if it differs from the one that is shown.
func (b *board) draw(v demoView) {
	b.view = v
	text := strings.Join(v.lines(false), "\n")
	if !b.live {
		text = v.plain()
	}
	if text == b.last {
		return
	}
	b.last = text
	if !b.live {
		b.log("%s", text)
		return
	}
	b.erase()
	b.show()
}

func (b *board) show() {
	if !b.live || len(b.view.nodes) == 0 {
		return
	}
	lines := append([]string{""}, b.view.lines(b.s.color)...)
	b.s.printf("%s\n", strings.Join(lines, "\n"))
	b.shown = len(lines)
}

// erase takes the table off the screen.
func (b *board) erase() {
	if b.shown > 0 {
		b.s.printf("\x1b[%dA\x1b[J", b.shown)
		b.shown = 0
	}
}

// finish leaves the table where it is.
func (b *board) finish() { b.shown, b.view = 0, demoView{} }
