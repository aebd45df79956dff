package agent

import (
	"context"
	"net"
)

// Network is how an agent reaches others: the kernel's network, or a simulated
// one in tests.
type Network interface {
	// Listen opens a TCP listener on "ip:port".
	Listen(addr string) (net.Listener, error)
	// ListenPacket opens a UDP socket on "ip:port".
	ListenPacket(addr string) (net.PacketConn, error)
	// Dial opens a TCP connection, until ctx ends.
	Dial(ctx context.Context, addr string) (net.Conn, error)
}

// kernel is the real network.
type kernel struct{}

func (kernel) Listen(addr string) (net.Listener, error)         { return net.Listen("tcp", addr) }
func (kernel) ListenPacket(addr string) (net.PacketConn, error) { return net.ListenPacket("udp", addr) }

func (kernel) Dial(ctx context.Context, addr string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "tcp", addr)
}
