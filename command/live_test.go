package command

import (
	"strings"
	"testing"
)

func TestLiveBlock(t *testing.T) {
	var b strings.Builder
	l := &liveBlock{w: &b, width: func() int { return 30 }}
	l.show("one\ntwo\n")
	l.show("one\ntwo\n") // nothing new
	l.show("a line that is far too long for this terminal\n")
	l.keep()
	l.show("last\n")
	want := "one\ntwo\n\x1b[2A\x1b[Ja line that is far too long f\nlast\n"
	if b.String() != want {
		t.Errorf("got  %q\nwant %q", b.String(), want)
	}
}
