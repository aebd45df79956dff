package driver

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"
)

// sweep kills what a task leaves behind when its supervisor was killed. The
// kernel took the main process along, but not what that had forked. It returns
// nil when nothing is left.
func sweep(rec record) error {
	if rec.Main.PID == 0 || rec.Boot != bootID() {
		return nil // never started, or the machine has rebooted since
	}
	rec.Main.wait(time.Second) // PDEATHSIG is on its way
	var failed []error
	for range 5 { // what forks while we look is seen the next time
		procs, err := listProcs()
		if err != nil {
			return err
		}
		left := orphans(procs, rec)
		if len(left) == 0 {
			return nil
		}
		failed = nil
		for _, p := range left {
			if err := p.kill(); err != nil {
				failed = append(failed, err)
			} else if !p.wait(time.Second) {
				failed = append(failed, fmt.Errorf("process %d does not die", p.PID))
			}
		}
	}
	return fmt.Errorf("sweep task's processes: %w", errors.Join(append(failed, errors.New("some are left"))...))
}

// orphans picks the task's processes: those of its session, and those that
// carry its markers in their environment, if it has any. A session's number is
// its first process's PID, which the kernel gives to nobody else while the
// session has a member; so if another process has the PID now, the session is
// empty and all its "members" are another's.
func orphans(procs []procStat, rec record) []procStat {
	session := rec.Main.PID
	for _, p := range procs {
		if p.PID == rec.Main.PID && p.Start != rec.Main.Start {
			session = 0
		}
	}
	var found []procStat
	for _, p := range procs {
		switch {
		case p.dead() || p.Start < rec.Main.Start || p.PID == os.Getpid():
		case session != 0 && p.Session == session, hasMarkers(p.PID, rec.Markers):
			found = append(found, p)
		}
	}
	return found
}

func hasMarkers(pid int, markers []string) bool {
	if len(markers) == 0 {
		return false
	}
	env, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	if err != nil {
		return false
	}
	for _, marker := range markers {
		want := []byte(marker + "\x00")
		if !bytes.HasPrefix(env, want) && !bytes.Contains(env, append([]byte{0}, want...)) {
			return false
		}
	}
	return true
}
