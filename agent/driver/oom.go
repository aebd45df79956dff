package driver

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// oomKills counts the processes that the kernel has killed for want of memory
// since boot, in any cgroup; 0 where it does not tell.
func oomKills() uint64 {
	data, err := os.ReadFile("/proc/vmstat")
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(data, []byte("\noom_kill "))
	digits, _, _ := bytes.Cut(rest, []byte{'\n'})
	n, _ := strconv.ParseUint(string(digits), 10, 64)
	return n
}

// oomKilled asks the kernel's log whether it killed pid for want of memory
// since the given time. Where the log may not be read the answer is no.
func oomKilled(pid int, since time.Time) bool {
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) != nil {
		return false
	}
	// The kernel stamps with a clock like this one, to about a millisecond.
	began := time.Duration(now.Nano()) - time.Since(since) - 100*time.Millisecond

	fd, err := unix.Open("/dev/kmsg", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	buf := make([]byte, 8<<10) // one record a read; longer ones do not exist
	for {
		n, err := unix.Read(fd, buf)
		if err == unix.EPIPE || err == unix.EINTR { // EPIPE: overwritten under us, go on at the oldest
			continue
		}
		if err != nil || n == 0 {
			return false
		}
		if at, text, ok := parseKmsg(buf[:n]); ok && at >= began && namesOOMVictim(text, pid) {
			return true
		}
	}
}

// parseKmsg splits "priority,sequence,microseconds,flags;text\n": the format
// is the kernel's Documentation/ABI/testing/dev-kmsg.
func parseKmsg(line []byte) (at time.Duration, text string, ok bool) {
	head, body, ok := bytes.Cut(line, []byte{';'})
	if !ok {
		return 0, "", false
	}
	fields := strings.Split(string(head), ",")
	if len(fields) < 3 {
		return 0, "", false
	}
	us, err := strconv.ParseInt(fields[2], 10, 64)
	if err != nil {
		return 0, "", false
	}
	return time.Duration(us) * time.Microsecond, string(body), true
}

// namesOOMVictim matches "Out of memory: Killed process 123 (name) ..." and
// "Memory cgroup out of memory: Killed process 123 (name) ...".
func namesOOMVictim(text string, pid int) bool {
	return strings.Contains(strings.ToLower(text), "out of memory") &&
		strings.Contains(text, "Killed process "+strconv.Itoa(pid)+" (")
}
