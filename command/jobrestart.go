package command

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"
	"golang.org/x/sync/errgroup"
)

// restartFlags are the flags of job restart.
type restartFlags struct {
	groups, tasks                                    []string
	allTasks, reschedule, noDelay, yes, verbose, ask bool // ask: before each batch
	onError                                          string
	since                                            time.Time
	size                                             int // of a batch
	percent                                          bool
	wait                                             time.Duration
}

// restartWatch is how long an allocation may take to run again.
const restartWatch = 10 * time.Minute

func jobRestart() verb {
	f := restartFlags{size: 1, onError: "ask"}
	return verb{
		args: "JOB", min: 1, max: 1,
		short: "Restart the allocations of a job, batch by batch",
		long: `Restarts the tasks of a job's running allocations where they are, or with -reschedule replaces each allocation. The next batch begins when the tasks of the one before run again.

Ctrl-C and errors leave the rest as it is; the command that goes on with what is left is printed. Without a terminal an error ends the restart.

  selfheal job restart -batch-size 20% -batch-wait 30s web`,
		flags: []flagRow{
			{"batch-size", "N", "Restart this many at a time, or this share of them, as in 20% (default 1).", f.setSize, nil},
			{"batch-wait", "DURATION", "Wait this long between batches, or ask.", f.setWait, nil},
			{"group", "NAME", "Only this group; may be repeated.", &f.groups, nil},
			{"task", "NAME", "Only this task; may be repeated.", &f.tasks, nil},
			{"all-tasks", "", "Also tasks that have already ended.", &f.allTasks, nil},
			{"reschedule", "", "Stop and replace each allocation instead of restarting its tasks.", &f.reschedule, nil},
			{"no-shutdown-delay", "", "With -reschedule: do not wait for shutdown_delay.", &f.noDelay, nil},
			{"on-error", "WHAT", "ask whether to go on (default), or fail.", oneOf(&f.onError, "ask", "fail"), nil},
			{"since", "TIME", "Leave out what has been restarted since this time (RFC 3339).", f.setSince, nil},
			{"yes", "", "Go on without asking, also after errors.", &f.yes, nil},
			{"verbose", "", "Show whole IDs.", &f.verbose, nil},
		},
		run: func(s *session, args []string) error {
			if err := f.check(); err != nil {
				return err
			}
			c, id, ns, err := s.job(args[0])
			if err != nil {
				return err
			}
			r := &restart{s: s, c: c, f: f, id: id, ns: ns, began: s.time().UTC()}
			if !f.since.IsZero() {
				r.began = f.since
			}
			return r.run()
		},
	}
}

func (f *restartFlags) setSize(text string) error {
	number, percent := strings.CutSuffix(text, "%")
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 || percent && n > 100 {
		return errors.New("want a number above 0, or a share such as 20%")
	}
	f.size, f.percent = n, percent
	return nil
}

func (f *restartFlags) setWait(text string) (err error) {
	if f.ask = text == "ask"; f.ask {
		return nil
	}
	return flagRow{value: &f.wait}.set(text)
}

func (f *restartFlags) setSince(text string) (err error) {
	if f.since, err = time.Parse(time.RFC3339Nano, text); err != nil {
		return errors.New("want a time such as 2026-11-20T12:00:00Z")
	}
	return nil
}

func (f *restartFlags) check() error {
	switch {
	case f.allTasks && len(f.tasks) > 0:
		return usagef("-all-tasks and -task contradict each other")
	case f.reschedule && (f.allTasks || len(f.tasks) > 0):
		return usagef("-reschedule replaces whole allocations; -task and -all-tasks make no sense with it")
	case f.noDelay && !f.reschedule:
		return usagef("-no-shutdown-delay wants -reschedule as well")
	}
	return nil
}

// restart is one run of job restart.
type restart struct {
	s      *session
	c      *api.Client
	f      restartFlags
	id, ns string
	began  time.Time
}

func (r *restart) query(ctx context.Context) *api.QueryOptions {
	return (&api.QueryOptions{Namespace: r.ns}).WithContext(ctx)
}

func (r *restart) run() error {
	ctx, stop := r.s.interruptible()
	defer stop()
	chosen, err := r.chosen(ctx)
	if err != nil {
		return err
	}
	if len(chosen) == 0 {
		return errors.New("nothing of this runs, so nothing was restarted")
	}
	size := r.f.size
	if r.f.percent {
		size = max(1, len(chosen)*r.f.size/100)
	}
	batches := slices.Collect(slices.Chunk(chosen, size))
	failed := 0
	for i, batch := range batches {
		r.s.say("Batch %d of %d: %s", i+1, len(batches), plural(len(batch), "allocation"))
		errs := r.batch(ctx, batch)
		failed += len(errs)
		if ctx.Err() != nil {
			return r.left("interrupted; what was begun goes on")
		}
		for _, err := range errs {
			r.s.say("%s %s", r.s.paintErr(red, "Error:"), r.s.explain(err))
		}
		if len(errs) > 0 && !r.goOn() {
			return r.left(plural(len(errs), "allocation") + " did not restart")
		}
		if i+1 < len(batches) {
			if err := r.pause(ctx); err != nil {
				return r.left(err.Error())
			}
		}
	}
	if failed > 0 {
		return r.left(plural(failed, "allocation") + " did not restart")
	}
	r.s.printf("Restarted %s of job %q.\n", plural(len(chosen), "allocation"), r.id)
	return nil
}

