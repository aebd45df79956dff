package driver

import (
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// shrink gives back what a supervisor does not need while its task runs: free
// heap, and the pages of the program file that starting up has touched. The
// binary is the agent's and large, and its packages' initialisation runs through
// much of it; a supervisor needs little of that ever again. The pages are
// read-only, so the kernel reads back from the page cache those that are.
func shrink() {
	debug.FreeOSMemory()
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return
	}
	for line := range strings.Lines(string(maps)) {
		if start, size, ok := programPages(line); ok {
			_, _, _ = unix.Syscall(unix.SYS_MADVISE, start, size, unix.MADV_DONTNEED)
		}
	}
}

// programPages reads a line of /proc/self/maps; ok when it is a read-only mapping
// of a file (never of a writable one: its changes would be lost).
func programPages(line string) (start, size uintptr, ok bool) {
	fields := strings.Fields(line)
	if len(fields) < 6 || fields[1][0] != 'r' || fields[1][1] != '-' || !strings.HasPrefix(fields[5], "/") {
		return 0, 0, false
	}
	from, to, _ := strings.Cut(fields[0], "-")
	lo, err1 := strconv.ParseUint(from, 16, 8*int(unsafe.Sizeof(start)))
	hi, err2 := strconv.ParseUint(to, 16, 8*int(unsafe.Sizeof(start)))
	return uintptr(lo), uintptr(hi - lo), err1 == nil && err2 == nil && hi > lo
}
