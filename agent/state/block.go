package state

import (
	"context"

	"github.com/hashicorp/go-memdb"
)

// Block is a blocking read. It runs fn on a fresh snapshot, again and again,
// until the index that fn returns is greater than min, fn fails, or ctx ends;
// what fn saw last is the answer, and only fn's own error is returned. With min 0
// it runs fn once. fn passes ws to what it reads: only a change of that (or a
// Restore, which ends the wait) runs it again.
func (s *Store) Block(ctx context.Context, min uint64, fn func(*Snapshot, memdb.WatchSet) (uint64, error)) error {
	first := s.gen.Load()
	for {
		g := s.gen.Load()
		ws := memdb.NewWatchSet()
		ws.Add(g.replaced)
		index, err := fn(snapshotOf(g), ws)
		if err != nil || min == 0 || index > min || g != first {
			return err
		}
		if ws.WatchCtx(ctx) != nil {
			return nil
		}
	}
}