// left ends the restart and says how to go on.
func (r *restart) left(why string) error {
	words := []string{"selfheal job restart", "-since", r.began.Format(time.RFC3339Nano)}
	for _, f := range []struct {
		on   bool
		text string
	}{
		{r.f.size > 1 || r.f.percent, "-batch-size " + strconv.Itoa(r.f.size) + map[bool]string{true: "%"}[r.f.percent]},
		{r.f.wait > 0, "-batch-wait " + r.f.wait.String()}, {r.f.ask, "-batch-wait ask"}, {r.f.reschedule, "-reschedule"}, {r.f.allTasks, "-all-tasks"},
		{r.f.noDelay, "-no-shutdown-delay"}, {r.ns != api.DefaultNamespace, "-namespace " + r.ns},
	} {
		if f.on {
			words = append(words, f.text)
		}
	}
	for _, g := range r.f.groups {
		words = append(words, "-group "+g)
	}
	for _, t := range r.f.tasks {
		words = append(words, "-task "+t)
	}
	return exitError{1, fmt.Errorf("%s\nTo go on with the rest: %s %s", why, strings.Join(words, " "), r.id)}
}

// chosen lists the allocations to restart, in the order of their names.
func (r *restart) chosen(ctx context.Context) ([]*api.Allocation, error) {
	job, _, err := r.c.Jobs().Info(r.id, r.query(ctx))
	if err == nil && job == nil {
		err = errEmpty
	}
	if err != nil {
		return nil, fmt.Errorf("read job: %w", err)
	}
	if err := r.known(job); err != nil {
		return nil, err
	}
	if kind := deref(job.Type); r.f.reschedule && (kind == api.JobTypeSystem || kind == api.JobTypeSysbatch) {
		return nil, usagef("-reschedule makes no sense for a %s job: its allocations belong to their nodes", kind)
	}
	stubs, _, err := r.c.Jobs().Allocations(r.id, false, r.query(ctx))
	if err != nil {
		return nil, fmt.Errorf("list allocations: %w", err)
	}
	var out []*api.Allocation
	for _, a := range present(stubs) {
		if a.ClientStatus != api.AllocClientStatusRunning || a.DesiredStatus != api.AllocDesiredStatusRun ||
			len(r.f.groups) > 0 && !slices.Contains(r.f.groups, a.TaskGroup) || r.done(a) {
			continue
		}
		out = append(out, &api.Allocation{ID: a.ID, Name: a.Name, Namespace: r.ns, NodeID: a.NodeID, TaskGroup: a.TaskGroup, TaskStates: a.TaskStates})
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out, nil
}

// known checks that the groups and tasks of the flags exist.
func (r *restart) known(job *api.Job) error {
	var groups, tasks []string
	for _, g := range present(job.TaskGroups) {
		groups = append(groups, deref(g.Name))
		for _, t := range present(g.Tasks) {
			if len(r.f.groups) == 0 || slices.Contains(r.f.groups, deref(g.Name)) {
				tasks = append(tasks, t.Name)
			}
		}
	}
	for _, want := range []struct {
		what        string
		given, have []string
	}{{"group", r.f.groups, groups}, {"task", r.f.tasks, tasks}} {
		for _, name := range want.given {
			if !slices.Contains(want.have, name) {
				return fmt.Errorf("job %q has no %s %q%s; it has: %s", r.id, want.what, name, didYouMean(name, want.have), strings.Join(want.have, ", "))
			}
		}
	}
	return nil
}

// done reports whether an earlier run that -since tells of has restarted this one.
func (r *restart) done(a *api.AllocationListStub) bool {
	if r.f.since.IsZero() {
		return false
	}
	if r.f.reschedule {
		return a.CreateTime >= r.f.since.UnixNano()
	}
	for name, t := range a.TaskStates {
		chosen := len(r.f.tasks) == 0 || slices.Contains(r.f.tasks, name)
		if chosen && t != nil && t.State == "running" && t.LastRestart.Before(r.f.since) && t.StartedAt.Before(r.f.since) {
			return false
		}
	}
	return true
}

// batch restarts allocations side by side and returns what went wrong.
func (r *restart) batch(ctx context.Context, batch []*api.Allocation) []error {
	ctx, cancel := context.WithTimeout(ctx, restartWatch)
	defer cancel()
	errs := make([]error, len(batch))
	var all errgroup.Group
	for i, a := range batch {
		all.Go(func() error {
			do := r.inPlace
			if r.f.reschedule {
				do = r.replace
			}
			if errs[i] = do(ctx, a); errs[i] != nil {
				errs[i] = fmt.Errorf("%s (%s): %s", a.Name, shortID(a.ID, r.f.verbose), r.s.explain(errs[i]))
			}
			return nil
		})
	}
	_ = all.Wait()
	for i, a := range batch {
		if errs[i] == nil {
			r.s.say("  %s (%s) restarted", a.Name, shortID(a.ID, r.f.verbose))
		}
	}
	return slices.DeleteFunc(errs, func(err error) bool { return err == nil })
}

// inPlace restarts the tasks of an allocation and waits until they run.
func (r *restart) inPlace(ctx context.Context, a *api.Allocation) error {
	if r.f.allTasks {
		if err := r.c.Allocations().RestartAllTasks(a, r.query(ctx)); err != nil {
			return err
		}
		return r.running(ctx, a, nil)
	}
	tasks := []string{""}
	if len(r.f.tasks) > 0 {
		tasks = slices.DeleteFunc(slices.Clone(r.f.tasks), func(t string) bool { return a.TaskStates[t] == nil })
	}
	for _, t := range tasks {
		if err := r.c.Allocations().Restart(a, t, r.query(ctx)); err != nil {
			return err
		}
	}
	var watched []string
	for name, t := range a.TaskStates {
		if t != nil && t.State == "running" && (len(r.f.tasks) == 0 || slices.Contains(tasks, name)) {
			watched = append(watched, name)
		}
	}
	return r.running(ctx, a, watched)
}

// running waits until an allocation runs, and the named tasks of it run again: not
// as they did in was.
func (r *restart) running(ctx context.Context, was *api.Allocation, tasks []string) error {
	return r.watch(ctx, was.ID, func(a *api.Allocation) (bool, error) {
		if a.ClientTerminalStatus() {
			return false, fmt.Errorf("allocation %s is %s%s", shortID(a.ID, r.f.verbose), a.ClientStatus, after(a.ClientDescription))
		}
		for _, name := range tasks {
			t, before := a.TaskStates[name], was.TaskStates[name]
			if t == nil || t.State != "running" {
				return false, nil
			}
			if t.Restarts == before.Restarts && !t.StartedAt.After(before.StartedAt) && !t.LastRestart.After(before.LastRestart) {
				return false, nil
			}
		}
		return a.ClientStatus == api.AllocClientStatusRunning, nil
	})
}

// watch reads an allocation, whenever it changes, until done says so.
func (r *restart) watch(ctx context.Context, id string, done func(*api.Allocation) (bool, error)) error {
	for index := uint64(0); ; {
		q := r.query(ctx)
		q.WaitIndex, q.WaitTime = index, 5*time.Second
		a, meta, err := r.c.Allocations().Info(id, q)
		if err == nil && a == nil {
			err = errEmpty
		}
		if err != nil {
			if errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
				return fmt.Errorf("allocation %s does not run after %s", shortID(id, r.f.verbose), restartWatch)
			}
			return err
		}
		if ok, err := done(a); ok || err != nil {
			return err
		}
		index = max(meta.LastIndex, 1)
	}
}

