package httpapi

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	"github.com/hashicorp/nomad/api"
)

// ExecSession is one command to run inside a task: a command line, or the name of
// one of the task's actions.
type ExecSession struct {
	Task    string // "" where the allocation has only one
	Action  string
	Command []string
	TTY     bool
	// Stdin is read until it ends; it is ended when the command has.
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Sizes          <-chan api.TerminalSize
}

const (
	// execPing is how often a client is asked whether it is there; execSilence ends
	// the session of one that neither answers nor sends. Fact of the Nomad API: a
	// client sends a heartbeat every 10 s.
	execPing    = 10 * time.Second
	execSilence = 45 * time.Second
	// execMessage bounds one message of a client in bytes: the API's own sends 3 KB.
	execMessage = 4 << 20
	// execHandshake is how long a client may take to send its token.
	execHandshake = 10 * time.Second
)

// clientAllocExec is GET /v1/client/allocation/:id/exec (?task, ?tty, ?command): a
// websocket. Clients of this API read errors from its close frame, so it is opened
// even to refuse.
func clientAllocExec(a *API, r *request) (any, error) {
	s := ExecSession{Task: r.query.Get("task")}
	return a.exec(r, r.vars["alloc"], &s, func() error {
		text := r.query.Get("command")
		if err := json.Unmarshal([]byte(text), &s.Command); err != nil || len(s.Command) == 0 {
			return badRequest("command %q is not a JSON list of strings: send one, such as [\"/bin/sh\"]", text)
		}
		return nil
	})
}

// exec opens the websocket and runs a session where the allocation is. What check
// and the rest refuse goes into the close frame.
func (a *API) exec(r *request, allocID string, s *ExecSession, check func() error) (any, error) {
	if !r.tokenLater() {
		if err := a.allow(r); err != nil {
			return nil, err
		}
	}
	whole := r.Context()
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		return nil, badRequest("this route speaks websocket: connect with a client that does (selfheal alloc exec)")
	}
	conn, err := websocket.Accept(r.w, r.Request, &websocket.AcceptOptions{CompressionMode: websocket.CompressionDisabled})
	if err != nil { // it has been answered: another origin, or no handshake
		a.log.Debug("exec refused", "alloc", allocID, "err", err)
		return streamed{}, nil
	}
	defer conn.CloseNow()
	conn.SetReadLimit(execMessage)
	err = func() error {
		if err := a.handshake(r, conn); err != nil {
			return err
		}
		defer a.until(r)() // a session must not outlive the right to it
		if r.onStream != nil {
			r.onStream()
		}
		if s.TTY, err = r.flag("tty", true); err != nil {
			return err
		}
		if err := check(); err != nil {
			return err
		}
		addrs, err := a.execTarget(r, allocID)
		switch {
		case err != nil:
			return err
		case len(addrs) > 0:
			return a.bridge(r, conn, addrs)
		}
		err = a.session(r.Context(), conn, allocID, s)
		if r.Context().Err() != nil && whole.Err() == nil {
			return errDenied
		}
		return err
	}()
	closeWebsocket(conn, err)
	return streamed{}, nil
}

// tokenLater reports whether the caller's token comes as a websocket's first
// message, because browsers cannot set headers.
func (r *request) tokenLater() bool {
	later, err := r.flag("ws_handshake", true)
	return err == nil && later
}

// handshake reads the first message of a client that sends its token in it.
func (a *API) handshake(r *request, conn *websocket.Conn) error {
	if !r.tokenLater() {
		return nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), execHandshake)
	defer cancel()
	_, text, err := conn.Read(ctx)
	if err != nil {
		return fmt.Errorf("read the handshake: %w", err)
	}
	var hello struct {
		Version int    `json:"version"`
		Token   string `json:"auth_token"`
	}
	if err := json.Unmarshal(text, &hello); err != nil || hello.Version != 1 {
		return badRequest("the handshake must be {\"version\":1,\"auth_token\":...}")
	}
	r.Header.Set("X-Nomad-Token", hello.Token)
	delete(r.query, "ws_handshake") // the next agent is sent the token as a header
	return a.allow(r)
}

