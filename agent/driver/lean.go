package driver

import (
	"os"
	"runtime/debug"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// shrink gives back what a supervisor does not need while its task runs: free
// heap, and the pages of the program file that starting up has touched. The
// binary is the agent's and large, and its packages' initialisation runs through
// much of it; a supervisor needs little of that ever again. The kernel reads back
// from the page cache those that it does.
func shrink() {
	debug.FreeOSMemory()
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return
	}
	for _, m := range programPages(string(maps)) {
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, m.start, m.size, unix.MADV_DONTNEED)
	}
}

// mapping is a range of memory.
type mapping struct{ start, size uintptr }

// programPages lists, from the text of /proc/self/maps, what can be read again from
// the program's file: never a writable mapping, whose changes would be lost. In a
// dynamically linked program read-only data hold what the linker wrote into them,
// so there it is the code alone; ours is static.
func programPages(maps string) []mapping {
	var code, data []mapping
	program, static := "", true
	for line := range strings.Lines(maps) {
		fields := strings.Fields(line)
		if len(fields) < 6 || !strings.HasPrefix(fields[5], "/") {
			continue
		}
		if program == "" { // the program itself is mapped lowest
			program = fields[5]
		}
		if fields[5] != program {
			static = false
			continue
		}
		m, ok := parseRange(fields[0])
		switch {
		case !ok:
		case fields[1] == "r-xp":
			code = append(code, m)
		case fields[1] == "r--p":
			data = append(data, m)
		}
	}
	if static {
		return append(code, data...)
	}
	return code
}

func parseRange(s string) (mapping, bool) {
	from, to, _ := strings.Cut(s, "-")
	lo, err1 := strconv.ParseUint(from, 16, strconv.IntSize)
	hi, err2 := strconv.ParseUint(to, 16, strconv.IntSize)
	return mapping{uintptr(lo), uintptr(hi - lo)}, err1 == nil && err2 == nil && hi > lo
}
