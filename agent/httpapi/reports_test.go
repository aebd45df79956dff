package httpapi

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/selfheal/selfheal/agent/state"
)

// A report goes at once when nothing is under way; those that come meanwhile go together,
// and each hears of its own refusal.
func TestReportsGoTogetherWhileOneIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var entries []int
		q := &reports{commit: func(cmd state.Command) (uint64, []error, error) {
			<-release
			all, many := cmd.(*state.UpdateNodes)
			if !many {
				entries = append(entries, 1)
				return 10, nil, nil
			}
			entries = append(entries, len(all.Reports))
			refused := make([]error, len(all.Reports))
			for i, r := range all.Reports {
				if r.NodeID == "n3" {
					refused[i] = errNotThatNode
				}
			}
			return 11, refused, nil
		}}
		var wg sync.WaitGroup
		got := make([]reported, 6)
		for i := range got {
			wg.Go(func() {
				got[i].index, got[i].err = q.take(t.Context(), state.UpdateAllocs{NodeID: fmt.Sprintf("n%d", i)})
			})
			synctest.Wait()
		}
		close(release)
		wg.Wait()
		if fmt.Sprint(entries) != "[1 5]" {
			t.Errorf("entries of %v reports", entries)
		}
		for i, r := range got {
			index, refused := uint64(11), i == 3
			if i == 0 {
				index = 10
			}
			if r.index != index || errors.Is(r.err, errNotThatNode) != refused {
				t.Errorf("report %d: index %d, %v", i, r.index, r.err)
			}
		}
	})
}

// When the commit fails every report of it fails, and the next ones are tried.
func TestReportsFailTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fail := true
		q := &reports{commit: func(state.Command) (uint64, []error, error) {
			if fail {
				return 0, nil, ErrNotLeader
			}
			return 7, nil, nil
		}}
		if _, err := q.take(t.Context(), state.UpdateAllocs{NodeID: "a"}); !errors.Is(err, ErrNotLeader) {
			t.Errorf("got %v", err)
		}
		fail = false
		if index, err := q.take(t.Context(), state.UpdateAllocs{NodeID: "a"}); index != 7 || err != nil {
			t.Errorf("got %d, %v", index, err)
		}
	})
}

// Who stops waiting hears so at once; what it said may still be committed.
func TestReportWhoseCallerLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		q := &reports{commit: func(state.Command) (uint64, []error, error) { <-release; return 1, nil, nil }}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := q.take(ctx, state.UpdateAllocs{NodeID: "a"}); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		close(release)
		synctest.Wait()
		if q.busy || len(q.waiting) > 0 {
			t.Error("the queue is not at rest")
		}
	})
}

// An entry holds no more than it may, but always one report.
func TestReportsFillEntries(t *testing.T) {
	q := &reports{}
	for _, n := range []int{maxReported + 1, maxReported - 1, 1, 1} {
		q.waiting = append(q.waiting, &report{update: state.UpdateAllocs{Updates: make([]state.AllocUpdate, n)}})
	}
	for _, want := range []int{1, 2, 1, 0} {
		if got := len(q.next()); got != want {
			t.Errorf("%d reports, want %d", got, want)
		}
	}
}
