package driver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"

	"github.com/hashicorp/go-hclog"
)

const rawExecName = "raw_exec"

// RawExecConfig is what a RawExec needs.
type RawExecConfig struct {
	Logger hclog.Logger // nil logs nothing

	// Binary is the program whose first argument may be "supervise". "" is
	// this very process's, also when its file was replaced meanwhile, so that
	// an agent and the supervisors that it starts are of one version.
	Binary string
}

// RawExec runs a command as it is: no isolation, but a supervisor that
// outlives the agent.
type RawExec struct {
	log    hclog.Logger
	binary string
	table  procTable

	mu        sync.Mutex
	closed    bool
	following map[*rawTask]*link // tasks whose supervisor we listen to
	followers sync.WaitGroup     // one goroutine for each of them
}

// NewRawExec makes the driver. Close it to let go of its tasks.
func NewRawExec(cfg RawExecConfig) *RawExec {
	if cfg.Logger == nil {
		cfg.Logger = hclog.NewNullLogger()
	}
	return &RawExec{log: cfg.Logger, binary: cfg.Binary, following: make(map[*rawTask]*link)}
}

// Close detaches from every task and leaves them running; their Wait channels
// stay silent. It returns when the driver's goroutines have ended.
func (d *RawExec) Close() error {
	d.mu.Lock()
	d.closed = true
	for _, l := range d.following {
		l.Close()
	}
	d.mu.Unlock()
	d.followers.Wait()
	return nil
}

// Name is "raw_exec".
func (d *RawExec) Name() string { return rawExecName }

// Fingerprint is healthy wherever supervisors can work: on Linux with /proc.
func (d *RawExec) Fingerprint(context.Context) Fingerprint {
	if _, err := readProc(os.Getpid()); err != nil {
		return Fingerprint{Description: fmt.Sprintf("%s needs /proc: %v", runtime.GOOS, err)}
	}
	return Fingerprint{
		Detected:    true,
		Healthy:     true,
		Description: "Healthy",
		Attributes:  map[string]string{"driver.raw_exec": "1"},
	}
}

// ValidateConfig checks the config block of a raw_exec task.
func (d *RawExec) ValidateConfig(config map[string]any) error {
	_, err := parseExecConfig(config)
	return err
}

// Start runs the task under a new supervisor, or attaches to what StateDir
// still knows of it; see Driver.
func (d *RawExec) Start(ctx context.Context, cfg TaskConfig) (Task, error) {
	if !filepath.IsAbs(cfg.StateDir) {
		return nil, fmt.Errorf("start task: state directory %q: want an absolute path", cfg.StateDir)
	}
	t, err := d.find(ctx, cfg.ID, cfg.StateDir)
	if err == nil {
		return t, nil
	}
	if !errors.Is(err, ErrGone) {
		return nil, fmt.Errorf("start task: %w", err)
	}
	sp, err := resolve(cfg)
	if err != nil {
		return nil, fmt.Errorf("start task: %w", err)
	}
	if err := os.Remove(filepath.Join(cfg.StateDir, stateName)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("start task: %w", err)
	}
	t = newRawTask(d, cfg.ID, cfg.StateDir)
	if err := t.begin(ctx, sp); err != nil {
		os.RemoveAll(cfg.StateDir)
		return nil, fmt.Errorf("start task: %w", err)
	}
	return t, nil
}

// rawHandle is the State of a Handle of raw_exec.
type rawHandle struct {
	Dir string `json:"dir"`
}

// Recover attaches to a supervisor that lives, or reads what a dead one left.
// It also kills what such a one may have orphaned.
func (d *RawExec) Recover(ctx context.Context, handle Handle) (Task, error) {
	var h rawHandle
	if err := json.Unmarshal(handle.State, &h); err != nil || h.Dir == "" {
		return nil, fmt.Errorf("recover task %s: handle is not one of %s: %s", handle.TaskID, rawExecName, handle.State)
	}
	t, err := d.find(ctx, handle.TaskID, h.Dir)
	if err != nil {
		return nil, fmt.Errorf("recover task %s: %w", handle.TaskID, err)
	}
	return t, nil
}

