package httpapi

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"
)

// Timing of the event stream: facts of the Nomad API.
const (
	eventHeartbeat = 30 * time.Second
	eventWrite     = 40 * time.Second // a reader that takes nothing for so long is gone
)

// eventLine is one line of the stream; a heartbeat is {}.
type eventLine struct {
	Index  uint64      `json:",omitempty"`
	Events []api.Event `json:",omitempty"`
}

// eventStream is GET /v1/event/stream (?index, ?topic=Topic:key, ?namespace): one
// JSON object a line, from index on or the oldest that is kept. It ends when the
// client goes, the agent stops, or the client reads too slowly.
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
	for {
		ctx, cancel := context.WithTimeout(r.Context(), eventHeartbeat)
		ev, err := sub.Next(ctx)
		cancel()
		line := eventLine{Index: ev.Index, Events: ev.Events}
		switch {
		case r.Context().Err() != nil:
			return streamed{}, nil
		case errors.Is(err, context.DeadlineExceeded):
			line = eventLine{}
		case err != nil:
			a.log.Info("event stream ended", "err", err)
			return streamed{}, nil
		}
		for i := range line.Events {
			hideSecrets(&line.Events[i])
		}
		if err := out.json(line); err != nil {
			return streamed{}, nil
		}
	}
}

// hideSecrets gives a node in an event the form that nodes have elsewhere.
func hideSecrets(e *api.Event) {
	if n, ok := e.Payload["Node"].(*api.Node); ok {
		e.Payload = map[string]any{"Node": viewNode(n)}
	}
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
