package scheduler

import (
	"fmt"
	"os"
	"reflect"
	"testing"
)

// TestMain sees to it that nothing has changed what all allocations share.
func TestMain(m *testing.M) {
	code := m.Run()
	if !reflect.ValueOf(*noExtras).IsZero() {
		fmt.Fprintf(os.Stderr, "something has changed the extras that allocations without any share: %+v\n", *noExtras)
		code = 1
	}
	os.Exit(code)
}

// A change to a copy leaves the original, and those that share with it, as they were.
func TestChangeIsOfTheCopyAlone(t *testing.T) {
	job := &Job{Namespace: "default", ID: "web", Groups: []*Group{{Name: "g"}}}
	job.Share()
	a := &Alloc{AllocGroup: job.Groups[0].Common, ID: "a"}
	a.Compact()
	b := *a
	b.Change(func(g *AllocGroup, x *AllocExtras) { g.JobVersion, x.Next = 7, "c" })
	if a.JobVersion != 0 || a.Next != "" || job.Groups[0].Common.JobVersion != 0 || b.JobVersion != 7 || b.Next != "c" {
		t.Errorf("the original is %+v, the copy %+v", a, b)
	}
	c := b
	if c.Compact(); c.Next != "c" {
		t.Error("extras are lost when compacted")
	}
}
