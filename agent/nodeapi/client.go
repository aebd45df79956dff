package nodeapi

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync"
	"time"
)

// Config says whom a Client calls, and as whom.
type Config struct {
	// HTTP speaks to cluster ports; nil is http.DefaultClient. It should ping idle
	// HTTP/2 connections (http.HTTP2Config.SendPingTimeout, about a second): that is
	// what ends a long poll at once when its server dies silently.
	HTTP *http.Client
	// Scheme of the URLs; "" is https.
	Scheme string
	// Servers are host:port of cluster ports, the first to try first. Answers replace them.
	Servers []string
	// NodeID and SecretID go into every request's headers.
	NodeID, SecretID string
}

const (
	// hedgeAfter is how long a request may be silent before the next server gets the
	// same one too. All but the long poll are idempotent, so the second does no harm;
	// a healthy commit takes a few milliseconds.
	hedgeAfter = 500 * time.Millisecond
	// callLimit bounds one request to one server. A server holds a write for up to
	// 2 s while a leader is being elected.
	callLimit = 5 * time.Second
	// connectLimit bounds the time until a long poll is on the wire.
	connectLimit = time.Second
	// aloneLimit is both while only one server is known: there is no other to turn to,
	// and asking a busy one again makes it busier.
	aloneLimit = 30 * time.Second
	// pollSlack is how much longer than it was asked to hold a poll a server may be
	// silent. Beside it, a server may add a sixteenth of the wait as jitter.
	pollSlack = 3 * time.Second
	// demotedFor is how long a server that failed is tried last.
	demotedFor = 10 * time.Second
	// maxErrorText bounds what is read of an error's body.
	maxErrorText = 4 << 10
)

// Client is the node's side of the protocol. Its calls try each server once, the
// next one immediately when one fails, and then return the error: back-off after
// such a round is the caller's (see Backoff). It is safe for concurrent use.
type Client struct {
	cfg Config

	mu       sync.Mutex
	servers  []string
	failedAt map[string]time.Time
	calls    map[*inflight]struct{}
}

// inflight is one request to one server.
type inflight struct {
	server string
	cancel context.CancelCauseFunc
}

// New makes a Client; it connects to nobody yet.
func New(cfg Config) *Client {
	if cfg.HTTP == nil {
		cfg.HTTP = http.DefaultClient
	}
	cfg.Scheme = cmp.Or(cfg.Scheme, "https")
	return &Client{
		cfg:      cfg,
		servers:  slices.Clone(cfg.Servers),
		failedAt: map[string]time.Time{},
		calls:    map[*inflight]struct{}{},
	}
}

// Register says who the node is and what it has. Unanswered for half a second, it
// goes to the next server as well.
func (c *Client) Register(ctx context.Context, req RegisterRequest) (*RegisterResponse, error) {
	resp, err := race(ctx, c, hedgeAfter, func(ctx context.Context, server string) (*RegisterResponse, error) {
		return send[RegisterResponse](ctx, c, server, http.MethodPut, PathRegister, req)
	})
	if err != nil {
		return nil, fmt.Errorf("register node: %w", err)
	}
	c.SetServers(resp.Servers)
	return resp, nil
}

// Allocs waits for changes to the node's allocations, at most req.Wait. A server
// that is silent for a few seconds longer is given up.
func (c *Client) Allocs(ctx context.Context, req AllocsRequest) (*AllocsResponse, error) {
	resp, err := turns(ctx, c, func(server string) (*AllocsResponse, error) { return c.poll(ctx, server, req) })
	if err != nil {
		return nil, fmt.Errorf("poll allocations: %w", err)
	}
	c.SetServers(resp.Servers)
	return resp, nil
}

// Status reports what became of allocations; hedged like Register.
func (c *Client) Status(ctx context.Context, req StatusRequest) (*StatusResponse, error) {
	resp, err := race(ctx, c, hedgeAfter, func(ctx context.Context, server string) (*StatusResponse, error) {
		return send[StatusResponse](ctx, c, server, http.MethodPut, PathStatus, req)
	})
	if err != nil {
		return nil, fmt.Errorf("report status: %w", err)
	}
	return resp, nil
}

// Goodbye announces that the agent stops; hedged like Register.
func (c *Client) Goodbye(ctx context.Context, req GoodbyeRequest) error {
	_, err := race(ctx, c, hedgeAfter, func(ctx context.Context, server string) (*struct{}, error) {
		return send[struct{}](ctx, c, server, http.MethodPut, PathGoodbye, req)
	})
	if err != nil {
		return fmt.Errorf("say goodbye: %w", err)
	}
	return nil
}

// SetServers replaces the known servers, e.g. when gossip has found some. An
// empty list changes nothing.
func (c *Client) SetServers(servers []string) {
	if len(servers) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.servers = slices.Clone(servers)
}

// Servers are the servers known now, in the order in which they would be tried.
func (c *Client) Servers() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	servers := slices.Clone(c.servers)
	slices.SortStableFunc(servers, func(a, b string) int { return c.demoted(a) - c.demoted(b) })
	return servers
}

// limit is d, or aloneLimit while there is no other server.
func (c *Client) limit(d time.Duration) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.servers) == 1 {
		return aloneLimit
	}
	return d
}

// demoted is 1 for a server that failed lately. Callers hold the lock.
func (c *Client) demoted(server string) int {
	if at, ok := c.failedAt[server]; ok && time.Since(at) < demotedFor {
		return 1
	}
	return 0
}

