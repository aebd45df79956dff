package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/hashicorp/nomad/api"
)

const (
	// lockDefaultTTL is how long a lock lives without a renewal, and lockRenewals how
	// often it is renewed in that time: two renewals may be lost.
	lockDefaultTTL = 15 * time.Second
	lockRenewals   = 3
	// lockRetry is the pause between two tries to get a lock that another holds.
	lockRetry = time.Second
	// childPatience is how long the command of a lost lock may take to end.
	childPatience = 5 * time.Second
)

// lockFlags are the flags of var lock.
type lockFlags struct {
	ttl, delay, wait     time.Duration
	shell, once, verbose bool
	maxRetry             int
}

func varLock() verb {
	f := lockFlags{ttl: lockDefaultTTL, delay: lockDefaultTTL, shell: true, maxRetry: 5}
	return verb{
		args: "PATH COMMAND...", min: 2, max: -1,
		short: "Run a command while holding a lock",
		long: `Waits for the lock on the variable PATH, which is made if it does not exist, runs COMMAND while it holds the lock, and gives the lock back when the command ends. COMMAND is stopped (SIGTERM, after 5s SIGKILL) when the lock is lost.

Exit code: the command's own; 1 when the lock was not got or was lost. Flags stand before PATH; after it they belong to COMMAND.

  selfheal var lock -ttl 30s app/leader ./serve --port 80`,
		flags: []flagRow{
			{"ttl", "DURATION", "The lock ends this long after its holder is gone (default 15s; 10s to 24h).", &f.ttl, nil},
			{"delay", "DURATION", "Nobody gets the lock for this long after it was lost (default 15s).", &f.delay, nil},
			{"shell", "", "Give COMMAND to a shell (default true); false runs it as it is.", &f.shell, nil},
			{"once", "", "Fail at once when another holds the lock.", &f.once, nil},
			{"wait", "DURATION", "Fail when the lock was not got within this time.", &f.wait, nil},
			{"max-retry", "N", "Give up after this many errors of the agent in a row (default 5).", &f.maxRetry, nil},
			{"verbose", "", "Say what happens to the lock.", &f.verbose, nil},
		},
		commands: true,
		run:      func(s *session, args []string) error { return holdLock(s, f, args[0], args[1:]) },
	}
}

// lease is a lock on a variable.
type lease struct {
	s    *session
	c    *api.Client
	f    lockFlags
	path string
	held *api.Variable // with the lock's ID
}

func holdLock(s *session, f lockFlags, path string, command []string) error {
	c, err := s.client()
	if err != nil {
		return err
	}
	l := &lease{s: s, c: c, f: f, path: path}
	ctx, stop := s.interruptible()
	defer stop()
	if err := l.acquire(ctx); err != nil {
		return err
	}
	l.note("holds the lock on %s", path)
	code, lost := l.run(ctx, command)
	if lost != nil {
		return exitError{1, fmt.Errorf("the lock on %q was lost and the command stopped: %s", path, s.explain(lost))}
	}
	if err := l.release(); err != nil {
		s.warn("the lock was not given back and ends with its TTL: " + s.explain(err))
	}
	if code != 0 {
		return exitError{code: code}
	}
	return nil
}

func (l *lease) note(format string, args ...any) {
	if l.f.verbose {
		l.s.say(format, args...)
	}
}

func (l *lease) options(ctx context.Context) *api.WriteOptions {
	q := &api.WriteOptions{Namespace: l.s.namespace()}
	return q.WithContext(ctx)
}

