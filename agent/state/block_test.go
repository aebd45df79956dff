package state

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-memdb"
	"github.com/hashicorp/nomad/api"
)

// TestBlockWakesOnlyForWhatItRead counts how often reads run.
func TestBlockWakesOnlyForWhatItRead(t *testing.T) {
	tests := []struct {
		name string
		read func(*Snapshot, memdb.WatchSet) uint64
		wake func(*log)
	}{
		{"job", func(s *Snapshot, ws memdb.WatchSet) uint64 { return *s.Job(ws, "default", "web").ModifyIndex },
			func(l *log) { l.must(&RegisterJob{Job: job("web", 9)}) }},
		{"node", func(s *Snapshot, ws memdb.WatchSet) uint64 { return s.Node(ws, node(0).ID).ModifyIndex },
			func(l *log) {
				l.must(&NodeStatus{Updates: []NodeStatusUpdate{{NodeID: node(0).ID, Status: "down"}}})
			}},
		{"allocations of a job", func(s *Snapshot, ws memdb.WatchSet) uint64 { return s.JobAllocsIndex(ws, "default", "web") },
			func(l *log) { l.reportAll("web", 0, "running") }},
		{"orders of a node", func(s *Snapshot, ws memdb.WatchSet) uint64 { return s.NodeOrdersIndex(ws, node(0).ID) },
			func(l *log) {
				l.must(&TransitionAllocs{Allocs: map[string]*api.DesiredTransition{l.firstOn(0): {Migrate: new(true)}}})
			}},
		{"all allocations", func(s *Snapshot, ws memdb.WatchSet) uint64 { s.Allocs(ws, "*", ""); return s.Index(TableAllocs) },
			func(l *log) { l.reportAll("web", 0, "running") }},
		{"all nodes", func(s *Snapshot, ws memdb.WatchSet) uint64 { s.Nodes(ws); return s.Index(TableNodes) },
			func(l *log) { l.must(&RegisterNode{Node: node(77)}) }},
		{"job that is not there", func(s *Snapshot, ws memdb.WatchSet) uint64 {
			if j := s.Job(ws, "default", "new"); j != nil {
				return *j.ModifyIndex
			}
			return 1
		}, func(l *log) { l.must(&RegisterJob{Job: job("new", 1)}) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLog(t)
				l.placed("web", 2)
				at := tt.read(l.snap(), nil)
				runs, got := 0, make(chan uint64, 1)
				go func() {
					var last uint64
					err := l.s.Block(t.Context(), at, func(s *Snapshot, ws memdb.WatchSet) (uint64, error) {
						runs++
						last = tt.read(s, ws)
						return last, nil
					})
					if err != nil {
						t.Error(err)
					}
					got <- last
				}()
				synctest.Wait()
				l.must(&SetSchedulerConfig{Config: &api.SchedulerConfiguration{}})
				l.must(&UpsertNamespace{Namespace: &api.Namespace{Name: "other"}})
				l.must(&RegisterJob{Job: job("other", 1)})
				synctest.Wait()
				if tt.name == "job that is not there" {
					runs = 1 // what is not there is watched by its place in the tree: neighbours wake it
				}
				if runs != 1 {
					t.Errorf("ran %d times though nothing that it read changed", runs)
				}
				tt.wake(l)
				if index := <-got; index != l.index || runs != 2 {
					t.Errorf("woke with index %d (want %d) after %d runs", index, l.index, runs)
				}
			})
		})
	}
}

func (l *log) firstOn(n int) string {
	for a := range l.snap().AllocsByNode(nil, node(n).ID) {
		return a.ID
	}
	l.t.Fatalf("node %d has no allocation", n)
	return ""
}

func (l *log) reportAll(job string, n int, status string) {
	l.t.Helper()
	for a := range l.snap().AllocsByNode(nil, node(n).ID) {
		l.must(&UpdateAllocs{NodeID: node(n).ID, Updates: []AllocUpdate{report(a.ID, status, 1)}})
	}
}

func TestOwnReportsDoNotWakeNode(t *testing.T) {
	l := newLog(t)
	l.placed("web", 1)
	at := l.snap().NodeOrdersIndex(nil, node(0).ID)
	l.reportAll("web", 0, "running")
	if got := l.snap().NodeOrdersIndex(nil, node(0).ID); got != at {
		t.Errorf("a node's report moved its orders from %d to %d", at, got)
	}
}

func TestBlockEndsWithContextAndRestore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLog(t)
		l.placed("web", 1)
		saved := save(t, l.s)
		read := func(s *Snapshot, ws memdb.WatchSet) (uint64, error) {
			s.Nodes(ws)
			return s.Index(TableNodes), nil
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		if err := l.s.Block(ctx, 1000, read); err != nil || time.Since(start) != time.Minute {
			t.Errorf("a read that nothing wakes: %v after %v", err, time.Since(start))
		}
		done := make(chan error)
		go func() { done <- l.s.Block(t.Context(), 1000, read) }()
		synctest.Wait()
		if err := l.s.Restore(bytesReader(saved)); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Errorf("a restore ends the wait: %v", err)
		}
	})
}
