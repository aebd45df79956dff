package command

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"sync"
	"time"

	"github.com/hashicorp/nomad/api"
)

// logColors are the colours of the streams of a job, one after the other.
var logColors = []style{"36", "33", "32", "35", "34", "96", "93", "92", "95", "94"}

// logDrain is how long the log of an allocation that has ended is still read, and
// logLost that of one whose node is gone.
const (
	logDrain = 3 * time.Second
	logLost  = 500 * time.Millisecond
)

// jobLogs prints the logs of all allocations of a job as one, each line behind
// the allocation and task that wrote it. It knows one job only.
type jobLogs struct {
	s       *session
	c       *api.Client
	f       logFlags
	id, ns  string
	merged  *lineMerger
	streams map[string]context.CancelFunc // by allocation; owned by watch
	wg      sync.WaitGroup
}

// logsOfJob is alloc logs -job.
func (s *session) logsOfJob(c *api.Client, f logFlags, prefix string) error {
	id, ns, err := s.jobID(c, prefix)
	if err != nil {
		return err
	}
	j := &jobLogs{s: s, c: c, f: f, id: id, ns: ns, merged: &lineMerger{w: s.out}, streams: map[string]context.CancelFunc{}}
	ctx, stop := s.interruptible()
	defer stop()
	if f.follow {
		return j.watch(ctx)
	}
	return j.once(ctx)
}

func (j *jobLogs) list(ctx context.Context, index uint64) ([]*api.AllocationListStub, uint64, error) {
	q := &api.QueryOptions{Namespace: j.ns, WaitIndex: index, WaitTime: time.Minute}
	all, meta, err := j.c.Jobs().Allocations(j.id, false, q.WithContext(ctx))
	if err != nil {
		return nil, index, err
	}
	all = present(all)
	sort.SliceStable(all, func(a, b int) bool { return all[a].CreateIndex < all[b].CreateIndex })
	return all, max(meta.LastIndex, 1), nil
}

// once prints what there is: of the running allocations, else of all.
func (j *jobLogs) once(ctx context.Context) error {
	all, _, err := j.list(ctx, 0)
	if err != nil {
		return fmt.Errorf("list allocations: %w", err)
	}
	var chosen []*api.AllocationListStub
	for _, a := range all {
		if a.ClientStatus == api.AllocClientStatusRunning {
			chosen = append(chosen, a)
		}
	}
	if len(chosen) == 0 {
		chosen = all
	}
	if len(chosen) == 0 {
		return fmt.Errorf("job %q has no allocation", j.id)
	}
	var errs []error
	for _, a := range chosen {
		whole, err := j.whole(ctx, a)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, l := range j.logs(whole) {
			origin, offset, lines := j.f.logOrigin()
			err := l.copy(ctx, origin, offset, lines, false)
			if err = errors.Join(err, l.w.(*mergedStream).Close()); err != nil {
				j.s.say("%s/%s: %s", shortID(a.ID, j.f.verbose), l.task, j.s.explain(err))
				errs = append(errs, err)
			}
		}
	}
	if len(errs) > 0 {
		return exitError{1, fmt.Errorf("not every log could be read: %s", plural(len(errs), "error"))}
	}
	return nil
}

// watch follows the logs of all allocations that come and go, until Ctrl-C or
// until the job is over. An agent or a node that is away is waited for.
func (j *jobLogs) watch(ctx context.Context) error {
	defer j.wg.Wait()
	ctx, end := context.WithCancel(ctx)
	defer end()
	index := uint64(0)
	for away := false; ctx.Err() == nil; {
		all, next, err := j.list(ctx, index)
		switch {
		case ctx.Err() != nil:
			return nil
		case isStatus(err, 404):
			return fmt.Errorf("job %q is gone", j.id)
		case err != nil && index == 0:
			return fmt.Errorf("list allocations: %w", err)
		case err != nil:
			if !away {
				j.s.say("The agent is away (%s); the logs go on when it is back.", j.s.explain(err))
			}
			away = true
			sleep(ctx, logRetry)
			continue
		}
		if away = false; next < index {
			next = 1 // the servers were restored from an older snapshot
		}
		index = next
		if over := j.update(ctx, all); over {
			j.wg.Wait()
			j.s.say("Job %q has no allocation that runs or will run.", j.id)
			return nil
		}
	}
	return nil
}

// update begins streams of allocations that run and ends those of others. It
// reports whether nothing runs and nothing will.
func (j *jobLogs) update(ctx context.Context, all []*api.AllocationListStub) (over bool) {
	over = len(all) > 0
	for _, a := range all {
		end, reading := j.streams[a.ID]
		switch a.ClientStatus {
		case api.AllocClientStatusPending, api.AllocClientStatusUnknown:
			over = false
		case api.AllocClientStatusRunning:
			over = false
			if !reading {
				j.begin(ctx, a)
			}
		default:
			if a.DesiredStatus == api.AllocDesiredStatusRun && a.FollowupEvalID != "" && a.NextAllocation == "" {
				over = false // it will be placed again
			}
			if reading && end != nil {
				drain := logDrain
				if a.ClientStatus == api.AllocClientStatusLost {
					drain = logLost
				}
				time.AfterFunc(drain, end)
				j.streams[a.ID] = nil
			}
		}
	}
	return over
}

// begin follows the logs of an allocation, each in a goroutine that ends with the
// allocation's context.
func (j *jobLogs) begin(ctx context.Context, stub *api.AllocationListStub) {
	ctx, end := context.WithCancel(ctx)
	j.streams[stub.ID] = end
	whole, err := j.whole(ctx, stub)
	if err != nil {
		end()
		delete(j.streams, stub.ID) // the next change of the job tries again
		return
	}
	for _, l := range j.logs(whole) {
		j.wg.Add(1)
		go func() {
			defer j.wg.Done()
			told := false
			l.follow(ctx, func(err error) {
				if !told {
					told = true
					j.s.say("%s/%s: %s; trying again", shortID(stub.ID, j.f.verbose), l.task, j.s.explain(err))
				}
			})
			_ = l.w.(*mergedStream).Close()
		}()
	}
}

func (j *jobLogs) whole(ctx context.Context, stub *api.AllocationListStub) (*api.Allocation, error) {
	a, _, err := j.c.Allocations().Info(stub.ID, (&api.QueryOptions{Namespace: j.ns}).WithContext(ctx))
	if err == nil && a == nil {
		err = errEmpty
	}
	if err != nil {
		return nil, fmt.Errorf("read allocation: %w", err)
	}
	return a, nil
}

// logs are the streams of an allocation that the flags ask for.
func (j *jobLogs) logs(a *api.Allocation) []*logStream {
	var out []*logStream
	for _, task := range taskNames(a) {
		if j.f.task != "" && j.f.task != task || j.f.group != "" && j.f.group != a.TaskGroup {
			continue
		}
		for _, kind := range j.f.kinds() {
			prefix := fmt.Sprintf("[%s %s %s] ", shortID(a.ID, j.f.verbose), a.TaskGroup, task)
			out = append(out, &logStream{c: j.c, alloc: a, task: task, kind: kind, f: j.f,
				w: j.merged.stream(j.s.paint(logColors[colorOf(a.ID+task)], prefix))})
		}
	}
	return out
}

// colorOf picks a colour that stays the same for the same stream.
func colorOf(name string) int {
	sum := 0
	for _, b := range []byte(name) {
		sum = (sum*31 + int(b)) % 9973
	}
	return sum % len(logColors)
}
