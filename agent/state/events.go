package state

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/hashicorp/nomad/api"
)

// ErrSlowReader tells a subscriber of the event stream that it fell behind what is
// buffered: it has to start again.
var ErrSlowReader = errors.New("event stream: reader is too slow, events were dropped")

// ErrEventGap tells a subscriber, once, that events which it asked for are not
// buffered any more, here or since the state came out of a snapshot: those with an
// index from First to Last may be missing. The subscription goes on after them.
type ErrEventGap struct{ First, Last uint64 }

// Error says what the reader has to know.
func (e ErrEventGap) Error() string {
	return fmt.Sprintf("events from index %d to %d are not buffered any more: read what they would have said, then go on", e.First, e.Last)
}

// maxBufferedEvents bounds the buffer when single log entries change very many
// rows: about 1 MiB of changes, and at most 7 MiB of allocations that they replaced.
const maxBufferedEvents = 1 << 14

// EventBroker keeps the last changes for the event stream. Publishing never waits
// for a reader: events are made when they are read, and a reader that fell out
// of the buffer is told.
type EventBroker struct {
	buffer int              // commits
	now    func() *Snapshot // joins allocations when they are read: a buffered snapshot would keep old trees alive

	mu     sync.Mutex
	ring   []commit      // oldest first
	next   uint64        // number of the commit to come; ring holds next-len(ring) to next-1
	events int           // changes in ring
	lost   uint64        // events up to this index are not in ring
	more   chan struct{} // closed at the next publish
}

// commit is what one log entry changed.
type commit struct {
	cmd     Type
	changes []Change // at least one
}

func newEventBroker(buffer int, now func() *Snapshot) *EventBroker {
	return &EventBroker{buffer: buffer, now: now, more: make(chan struct{})}
}

func (b *EventBroker) publish(cmd Type, changes []Change) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if changes[0].Table == TableRestore { // what led from the last commit to here was never seen
		b.ring, b.events, b.lost = nil, 0, changes[0].Index
	}
	b.ring = append(b.ring, commit{cmd, changes})
	b.next++
	b.events += len(changes)
	for len(b.ring) > b.buffer || b.events > maxBufferedEvents && len(b.ring) > 1 {
		b.events -= len(b.ring[0].changes)
		b.lost = max(b.lost, b.ring[0].changes[0].Index)
		b.ring[0] = commit{} // the array outlives the slice's start
		b.ring = b.ring[1:]
	}
	close(b.more)
	b.more = make(chan struct{})
}

// Subscription reads the event stream from one point on.
type Subscription struct {
	b         *EventBroker
	at        uint64 // number of the next commit to read
	after     uint64 // index that the reader has seen: a server may be behind the one that it saw it on
	gap       *ErrEventGap
	topics    map[string][]string
	namespace string
}

// Subscribe reads the events after index (0: only those to come). topics maps a
// topic ("Job", "*") to the keys wanted of it ("*" or none: all); nil means
// everything. namespace "*" means all of them; rows without a namespace (nodes,
// pools) pass any. An index older than the buffer starts with the oldest there is, after
// an ErrEventGap.
func (b *EventBroker) Subscribe(index uint64, topics map[string][]string, namespace string) *Subscription {
	b.mu.Lock()
	defer b.mu.Unlock()
	sub := &Subscription{b: b, at: b.next, after: index, topics: topics, namespace: namespace}
	if index > 0 {
		if index < b.lost {
			sub.gap = &ErrEventGap{First: index + 1, Last: b.lost}
		}
		first := b.next - uint64(len(b.ring))
		newer := slices.IndexFunc(b.ring, func(c commit) bool { return c.changes[0].Index > index })
		if newer >= 0 {
			sub.at = first + uint64(newer)
		}
	}
	return sub
}

// Next waits for the next log entry with events of interest. Err is never set; the
// error is ctx's, or ErrSlowReader, or once an ErrEventGap.
func (s *Subscription) Next(ctx context.Context) (api.Events, error) {
	if gap := s.gap; gap != nil {
		s.gap = nil
		return api.Events{}, *gap
	}
	for {
		c, more, err := s.step()
		if err != nil {
			return api.Events{}, err
		}
		if c.changes == nil {
			select {
			case <-more:
			case <-ctx.Done():
				return api.Events{}, ctx.Err()
			}
			continue
		}
		if c.changes[0].Index <= s.after {
			continue
		}
		if ev := s.eventsOf(c); len(ev.Events) > 0 {
			return ev, nil
		}
	}
}

// step takes the next commit out of the buffer; none: more says when to look again.
func (s *Subscription) step() (c commit, more <-chan struct{}, err error) {
	s.b.mu.Lock()
	defer s.b.mu.Unlock()
	first := s.b.next - uint64(len(s.b.ring))
	switch {
	case s.at < first:
		return commit{}, nil, ErrSlowReader
	case s.at == s.b.next:
		return commit{}, s.b.more, nil
	}
	c = s.b.ring[s.at-first]
	s.at++
	return c, nil, nil
}

func (s *Subscription) eventsOf(c commit) api.Events {
	out := api.Events{Index: c.changes[0].Index}
	snap := s.b.now()
	for _, ch := range c.changes {
		kind, ok := eventKinds[ch.Table]
		if !ok {
			continue
		}
		row := ch.After
		if row == nil {
			row = ch.Before
		}
		f := kind.facts(row)
		if !s.wants(kind.topic, f) {
			continue
		}
		payload := map[string]any{kind.field: row}
		if kind.show != nil {
			payload[kind.field] = kind.show(row)
		}
		if a, isAlloc := row.(*Alloc); isAlloc {
			view := snap.API(a)
			view.Job = nil // as large as all the rest, and the same for each
			payload[kind.field] = view
		}
		if v, isVariable := row.(*Variable); isVariable {
			payload[kind.field] = v.eventView() // without its items and its lock's ID
		}
		if ch.After == nil && ch.Table == TableJobs {
			payload["Deleted"] = true
		}
		out.Events = append(out.Events, api.Event{
			Topic: kind.topic, Type: kind.typeOf(c.cmd, ch), Key: f.key, FilterKeys: f.filter,
			Index: ch.Index, Payload: payload,
		})
	}
	return out
}

func (s *Subscription) wants(topic api.Topic, f eventFacts) bool {
	if f.namespace != "" && s.namespace != AllNamespaces && s.namespace != f.namespace {
		return false
	}
	if s.topics == nil {
		return true
	}
	for _, t := range []string{string(topic), string(api.TopicAll)} {
		keys, asked := s.topics[t]
		if !asked {
			continue
		}
		if len(keys) == 0 || slices.Contains(keys, string(api.TopicAll)) || slices.Contains(keys, f.key) {
			return true
		}
		if slices.ContainsFunc(f.filter, func(k string) bool { return slices.Contains(keys, k) }) {
			return true
		}
	}
	return false
}
