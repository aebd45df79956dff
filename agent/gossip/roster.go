package gossip

import (
	"net/netip"
	"sort"
	"strings"
	"sync"
	"time"
)

// roster is every member that this agent knows or remembers, and the source of
// events. It is told the time and asks nobody; emit is called in the order of
// changes and must not block.
type roster struct {
	mu      sync.Mutex
	members map[string]*Member
	emit    func(Event)
}

// saw records that a member is alive at an address with that meta.
func (r *roster) saw(meta Meta, addr netip.AddrPort, leaving bool, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := Member{Meta: meta, Addr: addr.Addr(), Port: int(addr.Port()), Status: Alive, Since: now}
	old := r.members[meta.ID]
	if leaving {
		if next.Status = Left; old == nil {
			r.members[meta.ID] = &next
		} else if old.Status != Left {
			r.put(EventLeft, next)
		}
		return
	}
	if old == nil || old.Status != Alive {
		r.put(EventJoined, next)
		return
	}
	if next.Since = old.Since; next != *old {
		r.put(EventUpdated, next)
	}
}

func (r *roster) put(kind EventKind, m Member) {
	r.members[m.ID] = &m
	r.emit(Event{Kind: kind, Member: m})
}

// lost records that a member stopped answering. One that said it was leaving
// has left already.
func (r *roster) lost(id string, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m := r.members[id]; m != nil && m.Status == Alive {
		next := *m
		next.Status, next.Since = Failed, now
		r.put(EventFailed, next)
	}
}

// dismiss turns a failed member into one that left and, with prune, forgets it.
// A member that is alive is left alone.
func (r *roster) dismiss(id string, prune bool, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.members[id]
	if m == nil || m.Status == Alive {
		return
	}
	if m.Status == Failed {
		next := *m
		next.Status, next.Since = Left, now
		r.put(EventLeft, next)
	}
	if prune {
		delete(r.members, id)
	}
}

// reap forgets those that failed or left before the given times.
func (r *roster) reap(failed, left time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, m := range r.members {
		if m.Status == Failed && m.Since.Before(failed) || m.Status == Left && m.Since.Before(left) {
			delete(r.members, id)
		}
	}
}

// self is get for a member that is always there.
func (r *roster) self(id string) Member {
	m, _ := r.get(id)
	return m
}

func (r *roster) get(id string) (Member, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m := r.members[id]; m != nil {
		return *m, true
	}
	return Member{}, false
}

// find takes an ID, "<name>.<region>" or a name that only one member has.
func (r *roster) find(name string) (found []Member) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m := r.members[name]; m != nil {
		return []Member{*m}
	}
	for _, m := range r.members {
		if m.FullName() == name || m.Name == name {
			found = append(found, *m)
		}
	}
	return found
}

// all returns the members sorted by name, then ID.
func (r *roster) all() []Member {
	r.mu.Lock()
	out := make([]Member, 0, len(r.members))
	for _, m := range r.members {
		out = append(out, *m)
	}
	r.mu.Unlock()
	sort.Slice(out, func(i, j int) bool {
		if c := strings.Compare(out[i].Name, out[j].Name); c != 0 {
			return c < 0
		}
		return out[i].ID < out[j].ID
	})
	return out
}

func (r *roster) count(s Status) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.members {
		if m.Status == s {
			n++
		}
	}
	return n
}

// events hands each Event to every subscriber, in order, from one goroutine.
// The queue has no bound: an agent that is slow to listen must not slow the
// cluster's probes, and a lost event would be a lie for ever.
type events struct {
	mu     sync.Mutex
	ready  *sync.Cond
	queue  []Event
	subs   []func(Event)
	closed bool
}

func newEvents(first func(Event)) *events {
	e := &events{}
	e.ready = sync.NewCond(&e.mu)
	if first != nil {
		e.subs = append(e.subs, first)
	}
	return e
}

func (e *events) subscribe(f func(Event)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.subs = append(e.subs[:len(e.subs):len(e.subs)], f)
}

func (e *events) push(ev Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.closed {
		e.queue = append(e.queue, ev)
		e.ready.Signal()
	}
}

// close lets run end once everything queued is delivered.
func (e *events) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	e.ready.Signal()
}

func (e *events) run() {
	for {
		e.mu.Lock()
		for len(e.queue) == 0 && !e.closed {
			e.ready.Wait()
		}
		queue, subs := e.queue, e.subs
		e.queue = nil
		e.mu.Unlock()
		if len(queue) == 0 {
			return
		}
		for _, ev := range queue {
			for _, f := range subs {
				f(ev)
			}
		}
	}
}
