package driver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"
)

// supervisorEnds is how long a supervisor may take from its last word to the
// end of its process.
const supervisorEnds = 5 * time.Second

// rawTask is the agent's side of one supervisor.
type rawTask struct {
	driver *RawExec
	id     string
	dir    string

	begins sync.Mutex // one start at a time

	mu         sync.Mutex
	run        *run
	runs       int // the highest run ever asked for: numbers are not reused
	supervisor procID
	child      int           // the supervisor's PID if it is ours to reap, else 0
	followed   chan struct{} // closed when nobody follows the supervisor any more
	last       Stats
}

// run is one execution of the command.
type run struct {
	n     int
	main  procID
	exits chan Exit     // room for one
	over  chan struct{} // closed with the exit
}

func newRun(n int) *run {
	return &run{n: n, exits: make(chan Exit, 1), over: make(chan struct{})}
}

func (r *run) isOver() bool {
	select {
	case <-r.over:
		return true
	default:
		return false
	}
}

// newRawTask has a run 0 that is over and nobody to follow.
func newRawTask(d *RawExec, id, dir string) *rawTask {
	t := &rawTask{driver: d, id: id, dir: dir, run: newRun(0), followed: make(chan struct{})}
	close(t.run.over)
	close(t.followed)
	return t
}

func (t *rawTask) Handle() Handle {
	state, err := json.Marshal(rawHandle{Dir: t.dir})
	if err != nil {
		panic(err) // a struct of one string
	}
	return Handle{Driver: rawExecName, TaskID: t.id, State: state}
}

func (t *rawTask) PID() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.run.isOver() {
		return 0
	}
	return t.run.main.PID
}

func (t *rawTask) Wait() <-chan Exit { return t.current().exits }

func (t *rawTask) current() *run {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.run
}

func (t *rawTask) Signal(name string) error {
	sig, err := ParseSignal(name)
	if err != nil {
		return err
	}
	if t.current().isOver() {
		return ErrNotRunning
	}
	ctx, cancel := context.WithTimeout(context.Background(), supervisorEnds)
	defer cancel()
	if _, err := askOnce(ctx, t.dir, request{Op: opSignal, Signal: sig}); err != nil {
		return fmt.Errorf("signal task: %w", err)
	}
	return nil
}

func (t *rawTask) Stop(ctx context.Context, signal string, timeout time.Duration) error {
	req := request{Op: opStop, Timeout: timeout}
	if signal != "" {
		var err error
		if req.Signal, err = ParseSignal(signal); err != nil {
			return fmt.Errorf("stop task: %w", err)
		}
	}
	run := t.current()
	if run.isOver() {
		return nil
	}
	_, err := askOnce(ctx, t.dir, req)
	if err != nil && !supervisorDied(err) {
		return fmt.Errorf("stop task: %w", err)
	}
	// Stopped, or without a supervisor: either way the follower will say.
	select {
	case <-run.over:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop task: %w", ctx.Err())
	}
}

func (t *rawTask) Restart(ctx context.Context, cfg TaskConfig) error {
	sp, err := resolve(cfg)
	if err != nil {
		return fmt.Errorf("restart task: %w", err)
	}
	if err := t.begin(ctx, sp); err != nil {
		return fmt.Errorf("restart task: %w", err)
	}
	return nil
}

// begin starts the next run, in the living supervisor or in a new one.
func (t *rawTask) begin(ctx context.Context, sp *spec) error {
	t.begins.Lock()
	defer t.begins.Unlock()
	t.mu.Lock()
	previous := t.run
	if !previous.isOver() {
		t.mu.Unlock()
		return ErrRunning
	}
	t.runs++
	next := newRun(t.runs)
	t.run = next // before the start: its exit may overtake our reply
	followed := t.followed
	t.mu.Unlock()

	st, err := t.ask(ctx, followed, request{Op: opStart, Run: next.n, Spec: sp})
	if err != nil {
		t.mu.Lock()
		t.run = previous
		t.mu.Unlock()
		return err
	}
	t.observe(st)
	return nil
}

// ask has the living supervisor start a run, or a new one if that is dead.
func (t *rawTask) ask(ctx context.Context, followed <-chan struct{}, req request) (status, error) {
	if t.driver.isClosed() {
		return status{}, errors.New("driver is closed")
	}
	if !isClosed(followed) {
		st, err := askOnce(ctx, t.dir, req)
		if err == nil {
			return st, nil
		}
		if ctx.Err() != nil {
			t.undo()
		}
		if !supervisorDied(err) {
			return status{}, err
		}
		<-followed
		if t.current().isOver() {
			return status{Run: req.Run}, nil // it ran, and its end is known
		}
	}
	st, err := t.beginFresh(ctx, req)
	if supervisorDied(err) {
		err = &recoverableError{fmt.Errorf("supervisor died: %w", err)}
	}
	return st, err
}

// undo stops a run that may have begun although its caller gave up.
func (t *rawTask) undo() {
	ctx, cancel := context.WithTimeout(context.Background(), supervisorEnds)
	defer cancel()
	if _, err := askOnce(ctx, t.dir, request{Op: opStop}); err != nil {
		t.driver.log.Warn("could not stop a task whose start was cancelled", "task", t.id, "err", err)
	}
}

