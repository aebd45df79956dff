package command

import (
	"cmp"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/hashicorp/nomad/api"
)

// logFlags are the flags of alloc logs.
type logFlags struct {
	stderr, stdout, follow, tail, job, verbose bool
	lines, bytes                               int
	task, group                                string
}

// lineBytes is how long a line is taken to be when the end of a log is asked for
// in lines: the API gives it in bytes.
const lineBytes = 250

func logs(s *session, f logFlags, args []string) error {
	c, err := s.client()
	if err != nil {
		return err
	}
	if len(args) == 2 {
		f.task = cmp.Or(f.task, args[1])
	}
	if f.job {
		return s.logsOfJob(c, f, args[0])
	}
	a, err := s.allocation(c, args[0])
	if err != nil {
		return err
	}
	task, err := taskOf(a, f.task)
	if err != nil {
		return err
	}
	ctx, stop := s.interruptible()
	defer stop()
	for _, kind := range f.kinds() {
		l := &logStream{c: c, alloc: a, task: task, kind: kind, f: f, w: s.out}
		origin, offset, lines := f.logOrigin()
		if err := l.copy(ctx, origin, offset, lines, false); err != nil {
			return err
		}
	}
	return nil
}

// kinds are the streams that the flags ask for.
func (f logFlags) kinds() []string {
	switch {
	case f.stderr && f.stdout && (f.job || !f.follow):
		return []string{api.FSLogNameStdout, api.FSLogNameStderr}
	case f.stderr:
		return []string{api.FSLogNameStderr}
	}
	return []string{api.FSLogNameStdout}
}

// anyAllocation picks an allocation of a job (of one group, unless that is ""), a
// running one if there is one.
func (s *session) anyAllocation(c *api.Client, prefix, group string) (*api.Allocation, error) {
	id, ns, err := s.jobID(c, prefix)
	if err != nil {
		return nil, err
	}
	q := &api.QueryOptions{Namespace: ns}
	all, _, err := c.Jobs().Allocations(id, false, q)
	if err != nil {
		return nil, fmt.Errorf("list allocations: %w", err)
	}
	all = slices.DeleteFunc(present(all), func(a *api.AllocationListStub) bool { return group != "" && a.TaskGroup != group })
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
		if group != "" {
			return nil, fmt.Errorf("job %q has no allocation of group %q", id, group)
		}
		return nil, fmt.Errorf("job %q has no allocation", id)
	}
	a, _, err := c.Allocations().Info(running[rand.IntN(len(running))].ID, q)
	if err != nil {
		return nil, fmt.Errorf("read allocation: %w", err)
	}
	return a, nil
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
