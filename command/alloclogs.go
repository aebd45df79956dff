package command

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"

	"github.com/hashicorp/nomad/api"
)

// logFlags are the flags of alloc logs.
type logFlags struct {
	stderr, stdout, follow, tail, job, verbose bool
	lines, bytes                               int
	task                                       string
}

// lineBytes is how long a line is taken to be when the end of a log is asked for
// in lines: the API gives it in bytes.
const lineBytes = 250

func logs(s *session, f logFlags, args []string) error {
	c, err := s.client()
	if err != nil {
		return err
	}
	var a *api.Allocation
	if f.job {
		a, err = s.anyAllocation(c, args[0])
	} else {
		a, err = s.allocation(c, args[0])
	}
	if err != nil {
		return err
	}
	if len(args) == 2 {
		f.task = args[1]
	}
	task, err := taskOf(a, f.task)
	if err != nil {
		return err
	}
	ctx, stop := s.interruptible()
	defer stop()
	for _, kind := range f.kinds() {
		if err := s.copyLog(ctx, c, a, task, kind, f); err != nil {
			return err
		}
	}
	return nil
}

// kinds are the streams that the flags ask for.
func (f logFlags) kinds() []string {
	switch {
	case f.stderr && f.stdout && !f.follow:
		return []string{api.FSLogNameStdout, api.FSLogNameStderr}
	case f.stderr:
		return []string{api.FSLogNameStderr}
	}
	return []string{api.FSLogNameStdout}
}

// anyAllocation picks an allocation of a job, a running one if there is one.
func (s *session) anyAllocation(c *api.Client, prefix string) (*api.Allocation, error) {
	id, ns, err := s.jobID(c, prefix)
	if err != nil {
		return nil, err
	}
	q := &api.QueryOptions{Namespace: ns}
	all, _, err := c.Jobs().Allocations(id, false, q)
	if err != nil {
		return nil, fmt.Errorf("list allocations: %w", err)
	}
	var running []*api.AllocationListStub
	for _, a := range all {
		if a.ClientStatus == api.AllocClientStatusRunning {
			running = append(running, a)
		}
	}
	if len(running) == 0 {
		running = all
	}
	if len(running) == 0 {
		return nil, fmt.Errorf("job %q has no allocation", id)
	}
	a, _, err := c.Allocations().Info(running[rand.IntN(len(running))].ID, q)
	if err != nil {
		return nil, fmt.Errorf("read allocation: %w", err)
	}
	return a, nil
}

func (s *session) copyLog(ctx context.Context, c *api.Client, a *api.Allocation, task, kind string, f logFlags) error {
	origin, offset, lines := api.OriginStart, int64(0), 0
	if f.tail || f.lines > 0 || f.bytes > 0 {
		origin = api.OriginEnd
		switch {
		case f.bytes > 0:
			offset = int64(f.bytes)
		case f.lines > 0:
			lines = f.lines
		default:
			lines = 10
		}
		if lines > 0 {
			offset = int64(lines) * lineBytes
		}
	}
	cancel := make(chan struct{})
	context.AfterFunc(ctx, func() { close(cancel) })
	q := (&api.QueryOptions{Namespace: a.Namespace}).WithContext(ctx)
	frames, errs := c.AllocFS().Logs(a, f.follow, task, kind, origin, offset, cancel, q)
	w := &lastLines{w: s.out, keep: lines}
	for {
		select {
		case err := <-errs:
			_ = w.flush()
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("read log: %w", err)
		case frame, ok := <-frames:
			if !ok {
				return w.flush()
			}
			if _, err := w.Write(frame.Data); err != nil {
				return err
			}
			if f.follow {
				if err := w.flush(); err != nil {
					return err
				}
			}
		case <-ctx.Done():
			return w.flush()
		}
	}
}

// lastLines passes on only the last lines of what it gets before the first
// flush, and everything after it.
type lastLines struct {
	w    io.Writer
	keep int // 0: all
	text []byte
}

// Write holds back a tail, or passes on.
func (l *lastLines) Write(p []byte) (int, error) {
	if l.keep == 0 {
		return l.w.Write(p)
	}
	l.text = append(l.text, p...)
	return len(p), nil
}

func (l *lastLines) flush() error {
	if l.keep == 0 {
		return nil
	}
	lines := strings.SplitAfter(string(l.text), "\n")
	if n := len(lines); n > 0 && lines[n-1] == "" {
		lines = lines[:n-1]
	}
	lines = lines[max(0, len(lines)-l.keep):]
	l.keep, l.text = 0, nil
	_, err := io.WriteString(l.w, strings.Join(lines, ""))
	return err
}
