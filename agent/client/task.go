package client

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/driver"
	"github.com/selfheal/selfheal/agent/nodeapi"
)

// task carries out what its machine asks for. All of it belongs to the goroutine
// of its allocation; what blocks (the driver's calls) runs beside it, one after
// another, and comes back as an event.
type task struct {
	a    *alloc
	spec *api.Task
	role role
	pol  policy
	drv  driver.Driver // nil: this agent has no such driver

	m       machine
	running driver.Task    // nil until started or found again
	saved   *driver.Handle // as journaled; outlives running until it is destroyed

	held       bool // a start waits until servers confirmed the allocation
	recovering bool // its machine is of an earlier agent: the driver has not answered yet
	wasWell    bool // it runs since before this agent, and had been found healthy
	cancel     context.CancelFunc
	// identities are when those that the task was given were signed, by name.
	identities  map[string]identityTime
	renewing    bool      // one is being renewed
	renewFailed time.Time // when that failed last; zero: it did not

	last chan struct{} // closed when the latest driver operation is over
}

// newTask prepares a task; it does nothing yet.
func newTask(a *alloc, spec *api.Task) *task {
	t := &task{a: a, m: machine{Phase: phasePending}, last: make(chan struct{})}
	close(t.last)
	t.specify(spec)
	return t
}

// specify takes over a specification, also while the task runs.
func (t *task) specify(spec *api.Task) {
	t.spec, t.role = spec, roleOf(spec)
	t.drv = t.a.shared.drivers[spec.Driver]
	jobType := text(t.a.job.Type, api.JobTypeService)
	batch := jobType == api.JobTypeBatch || jobType == api.JobTypeSysbatch
	t.pol = policy{
		restart:       restartPolicyOf(jobType, t.a.group, spec),
		onSuccess:     t.role.sidecar || (t.role.main() && !batch),
		killTimeout:   t.killTimeout(),
		shutdownDelay: spec.ShutdownDelay,
		seed:          func(attempt uint64) uint64 { return restartSeed(t.a.id, spec.Name, attempt) },
	}
}

// killTimeout is the task's, 5 s by default, at most what the agent allows.
func (t *task) killTimeout() time.Duration {
	timeout := 5 * time.Second
	set(&timeout, t.spec.KillTimeout)
	return min(timeout, t.a.shared.maxKillTimeout)
}

// apply lets one event happen: step, journal, act, in this order.
func (t *task) apply(ev event) {
	before := t.m
	next, act := t.m.step(ev, time.Now(), t.pol)
	if ev.kind == evTimer && act == actNone {
		return
	}
	t.m = next
	t.save()
	if before.State.Restarts != next.State.Restarts {
		t.a.shared.metrics.AddCounter("client.task.restarts", 1)
	}
	t.a.changed = true
	switch act {
	case actStart:
		t.start()
	case actStop:
		t.stop()
	case actCancelStart:
		t.cancelStart()
	case actDestroy:
		t.destroy()
	}
}

// save journals the task. Running on without the journal is better than not
// running: what it lacks is found again through the drivers' state directories.
func (t *task) save() {
	rec := taskRecord{Machine: t.m, Handle: t.saved, Identities: t.identities}
	if err := t.a.shared.journal.write(put(bucketTasks, taskKey(t.a.id, t.spec.Name), rec)); err != nil {
		t.a.log.Error("journaling a task failed", "task", t.spec.Name, "err", err)
	}
}

// beside runs a driver operation after the ones before it, and then, on the
// owner's goroutine, what it returns.
func (t *task) beside(operation func() func()) {
	before, done := t.last, make(chan struct{})
	t.last = done
	t.a.wg.Add(1)
	go func() {
		defer t.a.wg.Done()
		defer close(done)
		<-before
		if then := operation(); then != nil {
			t.a.send(then)
		}
	}()
}

// start runs the task's command, in the supervisor of its last run if there is one.
func (t *task) start() {
	if !t.a.confirmed {
		t.held = true
		return
	}
	t.held, t.wasWell = false, false
	ctx, cancel := context.WithCancel(t.a.ctx)
	t.cancel = cancel
	prior, drv, cfg, payload := t.running, t.drv, t.config(), t.payload()
	mounts, err := t.mounts()
	if err != nil {
		t.beside(func() func() { return func() { cancel(); t.started(prior, err) } })
		return
	}
	order := t.identityOrder(exposed(t.spec))
	t.beside(func() func() {
		tokens, err := order.fetch(ctx)
		running := prior
		if err == nil {
			running, err = startTask(ctx, drv, prior, startOrder{cfg, t.a.dir, payload, order, tokens, mounts})
		}
		return func() {
			cancel()
			t.issued(order.specs, tokens)
			t.started(running, err)
		}
	})
}

// startOrder is what a start needs.
type startOrder struct {
	cfg        driver.TaskConfig
	dir        allocDir
	payload    payload
	identities identityOrder
	tokens     []nodeapi.Identity
	mounts     []mount
}