// find returns the task of a state directory, running or ended; ErrGone if
// there is none.
func (d *RawExec) find(ctx context.Context, id, dir string) (*rawTask, error) {
	l, err := dial(ctx, dir)
	if err == nil {
		var t *rawTask
		if t, err = d.attach(ctx, id, dir, l); !errors.Is(err, errLinkBroken) {
			return t, err
		}
		// It died while we asked. The next dial is refused.
		if l, err = dial(ctx, dir); err == nil {
			l.Close()
			return nil, &recoverableError{fmt.Errorf("supervisor in %s dies, but has not yet", dir)}
		}
	}
	if !noSupervisor(err) {
		return nil, err
	}
	rec, err := readState(dir)
	if err != nil {
		if !errors.Is(err, os.ErrNotExist) {
			d.log.Warn("state of a task is unreadable", "dir", dir, "err", err)
		}
		return nil, ErrGone
	}
	if rec.Exit == nil {
		if err := sweep(rec); err != nil {
			return nil, err
		}
		return nil, ErrGone
	}
	t := newRawTask(d, id, dir)
	t.runs = rec.Run
	t.run = newRun(rec.Run)
	t.deliver(t.run, rec.Exit.exit())
	return t, nil
}

// attach follows a living supervisor. One that has started nothing is told to
// end: it belonged to an agent that died half way.
func (d *RawExec) attach(ctx context.Context, id, dir string, l *link) (*rawTask, error) {
	st, err := l.watch(ctx)
	if err != nil {
		l.Close()
		return nil, err
	}
	if st.Run == 0 {
		l.Close()
		if _, err := askOnce(ctx, dir, request{Op: opShutdown}); err != nil {
			return nil, err
		}
		st.Supervisor.wait(supervisorEnds)
		return nil, ErrGone
	}
	t := newRawTask(d, id, dir)
	t.runs = st.Run
	t.run = newRun(st.Run)
	t.supervisor = st.Supervisor
	t.observe(st)
	return t, t.follow(l)
}

// spawn starts a supervisor with its socket ready to be dialled, and returns
// its PID: a child of ours, to be reaped when it ends.
func (d *RawExec) spawn(dir string) (int, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return 0, fmt.Errorf("make state directory: %w", err)
	}
	socket, err := listenSocket(dir)
	if err != nil {
		return 0, err
	}
	defer socket.Close()
	log, err := os.OpenFile(filepath.Join(dir, "supervisor.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return 0, fmt.Errorf("open supervisor's log: %w", err)
	}
	defer log.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return 0, err
	}
	defer null.Close()

	path, name := "/proc/self/exe", d.binary
	if name != "" {
		path = name
	} else if name, err = os.Executable(); err != nil {
		name = "selfheal"
	}
	pid, err := syscall.ForkExec(path, []string{name, SuperviseCommand, dir}, &syscall.ProcAttr{
		Dir: "/", // it must hold no mount busy
		// Two processors: one goroutine in a system call must not hold up the
		// rest. A small heap from the first instruction on: see gcPercent.
		Env:   []string{"GOMAXPROCS=2", fmt.Sprintf("GOGC=%d", gcPercent)},
		Files: []uintptr{null.Fd(), log.Fd(), log.Fd(), socket.Fd()},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return 0, &recoverableError{fmt.Errorf("start supervisor %s: %w", name, err)}
	}
	return pid, nil
}

// keep registers a link so that Close can cut it.
func (d *RawExec) keep(t *rawTask, l *link) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return errors.New("driver is closed")
	}
	d.following[t] = l
	return nil
}

// drop forgets a task's link.
func (d *RawExec) drop(t *rawTask) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.following, t)
}

func (d *RawExec) isClosed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.closed
}
