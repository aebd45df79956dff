package driver

import (
	"errors"
	"syscall"
	"time"
)

// The protocol between an agent and a supervisor: JSON values on a unix
// socket, one reply a request, in order. Every request may be repeated: an
// agent that died after sending it sends it again. After "watch" the
// connection carries one status for every change; after "exec" one exit.
const (
	opStart    = "start"    // Run, Spec: run the command; the same Run again is the same start
	opSignal   = "signal"   // Signal: to the main process
	opStop     = "stop"     // Signal, Timeout: answered when no process is left
	opWatch    = "watch"    // the status now and after every change
	opShutdown = "shutdown" // end the supervisor; refused while the task runs
	opExec     = "exec"     // Exec, with descriptors: run a command beside the task; not to be repeated
)

type request struct {
	Op      string         `json:"op"`
	Run     int            `json:"run,omitempty"`
	Spec    *spec          `json:"spec,omitempty"`
	Signal  syscall.Signal `json:"signal,omitempty"`
	Timeout time.Duration  `json:"timeout,omitempty"`
	Exec    *execRequest   `json:"exec,omitempty"`
}

type reply struct {
	Fault  fault  `json:"fault,omitempty"`
	Err    string `json:"err,omitempty"`
	Status status `json:"status"`
}

// fault is an error that the other side must recognise.
type fault string

const (
	faultRunning    fault = "running"
	faultNotRunning fault = "not-running"
	faultMayPass    fault = "may-pass" // Recoverable
	faultOther      fault = "other"
)

// error is the reply's error as the driver's callers know it.
func (r reply) error() error {
	switch r.Fault {
	case "":
		return nil
	case faultRunning:
		return ErrRunning
	case faultNotRunning:
		return ErrNotRunning
	case faultMayPass:
		return &recoverableError{errors.New(r.Err)}
	}
	return errors.New(r.Err)
}

// status is what a supervisor knows of its task. Before the first start Run
// is 0. A run that has ended has an Exit.
type status struct {
	Supervisor procID      `json:"supervisor"`
	Run        int         `json:"run"`
	Main       procID      `json:"main"`
	Exit       *exitRecord `json:"exit,omitempty"`
}

// running tells whether anything of the run is left.
func (s status) running() bool { return s.Run > 0 && s.Exit == nil }

// exitRecord is Exit on the wire and on disk.
type exitRecord struct {
	Code   int       `json:"code"`
	Signal int       `json:"signal,omitempty"`
	OOM    bool      `json:"oom,omitempty"`
	Err    string    `json:"err,omitempty"`
	At     time.Time `json:"at"`
}

func (e exitRecord) exit() Exit {
	exit := Exit{Code: e.Code, Signal: e.Signal, OOM: e.OOM, At: e.At}
	if e.Err != "" {
		exit.Err = errors.New(e.Err)
	}
	return exit
}

// spec is one run as the supervisor executes it: everything is decided, it
// looks nothing up.
type spec struct {
	Path    string   `json:"path"` // of the executable, absolute
	Args    []string `json:"args"` // without the zeroth, which is Path
	Env     []string `json:"env"`  // sorted NAME=value
	Dir     string   `json:"dir"`
	User    *account `json:"user,omitempty"` // nil: the supervisor's own
	Markers []string `json:"markers,omitempty"`

	LogDir string   `json:"log_dir,omitempty"` // "": logs are disabled
	Task   string   `json:"task"`
	Logs   rotation `json:"logs"`

	Cores       []int          `json:"cores,omitempty"` // the only ones to run on; none: all
	OOMScoreAdj int            `json:"oom_score_adj,omitempty"`
	KillSignal  syscall.Signal `json:"kill_signal"`
	KillTimeout time.Duration  `json:"kill_timeout"`
}

// account is whom a task runs as.
type account struct {
	UID    uint32   `json:"uid"`
	GID    uint32   `json:"gid"`
	Groups []uint32 `json:"groups,omitempty"`
}
