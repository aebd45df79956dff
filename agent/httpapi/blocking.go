package httpapi

import (
	"context"
	"iter"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/hashicorp/go-memdb"

	"github.com/selfheal/selfheal/agent/state"
)

// reader reads a snapshot and tells ws what it looked at. index is the index of
// what it read: the query returns when that passes the client's.
type reader func(snap *state.Snapshot, ws memdb.WatchSet) (out any, index uint64, err error)

// read answers a query, a blocking one when the client sent an index: read runs
// again whenever something that it looked at changed, until its index is higher
// than the client's or the wait is over. The last answer counts either way. What is
// not there is waited for like a change. A query that is held ends when its caller's
// token does.
func (a *API) read(r *request, read reader) (any, error) {
	if a.cfg.State == nil {
		return nil, errNotServer
	}
	if r.minIndex == 0 {
		out, index, err := read(a.cfg.State.Snapshot(), nil)
		r.index = max(index, 1)
		return out, err
	}
	wait := r.wait + time.Duration(rand.Int64N(int64(r.wait/waitJitter)+1))
	ctx, cancel := context.WithTimeout(r.Context(), wait)
	defer cancel()

	var out any
	var failed error
	woken := false
	a.cfg.State.Block(ctx, r.minIndex, func(snap *state.Snapshot, ws memdb.WatchSet) (uint64, error) {
		var index uint64
		if woken { // what the caller may see is judged as it is now
			if failed = a.allow(r); failed != nil {
				return 0, failed
			}
		}
		if woken = true; r.caller.token != nil && !r.caller.far {
			snap.ACLToken(ws, r.caller.token.AccessorID) // its end is the query's
		}
		out, index, failed = read(snap, ws)
		r.index = max(index, 1)
		if failed != nil {
			if code, _ := answer(failed); code == http.StatusNotFound {
				return index, nil // it may come
			}
		}
		return index, failed
	}) // its error is ours, in failed
	switch {
	case failed != nil:
		return nil, failed
	case r.Context().Err() != nil && a.closing.Err() == nil:
		return nil, r.Context().Err()
	}
	return out, a.allow(r)
}

// readPage is read for a list: rows gives what is listed with its index; it pages,
// and sets X-Nomad-NextToken.
func readPage[Row, Item any](a *API, r *request, l list[Row, Item], rows func(*state.Snapshot, memdb.WatchSet) (iter.Seq[Row], uint64)) (any, error) {
	var next string
	out, err := a.read(r, func(snap *state.Snapshot, ws memdb.WatchSet) (any, uint64, error) {
		seq, index := rows(snap, ws)
		build := func() (any, string, error) {
			items, token, err := l.page(r, seq)
			return items, token, err
		}
		var out any
		var err error
		if l.whole && ws == nil && index > 0 && r.rights().Management() {
			out, next, err = a.answers.row(listKey(r)).at(index, r.pretty, build)
		} else {
			out, next, err = build()
		}
		return out, index, err
	})
	if err == nil && next != "" {
		r.w.Header().Set("X-Nomad-NextToken", next)
	}
	return out, err
}
