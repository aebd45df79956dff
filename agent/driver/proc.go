package driver

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// procID names one process for ever on one boot: the kernel reuses PIDs, but
// not together with the time of the start.
type procID struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"` // clock ticks since boot, field 22 of /proc/PID/stat
}

// alive is false for a zombie, which kill(pid, 0) still answers for.
func (p procID) alive() bool {
	stat, err := readProc(p.PID)
	return err == nil && stat.Start == p.Start && !stat.dead()
}

// kill sends SIGKILL to exactly this process, never to one that took its PID
// meanwhile. A process that is gone already is no error.
func (p procID) kill() error {
	fd, err := p.open()
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && err != unix.ESRCH {
		return fmt.Errorf("kill process %d: %w", p.PID, err)
	}
	return nil
}

// wait returns true when the process is gone, false after the timeout. It
// needs not be a child.
func (p procID) wait(timeout time.Duration) bool {
	fd, err := p.open()
	if err != nil {
		return errors.Is(err, unix.ESRCH)
	}
	defer unix.Close(fd)
	deadline := time.Now().Add(timeout)
	for {
		left := max(time.Until(deadline), 0)
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(left.Milliseconds()))
		if err != unix.EINTR {
			return n > 0
		}
	}
}

// open returns a pidfd, or ESRCH when the process is gone.
func (p procID) open() (int, error) {
	fd, err := unix.PidfdOpen(p.PID, 0)
	if err != nil {
		return -1, fmt.Errorf("open process %d: %w", p.PID, err)
	}
	// The descriptor is pinned to whatever has the PID now: compare after.
	if !p.alive() {
		unix.Close(fd)
		return -1, fmt.Errorf("open process %d: %w", p.PID, unix.ESRCH)
	}
	return fd, nil
}

// procStat is what we use of /proc/PID/stat. Times are in ticks of 1/100 s:
// USER_HZ, a constant of Linux's user space interface on every architecture
// that Go supports.
type procStat struct {
	procID
	Parent  int
	Session int
	State   byte
	Threads uint64
	User    uint64
	System  uint64
	// Of children that ended and were waited for.
	ChildUser   uint64
	ChildSystem uint64
	RSS         uint64 // pages
}

const tick = time.Second / 100

// dead is true for a zombie, but not while other threads of a killed process
// still hold its files: only the last one closes them.
func (s procStat) dead() bool { return s.State == 'X' || s.State == 'Z' && s.Threads <= 1 }

// readProc reads one process's stat line.
func readProc(pid int) (procStat, error) {
	var buf [1024]byte
	file, err := os.Open("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return procStat{}, err
	}
	n, err := file.Read(buf[:])
	file.Close()
	if err != nil {
		return procStat{}, err
	}
	return parseStat(pid, buf[:n])
}

// parseStat takes the fields after the command, which is in parentheses and
// may itself hold spaces and parentheses; proc_pid_stat(5) numbers them.
func parseStat(pid int, line []byte) (procStat, error) {
	end := bytes.LastIndexByte(line, ')')
	if end < 0 {
		return procStat{}, fmt.Errorf("read process %d: no command in %q", pid, line)
	}
	fields := strings.Fields(string(line[end+1:])) // fields[0] is number 3
	if len(fields) < 22 {
		return procStat{}, fmt.Errorf("read process %d: %d fields", pid, len(fields))
	}
	field := func(number int) uint64 {
		n, _ := strconv.ParseUint(fields[number-3], 10, 64) // a negative one reads as 0
		return n
	}
	return procStat{
		procID:      procID{PID: pid, Start: field(22)},
		State:       fields[0][0],
		Parent:      int(field(4)),
		Session:     int(field(6)),
		User:        field(14),
		System:      field(15),
		Threads:     field(20),
		ChildUser:   field(16),
		ChildSystem: field(17),
		RSS:         field(24),
	}, nil
}

// listProcs reads every process of the machine that can be read.
func listProcs() ([]procStat, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var procs []procStat
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if stat, err := readProc(pid); err == nil {
			procs = append(procs, stat)
		}
	}
	return procs, nil
}

// descendants returns the living processes below root, without root.
func descendants(procs []procStat, root int) []procStat {
	children := make(map[int][]int, len(procs)) // parent PID -> indexes
	for i, p := range procs {
		children[p.Parent] = append(children[p.Parent], i)
	}
	var found []procStat
	queue := []int{root}
	for len(queue) > 0 {
		parent := queue[0]
		queue = queue[1:]
		for _, i := range children[parent] {
			if !procs[i].dead() {
				found = append(found, procs[i])
			}
			queue = append(queue, procs[i].PID)
		}
	}
	return found
}

// bootID changes with every boot of the machine. It is "" where /proc does not
// tell, and then every boot looks the same.
func bootID() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(id))
}