// startTask is the blocking part of start.
func startTask(ctx context.Context, drv driver.Driver, prior driver.Task, o startOrder) (driver.Task, error) {
	cfg := o.cfg
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if drv == nil {
		return prior, errors.New("this agent does not have its driver any more")
	}
	if prior != nil {
		if err := mountAll(cfg.TaskDir, o.mounts); err != nil {
			return prior, err
		}
		if err := o.identities.deliver(o.tokens, cfg.Env); err != nil {
			return prior, err
		}
		err := prior.Restart(ctx, cfg)
		if err == nil || ctx.Err() != nil || errors.Is(err, driver.ErrRunning) {
			return prior, err
		}
		// Its supervisor may be broken: begin with a new one.
		if err := prior.Destroy(); err != nil {
			return nil, fmt.Errorf("forget the run before: %w", err)
		}
	}
	if _, err := o.dir.build(cfg.Name, cfg.User); err != nil {
		return nil, err
	}
	if err := o.payload.write(cfg.LocalDir); err != nil {
		return nil, err
	}
	if err := o.identities.deliver(o.tokens, cfg.Env); err != nil {
		return nil, err
	}
	if err := mountAll(cfg.TaskDir, o.mounts); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(cfg.StateDir), 0o700); err != nil {
		return nil, fmt.Errorf("make state directory: %w", err)
	}
	if err := drv.ValidateConfig(cfg.Config); err != nil {
		return nil, err
	}
	for attempt := 1; ; attempt++ {
		running, err := drv.Start(ctx, cfg)
		if errors.Is(err, driver.ErrRunning) && attempt < startAttempts {
			// The start that an earlier agent had asked for went ahead just now: attach to it.
			continue
		}
		if err != nil {
			return nil, err
		}
		if err := rememberHandle(cfg.StateDir, running.Handle()); err != nil {
			return nil, errors.Join(err, abandon(ctx, running))
		}
		return running, nil
	}
}

// abandon ends a task that was started and cannot be kept: what a later agent could
// not find again, as when the disk is full, may not run.
func abandon(ctx context.Context, running driver.Task) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := running.Stop(ctx, "SIGKILL", 0); err != nil {
		return err
	}
	return running.Destroy()
}

// startAttempts bounds how often a start is repeated that met another one.
const startAttempts = 5

// started is the answer of a start.
func (t *task) started(running driver.Task, err error) {
	if err != nil {
		if t.running != nil && running == nil { // the start made anew has destroyed it
			t.running, t.saved = nil, nil
		}
		t.apply(event{kind: evNotStart, err: err})
		return
	}
	t.attach(running)
	t.apply(event{kind: evStarted})
	t.watch()
}

// attach takes over what the driver returned.
func (t *task) attach(running driver.Task) {
	handle := running.Handle()
	t.running, t.saved = running, &handle
}

// watch waits for the end of the present run.
func (t *task) watch() {
	exits := t.running.Wait()
	t.a.wg.Add(1)
	go func() {
		defer t.a.wg.Done()
		select {
		case exit, ok := <-exits:
			if !ok {
				exit = driver.Exit{Code: -1, Err: errors.New("the driver lost the task"), At: time.Now()}
			}
			if !t.a.send(func() { t.apply(event{kind: evExited, exit: exit}) }) {
				t.a.late.add(t, exit)
			}
		case <-t.a.ctx.Done():
		}
	}()
}

// cancelStart ends a start that waits or is under way.
func (t *task) cancelStart() {
	if t.held {
		t.held = false
		t.apply(event{kind: evNotStart, err: context.Canceled})
		return
	}
	if t.cancel != nil {
		t.cancel()
	}
}

// stop asks the driver to end the task; its exit comes through watch.
func (t *task) stop() {
	running, name, signal, timeout := t.running, t.spec.Name, t.spec.KillSignal, t.pol.killTimeout
	if running == nil { // being recovered: the answer asks again
		return
	}
	if _, err := driver.ParseSignal(signal); signal != "" && err != nil {
		t.a.log.Warn("a task's kill_signal is unknown, its driver's own is sent", "task", name, "err", err)
		signal = ""
	}
	t.a.wg.Add(1)
	go func() {
		defer t.a.wg.Done()
		err := running.Stop(t.a.ctx, signal, timeout)
		if err != nil && t.a.ctx.Err() == nil {
			t.a.log.Error("stopping a task failed", "task", name, "err", err)
			t.a.send(func() { t.apply(event{kind: evStopError, err: err}) })
		}
	}()
}

// destroy makes the driver forget a task that has ended for good.
func (t *task) destroy() {
	if t.running == nil {
		return
	}
	running, stateDir := t.running, t.stateDir()
	t.running = nil
	t.beside(func() func() {
		err := running.Destroy()
		if err == nil {
			forgetHandle(stateDir)
		}
		return func() {
			if err != nil {
				t.a.log.Error("forgetting a task failed", "task", t.spec.Name, "err", err)
				return
			}
			t.saved = nil
			t.save()
		}
	})
}

