package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
)

// The protocols of the cluster port, as ALPN names them.
const (
	protoHTTP2 = "h2"
	protoHTTP1 = "http/1.1" // for upgrades (exec), which HTTP/2 has none of
	protoRaft  = "selfheal-raft/1"
	protoProbe = "selfheal-probe/1"
)

const (
	// handshakeTimeout is how long an accepted connection may take to say who it is.
	handshakeTimeout = 5 * time.Second

	// maxHandshakes bounds the connections that have not said who they are.
	maxHandshakes = 4096
)

// Network is what dialling needs of the network: the kernel's, or a simulated one.
type Network interface {
	// Dial opens a TCP connection, until ctx ends.
	Dial(ctx context.Context, addr string) (net.Conn, error)
}

// Config of a cluster port.
type Config struct {
	Network Network // required

	// NodeID, Role (RoleServer or RoleClient) and Region are this agent's
	// identity. All are required.
	NodeID string
	Role   string
	Region string

	// CAFile, CertFile and KeyFile are those of the tls block: paths, or PEM
	// text. They come before ClusterKey.
	CAFile   string
	CertFile string
	KeyFile  string

	// ClusterKey is the gossip key (`encrypt`), from which the cluster's CA is
	// derived: who has it is a member.
	ClusterKey []byte

	// Shared is for a client that many simulated nodes use at once: it keeps to two
	// connections to a peer, where else each of a hundred callers would dial when one
	// breaks, and gives a peer that is busy with them more time to answer.
	Shared bool

	Logger hclog.Logger // required
}

// Validate reports everything that is missing.
func (c Config) Validate() error {
	var errs []error
	for _, f := range []struct {
		missing bool
		say     string
	}{
		{c.Network == nil, "set Network"},
		{c.Logger == nil, "set Logger"},
		{c.NodeID == "", "set NodeID"},
		{c.Region == "", "set Region"},
		{c.Role != RoleServer && c.Role != RoleClient, fmt.Sprintf("role %q is neither %q nor %q", c.Role, RoleServer, RoleClient)},
	} {
		if f.missing {
			errs = append(errs, errors.New("transport: "+f.say))
		}
	}
	return errors.Join(errs...)
}

// Port is one agent's cluster port. Its methods may be called from any goroutine.
type Port struct {
	cfg     Config
	log     hclog.Logger
	creds   atomic.Pointer[credentials]
	http    *queue
	raft    *queue
	client  *http.Client
	upgrade *http.Client
}

// New loads or makes the certificates. It neither listens nor dials.
func New(cfg Config) (*Port, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	p := &Port{cfg: cfg, log: cfg.Logger, http: newQueue(), raft: newQueue()}
	if err := p.Reload(); err != nil {
		return nil, err
	}
	p.client, p.upgrade = p.newClient(protoHTTP2), p.newClient(protoHTTP1)
	if !p.Authenticated() {
		p.log.Warn("THE CLUSTER PORT IS NOT AUTHENTICATED: anyone who reaches it can join the cluster and run anything; set `encrypt` in the server block of every agent (a key from `selfheal operator gossip keyring generate`), or a tls block")
	}
	return p, nil
}

// Reload reads the certificate files again; connections that exist keep theirs.
// On error nothing changes.
func (p *Port) Reload() error {
	c, err := loadCredentials(p.cfg)
	if err != nil {
		return err
	}
	p.creds.Store(c)
	return nil
}

// Authenticated reports whether peers are checked: false with neither
// certificates nor a cluster key.
func (p *Port) Authenticated() bool { return p.creds.Load().roots != nil }

// HTTPListener returns the listener of connections that speak HTTP; they are
// *tls.Conn, the handshake is done, and http.Server.Serve (with TLSConfig nil)
// takes HTTP/2 from there. Its Accept ends when Serve does.
func (p *Port) HTTPListener() net.Listener { return p.http }

// RaftListener returns the listener of connections that speak raft. They come
// from servers only, as far as their certificates say.
func (p *Port) RaftListener() net.Listener { return p.raft }

// Serve accepts connections until ctx ends or the listener fails, which is the
// error it returns (nil after ctx). It owns the listener and its handshakes;
// connections handed over belong to their protocol. Serve once: the protocols'
// listeners end with it.
func (p *Port) Serve(ctx context.Context, ln net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	p.http.open(ln.Addr())
	p.raft.open(ln.Addr())
	defer func() {
		cancel()
		p.http.Close()
		p.raft.Close()
		wg.Wait()
	}()
	stop := context.AfterFunc(ctx, func() { ln.Close() })
	defer stop()
	slots := make(chan struct{}, maxHandshakes)
	for wait := 5 * time.Millisecond; ; {
		conn, err := ln.Accept()
		switch {
		case ctx.Err() != nil:
			if conn != nil {
				conn.Close()
			}
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("transport: accept: %w", err)
		case err != nil: // out of file descriptors, most likely
			p.log.Warn("accept on the cluster port", "err", err)
			sleep(ctx, wait)
			wait = min(2*wait, time.Second)
			continue
		}
		wait = 5 * time.Millisecond
		select {
		case slots <- struct{}{}:
			wg.Go(func() {
				p.welcome(ctx, conn)
				<-slots
			})
		default:
			p.log.Warn("too many handshakes on the cluster port, connection refused", "addr", conn.RemoteAddr())
			conn.Close()
		}
	}
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// welcome does the handshake and hands the connection to its protocol.
func (p *Port) welcome(ctx context.Context, raw net.Conn) {
	protocols := []string{protoHTTP2, protoHTTP1, protoProbe}
	if p.cfg.Role == RoleServer {
		protocols = append(protocols, protoRaft)
	}
	conn := tls.Server(raw, p.creds.Load().server(protocols))
	hctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	if err := conn.HandshakeContext(hctx); err != nil {
		p.log.Debug("handshake on the cluster port failed", "addr", raw.RemoteAddr(), "err", explain(err))
		raw.Close()
		return
	}
	state := conn.ConnectionState()
	switch state.NegotiatedProtocol {
	case protoProbe:
		conn.Close()
	case protoRaft:
		if peer := PeerOf(&state); peer.Role == RoleClient {
			p.log.Warn("a client spoke raft and was refused", "node", peer.NodeID, "addr", raw.RemoteAddr())
			conn.Close()
			return
		}
		p.raft.hand(ctx, conn)
	default:
		p.http.hand(ctx, conn)
	}
}

// queue is a listener that is fed with connections.
type queue struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
	addr  atomic.Pointer[net.Addr]
}

func newQueue() *queue { return &queue{conns: make(chan net.Conn), done: make(chan struct{})} }

func (q *queue) open(addr net.Addr) { q.addr.Store(&addr) }

// hand waits until someone accepts conn; if nobody does in time, it is closed.
func (q *queue) hand(ctx context.Context, conn net.Conn) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	select {
	case q.conns <- conn:
	case <-q.done:
		conn.Close()
	case <-ctx.Done():
		conn.Close()
	}
}

// Accept implements net.Listener.
func (q *queue) Accept() (net.Conn, error) {
	select {
	case c := <-q.conns:
		return c, nil
	case <-q.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener: this protocol is served no more.
func (q *queue) Close() error {
	q.once.Do(func() { close(q.done) })
	return nil
}

// Addr implements net.Listener. Before Serve it is the zero TCP address.
func (q *queue) Addr() net.Addr {
	if a := q.addr.Load(); a != nil {
		return *a
	}
	return &net.TCPAddr{}
}
