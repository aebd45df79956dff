package state

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-memdb"
)

// Config of a Store.
type Config struct {
	Logger hclog.Logger
	// EventBuffer is how many log entries the event stream can be resumed over;
	// 0 = 1000. More costs the memory of the rows that they changed.
	EventBuffer int
	// JobVersions is how many versions of a job are kept beside the current one;
	// 0 = 6. Versions that allocations still run are kept in any case.
	JobVersions int
}

// Store is the replicated state of the cluster. One goroutine applies entries;
// any number read.
type Store struct {
	log      hclog.Logger
	versions int
	events   *EventBroker

	apply sync.Mutex // held by the one writer: Apply, Restore
	pool  *pool      // under apply
	gen   atomic.Pointer[generation]

	subsMu sync.Mutex
	subs   []func([]Change)
}

// generation is a database; Restore begins another.
type generation struct {
	db       *memdb.MemDB
	replaced chan struct{} // closed when another generation took its place
}

// New makes an empty state: the namespace "default", the node pools "default" and "all".
func New(cfg Config) (*Store, error) {
	if cfg.Logger == nil {
		cfg.Logger = hclog.NewNullLogger()
	}
	if cfg.EventBuffer < 0 || cfg.JobVersions < 0 {
		return nil, fmt.Errorf("configure state: event buffer %d and job versions %d must not be negative", cfg.EventBuffer, cfg.JobVersions)
	}
	if cfg.EventBuffer == 0 {
		cfg.EventBuffer = 1000
	}
	if cfg.JobVersions == 0 {
		cfg.JobVersions = 6
	}
	s := &Store{log: cfg.Logger.Named("state"), versions: cfg.JobVersions, pool: newPool()}
	s.events = newEventBroker(cfg.EventBuffer, s.Snapshot)
	g, err := newGeneration()
	if err != nil {
		return nil, err
	}
	txn := g.db.Txn(true)
	if err := insertBuiltins(txn); err != nil {
		txn.Abort()
		return nil, err
	}
	txn.Commit()
	s.gen.Store(g)
	return s, nil
}

func newGeneration() (*generation, error) {
	db, err := memdb.NewMemDB(dbSchema())
	if err != nil {
		return nil, fmt.Errorf("create tables: %w", err)
	}
	txn := db.Txn(true)
	if err := txn.Insert(tableAllocR, newAllocTrees()); err != nil {
		txn.Abort()
		return nil, fmt.Errorf("create tables: %w", err)
	}
	txn.Commit()
	return &generation{db: db, replaced: make(chan struct{})}, nil
}

// Change is one row's change by a log entry. Before is nil for a new row, After
// for one that is gone; both are the rows themselves (see the tables' types) and
// must not be changed.
type Change struct {
	Index  uint64
	Table  string
	Before any
	After  any
}

// Changes subscribes fn to every commit from now on, for ever. It is called in
// commit order by the applying goroutine, after the commit, and must be quick. A
// Restore sends one Change of TableRestore: everything may have changed.
func (s *Store) Changes(fn func([]Change)) {
	s.subsMu.Lock()
	defer s.subsMu.Unlock()
	s.subs = append(s.subs, fn)
}

// publish hands a commit to the subscribers and to the event stream.
func (s *Store) publish(cmd Type, changes []Change) {
	if len(changes) == 0 {
		return
	}
	s.subsMu.Lock()
	subs := s.subs
	s.subsMu.Unlock()
	for _, fn := range subs {
		fn(changes)
	}
	s.events.publish(cmd, changes)
}

// Events is the source of the event stream.
func (s *Store) Events() *EventBroker { return s.events }
