package httpapi

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
)

// Timing of the event stream: facts of the Nomad API.
const (
	eventHeartbeat = 30 * time.Second
	eventWrite     = 40 * time.Second // a reader that takes nothing for so long is gone
)

// eventLine is one line of the stream; a heartbeat is {}. Error is an addition of
// ours: clients that do not know it take the line for a heartbeat.
type eventLine struct {
	Index  uint64  `json:",omitempty"`
	Events []event `json:",omitempty"`
	Error  string  `json:",omitempty"`
}

// event adds to the API's type what the stream has and the type has not.
type event struct {
	api.Event
	Namespace string
}

// topicsKnown are the topics of the Nomad API. Not all of them have events yet; a
// misspelt one never would.
var topicsKnown = []string{
	"ACLAuthMethod", "ACLBindingRule", "ACLPolicy", "ACLRole", "ACLToken", "Allocation", "CSIPlugin", "CSIVolume", "Deployment",
	"Evaluation", "HostVolume", "Job", "Node", "NodePool", "Operator", "Service", "Variable", string(api.TopicAll),
}

// eventStream is GET /v1/event/stream (?index, ?topic=Topic:key, ?namespace): one
// JSON object a line, from index on or the oldest that is kept, each index once and in
// order, the same on every server. Where index is older than that, a line with Error
// says what is missing. It ends when the client goes, the agent stops, or the client
// reads too slowly.
func eventStream(a *API, r *request) (any, error) {
	topics, err := parseTopics(r.query["topic"])
	if err != nil {
		return nil, err
	}
	// The stream begins with index itself: after a broken connection an event comes
	// twice rather than never.
	sub := a.cfg.State.Events().Subscribe(max(r.minIndex, 2)-1, topics, r.namespace)
	out := newStream(r, "application/json", eventWrite)
	defer out.close()
	if err := out.json(eventLine{}); err != nil {
		return streamed{}, nil
	}
	var gap state.ErrEventGap
	for {
		ctx, cancel := context.WithTimeout(r.Context(), eventHeartbeat)
		ev, err := sub.Next(ctx)
		cancel()
		line := eventLine{Index: ev.Index}
		for _, e := range ev.Events {
			if shown := shownEvent(e); r.mayKnow(shown) {
				line.Events = append(line.Events, shown)
			}
		}
		switch {
		case r.Context().Err() != nil:
			return streamed{}, nil
		case errors.Is(err, context.DeadlineExceeded):
			line = eventLine{}
		case errors.As(err, &gap):
			if r.minIndex == 0 { // it asked for what there is
				continue
			}
			line = eventLine{Error: gap.Error()}
		case err != nil:
			a.log.Info("event stream ended", "err", err)
			return streamed{}, nil
		case len(line.Events) == 0:
			continue
		}
		lines := []eventLine{line}
		if _, evals := topics[string(api.TopicEvaluation)]; evals && len(topics) == 1 {
			lines = split(line)
		}
		if err := out.lines(lines); err != nil {
			return streamed{}, nil
		}
	}
}

// split gives an evaluation and the one that follows it lines of their own, to who
// watches evaluations alone: in the Nomad API they are changed one after the other, and
// such clients count on it. All others see each index once. Until the last line
// of an index is read the index is not complete: the others bear the one before it, so
// that who resumes from it sees all of them again.
func split(whole eventLine) []eventLine {
	lines, evals := []eventLine{{Index: whole.Index}}, 0
	for _, e := range whole.Events {
		if e.Topic == api.TopicEvaluation {
			if evals++; evals > 1 {
				lines[len(lines)-1].Index = whole.Index - 1
				lines = append(lines, eventLine{Index: whole.Index})
			}
		}
		last := &lines[len(lines)-1]
		last.Events = append(last.Events, e)
	}
	return lines
}

// shownEvent is an event with its row's namespace; a node has the form that nodes
// have elsewhere.
func shownEvent(e api.Event) event {
	out := event{Event: e}
	payload := e.Payload[string(e.Topic)]
	if payload == nil { // of volumes of both kinds
		payload = e.Payload["Volume"]
	}
	switch row := payload.(type) {
	case *api.Job:
		out.Namespace = *row.Namespace
	case *api.Allocation:
		out.Namespace = row.Namespace
	case *api.Evaluation:
		out.Namespace = row.Namespace
	case *api.Deployment:
		out.Namespace = row.Namespace
	case *api.ServiceRegistration:
		out.Namespace = row.Namespace
	case *api.VariableMetadata:
		out.Namespace = row.Namespace
	case *api.CSIVolume:
		out.Namespace = row.Namespace
	case *api.HostVolume:
		out.Namespace = row.Namespace
	case *api.Node:
		out.Payload = map[string]any{"Node": viewNode(row)}
	}
	return out
}

// parseTopics reads ?topic=Topic or ?topic=Topic:key; none means everything.
func parseTopics(params []string) (map[string][]string, error) {
	if len(params) == 0 {
		return nil, nil
	}
	topics := map[string][]string{}
	for _, p := range params {
		topic, key, hasKey := strings.Cut(p, ":")
		switch {
		case topic == "" || hasKey && (key == "" || strings.HasPrefix(key, ":")):
			return nil, badRequest("Invalid key value pair for topic: %q is not of the form Topic or Topic:key", p)
		case !slices.Contains(topicsKnown, topic):
			return nil, badRequest("Invalid topic %q: use one of %s", topic, strings.Join(topicsKnown, ", "))
		case !hasKey:
			key = "*"
		}
		topics[topic] = append(topics[topic], key)
	}
	return topics, nil
}

// stream writes an answer piece by piece; each is flushed.
type stream struct {
	w       http.ResponseWriter
	ctl     *http.ResponseController
	timeout time.Duration
}

// newStream sends the header of a streamed answer. A client that takes no byte for
// timeout is dropped.
func newStream(r *request, contentType string, timeout time.Duration) *stream {
	r.w.Header().Set("Content-Type", contentType)
	r.w.Header().Set("Cache-Control", "no-cache")
	if r.onStream != nil {
		r.onStream()
	}
	r.w.WriteHeader(http.StatusOK)
	s := &stream{w: r.w, ctl: http.NewResponseController(r.w), timeout: timeout}
	s.ctl.Flush()
	return s
}

func (s *stream) json(v any) error {
	b, err := encode(v, false)
	if err != nil {
		return err
	}
	return s.write(b)
}

// lines writes several at once.
func (s *stream) lines(all []eventLine) error {
	var out []byte
	for _, line := range all {
		b, err := encode(line, false)
		if err != nil {
			return err
		}
		out = append(out, b...)
	}
	return s.write(out)
}

func (s *stream) write(b []byte) error {
	// Not every connection has deadlines (an in-memory one has none).
	_ = s.ctl.SetWriteDeadline(time.Now().Add(s.timeout))
	if _, err := s.w.Write(b); err != nil {
		return err
	}
	return s.ctl.Flush()
}

// close takes the deadline off the connection, which may serve another request.
func (s *stream) close() { _ = s.ctl.SetWriteDeadline(time.Time{}) }
