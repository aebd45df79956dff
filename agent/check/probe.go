package check

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// probe runs one check once. It never returns an error: that is a Failure.
type probe func(ctx context.Context) verdict

// Dial opens a TCP connection to "host:port", until ctx ends.
type Dial func(ctx context.Context, addr string) (net.Conn, error)

// newProbe prepares the runs of a check.
func newProbe(spec Spec, dial Dial) probe {
	switch spec.Type {
	case HTTP:
		return httpProbe(spec, dial)
	case TCP:
		return tcpProbe(spec, dial)
	}
	return func(context.Context) verdict {
		return verdict{status: Failure, output: fmt.Sprintf("unknown type of check %q", spec.Type)}
	}
}

// tcpProbe passes when a connection is accepted.
func tcpProbe(spec Spec, dial Dial) probe {
	return func(ctx context.Context) verdict {
		conn, err := dial(ctx, spec.Addr)
		if err != nil {
			return failed(ctx, spec, err)
		}
		conn.Close()
		return verdict{status: Success, output: "TCP connect " + spec.Addr + ": success"}
	}
}

// maxRedirects bounds how often a check follows a service to another of its paths.
const maxRedirects = 10

// httpProbe makes a request on a connection of its own: what is measured includes
// the connecting, and nothing is held open between runs.
func httpProbe(spec Spec, dial Dial) probe {
	return func(ctx context.Context) verdict {
		req, err := newRequest(ctx, spec)
		if err != nil {
			return verdict{status: Failure, output: shorten(err.Error())}
		}
		client := &http.Client{Transport: oneRun(ctx, spec, dial), CheckRedirect: stayHere}
		resp, err := client.Do(req)
		if err != nil {
			return failed(ctx, spec, err)
		}
		defer resp.Body.Close()
		return judge(resp)
	}
}

// oneRun carries the requests of one run. A transport goes on dialing when the
// request is given up, for the next one's sake; here there is none, and what it
// dials ends with the run.
func oneRun(ctx context.Context, spec Spec, dial Dial) *http.Transport {
	return &http.Transport{
		DialContext: func(_ context.Context, _, addr string) (net.Conn, error) {
			conn, err := dial(ctx, addr)
			if end, ok := ctx.Deadline(); ok && err == nil {
				_ = conn.SetDeadline(end.Add(time.Second)) // should the cancelled request not end it
			}
			return conn, err
		},
		TLSClientConfig:   &tls.Config{ServerName: spec.TLSServerName, InsecureSkipVerify: spec.TLSSkipVerify}, //nolint:gosec // the job file asks for it
		DisableKeepAlives: true,
	}
}

// stayHere follows redirects within the service only: elsewhere is not what is
// checked, and where a task's answer leads the agent would go with its own access.
func stayHere(req *http.Request, via []*http.Request) error {
	if req.URL.Host != via[0].URL.Host || req.URL.Scheme != via[0].URL.Scheme || len(via) >= maxRedirects {
		return http.ErrUseLastResponse
	}
	return nil
}

func newRequest(ctx context.Context, spec Spec) (*http.Request, error) {
	scheme, method, path := spec.Scheme, spec.Method, spec.Path
	if scheme == "" {
		scheme = "http"
	}
	if method == "" {
		method = http.MethodGet
	}
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	req, err := http.NewRequestWithContext(ctx, method, scheme+"://"+spec.Addr+path, strings.NewReader(spec.Body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "selfheal-check")
	for name, values := range spec.Header {
		req.Header[http.CanonicalHeaderKey(name)] = values
	}
	if host := req.Header.Get("Host"); host != "" { // net/http takes it from the request only
		req.Host = host
		req.Header.Del("Host")
	}
	return req, nil
}

// judge reads the answer. Its body is kept only where it may say what is wrong.
func judge(resp *http.Response) verdict {
	v := verdict{status: Failure, code: resp.StatusCode, output: "HTTP " + resp.Status}
	switch {
	case resp.StatusCode >= 200 && resp.StatusCode < 400:
		v.status = Success
		return v
	case resp.StatusCode == http.StatusTooManyRequests:
		v.status = Warning
	}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, MaxOutput)) // what came is better than nothing
	if text := strings.TrimSpace(string(body)); text != "" {
		v.output += ": " + text
	}
	v.output = shorten(v.output)
	return v
}

// failed explains a run without an answer.
func failed(ctx context.Context, spec Spec, err error) verdict {
	if errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		return verdict{status: Failure, output: fmt.Sprintf("%s gave no answer within %v", spec.Addr, spec.Timeout)}
	}
	return verdict{status: Failure, output: shorten(err.Error())}
}

// shorten cuts text to MaxOutput bytes of UTF-8.
func shorten(text string) string {
	if len(text) > MaxOutput {
		text = text[:MaxOutput]
	}
	return strings.ToValidUTF8(text, "")
}

// timed runs a probe under its timeout and measures it.
func timed(ctx context.Context, spec Spec, p probe) verdict {
	ctx, cancel := context.WithTimeout(ctx, spec.Timeout)
	defer cancel()
	began := time.Now()
	v := p(ctx)
	v.took = time.Since(began)
	return v
}
