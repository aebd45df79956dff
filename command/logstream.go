package command

import (
	stdbytes "bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/hashicorp/nomad/api"
)

const (
	// logRetry is the pause before a log that broke off is asked for again.
	logRetry = time.Second
	// logOverlap is how much of a log's end is read again after a break, to find
	// where it broke off, and logMark how many bytes mark that place.
	logOverlap = 64 << 10
	logMark    = 256
	// logSearch is how long the mark is looked for before what came is printed.
	logSearch = 2 * time.Second
)

// logOrigin is where reading of a log begins.
func (f logFlags) logOrigin() (origin string, offset int64, lines int) {
	switch {
	case f.bytes > 0:
		return api.OriginEnd, int64(f.bytes), 0
	case f.lines > 0:
		return api.OriginEnd, int64(f.lines) * lineBytes, f.lines
	case f.tail:
		return api.OriginEnd, 10 * lineBytes, 10
	}
	return api.OriginStart, 0, 0
}

// logStream is one stream of one task of one allocation.
type logStream struct {
	c          *api.Client
	alloc      *api.Allocation
	task, kind string
	f          logFlags
	w          io.Writer

	mark []byte // the last bytes written
}

// copy writes the log to w once: to its end, or with -f until ctx ends.
func (l *logStream) copy(ctx context.Context, origin string, offset int64, lines int, resumed bool) error {
	ctx, end := context.WithCancel(ctx)
	defer end()
	q := (&api.QueryOptions{Namespace: l.alloc.Namespace}).WithContext(ctx)
	frames, errs := l.c.AllocFS().Logs(l.alloc, l.f.follow, l.task, l.kind, origin, offset, ctx.Done(), q)
	out := &lastLines{w: l, keep: lines}
	var found *resume
	var late <-chan time.Time
	if resumed {
		found = &resume{w: l, mark: l.mark}
		timer := time.NewTimer(logSearch)
		defer timer.Stop()
		late = timer.C
	}
	finish := func() error { return errors.Join(found.flush(), out.flush()) }
	write := func(frame *api.StreamFrame) error {
		if found != nil {
			_, err := found.Write(frame.Data)
			return err
		}
		_, err := out.Write(frame.Data)
		if err == nil && l.f.follow {
			err = out.flush()
		}
		return err
	}
	for {
		select {
		case err := <-errs:
			_ = errors.Join(restOf(frames, write), finish())
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("read log: %w", err)
		case frame, ok := <-frames:
			if !ok {
				return finish()
			}
			if frame == nil {
				continue
			}
			if err := write(frame); err != nil {
				return err
			}
		case <-late:
			if err := found.flush(); err != nil {
				return err
			}
		case <-ctx.Done():
			return finish()
		}
	}
}

// Write passes text on and remembers its end.
func (l *logStream) Write(p []byte) (int, error) {
	n, err := l.w.Write(p)
	l.mark = append(l.mark, p[:n]...)
	l.mark = append([]byte(nil), l.mark[max(0, len(l.mark)-logMark):]...)
	return n, err
}

// follow is copy that survives breaks: it asks again, and goes on where the log
// broke off, until ctx ends or the agent says that there is no such log.
func (l *logStream) follow(ctx context.Context, broke func(error)) {
	origin, offset, lines := l.f.logOrigin()
	err := l.copy(ctx, origin, offset, lines, false)
	for ctx.Err() == nil && err != nil && !isStatus(err, 404) {
		broke(err)
		if !sleep(ctx, logRetry) {
			return
		}
		if len(l.mark) == 0 {
			err = l.copy(ctx, origin, offset, lines, false)
		} else {
			err = l.copy(ctx, api.OriginEnd, logOverlap, 0, true)
		}
	}
}

// resume holds text back until the mark was in it, and passes on what follows.
// A nil resume has nothing to pass on.
type resume struct {
	w    io.Writer
	mark []byte
	text []byte
	done bool
}

// Write looks for the mark.
func (r *resume) Write(p []byte) (int, error) {
	if r.done {
		return r.w.Write(p)
	}
	r.text = append(r.text, p...)
	if i := stdbytes.LastIndex(r.text, r.mark); i >= 0 {
		r.text = r.text[i+len(r.mark):]
		return len(p), r.flush()
	}
	if len(r.text) > logOverlap {
		return len(p), r.flush()
	}
	return len(p), nil
}

// flush gives up looking and passes on what was held back.
func (r *resume) flush() error {
	if r == nil || r.done {
		return nil
	}
	r.done = true
	_, err := r.w.Write(r.text)
	r.text = nil
	return err
}

// lineMerger lets several streams share one output, line by line.
type lineMerger struct {
	mu sync.Mutex
	w  io.Writer
}

// stream is one writer of it, whose lines begin with prefix.
func (m *lineMerger) stream(prefix string) *mergedStream { return &mergedStream{m: m, prefix: prefix} }

// mergedStream holds back a line until it is whole.
type mergedStream struct {
	m       *lineMerger
	prefix  string
	pending []byte
}

// maxPending is how long a line may grow before it is printed in pieces.
const maxPending = 64 << 10

// Write prints the whole lines.
func (m *mergedStream) Write(p []byte) (int, error) {
	m.pending = append(m.pending, p...)
	for {
		i := stdbytes.IndexByte(m.pending, '\n')
		if i < 0 && len(m.pending) < maxPending {
			return len(p), nil
		}
		if i < 0 {
			i = len(m.pending) - 1
		}
		line := m.pending[:i+1]
		if err := m.print(line); err != nil {
			return 0, err
		}
		m.pending = m.pending[i+1:]
	}
}

// Close prints a line that never ended.
func (m *mergedStream) Close() error {
	if len(m.pending) == 0 {
		return nil
	}
	line := m.pending
	m.pending = nil
	return m.print(line)
}

func (m *mergedStream) print(line []byte) error {
	m.m.mu.Lock()
	defer m.m.mu.Unlock()
	text := m.prefix + string(stdbytes.TrimRight(line, "\r\n")) + "\n"
	_, err := io.WriteString(m.m.w, text)
	return err
}