// recoverAttempts and recoverPause bound how often a driver is asked again that
// could not tell what became of a task.
const (
	recoverAttempts = 5
	recoverPause    = 200 * time.Millisecond
)

// recover finds the task of an earlier agent again.
func (t *task) recover() {
	switch {
	case t.saved == nil && t.m.Phase == phaseStarting:
		t.start() // idempotent by its state directory: what was started is attached to
		return
	case t.saved == nil:
		t.apply(event{kind: evGone})
		return
	case t.drv == nil:
		t.saved = nil
		t.apply(event{kind: evFail, err: fmt.Errorf("this agent has no driver %q any more", t.spec.Driver)})
		return
	}
	t.recovering = true
	drv, handle := t.drv, *t.saved
	t.beside(func() func() {
		running, err := recoverTask(t.a.ctx, drv, handle)
		if t.a.ctx.Err() != nil {
			return nil
		}
		return func() {
			t.recovering = false
			t.a.changed = true
			t.recovered(running, err)
		}
	})
}

func recoverTask(ctx context.Context, drv driver.Driver, handle driver.Handle) (driver.Task, error) {
	for attempt := 1; ; attempt++ {
		running, err := drv.Recover(ctx, handle)
		if err == nil || errors.Is(err, driver.ErrGone) || attempt == recoverAttempts {
			return running, err
		}
		select {
		case <-time.After(recoverPause):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// recovered is the driver's answer to recover.
func (t *task) recovered(running driver.Task, err error) {
	if err != nil {
		t.lost(err)
		return
	}
	select {
	case exit, fresh := <-running.Wait():
		if !fresh { // taken by an agent before this one
			t.spent(running)
			return
		}
		t.found(running, &exit)
	default:
		t.found(running, nil)
	}
}

// lost: nothing to attach to.
func (t *task) lost(err error) {
	if !errors.Is(err, driver.ErrGone) {
		t.a.log.Warn("finding a task again failed", "task", t.spec.Name, "err", err)
	}
	t.saved = nil
	t.apply(event{kind: evGone})
}

// found: the task runs, or has ended meanwhile with this exit.
func (t *task) found(running driver.Task, exit *driver.Exit) {
	t.attach(running)
	switch {
	case exit != nil && t.m.Phase == phaseDead:
		t.destroy()
	case exit != nil:
		t.apply(event{kind: evExited, exit: *exit})
	case t.m.Phase == phaseDead: // told to end for good, and yet it runs
		t.watch()
		t.stop()
	default:
		t.watch()
		t.apply(event{kind: evAttached})
	}
}

// spent: the task has ended, and an agent before this one took its exit. Either it
// came to journal that, and the exit counts no second time, or it did not, and how
// the task ended is unknown.
func (t *task) spent(running driver.Task) {
	if !t.m.LastExit.IsZero() || t.m.Phase == phaseDead {
		t.found(running, &driver.Exit{At: t.m.LastExit})
		return
	}
	t.attach(running)
	t.apply(event{kind: evGone})
}

// scope is everything that the task's specification can refer to.
func (t *task) scope() taskScope {
	h := t.a.shared
	mounts, _ := t.mounts() // start says what is missing
	return taskScope{
		mounts: mounts,
		alloc:  t.a.want, job: t.a.job, group: t.a.group, spec: t.spec,
		dirs: t.a.dir.of(t.spec.Name), node: h.facts(), region: h.region, host: h.env,
	}
}

// config is the task's specification as its driver wants it, with every ${...} replaced.
func (t *task) config() driver.TaskConfig {
	scope := t.scope()
	dirs := scope.dirs
	env, look := scope.build()
	cpu, memory, memoryMax := scope.granted()
	cfg := driver.TaskConfig{
		ID: taskKey(t.a.id, t.spec.Name), AllocID: t.a.id,
		JobName: text(t.a.job.Name, t.a.want.JobID), GroupName: t.a.want.TaskGroup, Name: t.spec.Name,
		Config: interpolateMap(t.spec.Config, look), Env: env, User: interpolate(t.spec.User, look),
		TaskDir: dirs.task, AllocDir: dirs.alloc, LocalDir: dirs.local, SecretsDir: dirs.secrets, LogDir: dirs.logs,
		Resources:  driver.Resources{CPUMHz: cpu, MemoryMB: memory, MemoryMaxMB: memoryMax, Cores: scope.cores()},
		KillSignal: t.spec.KillSignal, KillTimeout: t.pol.killTimeout,
		StateDir: t.stateDir(),
	}
	if logs := t.spec.LogConfig; logs != nil {
		set(&cfg.Logs.MaxFiles, logs.MaxFiles)
		set(&cfg.Logs.MaxFileSizeMB, logs.MaxFileSizeMB)
		set(&cfg.Logs.Disabled, logs.Disabled)
	}
	return cfg
}

// stateDir is where the task's driver keeps what outlives the agent.
func (t *task) stateDir() string {
	return filepath.Join(t.a.shared.taskStateDir, t.a.id, t.spec.Name)
}
