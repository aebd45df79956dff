package driver

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// ParseSignal reads a signal as job files and the API spell it: "SIGHUP",
// "hup" or "1". Signal 0 and real-time signals by name are not accepted.
func ParseSignal(name string) (syscall.Signal, error) {
	word := strings.ToUpper(strings.TrimSpace(name))
	if n, err := strconv.Atoi(word); err == nil {
		if n < 1 || n > maxSignal {
			return 0, fmt.Errorf("unknown signal %q: numbers go from 1 to %d", name, maxSignal)
		}
		return syscall.Signal(n), nil
	}
	if !strings.HasPrefix(word, "SIG") {
		word = "SIG" + word
	}
	if n := unix.SignalNum(word); n != 0 {
		return n, nil
	}
	return 0, fmt.Errorf("unknown signal %q: use a name like SIGTERM or a number", name)
}

// signalName is the inverse, for signals that have one.
func signalName(sig syscall.Signal) string { return unix.SignalName(sig) }

// maxSignal is SIGRTMAX on Linux.
const maxSignal = 64