// acquire waits for the lock.
func (l *lease) acquire(ctx context.Context) error {
	if l.f.wait > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, l.f.wait)
		defer cancel()
	}
	ask := &api.Variable{Namespace: l.s.namespace(), Path: l.path, Lock: &api.VariableLock{TTL: l.f.ttl.String(), LockDelay: l.f.delay.String()}}
	for failures, told := 0, false; ; {
		got, _, err := l.c.Variables().AcquireLock(ask, l.options(ctx))
		switch {
		case err == nil && got != nil && got.Lock != nil:
			l.held = got
			return nil
		case err == nil:
			return errors.New("acquire lock: the answer holds no lock")
		case isStatus(err, 409):
			if l.f.once {
				return fmt.Errorf("acquire lock: another holds the lock on %q", l.path)
			}
			failures = 0
			if !told {
				told = true
				l.note("another holds the lock on %s; waiting", l.path)
			}
		case ctx.Err() != nil:
		default:
			if failures++; failures > l.f.maxRetry || refused(err) {
				return fmt.Errorf("acquire lock: %w", err)
			}
		}
		if !sleep(ctx, lockRetry) {
			return fmt.Errorf("acquire lock: not got: %w", context.Cause(ctx))
		}
	}
}

// refused reports whether an agent answered that a request will never work.
func refused(err error) bool {
	for _, code := range []int{400, 403, 404, 405, 501} {
		if isStatus(err, code) {
			return true
		}
	}
	return false
}

// sleep waits and reports whether ctx goes on.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// run runs the command until it ends, the lock is lost (its error), or a signal
// arrives, which the command gets as SIGTERM.
func (l *lease) run(ctx context.Context, command []string) (code int, lost error) {
	lockCtx, drop := context.WithCancelCause(ctx)
	defer drop(nil)
	renewed := make(chan struct{})
	go func() { // ends with lockCtx
		defer close(renewed)
		if err := l.renew(lockCtx); err != nil {
			drop(err)
		}
	}()
	code, err := l.child(lockCtx, command)
	if cause := context.Cause(lockCtx); ctx.Err() == nil && cause != nil {
		lost = cause
	}
	drop(nil)
	<-renewed
	if lost == nil && err != nil {
		l.s.say("%s %v", l.s.paintErr(red, "Error:"), err)
		return 1, nil
	}
	return code, lost
}

// child runs the command with the session's streams. A done ctx stops it.
func (l *lease) child(ctx context.Context, command []string) (int, error) {
	if l.f.shell {
		command = []string{"/bin/sh", "-c", strings.Join(command, " ")}
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = l.s.in, l.s.out, l.s.err
	cmd.Env = append(os.Environ(), "NOMAD_LOCK_PATH="+l.path)
	target := 1 // the command alone: on a terminal it shares our group, which Ctrl-C reaches whole
	if f, ok := l.s.in.(*os.File); !ok || !isTerminal(f) {
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		target = -1 // and what a shell has started for it
	}
	cmd.Cancel = func() error { return syscall.Kill(target*cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = childPatience
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0, nil
	case errors.As(err, &exit):
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			return 128 + int(status.Signal()), nil // as shells have it
		}
		return exit.ExitCode(), nil
	}
	return 1, fmt.Errorf("run command: %w", err)
}

// renew keeps the lock until ctx ends. Its error means that the lock is lost.
func (l *lease) renew(ctx context.Context) error {
	ttl, err := time.ParseDuration(l.held.Lock.TTL)
	if err != nil || ttl <= 0 {
		ttl = l.f.ttl
	}
	deadline := l.s.time().Add(ttl)
	for sleep(ctx, ttl/lockRenewals) {
		tryCtx, cancel := context.WithTimeout(ctx, ttl/lockRenewals)
		_, _, err := l.c.Variables().RenewLock(l.held, l.options(tryCtx))
		cancel()
		switch {
		case err == nil:
			deadline = l.s.time().Add(ttl)
		case ctx.Err() != nil:
			return nil
		case isStatus(err, 409) || refused(err):
			return fmt.Errorf("renew lock: %w", err)
		default:
			l.note("renew lock: %s", l.s.explain(err))
			if !l.s.time().Before(deadline) {
				return fmt.Errorf("renew lock: not renewed for %s: %w", ttl, err)
			}
		}
	}
	return nil
}

func (l *lease) release() error {
	ctx, cancel := context.WithTimeout(context.Background(), childPatience)
	defer cancel()
	_, _, err := l.c.Variables().ReleaseLock(l.held, l.options(ctx))
	return err
}