// Drop ends the requests that wait for a server which others found dead, so that
// they go to the next one now.
func (c *Client) Drop(server string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failedAt[server] = time.Now()
	for call := range c.calls {
		if call.server == server {
			call.cancel(errDropped)
		}
	}
}

var (
	errNoServers = errors.New("no servers known")
	errDropped   = errors.New("the server is known to be dead")
	errNoConnect = errors.New("no connection in time")
	errSilent    = errors.New("the server was silent for longer than it was asked to wait")
	errTimeLimit = errors.New("no answer in time")
)

// poll is one long poll to one server, under a watchdog that first waits for the
// request to be on the wire, then for the answer.
func (c *Client) poll(ctx context.Context, server string, req AllocsRequest) (*AllocsResponse, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	connect := time.AfterFunc(c.limit(connectLimit), func() { cancel(errNoConnect) })
	defer connect.Stop()
	silence := time.AfterFunc(req.Wait+req.Wait/16+pollSlack, func() { cancel(errSilent) })
	defer silence.Stop()
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteRequest: func(httptrace.WroteRequestInfo) { connect.Stop() },
	})
	return send[AllocsResponse](ctx, c, server, http.MethodPost, PathAllocs, req)
}

// turns calls do for one server after another, the next when one fails. It needs no
// goroutine: thousands of nodes may be waiting in it.
func turns[T any](ctx context.Context, c *Client, do func(server string) (*T, error)) (*T, error) {
	servers := c.Servers()
	if len(servers) == 0 {
		return nil, errNoServers
	}
	var errs []error
	for _, server := range servers {
		value, err := do(server)
		switch {
		case err == nil:
			return value, nil
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case final(err):
			return nil, err
		}
		errs = append(errs, err)
	}
	return nil, worst(errs)
}

// race calls do for one server after another, the next when one fails or when the others
// have been silent for the time of the hedge. The first success wins.
func race[T any](ctx context.Context, c *Client, hedge time.Duration, do func(context.Context, string) (*T, error)) (*T, error) {
	servers := c.Servers()
	if len(servers) == 0 {
		return nil, errNoServers
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type answer struct {
		value *T
		err   error
	}
	answers := make(chan answer, len(servers)) // buffered: nobody waits for the losers
	var errs []error
	started, open := 0, 0
	next := func() {
		server := servers[started]
		started++
		open++
		go func() {
			value, err := do(ctx, server)
			answers <- answer{value, err}
		}()
	}
	next()
	for {
		var impatient <-chan time.Time
		if started < len(servers) {
			impatient = time.After(hedge)
		}
		select {
		case <-impatient:
			next()
		case a := <-answers:
			open--
			switch {
			case a.err == nil:
				return a.value, nil
			case ctx.Err() != nil:
				return nil, context.Cause(ctx)
			case final(a.err):
				return nil, a.err
			}
			errs = append(errs, a.err)
			if started < len(servers) {
				next()
			} else if open == 0 {
				return nil, worst(errs)
			}
		}
	}
}

// final tells errors that another server would give as well.
func final(err error) bool {
	var refused *Error
	return errors.As(err, &refused) && refused.final()
}

// worst picks the error to report of a failed round: an answer says more than a
// broken connection.
func worst(errs []error) error {
	for _, err := range errs {
		var refused *Error
		if errors.As(err, &refused) {
			return err
		}
	}
	return errs[0]
}

// send makes one request to one server and decodes its answer.
func send[T any](ctx context.Context, c *Client, server, method, path string, body any) (*T, error) {
	data, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("encode request: %w", err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if path != PathAllocs {
		limit := time.AfterFunc(c.limit(callLimit), func() { cancel(errTimeLimit) })
		defer limit.Stop()
	}
	call := &inflight{server: server, cancel: cancel}
	c.began(call)
	value, err := exchange[T](ctx, c, server, method, path, data)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = fmt.Errorf("%s: %w", server, cause)
	}
	c.ended(call, err)
	return value, err
}

// exchange is send without its watchdogs.
func exchange[T any](ctx context.Context, c *Client, server, method, path string, body []byte) (*T, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.cfg.Scheme+"://"+server+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(HeaderNode, c.cfg.NodeID)
	req.Header.Set(HeaderSecret, c.cfg.SecretID)
	req.Header.Set(HeaderVersion, Version)
	// Without this the transport asks for gzip, which costs a server more than the bytes
	// cost the network between it and its nodes.
	req.Header.Set("Accept-Encoding", "identity")
	resp, err := c.cfg.HTTP.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorText))
		return nil, &Error{Server: server, Code: resp.StatusCode, Text: strings.TrimSpace(string(text))}
	}
	value := new(T)
	if _, nothing := any(value).(*struct{}); nothing {
		return value, nil
	}
	if err := json.NewDecoder(resp.Body).Decode(value); err != nil {
		return nil, fmt.Errorf("decode answer of %s: %w", server, err)
	}
	if allocs, ok := any(value).(*AllocsResponse); ok {
		allocs.NoLeader = resp.Header.Get(HeaderKnownLeader) == "false"
	}
	return value, nil
}

func (c *Client) began(call *inflight) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls[call] = struct{}{}
}

// ended forgets a request and remembers whether its server can be relied on. A
// call that was cancelled because another one won says nothing about its server.
func (c *Client) ended(call *inflight, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.calls, call)
	switch {
	case err == nil:
		delete(c.failedAt, call.server)
	case !errors.Is(err, context.Canceled):
		c.failedAt[call.server] = time.Now()
	}
}
