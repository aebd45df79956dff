package driver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/creack/pty"
	"github.com/hashicorp/nomad/api"
)

// Command is one more command to run inside a running task.
type Command struct {
	Args []string // the program, looked up as the task's own is, and its arguments
	TTY  bool     // with a terminal: all output goes to Stdout

	// Stdin is read until it ends, which the command sees. A Read may still be under
	// way when Exec returns: whoever owns it ends it.
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Sizes are those of the terminal; nil without one.
	Sizes <-chan api.TerminalSize
}

// Executor is a Task in which further commands can be run.
type Executor interface {
	// Exec runs a command in the task's environment, directory, user and isolation,
	// and returns its exit code, 128+n when signal n ended it. What it leaves behind
	// in its session ends with it; it ends itself with ctx, and with the task.
	// ErrNotRunning when the task does not run.
	Exec(ctx context.Context, cmd Command) (code int, err error)
}

// Exec has the task's supervisor fork the command, and moves the bytes itself: the
// supervisor is handed the descriptors and stays as small as it is. The connection
// that asked for it is the session: the supervisor kills the command when it breaks,
// so nothing runs on behind the back of an agent that died.
func (t *rawTask) Exec(ctx context.Context, cmd Command) (int, error) {
	if len(cmd.Args) == 0 {
		return 0, errors.New("exec: no command is given")
	}
	if t.current().isOver() {
		return 0, ErrNotRunning
	}
	ends, err := openExecIO(cmd)
	if err != nil {
		return 0, fmt.Errorf("exec: %w", err)
	}
	defer ends.close()
	l, err := dial(ctx, t.dir)
	if noSupervisor(err) {
		return 0, ErrNotRunning
	}
	if err != nil {
		return 0, fmt.Errorf("exec: %w", err)
	}
	defer l.Close()
	var r reply
	err = l.within(ctx, func() error {
		if err := l.sendFiles(request{Op: opExec, Exec: &execRequest{Command: cmd.Args, TTY: cmd.TTY}}, ends.theirs); err != nil {
			return err
		}
		return l.in.Decode(&r)
	})
	if err == nil {
		err = r.error()
	}
	if err != nil && err.Error() == unknownRequest+opExec {
		err = errors.New("the task was started by a version that cannot do this: restart the task once")
	}
	if err != nil {
		return 0, fmt.Errorf("exec: %w", err)
	}
	ends.begin(cmd)
	var exit exitRecord
	if err := l.within(ctx, func() error { return l.in.Decode(&exit) }); err != nil {
		return 0, fmt.Errorf("exec: %w", err)
	}
	ends.drain()
	return exit.Code, nil
}

// execIO is the agent's half of a session: pipes, or the master of a terminal.
type execIO struct {
	theirs []*os.File // the command's descriptors 0, 1 and 2, or its terminal
	stdin  *os.File   // our ends; of a terminal all the same file
	outs   []*os.File
	tty    bool

	pumps sync.WaitGroup
	done  chan struct{} // closed when the session is over
}

func openExecIO(cmd Command) (*execIO, error) {
	e := &execIO{tty: cmd.TTY, done: make(chan struct{})}
	if cmd.TTY {
		master, slave, err := pty.Open()
		if err != nil {
			return nil, fmt.Errorf("open terminal: %w", err)
		}
		e.theirs, e.stdin, e.outs = []*os.File{slave}, master, []*os.File{master}
		return e, nil
	}
	for fd := range 3 {
		r, w, err := os.Pipe()
		if err != nil {
			e.close()
			return nil, fmt.Errorf("make pipe: %w", err)
		}
		if fd == 0 {
			e.theirs, e.stdin = append(e.theirs, r), w
			continue
		}
		e.theirs, e.outs = append(e.theirs, w), append(e.outs, r)
	}
	return e, nil
}

// begin lets go of the command's ends and starts to copy.
func (e *execIO) begin(cmd Command) {
	for _, f := range e.theirs {
		f.Close()
	}
	for i, to := range []io.Writer{cmd.Stdout, cmd.Stderr} {
		if i < len(e.outs) {
			e.pumps.Go(func() { pumpExec(e.outs[i], to) })
		}
	}
	if cmd.Stdin != nil {
		go e.feed(cmd.Stdin) // ends with its reader
	}
	if cmd.TTY && cmd.Sizes != nil {
		go e.resize(cmd.Sizes)
	}
}

// endOfTransmission is what ends the input of a terminal: it has no end to close.
const endOfTransmission = 4

func (e *execIO) feed(from io.Reader) {
	_, err := io.Copy(onlyWriter{e.stdin}, from)
	switch {
	case isClosed(e.done) || err != nil:
	case e.tty:
		e.stdin.Write([]byte{endOfTransmission})
	default:
		e.stdin.Close()
	}
}

// onlyWriter hides the splicing of os.File, which would hold a pipe's descriptor
// while it waits.
type onlyWriter struct{ io.Writer }

func (e *execIO) resize(sizes <-chan api.TerminalSize) {
	for {
		select {
		case size, ok := <-sizes:
			if !ok {
				return
			}
			// A size that the kernel does not take leaves the one before.
			_ = pty.Setsize(e.stdin, &pty.Winsize{Rows: uint16(size.Height), Cols: uint16(size.Width)})
		case <-e.done:
			return
		}
	}
}

// pumpExec copies until the last writer is gone: a terminal then fails with EIO.
// After drain has set a deadline, two silent ones in a row end it too: somebody who
// left the session holds the pipe open. What the receiver does not take is dropped,
// the command must not hang on it.
func pumpExec(from *os.File, to io.Writer) {
	buf := make([]byte, 32<<10)
	silent := false
	for {
		n, err := from.Read(buf)
		if n > 0 {
			silent = false
			if _, werr := to.Write(buf[:n]); werr != nil {
				to = io.Discard
			}
		}
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded) && !silent:
			silent = true
			from.SetReadDeadline(time.Now().Add(drainFor))
		case err != nil:
			return
		}
	}
}

// drain waits for the rest of the output of a command that has ended.
func (e *execIO) drain() {
	for _, out := range e.outs {
		out.SetReadDeadline(time.Now().Add(drainFor))
	}
	e.pumps.Wait()
}

// close gives everything back; it may come before begin.
func (e *execIO) close() {
	close(e.done)
	for _, f := range append(e.theirs, e.outs...) {
		f.Close()
	}
	if e.stdin != nil {
		e.stdin.Close()
	}
	e.pumps.Wait()
}

// sendFiles sends a request and, with its first byte, descriptors.
func (l *link) sendFiles(req request, files []*os.File) error {
	text, err := encodeLine(req)
	if err != nil {
		return err
	}
	fds := make([]int, len(files))
	for i, f := range files {
		fds[i] = int(f.Fd())
		if err := syscall.SetNonblock(fds[i], false); err != nil { // it becomes a plain descriptor of the command
			return err
		}
	}
	if err := l.sendRights(text[:1], fds); err != nil {
		return err
	}
	_, err = l.Write(text[1:])
	return err
}
