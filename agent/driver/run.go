package driver

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// start begins a run: logs, pipes, the process, the record of it. On an error
// nothing runs and the previous run's record stands.
func (s *supervisor) start(run int, sp spec) error {
	pumps, err := openPumps(sp)
	if err != nil {
		return err
	}
	before := oomKills()
	pid, err := fork(sp, pumps.ends(), false)
	pumps.started()
	if err != nil {
		pumps.close()
		if sp.User != nil && errors.Is(err, syscall.EACCES) {
			return fmt.Errorf("start %s as user %d in %s: %w (may that user run it, and enter the directory and all above it?)", sp.Path, sp.User.UID, sp.Dir, err)
		}
		return fmt.Errorf("start %s: %w", sp.Path, err)
	}
	stat, err := readProc(pid) // a zombie at worst: nobody reaps it but we
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	if sp.OOMScoreAdj != 0 {
		setOOMScore(pid, sp.OOMScoreAdj)
	}
	s.spec, s.pumps = sp, pumps
	s.mainGone, s.childless, s.ended, s.oomKills = false, false, nil, before
	s.record.Run = run
	s.record.Command = append([]string{sp.Path}, sp.Args...)
	s.record.Markers = sp.Markers
	s.record.Main = procID{PID: pid, Start: stat.Start}
	s.record.Started = time.Now()
	s.record.Exit = nil
	s.save()
	return nil
}

// fork runs on the loop's thread, which PDEATHSIG is bound to. It returns once
// the new program runs, or with the error of whatever step failed. With tty its
// descriptor 0 becomes its controlling terminal.
func fork(sp spec, files []uintptr, tty bool) (int, error) {
	attr := &syscall.ProcAttr{
		Dir:   sp.Dir,
		Env:   sp.Env,
		Files: files,
		Sys:   &syscall.SysProcAttr{Setsid: true, Setctty: tty, Pdeathsig: syscall.SIGKILL},
	}
	if sp.User != nil {
		attr.Sys.Credential = &syscall.Credential{Uid: sp.User.UID, Gid: sp.User.GID, Groups: sp.User.Groups}
	}
	return withCores(sp.Cores, func() (int, error) {
		return syscall.ForkExec(sp.Path, append([]string{sp.Path}, sp.Args...), attr)
	})
}

// startFault tells what the node was short of from what the job got wrong.
func startFault(err error) fault {
	for _, passing := range []error{
		syscall.EAGAIN, syscall.ENOMEM, syscall.EMFILE, syscall.ENFILE, syscall.ENOSPC, syscall.ETXTBSY, syscall.EIO,
	} {
		if errors.Is(err, passing) {
			return faultMayPass
		}
	}
	return faultOther
}

func setOOMScore(pid, score int) {
	path := "/proc/" + strconv.Itoa(pid) + "/oom_score_adj"
	if err := os.WriteFile(path, []byte(strconv.Itoa(score)), 0); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}

// reap collects every child that ended. When the main process has, the rest of
// the tree follows it: a task is over when its command is.
func (s *supervisor) reap() {
	for {
		var ws syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &ws, syscall.WNOHANG, nil)
		if err == syscall.EINTR {
			continue
		}
		if pid <= 0 {
			s.childless = err == syscall.ECHILD
			break
		}
		if s.status().running() && pid == s.record.Main.PID && !s.mainGone {
			s.mainGone = true
			s.ended = s.exitOf(ws)
		} else if one := s.sessions[pid]; one != nil {
			s.sessionEnded(one, ws)
		}
	}
	switch {
	case !s.mainGone || s.record.Exit != nil:
	case !s.childless:
		s.killTree()
	case s.drained == nil:
		s.rekill = nil
		s.drained = time.After(drainFor)
	}
}

func (s *supervisor) exitOf(ws syscall.WaitStatus) *exitRecord {
	if !ws.Signaled() {
		return &exitRecord{Code: ws.ExitStatus()}
	}
	sig := ws.Signal()
	return &exitRecord{
		Code:   128 + int(sig), // as a shell reports it
		Signal: int(sig),
		// Counting costs microseconds, reading the kernel's log milliseconds.
		OOM: sig == syscall.SIGKILL && !s.stopping && oomKills() != s.oomKills &&
			oomKilled(s.record.Main.PID, s.record.Started),
	}
}

// killTree sends SIGKILL to all that is below us, and comes back until nothing
// is: what forks while we look is seen the next time.
func (s *supervisor) killTree() {
	s.killAt = nil
	if !s.mainGone {
		// Unreaped, so that the number still names the task's own group.
		syscall.Kill(-s.record.Main.PID, syscall.SIGKILL)
	}
	procs, err := listProcs()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	for _, p := range descendants(procs, os.Getpid()) {
		if err := p.kill(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	s.rekill = time.After(rekillEvery)
}

// pumps carry a task's two streams from pipes into log files.
type pumps struct {
	null    *os.File
	readers []*os.File // our ends
	writers []*os.File // the task's
	logs    []*rotator
	done    chan struct{} // closed when every pipe is at its end
	moving  sync.WaitGroup
}

// openPumps prepares the task's descriptors: none but /dev/null if logs are
// disabled.
func openPumps(sp spec) (*pumps, error) {
	p := &pumps{done: make(chan struct{})}
	var err error
	if p.null, err = os.OpenFile(os.DevNull, os.O_RDWR, 0); err != nil {
		return nil, err
	}
	if sp.LogDir == "" {
		return p, nil
	}
	for _, stream := range []string{Stdout, Stderr} {
		if err := p.add(sp, stream); err != nil {
			p.started()
			p.close()
			return nil, err
		}
	}
	return p, nil
}

func (p *pumps) add(sp spec, stream string) error {
	log, err := openRotator(sp.LogDir, sp.Task, stream, sp.Logs)
	if err != nil {
		return err
	}
	p.logs = append(p.logs, log)
	r, w, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("make pipe: %w", err)
	}
	p.readers, p.writers = append(p.readers, r), append(p.writers, w)
	if sp.User != nil {
		// So that the task may open /dev/stdout by name.
		if err := w.Chown(int(sp.User.UID), int(sp.User.GID)); err != nil {
			return fmt.Errorf("hand over pipe: %w", err)
		}
	}
	return nil
}

// ends are the task's descriptors 0, 1 and 2.
func (p *pumps) ends() []uintptr {
	null := p.null.Fd()
	if len(p.writers) == 0 {
		return []uintptr{null, null, null}
	}
	return []uintptr{null, p.writers[0].Fd(), p.writers[1].Fd()}
}

// started closes what is the task's alone by now and begins to copy.
func (p *pumps) started() {
	p.null.Close()
	for _, w := range p.writers {
		w.Close()
	}
	for i, r := range p.readers {
		p.moving.Go(func() { pump(r, p.logs[i]) })
	}
	go func() { p.moving.Wait(); close(p.done) }()
}

// pump copies until the last writer has closed the pipe, or we have. A log
// that cannot be written is dropped: a full disk must not block the task.
func pump(from io.Reader, to io.Writer) {
	buf := make([]byte, 16<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			to.Write(buf[:n])
		}
		if err != nil {
			return
		}
	}
}

// close ends the copying, also of pipes that somebody holds open.
func (p *pumps) close() {
	for _, r := range p.readers {
		r.Close()
	}
	<-p.done
	for _, log := range p.logs {
		log.Close()
	}
}
