package state

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/hashicorp/nomad/api"
)

// TaskStates are the states of an allocation's tasks, by task name. They say what
// the API's say in a tenth of the memory: an api.TaskEvent takes 350 bytes and
// more, and those of all allocations differ in little but their times.
type TaskStates []TaskState

// TaskState is an api.TaskState; times are UTC.
type TaskState struct {
	Task                               string
	State                              string
	Failed                             bool
	Restarts                           uint64
	LastRestart, StartedAt, FinishedAt time.Time
	Events                             []TaskEvent
}

// TaskEvent is an api.TaskEvent: when, and what, which is shared and has no time.
type TaskEvent struct {
	Time int64 // ns since 1970
	What *api.TaskEvent
}

// API is the states in the API's form: fresh, but for the events' Details.
func (s TaskStates) API() map[string]*api.TaskState {
	if s == nil {
		return nil
	}
	out := make(map[string]*api.TaskState, len(s))
	for _, t := range s {
		to := &api.TaskState{
			State: t.State, Failed: t.Failed, Restarts: t.Restarts,
			LastRestart: t.LastRestart, StartedAt: t.StartedAt, FinishedAt: t.FinishedAt,
		}
		for _, e := range t.Events {
			event := *e.What
			event.Time = e.Time
			to.Events = append(to.Events, &event)
		}
		out[t.Task] = to
	}
	return out
}

// MarshalJSON writes the API's form.
func (s TaskStates) MarshalJSON() ([]byte, error) { return json.Marshal(s.API()) }

// lastEvent is the time of the last event of any task, 0 if there was none.
func (s TaskStates) lastEvent() int64 {
	last := int64(0)
	for _, t := range s {
		for _, e := range t.Events {
			last = max(last, e.Time)
		}
	}
	return last
}

// pool shares what many rows repeat. It belongs to the goroutine that applies.
type pool struct {
	texts  map[string]string
	events map[string]*api.TaskEvent // by their JSON without the time
}

// maxPooled bounds each half of the pool, which begins anew when it is full: what
// is shared already stays shared. Busy clusters have some hundred different events.
const maxPooled = 1 << 13

func newPool() *pool {
	return &pool{texts: map[string]string{}, events: map[string]*api.TaskEvent{}}
}

// text is a string with the same content that other rows have too.
func (p *pool) text(s string) string {
	if s == "" {
		return ""
	}
	if w, ok := p.texts[s]; ok {
		return w
	}
	if len(p.texts) >= maxPooled {
		clear(p.texts)
	}
	p.texts[s] = s
	return s
}

// pack makes task states of the API's form. Tasks and events without content are left out.
func (p *pool) pack(states map[string]*api.TaskState) TaskStates {
	var out TaskStates
	for _, name := range slices.Sorted(maps.Keys(states)) {
		s := states[name]
		if s == nil {
			continue
		}
		t := TaskState{
			Task: p.text(name), State: p.text(s.State), Failed: s.Failed, Restarts: s.Restarts,
			LastRestart: s.LastRestart.UTC(), StartedAt: s.StartedAt.UTC(), FinishedAt: s.FinishedAt.UTC(),
		}
		for _, e := range s.Events {
			if e != nil {
				t.Events = append(t.Events, p.event(e))
			}
		}
		t.Events = slices.Clip(t.Events)
		out = append(out, t)
	}
	return slices.Clip(out)
}

func (p *pool) event(e *api.TaskEvent) TaskEvent {
	what := *e
	what.Time = 0
	key, err := json.Marshal(&what)
	if err != nil {
		return TaskEvent{e.Time, &what} // cannot happen; it would only not be shared
	}
	if shared, ok := p.events[string(key)]; ok {
		return TaskEvent{e.Time, shared}
	}
	if len(p.events) >= maxPooled {
		clear(p.events)
	}
	p.events[string(key)] = &what
	return TaskEvent{e.Time, &what}
}
