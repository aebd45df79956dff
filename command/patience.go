package command

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-cleanhttp"
	"github.com/hashicorp/nomad/api"
)

const (
	// answerPatience is how long an agent that accepted a connection may take to
	// begin its answer. Servers answer in milliseconds, a forwarded request in a few
	// seconds; an address that is not an agent at all often never does.
	answerPatience = 30 * time.Second
	// dialPatience is how long the agent of -address may take to accept, and
	// nodePatience how long a node may that is dialled directly before the request
	// goes through that agent instead.
	dialPatience = 10 * time.Second
	nodePatience = time.Second
	// blockPatience is what a blocking query waits for without a wait of its own;
	// servers add up to a sixteenth of it.
	blockPatience = 5 * time.Minute
)

// slowPaths are requests that work before they answer.
var slowPaths = []struct {
	prefix  string
	allowed time.Duration
}{
	{"/v1/event/stream", 75 * time.Second}, // its first line may be the heartbeat after 30 s
	{"/v1/operator/snapshot", 10 * time.Minute},
	{"/v1/volume", 10 * time.Minute}, // a storage provider makes it
	{"/v1/client/gc", 10 * time.Minute},
	{"/v1/system/gc", 10 * time.Minute},
}

// patient is a transport that gives up on an agent that does not begin to
// answer. Bodies may take as long as they like.
type patient struct {
	agent, node http.RoundTripper // for the agent of -address, and for any other
	host        string            // that agent's
	answer      time.Duration
}

// silence is the error of an agent that accepted a request and did not answer.
type silence struct {
	host  string
	after time.Duration
}

func (e silence) Error() string {
	return fmt.Sprintf("%s accepted the request but has not answered for %s", e.host, e.after)
}

// RoundTrip sends one request.
func (p *patient) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(r.Context())
	allowed := p.allowed(r)
	timer := time.AfterFunc(allowed, func() { cancel(silence{r.URL.Host, allowed}) })
	next := p.node
	if r.URL.Host == p.host {
		next = p.agent
	}
	resp, err := next.RoundTrip(r.WithContext(ctx))
	timer.Stop()
	if err != nil {
		cause := context.Cause(ctx)
		cancel(nil)
		if s, ok := cause.(silence); ok {
			return nil, s
		}
		return nil, err
	}
	resp.Body = &endedBody{resp.Body, func() { cancel(nil) }}
	return resp, nil
}

// allowed is how long a request may go without the beginning of an answer.
func (p *patient) allowed(r *http.Request) time.Duration {
	q := r.URL.Query()
	out := p.answer
	for _, s := range slowPaths {
		if strings.HasPrefix(r.URL.Path, s.prefix) {
			out = max(out, s.allowed)
		}
	}
	if index := q.Get("index"); index != "" && index != "0" {
		wait, err := time.ParseDuration(q.Get("wait"))
		if err != nil || wait <= 0 {
			wait = blockPatience
		}
		out += wait + wait/16
	}
	if seconds, err := strconv.Atoi(q.Get("seconds")); err == nil && seconds > 0 { // a profile
		out += time.Duration(seconds) * time.Second
	}
	return out
}

// endedBody frees a request's context when its answer has been read.
type endedBody struct {
	io.ReadCloser
	end func()
}

// Close ends the request.
func (b *endedBody) Close() error {
	err := b.ReadCloser.Close()
	b.end()
	return err
}

// httpClient is a client with the session's certificates and patience.
func (s *session) httpClient() (*http.Client, error) {
	certs, err := s.certificates()
	if err != nil {
		return nil, err
	}
	build := func(dial time.Duration) (*http.Transport, error) {
		t := cleanhttp.DefaultPooledTransport()
		t.DialContext = (&net.Dialer{Timeout: dial, KeepAlive: 30 * time.Second}).DialContext
		t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
		t.ForceAttemptHTTP2 = false // as the client of the API has it
		return t, api.ConfigureTLS(&http.Client{Transport: t}, certs)
	}
	agent, err := build(dialPatience)
	if err != nil {
		return nil, fmt.Errorf("read certificates: %w", err)
	}
	node, err := build(nodePatience)
	if err != nil {
		return nil, fmt.Errorf("read certificates: %w", err)
	}
	target, err := url.Parse(s.address())
	if err != nil {
		return nil, usagef("-address: %v", err)
	}
	p := &patient{agent: agent, node: node, host: target.Host, answer: answerPatience}
	if s.patience > 0 {
		p.answer = s.patience
	}
	return &http.Client{Transport: p}, nil
}

// certificates are what the flags and the environment say about TLS.
func (s *session) certificates() (*api.TLSConfig, error) {
	f := s.flags
	skip := f.skipVerify
	if v := s.env("SKIP_VERIFY"); v != "" && !skip {
		var err error
		if skip, err = strconv.ParseBool(v); err != nil {
			return nil, fmt.Errorf("read SELFHEAL_SKIP_VERIFY: want true or false, not %q", v)
		}
	}
	return &api.TLSConfig{
		CACert: s.or(f.caCert, "CACERT"), CAPath: s.or(f.caPath, "CAPATH"),
		ClientCert: s.or(f.clientCert, "CLIENT_CERT"), ClientKey: s.or(f.clientKey, "CLIENT_KEY"),
		TLSServerName: s.or(f.server, "TLS_SERVER_NAME"), Insecure: skip,
	}, nil
}
