package driver

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// withCores runs start on a thread that may use these cores only, so that what it
// forks inherits that. No cores: all that the agent may use. A task that is root can
// undo it; a cgroup's cpuset, which cannot be undone, is for drivers that isolate.
func withCores(cores []int, start func() (int, error)) (int, error) {
	if len(cores) == 0 {
		return start()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before, only unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return 0, fmt.Errorf("read the cores of this thread: %w", err)
	}
	for _, core := range cores {
		only.Set(core)
	}
	if err := unix.SchedSetaffinity(0, &only); err != nil {
		return 0, fmt.Errorf("pin to cores %v: %w", cores, err)
	}
	pid, err := start()
	if back := unix.SchedSetaffinity(0, &before); back != nil && err == nil {
		return pid, fmt.Errorf("give this thread its cores back: %w", back)
	}
	return pid, err
}