// beginFresh starts a supervisor, and the run in it.
func (t *rawTask) beginFresh(ctx context.Context, req request) (st status, err error) {
	child, err := t.driver.spawn(t.dir)
	if err != nil {
		return st, err
	}
	defer func() {
		if err != nil { // the task, if it began, dies with its supervisor
			syscall.Kill(child, syscall.SIGKILL)
			reapChild(child)
		}
	}()
	l, err := dial(ctx, t.dir)
	if err != nil {
		return st, err
	}
	if st, err = l.ask(ctx, req); err != nil {
		l.Close()
		return st, err
	}
	if err = l.out.Encode(request{Op: opWatch}); err != nil {
		l.Close()
		return st, fmt.Errorf("%w: %w", errLinkBroken, err)
	}
	t.mu.Lock()
	t.supervisor, t.child = st.Supervisor, child
	t.mu.Unlock()
	return st, t.follow(l)
}

func reapChild(pid int) {
	for {
		if _, err := syscall.Wait4(pid, nil, 0, nil); err != syscall.EINTR {
			return
		}
	}
}

// follow begins to listen to the supervisor, in a goroutine that ends with it
// or with the driver.
func (t *rawTask) follow(l *link) error {
	if err := t.driver.keep(t, l); err != nil {
		l.Close()
		return err
	}
	followed := make(chan struct{})
	t.mu.Lock()
	t.followed = followed
	t.mu.Unlock()
	t.driver.followers.Go(func() {
		defer close(followed)
		defer t.driver.drop(t)
		for l != nil {
			t.listen(l)
			l = t.relink()
		}
	})
	return nil
}

// listen takes statuses until the connection ends.
func (t *rawTask) listen(l *link) {
	defer l.Close()
	for {
		var st status
		if err := l.in.Decode(&st); err != nil {
			return
		}
		t.observe(st)
	}
}

// relink dials a supervisor again whose connection broke. It returns nil when
// the supervisor is dead, after the task's end was settled, or when the driver
// was closed.
func (t *rawTask) relink() *link {
	for {
		l, err := dial(context.Background(), t.dir)
		if err == nil {
			if t.driver.keep(t, l) != nil {
				l.Close()
				return nil
			}
			if err := l.out.Encode(request{Op: opWatch}); err == nil {
				return l
			}
			l.Close()
		}
		if t.driver.isClosed() {
			return nil
		}
		if t.supervisor.wait(50 * time.Millisecond) {
			t.lost()
			return nil
		}
	}
}

// observe takes over what the supervisor says of the current run.
func (t *rawTask) observe(st status) {
	t.mu.Lock()
	run := t.run
	if st.Run == run.n {
		run.main = st.Main
	}
	t.mu.Unlock()
	if st.Run == run.n && st.Exit != nil {
		t.deliver(run, st.Exit.exit())
	}
}

// deliver ends a run; only the first end counts.
func (t *rawTask) deliver(run *run, exit Exit) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if run.isOver() {
		return
	}
	run.exits <- exit
	close(run.exits)
	close(run.over)
}

// lost settles the end of a task whose supervisor is dead.
func (t *rawTask) lost() {
	t.mu.Lock()
	run, main, child := t.run, t.run.main, t.child
	t.child = 0
	t.mu.Unlock()
	if child != 0 {
		reapChild(child)
	}
	if run.isOver() {
		return
	}
	rec, err := readState(t.dir)
	if err != nil || rec.Run != run.n {
		rec = record{Boot: bootID(), Main: main}
	}
	if rec.Exit != nil {
		t.deliver(run, rec.Exit.exit())
		return
	}
	t.driver.log.Warn("supervisor died, its task with it", "task", t.id, "pid", main.PID)
	if err := sweep(rec); err != nil {
		t.driver.log.Error("could not clean up behind a supervisor", "task", t.id, "err", err)
	}
	if main.PID == 0 {
		return // its start is being asked for: begin hears of it
	}
	t.deliver(run, Exit{
		Code:   128 + int(syscall.SIGKILL),
		Signal: int(syscall.SIGKILL),
		Err:    errors.New("supervisor died and the task with it: exit status unknown"),
		At:     time.Now(),
	})
}

func (t *rawTask) Destroy() error {
	t.begins.Lock()
	defer t.begins.Unlock()
	t.mu.Lock()
	run, followed := t.run, t.followed
	t.mu.Unlock()
	if !run.isOver() {
		return ErrRunning
	}
	ctx, cancel := context.WithTimeout(context.Background(), supervisorEnds)
	defer cancel()
	_, err := askOnce(ctx, t.dir, request{Op: opShutdown})
	if err != nil && !supervisorDied(err) {
		return fmt.Errorf("destroy task: %w", err)
	}
	<-followed
	if err := os.RemoveAll(t.dir); err != nil {
		return fmt.Errorf("destroy task: %w", err)
	}
	return nil
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
