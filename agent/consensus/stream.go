package consensus

import (
	"context"
	"net"
	"time"

	"github.com/hashicorp/raft"
)

// stream is the network as raft's transport wants it.
type stream struct {
	net.Listener
	addr advertised
	dial func(ctx context.Context, addr string) (net.Conn, error)
}

var _ raft.StreamLayer = stream{}

// Addr implements net.Listener: what others call this server.
func (s stream) Addr() net.Addr { return s.addr }

// Dial implements raft.StreamLayer.
func (s stream) Dial(addr raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return s.dial(ctx, string(addr))
}

// advertised is a host:port as a net.Addr.
type advertised string

// Network implements net.Addr.
func (advertised) Network() string { return "tcp" }

// String implements net.Addr.
func (a advertised) String() string { return string(a) }

// Transport settings.
const (
	// pooledConns is how many idle connections a server keeps to each other one.
	pooledConns = 3
	// ioTimeout bounds a dial and a message (a snapshot gets more, by its size). A
	// peer that lost power holds up its own replication for so long, nobody else's.
	ioTimeout = 5 * time.Second
)

func newTransport(c *Config) *raft.NetworkTransport {
	return raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Stream:  stream{Listener: c.Listener, addr: advertised(c.Addr), dial: c.Dial},
		MaxPool: pooledConns, Timeout: ioTimeout, Logger: c.Logger, MsgpackUseNewTimeFormat: true,
	})
}
