package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/hashicorp/nomad/api"
	"golang.org/x/term"
)

// terminalFlags are the flags of a verb that runs something inside a task.
type terminalFlags struct {
	interactive bool
	tty         toggle
	escape      string
}

func (f *terminalFlags) rows() []flagRow {
	f.interactive, f.escape = true, "~"
	return []flagRow{
		{"i", "", "Pass standard input on (default true).", &f.interactive, nil},
		{"t", "", "Give the command a terminal (default: if there is one here).", &f.tty, nil},
		{"e", "CHAR", "After a new line, CHAR and \".\" end the session (default ~; none: nothing does).", &f.escape, nil},
	}
}

// wantsTTY decides about a terminal: as told, else when both ends here are one.
func (f *terminalFlags) wantsTTY(s *session) bool {
	if f.tty.given {
		return f.tty.on
	}
	in, ok := s.in.(*os.File)
	return ok && f.interactive && isTerminal(in) && isTerminal(s.out)
}

func allocExec() verb {
	var f terminalFlags
	var task, group string
	var job bool
	return verb{
		args: "ALLOC COMMAND...", min: 2, max: -1, commands: true,
		short: "Run a command inside a task",
		long: `Runs COMMAND in the task of an allocation, with this terminal. With -job, ALLOC is a job, and one of its running allocations is taken.

Exit code: the command's own. Flags stand before ALLOC; what follows it is the command line.

  selfheal alloc exec -task web 8ab2c0f3 /bin/sh
  selfheal exec -job web cat /etc/hosts`,
		flags: concat(f.rows(), []flagRow{
			{"task", "NAME", "In this task; needed when there are several.", &task, nil},
			{"job", "", "ALLOC is the ID of a job.", &job, nil},
			{"group", "NAME", "With -job: an allocation of this group.", &group, nil},
		}),
		run: func(s *session, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			if group != "" && !job {
				return usagef("-group wants -job as well")
			}
			var a *api.Allocation
			if job {
				a, err = s.anyAllocation(c, args[0], group)
			} else {
				a, err = s.allocation(c, args[0])
			}
			if err != nil {
				return err
			}
			name, err := taskOf(a, task)
			if err != nil {
				return err
			}
			if a.ClientStatus != api.AllocClientStatusRunning {
				return fmt.Errorf("allocation %s is %s; a command runs only in one that is running", shortID(a.ID, false), a.ClientStatus)
			}
			web, err := s.streamClient()
			if err != nil {
				return err
			}
			t := &terminal{s: s, tty: f.wantsTTY(s)}
			return t.run(&f, func(ctx context.Context, in io.Reader, sizes <-chan api.TerminalSize) (int, error) {
				q := &api.QueryOptions{Namespace: a.Namespace}
				return web.Allocations().Exec(ctx, a, name, t.tty, args[1:], in, s.out, s.err, sizes, q)
			})
		},
	}
}

// terminal is this end of a command that runs elsewhere.
type terminal struct {
	s   *session
	tty bool
}

// errLeft ends a session that the person left with the escape character.
var errLeft = errors.New("left the session; the command in the task may go on")

// run connects this end to remote and returns the command's exit code as an error.
func (t *terminal) run(f *terminalFlags, remote func(context.Context, io.Reader, <-chan api.TerminalSize) (int, error)) error {
	if len(f.escape) > 1 && f.escape != "none" {
		return usagef("-e wants one character, or none, not %q", f.escape)
	}
	parent, stop := context.Background(), context.CancelFunc(func() {})
	if !t.tty { // on a terminal in raw mode Ctrl-C is a byte for the command
		parent, stop = t.s.interruptible()
	}
	defer stop()
	ctx, leave := context.WithCancelCause(parent)
	defer leave(nil)

	in := io.Reader(strings.NewReader(""))
	if f.interactive {
		in = t.s.in
	}
	var sizes <-chan api.TerminalSize
	if t.tty {
		restore, err := t.raw()
		if err != nil {
			return err
		}
		defer restore()
		if f.escape != "none" && f.escape != "" {
			in = &escapeReader{r: in, escape: f.escape[0], left: func() { leave(errLeft) }, fresh: true}
		}
		var end func()
		sizes, end = t.sizes()
		defer end()
	}
	code, err := remote(ctx, in, sizes)
	switch {
	case errors.Is(context.Cause(ctx), errLeft):
		return exitError{1, errLeft}
	case parent.Err() != nil:
		t.s.say("Interrupted; the command in the task may go on.")
		return exitError{code: 130}
	case err != nil:
		return fmt.Errorf("run in task: %w", err)
	case code != 0:
		return exitError{code: code}
	}
	return nil
}

// raw passes every key on as it is, until restore.
func (t *terminal) raw() (restore func(), err error) {
	f, ok := t.s.in.(*os.File)
	if !ok || !isTerminal(f) {
		return func() {}, nil // -t without a terminal here: only the command has one
	}
	before, err := term.MakeRaw(int(f.Fd()))
	if err != nil {
		return nil, fmt.Errorf("set up terminal: %w", err)
	}
	return func() { _ = term.Restore(int(f.Fd()), before) }, nil
}

// sizes tells the size of this terminal now and whenever it changes, until end.
func (t *terminal) sizes() (_ <-chan api.TerminalSize, end func()) {
	out := make(chan api.TerminalSize, 1)
	f, ok := t.s.out.(*os.File)
	if !ok || !isTerminal(f) {
		return out, func() {}
	}
	changes := make(chan os.Signal, 1)
	signal.Notify(changes, syscall.SIGWINCH)
	done := make(chan struct{})
	go func() { // ends with end
		for {
			if width, height, err := term.GetSize(int(f.Fd())); err == nil {
				select {
				case out <- api.TerminalSize{Width: width, Height: height}:
				case <-done:
					return
				}
			}
			select {
			case <-changes:
			case <-done:
				return
			}
		}
	}()
	return out, func() { signal.Stop(changes); close(done) }
}

// escapeReader passes bytes on and calls left when it meets a new line, the
// escape character and ".". The escape character twice is the character itself.
type escapeReader struct {
	r      io.Reader
	escape byte
	left   func()
	fresh  bool // at the beginning of a line
	held   bool // the escape character was read and not passed on
}

// Read reads at least one byte unless there is an error.
func (e *escapeReader) Read(p []byte) (int, error) {
	if len(p) < 2 {
		return 0, io.ErrShortBuffer
	}
	buf := make([]byte, len(p)/2) // a held character may come back before another
	for {
		n, err := e.r.Read(buf)
		out := 0
		for _, b := range buf[:n] {
			switch {
			case e.held && b == '.':
				e.left()
				return out, io.EOF
			case e.held && b == e.escape:
				p[out], e.held, e.fresh = b, false, false
				out++
				continue
			case e.held:
				p[out], e.held = e.escape, false
				out++
			case e.fresh && b == e.escape:
				e.held = true
				continue
			}
			e.fresh = b == '\n' || b == '\r'
			p[out] = b
			out++
		}
		if err != nil && e.held {
			p[out], e.held = e.escape, false
			out++
		}
		if out > 0 || err != nil {
			return out, err
		}
	}
}
