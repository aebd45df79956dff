package httpapi

import (
	"context"
	"slices"
	"sync"

	"github.com/selfheal/selfheal/agent/state"
)

// maxReported bounds what goes into one entry of the log: some 2 MB.
const maxReported = 5000 // allocations

// reports commits what nodes say of their allocations: at once while nothing is under
// way, and what comes meanwhile together in the next entry. So a report never waits for
// company, and thousands of nodes that have something to say at once cost few commits.
type reports struct {
	commit func(state.Command) (index uint64, refused []error, err error)

	mu      sync.Mutex
	waiting []*report
	busy    bool // a goroutine commits
}

// report is what one node says.
type report struct {
	update state.UpdateAllocs
	done   chan reported // capacity 1
}

type reported struct {
	index uint64
	err   error
}

// take commits a report and returns its entry's index. When ctx ends, the report may
// still be committed.
func (q *reports) take(ctx context.Context, update state.UpdateAllocs) (index uint64, err error) {
	r := &report{update: update, done: make(chan reported, 1)}
	q.mu.Lock()
	q.waiting = append(q.waiting, r)
	if !q.busy {
		q.busy = true
		go q.run() // ends when nothing waits
	}
	q.mu.Unlock()
	select {
	case out := <-r.done:
		return out.index, out.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func (q *reports) run() {
	for batch := q.next(); len(batch) > 0; batch = q.next() {
		var cmd state.Command = &batch[0].update
		if len(batch) > 1 {
			all := &state.UpdateNodes{}
			for _, r := range batch {
				all.Reports = append(all.Reports, r.update)
			}
			cmd = all
		}
		index, refused, err := q.commit(cmd)
		for i, r := range batch {
			out := reported{index, err}
			if err == nil && i < len(refused) {
				out.err = refused[i]
			}
			r.done <- out
		}
	}
}

// next is the longest run of waiting reports that fits into an entry.
func (q *reports) next() []*report {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, size := 0, 0
	for n < len(q.waiting) && (n == 0 || size+len(q.waiting[n].update.Updates) <= maxReported) {
		size += len(q.waiting[n].update.Updates)
		n++
	}
	batch := slices.Clone(q.waiting[:n])
	q.waiting = slices.Delete(q.waiting, 0, n) // which keeps none of them alive
	q.busy = n > 0
	return batch
}

// commitReports is reports.commit on the log.
func (a *API) commitReports(cmd state.Command) (uint64, []error, error) {
	result, index, err := commit[any](a.closing, a, cmd)
	refused, _ := result.([]error)
	return index, refused, err
}
