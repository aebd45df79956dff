package httpapi

import (
	"context"
	"iter"
	"net/http"
	"time"

	"github.com/hashicorp/nomad/api"
)

const (
	// frameHeartbeat is the pause after which an empty frame is sent: tools take a
	// longer silence for a dead connection. Fact of the Nomad API.
	frameHeartbeat = time.Second
	// maxFrame is the most data of one frame. Fact of the Nomad API.
	maxFrame = 64 << 10
	// firstFrame is how long the header waits for a first frame, so that "no such
	// file" still is a 404.
	firstFrame = 100 * time.Millisecond
	frameWrite = 40 * time.Second
)

// frame is one element of a frame sequence.
type frame struct {
	frame *api.StreamFrame
	err   error
}

// streamFrames sends frames as JSON objects with heartbeats, or with plain their
// bytes alone. An error before the first frame is an answer of its own; a later one
// cuts the connection, so that the client sees that the stream is not whole.
func (a *API) streamFrames(r *request, plain bool, open func(context.Context) iter.Seq2[*api.StreamFrame, error]) (any, error) {
	ctx, cancel := context.WithCancel(r.Context())
	frames := make(chan frame)
	// The pump owns the sequence; it ends with ctx, and we wait for it.
	go func() {
		defer close(frames)
		for f, err := range open(ctx) {
			select {
			case frames <- frame{f, err}:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	defer func() {
		cancel()
		for range frames {
		}
	}()

	var first frame
	var some, ended bool
	select {
	case first, some = <-frames:
		ended = !some
	case <-time.After(firstFrame):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if first.err != nil {
		return nil, first.err
	}
	kind := "application/json"
	if plain {
		kind = "text/plain; charset=utf-8"
	}
	out := newStream(r, kind, frameWrite)
	defer out.close()
	if ended || some && out.frame(first.frame, plain) != nil {
		return streamed{}, nil
	}
	return streamed{}, a.pump(ctx, r, out, plain, frames)
}

// pump sends what comes until the sequence or the client ends.
func (a *API) pump(ctx context.Context, r *request, out *stream, plain bool, frames <-chan frame) error {
	beat := time.NewTicker(frameHeartbeat)
	defer beat.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case f, ok := <-frames:
			if !ok {
				return nil
			}
			if f.err != nil {
				if ctx.Err() == nil {
					a.breakOff(r, f.err)
				}
				return nil
			}
			err = out.frame(f.frame, plain)
			beat.Reset(frameHeartbeat)
		case <-beat.C:
			if !plain {
				err = out.json(&api.StreamFrame{})
			}
		}
		if err != nil {
			return nil // the client is gone
		}
	}
}

// frame writes one frame, in pieces of at most maxFrame.
func (s *stream) frame(f *api.StreamFrame, plain bool) error {
	if plain {
		if len(f.Data) == 0 {
			return nil
		}
		return s.write(f.Data)
	}
	rest := *f
	for len(rest.Data) > maxFrame {
		piece := rest
		piece.Data = rest.Data[:maxFrame]
		if err := s.json(&piece); err != nil {
			return err
		}
		rest.Data = rest.Data[maxFrame:]
		rest.Offset += maxFrame
	}
	return s.json(&rest)
}

// breakOff cuts the connection of an answer that has begun and cannot be finished.
func (a *API) breakOff(r *request, err error) {
	a.log.Warn("answer broke off", "path", r.URL.Path, "err", err)
	panic(http.ErrAbortHandler)
}