// execTarget is where an allocation's commands run: the cluster ports to try, none
// for this agent.
func (a *API) execTarget(r *request, allocID string) ([]string, error) {
	switch {
	case r.region != "" && r.region != a.cfg.Region:
		if servers := a.cfg.Peers.Servers(r.region); len(servers) > 0 {
			return servers, nil
		}
		return nil, a.noRegion(r.region)
	case a.cfg.Exec != nil && a.cfg.Allocs.HasAlloc(allocID):
		return nil, nil
	case a.cfg.State == nil:
		return a.cfg.Peers.Servers(a.cfg.Region), nil
	}
	addr, err := a.nodeAddr("", allocID)
	if lead := a.cfg.Peers.Leader(); a.maybeLate(err) && lead != "" && lead != a.cfg.Self {
		return []string{lead}, nil
	}
	if err == nil && addr == "" {
		return nil, nil
	}
	return []string{addr}, err
}

// session runs a command here. It ends when the command has, or the client is gone.
func (a *API) session(ctx context.Context, conn *websocket.Conn, allocID string, s *ExecSession) error {
	if a.cfg.Exec == nil {
		return errNotClient
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stdin, typed := io.Pipe()
	defer stdin.Close()
	sizes := make(chan api.TerminalSize, 1)
	in := &execInput{conn: conn, stdin: typed, sizes: sizes, heard: new(atomic.Int64)}
	in.hear()
	// Both end with the websocket, which exec closes.
	go func() { cancel(in.receive()) }()
	go func() { cancel(in.watch(ctx)) }()
	s.Stdin, s.Sizes = stdin, sizes
	s.Stdout, s.Stderr = &execOutput{ctx, conn, "stdout"}, &execOutput{ctx, conn, "stderr"}
	code, err := a.cfg.Exec(ctx, allocID, *s)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	if err != nil {
		return err
	}
	return execJSON(ctx, conn,
		api.ExecStreamingOutput{Stdout: &api.ExecStreamingIOOperation{Close: true}},
		api.ExecStreamingOutput{Stderr: &api.ExecStreamingIOOperation{Close: true}},
		api.ExecStreamingOutput{Exited: true, Result: &api.ExecStreamingExitResult{ExitCode: code}})
}

// execInput is what comes from the client.
type execInput struct {
	conn  *websocket.Conn
	stdin *io.PipeWriter
	sizes chan api.TerminalSize
	heard *atomic.Int64 // when the client was last heard, ns; 0 while nobody listens
}

func (in *execInput) hear() { in.heard.Store(time.Now().UnixNano()) }

// receive takes the client's messages until it is gone. It waits for the command to
// take its input: nothing is held here.
func (in *execInput) receive() error {
	defer in.stdin.Close()
	for {
		_, text, err := in.conn.Read(context.Background()) // ends with the websocket
		if err != nil {
			return fmt.Errorf("the client went away: %w", err)
		}
		in.hear()
		var m api.ExecStreamingInput
		if err := json.Unmarshal(text, &m); err != nil {
			return badRequest("a message is not JSON of the form {\"stdin\":...} or {\"tty_size\":...}: %v", err)
		}
		if m.TTYSize != nil {
			in.resize(*m.TTYSize)
		}
		if m.Stdin == nil {
			continue
		}
		in.heard.Store(0)
		if len(m.Stdin.Data) > 0 {
			_, _ = in.stdin.Write(m.Stdin.Data) // a command that has ended takes no more
		}
		if m.Stdin.Close {
			in.stdin.Close()
		}
		in.hear()
	}
}

// resize passes a size on; one that nobody has looked at yet is out of date.
func (in *execInput) resize(size api.TerminalSize) {
	for {
		select {
		case in.sizes <- size:
			return
		default:
		}
		select {
		case <-in.sizes:
		default:
		}
	}
}

// watch asks the client now and then whether it is there, and ends when it was
// silent for too long.
func (in *execInput) watch(ctx context.Context) error {
	tick := time.NewTicker(execPing)
	defer tick.Stop()
	pong := make(chan error, 1)
	for asked := false; ; {
		select {
		case <-tick.C:
		case err := <-pong:
			asked = false
			if err == nil {
				in.hear()
			}
			continue
		case <-ctx.Done():
			return nil
		}
		if heard := in.heard.Load(); heard != 0 && time.Since(time.Unix(0, heard)) > execSilence {
			in.conn.CloseNow()
			return errors.New("the client is silent")
		}
		if !asked { // a client that takes no output for a while answers late
			asked = true
			go func() { pong <- in.conn.Ping(ctx) }()
		}
	}
}

// execOutput makes frames of what a command writes: {"stdout":{"data":"..."}}.
type execOutput struct {
	ctx  context.Context
	conn *websocket.Conn
	name string
}

// Write implements io.Writer.
func (o *execOutput) Write(p []byte) (int, error) {
	frame := make([]byte, 0, base64.StdEncoding.EncodedLen(len(p))+32)
	frame = append(append(append(frame, `{"`...), o.name...), `":{"data":"`...)
	frame = base64.StdEncoding.AppendEncode(frame, p)
	frame = append(frame, `"}}`...)
	if err := o.conn.Write(o.ctx, websocket.MessageText, frame); err != nil {
		return 0, err
	}
	return len(p), nil
}

func execJSON(ctx context.Context, conn *websocket.Conn, messages ...api.ExecStreamingOutput) error {
	for _, m := range messages {
		text, err := json.Marshal(m)
		if err != nil {
			return err
		}
		if err := conn.Write(ctx, websocket.MessageText, text); err != nil {
			return err
		}
	}
	return nil
}

// bridge carries a session to another agent: the first of addrs that answers.
func (a *API) bridge(r *request, conn *websocket.Conn, addrs []string) error {
	hops, _ := strconv.Atoi(r.Header.Get(headerHops))
	if hops >= maxHops {
		return &Error{http.StatusServiceUnavailable, "the request was forwarded too often"}
	}
	header := http.Header{headerHops: {strconv.Itoa(hops + 1)}}
	for _, name := range []string{"X-Nomad-Token", "Authorization"} {
		if v := r.Header.Get(name); v != "" {
			header.Set(name, v)
		}
	}
	err := error(errNotServer)
	for _, addr := range addrs {
		var far *websocket.Conn
		if far, err = a.dialFar(r, addr, header); err == nil {
			return relayMessages(r.Context(), conn, far)
		}
		var refused *Error
		if errors.As(err, &refused) {
			return err
		}
	}
	return err
}

// dialFar opens the same websocket at another agent.
func (a *API) dialFar(r *request, addr string, header http.Header) (*websocket.Conn, error) {
	to := url.URL{Scheme: a.cfg.ForwardScheme, Host: addr, Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.query.Encode()}
	far, resp, err := websocket.Dial(r.Context(), to.String(), &websocket.DialOptions{
		HTTPClient: a.cfg.Upgrade, HTTPHeader: header, CompressionMode: websocket.CompressionDisabled,
	})
	switch {
	case err == nil:
		far.SetReadLimit(execMessage)
		return far, nil
	case resp != nil && resp.StatusCode >= 400 && resp.Body != nil:
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10)) // the library has buffered it
		return nil, &Error{resp.StatusCode, string(text)}
	}
	return nil, fmt.Errorf("forward to %s: %w", addr, err)
}

