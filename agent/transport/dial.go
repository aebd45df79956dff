package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"
)

const (
	// dialTimeout bounds a dial and its handshake, beside the caller's context.
	dialTimeout = 5 * time.Second

	// idlePing and pingTimeout find a silently dead peer of an HTTP/2
	// connection: one that says nothing for 2 s is asked, and has 2 s to answer.
	idlePing    = 2 * time.Second
	pingTimeout = 2 * time.Second

	// The same for a client that many simulated nodes share, see Config.Shared.
	sharedPing  = 15 * time.Second
	sharedConns = 2

	// probeTimeout bounds a Probe whose context has no deadline.
	probeTimeout = time.Second
)

// DialRaft connects to a server's raft.
func (p *Port) DialRaft(ctx context.Context, addr string) (net.Conn, error) {
	return p.dial(ctx, addr, protoRaft)
}

// dial connects and shakes hands. Its error names the address and, where a
// configuration is to blame, what to change.
func (p *Port) dial(ctx context.Context, addr, protocol string) (*tls.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	raw, err := p.cfg.Network.Dial(ctx, addr)
	if err != nil {
		return nil, fmt.Errorf("transport: %w", err)
	}
	conn := tls.Client(raw, p.creds.Load().client([]string{protocol}))
	if err := conn.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, fmt.Errorf("transport: handshake with %s: %w", addr, explain(err))
	}
	return conn, nil
}

// explain says what to change when a handshake failed for its certificates.
func explain(err error) error {
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.As(err, &unknown):
		return fmt.Errorf("the peer's certificate comes from another CA: set the same `encrypt` key, or a tls block with the same ca_file, on both agents (%w)", err)
	case isRemote(err, "unknown certificate authority"), isRemote(err, "bad certificate"), isRemote(err, "certificate required"):
		return fmt.Errorf("the peer does not accept this agent's certificate: set the same `encrypt` key, or a tls block with the same ca_file, on both agents (%w)", err)
	case isRemote(err, "no application protocol"):
		return fmt.Errorf("the peer does not speak this protocol: only servers speak raft, and versions must match (%w)", err)
	}
	var record tls.RecordHeaderError
	if errors.As(err, &record) {
		return fmt.Errorf("the peer does not speak TLS: is that the cluster port (4647)? (%w)", err)
	}
	return err
}

// isRemote recognises an alert from the peer; crypto/tls has no type for them
// that could be matched.
func isRemote(err error, alert string) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error" && strings.Contains(op.Err.Error(), alert)
}

// Client returns the HTTP client for other agents' cluster ports, over HTTP/2:
// https://host:port/... . Hosts are not resolved to identities; see PeerOf at
// the other end. A peer that dies silently fails its requests within four
// seconds, so requests need no timeout of their own; the dial has five seconds.
func (p *Port) Client() *http.Client { return p.client }

// UpgradeClient is like Client and speaks HTTP/1.1, for websockets.
func (p *Port) UpgradeClient() *http.Client { return p.upgrade }

// Close closes the HTTP clients' idle connections.
func (p *Port) Close() {
	p.client.CloseIdleConnections()
	p.upgrade.CloseIdleConnections()
}

func (p *Port) newClient(protocol string) *http.Client {
	t := &http.Transport{
		DialTLSContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
			return p.dial(ctx, addr, protocol)
		},
		ForceAttemptHTTP2: protocol == protoHTTP2,
		IdleConnTimeout:   90 * time.Second,
		HTTP2:             &http.HTTP2Config{SendPingTimeout: idlePing, PingTimeout: pingTimeout},
	}
	if p.cfg.Shared {
		t.MaxConnsPerHost = sharedConns
		t.HTTP2.SendPingTimeout, t.HTTP2.PingTimeout = sharedPing, sharedPing
	}
	return &http.Client{Transport: explaining{t}}
}

// explaining is a transport whose errors say what to change. In TLS 1.3 a
// server refuses a certificate after the client's handshake is done: the first
// request hears of it.
type explaining struct{ *http.Transport }

// RoundTrip implements http.RoundTripper.
func (e explaining) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := e.Transport.RoundTrip(r)
	if err != nil {
		err = explain(err)
	}
	return resp, err
}

// Evidence is what a probe found at an address.
type Evidence string

// The kinds of evidence.
const (
	Answered Evidence = "answered" // an agent's process is there and runs
	Refused  Evidence = "refused"  // the machine is there, nobody listens
	Silent   Evidence = "silent"   // no machine answers
	Frozen   Evidence = "frozen"   // the kernel took the connection, the process does nothing
	Reset    Evidence = "reset"    // the connection was taken and then broken: it is ending, or overloaded
)

// Probe finds out whether an agent's cluster port answers, within the
// deadline of ctx (one second if it has none). Answered carries who it is: a
// different NodeID, or none, means that another machine has the address now.
//
//	dial refused -> refused    dial unanswered -> silent
//	dial taken, handshake unanswered -> frozen, broken -> reset, done -> answered
func (p *Port) Probe(ctx context.Context, addr string) (Evidence, Peer) {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, probeTimeout)
		defer cancel()
	}
	raw, err := p.cfg.Network.Dial(ctx, addr)
	if err != nil {
		return dialEvidence(err), Peer{}
	}
	defer raw.Close()
	creds := p.creds.Load()
	var peer Peer
	config := creds.client([]string{protoProbe})
	config.VerifyConnection = func(state tls.ConnectionState) error {
		peer = PeerOf(&state)
		peer.Authenticated = creds.roots != nil && creds.verify(state) == nil
		return nil // whoever it is, somebody answered
	}
	if err := tls.Client(raw, config).HandshakeContext(ctx); err != nil {
		return handshakeEvidence(err), Peer{}
	}
	return Answered, peer
}

func dialEvidence(err error) Evidence {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return Refused
	case errors.Is(err, syscall.ECONNRESET):
		return Reset
	}
	return Silent
}

func handshakeEvidence(err error) Evidence {
	var timeout net.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled), errors.Is(err, os.ErrDeadlineExceeded),
		errors.As(err, &timeout) && timeout.Timeout():
		return Frozen
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return Reset
	}
	return Answered // an alert, or no TLS at all: a process wrote it
}
