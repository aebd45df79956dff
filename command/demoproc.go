package command

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/selfheal/selfheal/agent/driver"
)

// ownedBy finds the supervisors and tasks that live from a directory: a
// supervisor has its state there, a task its allocation. What merely has the
// directory open, such as a person's shell, is not among them.
func ownedBy(dir string) []int {
	entries, _ := os.ReadDir("/proc")
	var out []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		proc := filepath.Join("/proc", e.Name())
		if stat, err := os.ReadFile(proc + "/stat"); err != nil || strings.Contains(string(stat), ") Z ") {
			continue
		}
		command, _ := os.ReadFile(proc + "/cmdline")
		environ, _ := os.ReadFile(proc + "/environ")
		if belongs(dir, string(command), string(environ)) {
			out = append(out, pid)
		}
	}
	return out
}

// belongs judges a process by its command line and environment, both NUL-separated.
func belongs(dir, command, environ string) bool {
	dir = strings.TrimRight(dir, "/") + "/"
	args := strings.Split(command, "\x00")
	if len(args) > 2 && args[1] == driver.SuperviseCommand && strings.HasPrefix(args[2], dir) {
		return true
	}
	for _, pair := range strings.Split(environ, "\x00") {
		name, value, _ := strings.Cut(pair, "=")
		if (name == "NOMAD_ALLOC_DIR" || name == "NOMAD_TASK_DIR") && strings.HasPrefix(value, dir) {
			return true
		}
	}
	return false
}

// killHost is the death of everything that is on an agent's host: the agent
// first, so that it cannot tell anybody about its tasks. It returns how many
// processes were killed.
func (a *demoAgent) killHost() int {
	pids := ownedBy(a.dir) // before: looking takes longer than killing
	killed := map[int]bool{}
	if a.running() {
		_ = a.cmd.Process.Kill()
		killed[a.pid()] = true
	}
	for end := time.Now().Add(5 * time.Second); len(pids) > 0 && time.Now().Before(end); {
		for _, pid := range pids {
			if syscall.Kill(pid, syscall.SIGKILL) == nil {
				killed[pid] = true
			}
		}
		pids = ownedBy(a.dir) // what was forked meanwhile, and what is still ending
	}
	if a.cmd != nil {
		<-a.exited
	}
	return len(killed)
}
