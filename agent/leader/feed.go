package leader

import (
	"slices"
	"sync"

	"github.com/selfheal/selfheal/agent/state"
)

// feed hands the changes of some tables to one loop, in order and without ever
// blocking the state. While closed it drops them: who opens it reads the state
// afresh afterwards.
type feed struct {
	ready  chan struct{} // holds a token while there is something to take
	tables []string

	mu      sync.Mutex
	opened  bool
	changes []state.Change
}

func newFeed(tables ...string) *feed {
	return &feed{ready: make(chan struct{}, 1), tables: append(tables, state.TableRestore)}
}

func (f *feed) open() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.opened, f.changes = true, nil
}

func (f *feed) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.opened, f.changes = false, nil
}

func (f *feed) put(changes []state.Change) {
	f.mu.Lock()
	before := len(f.changes)
	for _, c := range changes {
		if f.opened && slices.Contains(f.tables, c.Table) {
			f.changes = append(f.changes, c)
		}
	}
	news := len(f.changes) > before
	f.mu.Unlock()
	if news {
		f.wake()
	}
}

// wake makes the loop look, without a change.
func (f *feed) wake() {
	select {
	case f.ready <- struct{}{}:
	default:
	}
}

// take returns what came since the last call.
func (f *feed) take() []state.Change {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := f.changes
	f.changes = nil
	return out
}
