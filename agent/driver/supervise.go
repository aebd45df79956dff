package driver

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"time"

	"golang.org/x/sys/unix"
)

// SuperviseCommand is the argument after the program's name that asks for
// Supervise.
const SuperviseCommand = "supervise"

// socketFD is where a supervisor finds its listening socket.
const socketFD = 3

// Supervise is the whole program of a task's supervisor: main calls it, before
// anything else, with the arguments after "supervise" and exits with what it
// returns. The only argument is the task's state directory; descriptor 3 is a
// listening unix socket in it. People do not run it by hand.
func Supervise(args []string) int {
	return superviseWith(args, supervisorConfig{disk: realDisk{}, idle: time.Minute})
}

// supervisorConfig is what tests vary.
type supervisorConfig struct {
	disk disk
	idle time.Duration // how long a supervisor without task and agent stays
}

func superviseWith(args []string, cfg supervisorConfig) int {
	if len(args) != 1 || !filepath.IsAbs(args[0]) {
		fmt.Fprintln(os.Stderr, "usage: selfheal supervise <absolute state directory>; the agent starts it, nobody else")
		return 2
	}
	// The kernel sends a task's PDEATHSIG when the thread that forked it
	// ends, so that thread must live as long as this process.
	runtime.LockOSThread()
	// A supervisor's live heap is some 100 KiB; the collector's default
	// would let it grow to 4 MiB before the first cycle.
	debug.SetGCPercent(gcPercent)

	listener, err := inheritedListener()
	if err != nil {
		fmt.Fprintf(os.Stderr, "selfheal supervise: descriptor %d: %v: the agent starts supervisors, nobody else\n", socketFD, err)
		return 2
	}
	// Orphans of the task become our children, so that none escapes.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		fmt.Fprintf(os.Stderr, "selfheal supervise: become subreaper: %v\n", err)
		return 1
	}
	newSupervisor(args[0], cfg).run(listener)
	return 0
}

// gcPercent lets the heap grow by 400 KiB (4 MiB / 100 a percent) before it is
// collected.
const gcPercent = 10

func inheritedListener() (net.Listener, error) {
	file := os.NewFile(socketFD, socketName)
	if file == nil {
		return nil, os.ErrInvalid
	}
	defer file.Close()
	unix.CloseOnExec(socketFD)
	return net.FileListener(file) // a duplicate, close-on-exec
}
