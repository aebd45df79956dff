package driver

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// Driver starts one kind of task. Its methods may be called at the same time
// for different tasks.
type Driver interface {
	// Name is the word after "driver =" in a job file.
	Name() string

	// Fingerprint says whether tasks of this kind can run here, and what of
	// it the scheduler may constrain on.
	Fingerprint(context.Context) Fingerprint

	// ValidateConfig checks a task's config block. An unknown key is an
	// error that offers the nearest known one.
	ValidateConfig(config map[string]any) error

	// Start returns once the task's process runs, or with the reason why it
	// does not; Recoverable tells whether trying again may help.
	//
	// Start is idempotent by StateDir: where a task of an earlier call is
	// still known (running, or ended with an exit that nobody destroyed) it
	// attaches to that one. To run again, use Task.Restart or Task.Destroy.
	Start(context.Context, TaskConfig) (Task, error)

	// Recover attaches to the task behind a journaled handle. A task that
	// ended meanwhile is returned too, with its exit waiting; ErrGone means
	// that nothing is left of it and that nobody recorded an exit.
	Recover(context.Context, Handle) (Task, error)
}

// Task is one started task. Its methods may be called at the same time.
type Task interface {
	// Handle is what to journal after Start and after Restart. A handle from
	// before a Restart still recovers the same task.
	Handle() Handle

	// PID is the task's main process; 0 when it does not run or has none.
	PID() int

	// Wait returns the channel of the current run: one Exit, then closed.
	// It comes after every process of the run is gone and its logs are
	// written. Restart begins a new run with a new channel.
	Wait() <-chan Exit

	// Signal sends a signal, by name ("SIGHUP", "HUP") or number ("1"), to
	// the main process. ErrNotRunning when there is none.
	Signal(signal string) error

	// Stop sends the signal ("" for the driver's default), and after timeout
	// SIGKILL to the whole tree. It returns nil when no process is left, also
	// when there was none; or the context's error, and then the stop goes on.
	Stop(ctx context.Context, signal string, timeout time.Duration) error

	// Restart runs the command again, with a configuration that may differ
	// in everything but ID and StateDir. The current run must have ended:
	// ErrRunning otherwise. A cancelled context also stops a half-made start.
	Restart(context.Context, TaskConfig) error

	// Stats measures the whole tree of processes. ErrNotRunning when there
	// is none.
	Stats(context.Context) (Stats, error)

	// Destroy forgets the task: its supervisor ends, its StateDir is removed;
	// the logs stay. ErrRunning while it runs. Twice is fine.
	Destroy() error
}

// ErrGone is Recover's answer when nothing is left of a task, not even an exit.
var ErrGone = errors.New("task is gone and left no exit status")

// ErrRunning refuses what needs the task to have ended first.
var ErrRunning = errors.New("task is running")

// ErrNotRunning refuses what needs a running task.
var ErrNotRunning = errors.New("task is not running")

// Fingerprint is what a driver finds out about its node.
type Fingerprint struct {
	Detected    bool              // the driver is usable at all
	Healthy     bool              // and works now
	Description string            // why not, or "Healthy"
	Attributes  map[string]string // node attributes, e.g. "driver.raw_exec": "1"
}

// TaskConfig is everything that a driver needs to run one task. Every ${...}
// in it has been replaced already.
type TaskConfig struct {
	ID        string // unique for ever, e.g. "<alloc ID>/<task>"
	AllocID   string
	JobName   string
	GroupName string
	Name      string // the task's name; log files begin with it

	Config map[string]any    // the task's config block
	Env    map[string]string // the complete environment; nothing is added
	User   string            // user name or numeric ID; "" is the agent's own

	TaskDir    string // working directory unless config says otherwise
	AllocDir   string
	LocalDir   string // TaskDir/local
	SecretsDir string
	LogDir     string // must exist unless Logs.Disabled

	Logs      LogConfig
	Resources Resources

	KillSignal  string        // default signal of Stop; "" is the driver's
	KillTimeout time.Duration // used when the machine shuts down under the task

	// StateDir is the driver's own directory for this task, made by Start
	// and removed by Destroy. Nothing else may be in it.
	StateDir string
}

// LogConfig bounds the log files of each of a task's two streams.
type LogConfig struct {
	MaxFiles      int // at least 1; 0 is the default, 10
	MaxFileSizeMB int // MiB; 0 is the default, 10
	Disabled      bool
}

// Resources are what the scheduler granted. Drivers without isolation only
// carry them.
type Resources struct {
	CPUMHz      int64
	MemoryMB    int64
	MemoryMaxMB int64
	Cores       []int // pinned for this task; none: it shares those of the node
}

// Handle finds a task again in a later process.
type Handle struct {
	Driver string
	TaskID string
	State  json.RawMessage // the driver's own
}

// Exit is how a run ended.
type Exit struct {
	Code   int   // exit code; 128+Signal when a signal ended it
	Signal int   // 0 when it ended by itself
	OOM    bool  // the kernel killed it for want of memory
	Err    error // not nil: the true end is unknown, and why
	At     time.Time
}

// Successful tells an exit that is no failure.
func (e Exit) Successful() bool {
	return e.Code == 0 && e.Signal == 0 && e.Err == nil
}

// Stats is one measurement of a task's processes.
type Stats struct {
	User    time.Duration // CPU time since the task began, ended children included
	System  time.Duration
	Percent float64 // of one core, since the previous call on this task; 0 at the first
	RSS     uint64  // bytes, summed over the processes: shared pages count each time
	PIDs    []int   // ascending; the main process is among them
	At      time.Time
}

// Recoverable tells whether the start that failed with err may succeed later
// on the same node, so that the restart policy applies.
func Recoverable(err error) bool {
	var r *recoverableError
	return errors.As(err, &r)
}

// recoverableError marks an error whose cause may pass.
type recoverableError struct{ err error }

func (e *recoverableError) Error() string { return e.err.Error() }
func (e *recoverableError) Unwrap() error { return e.err }
