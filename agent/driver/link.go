package driver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"
)

// link is the agent's end of one connection to a supervisor.
type link struct {
	net.Conn
	in  *json.Decoder
	out *json.Encoder
}

// dial connects to the supervisor of a state directory.
func dial(ctx context.Context, dir string) (*link, error) {
	conn, err := dialSocket(ctx, dir)
	if err != nil {
		return nil, err
	}
	return &link{Conn: conn, in: json.NewDecoder(conn), out: json.NewEncoder(conn)}, nil
}

// noSupervisor tells a dial error that means nobody is there from one that
// means we could not ask.
func noSupervisor(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENOENT)
}

// supervisorDied tells an exchange that ended with the supervisor.
func supervisorDied(err error) bool {
	return err != nil && (noSupervisor(err) || errors.Is(err, errLinkBroken))
}

// askOnce asks one question on a connection of its own.
func askOnce(ctx context.Context, dir string, req request) (status, error) {
	l, err := dial(ctx, dir)
	if err != nil {
		return status{}, err
	}
	defer l.Close()
	return l.ask(ctx, req)
}

// ask sends a request and waits for its reply: the supervisor's refusal, or
// errLinkBroken if it ended, or the context's error.
func (l *link) ask(ctx context.Context, req request) (status, error) {
	var r reply
	err := l.within(ctx, func() error {
		if err := l.out.Encode(req); err != nil {
			return err
		}
		return l.in.Decode(&r)
	})
	if err != nil {
		return status{}, err
	}
	return r.Status, r.error()
}

// watch turns the link into a stream of statuses, and returns the first.
func (l *link) watch(ctx context.Context) (status, error) {
	var st status
	err := l.within(ctx, func() error {
		if err := l.out.Encode(request{Op: opWatch}); err != nil {
			return err
		}
		return l.in.Decode(&st)
	})
	return st, err
}

// errLinkBroken means that the supervisor ended, or is about to.
var errLinkBroken = errors.New("connection to supervisor broke")

// within interrupts an exchange when the context ends.
func (l *link) within(ctx context.Context, exchange func() error) error {
	stop := context.AfterFunc(ctx, func() { l.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	err := exchange()
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return fmt.Errorf("%w: %w", errLinkBroken, err)
}
