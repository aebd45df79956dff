package command

import (
	"fmt"
	"io"
	"strings"

	"charm.land/lipgloss/v2"
)

// liveBlock is the end of a terminal that is drawn again whenever something
// changes. Lines longer than the terminal would wrap and are cut.
type liveBlock struct {
	w     io.Writer
	width func() int // of the terminal now
	last  string
	lines int // how many of the last drawing are on the screen
}

// show draws text in the place of what was drawn last.
func (l *liveBlock) show(text string) {
	if text == l.last && l.lines > 0 {
		return
	}
	l.last = text
	width := max(20, l.width()-1)
	var b strings.Builder
	if l.lines > 0 {
		fmt.Fprintf(&b, "\x1b[%dA\x1b[J", l.lines)
	}
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for _, line := range lines {
		b.WriteString(lipgloss.NewStyle().MaxWidth(width).Render(line) + "\n")
	}
	l.lines = len(lines)
	io.WriteString(l.w, b.String())
}

// keep leaves what was drawn where it is: other lines follow.
func (l *liveBlock) keep() { l.lines = 0 }
