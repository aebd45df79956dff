package agent

import (
	"testing"
	"time"
)

func TestDismissalsStandForAWhile(t *testing.T) {
	var d dismissals
	now := time.Now()
	d.add("a", true, now)
	if o, ok := d.standing("a", now.Add(dismissFor)); !ok || !o.prune {
		t.Errorf("the order against a is %+v, %v: it should stand, with prune", o, ok)
	}
	if _, ok := d.standing("b", now); ok {
		t.Error("b was never told to leave")
	}
	if _, ok := d.standing("a", now.Add(dismissFor+time.Second)); ok {
		t.Error("the order against a stands for longer than it should")
	}
}