// relayMessages copies messages both ways until one side closes; what the far side
// closed with is returned as it was.
func relayMessages(ctx context.Context, near, far *websocket.Conn) error {
	defer far.CloseNow()
	go func() { // ends with the client's websocket, or the far one's
		defer far.CloseNow()
		copyMessages(ctx, far, near)
	}()
	err := copyMessages(ctx, near, far)
	var closed websocket.CloseError
	if errors.As(err, &closed) {
		return closed
	}
	return fmt.Errorf("the node's agent broke off: %w", err)
}

func copyMessages(ctx context.Context, to, from *websocket.Conn) error {
	for {
		kind, text, err := from.Read(ctx)
		if err != nil {
			return err
		}
		if err := to.Write(ctx, kind, text); err != nil {
			return err
		}
	}
}

const (
	maxReason = 125 - 2 // RFC 6455, section 5.5: a control frame's payload, less the code
	closeBase = 4000    // section 7.4.2: codes of applications; 4404 is our 404
)

// closeWebsocket says goodbye, with the reason if there is one.
func closeWebsocket(conn *websocket.Conn, why error) {
	code, text := websocket.StatusNormalClosure, ""
	var far websocket.CloseError
	switch {
	case errors.As(why, &far):
		code, text = far.Code, far.Reason
	case why != nil:
		var status int
		status, text = answer(why)
		code = websocket.StatusCode(closeBase + status)
	}
	if len(text) > maxReason {
		text = strings.ToValidUTF8(text[:maxReason-len("...")], "") + "..."
	}
	text = strings.ToValidUTF8(text, "?")
	_ = conn.Close(code, text) // it may be gone already
}