// replace stops an allocation and waits until the one that takes its place runs.
func (r *restart) replace(ctx context.Context, a *api.Allocation) error {
	q := r.query(ctx)
	if r.f.noDelay {
		q.Params = map[string]string{"no_shutdown_delay": "true"}
	}
	if _, err := r.c.Allocations().Stop(a, q); err != nil {
		return err
	}
	next := ""
	err := r.watch(ctx, a.ID, func(now *api.Allocation) (bool, error) {
		next = now.NextAllocation
		return next != "", nil
	})
	if err != nil {
		return err
	}
	return r.running(ctx, &api.Allocation{ID: next}, nil)
}

// goOn decides what an error means.
func (r *restart) goOn() bool {
	if r.f.yes {
		return true
	}
	f, ok := r.s.in.(*os.File)
	if r.f.onError == "fail" || !ok || !isTerminal(f) {
		return false
	}
	return r.s.confirm("Go on with the next batch?") == nil
}

// pause is what stands between two batches. Its error ends the restart.
func (r *restart) pause(ctx context.Context) error {
	wait := r.f.wait
	if r.f.ask && !r.f.yes {
		f, ok := r.s.in.(*os.File)
		if !ok || !isTerminal(f) {
			return errors.New("-batch-wait ask wants a terminal")
		}
		fmt.Fprint(r.s.err, "Go on with the next batch? [Y/n, or how long to wait] ")
		answer, _ := bufio.NewReader(r.s.in).ReadString('\n')
		switch answer = strings.ToLower(strings.TrimSpace(answer)); answer {
		case "", "y", "yes":
		default:
			d, err := time.ParseDuration(answer)
			if err != nil {
				return errors.New("stopped")
			}
			wait = d
		}
	}
	if wait > 0 && !sleep(ctx, wait) {
		return errors.New("interrupted between batches")
	}
	return nil
}
