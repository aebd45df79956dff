package gossip

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-sockaddr"
	"github.com/hashicorp/memberlist"
)

// receiveBuffer is what a UDP socket asks of the kernel: room for a burst of
// some thousand packets while this process waits for a processor.
const receiveBuffer = 2 << 20

// transport is memberlist's transport over a Network. Two goroutines read from
// the sockets until Shutdown.
type transport struct {
	network   Network
	log       hclog.Logger
	advertise netip.AddrPort
	listener  net.Listener
	packets   net.PacketConn
	packetCh  chan *memberlist.Packet
	streamCh  chan net.Conn
	ctx       context.Context // ends with Shutdown, and dials with it
	cancel    context.CancelFunc
	wg        sync.WaitGroup
}

func newTransport(cfg Config) (*transport, error) {
	t := &transport{
		network:  cfg.Network,
		log:      cfg.Logger,
		packetCh: make(chan *memberlist.Packet),
		streamCh: make(chan net.Conn),
	}
	if err := t.listen(cfg.BindAddr, cfg.Port); err != nil {
		return nil, err
	}
	if err := t.resolve(cfg); err != nil {
		t.listener.Close()
		t.packets.Close()
		return nil, err
	}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	t.wg.Go(t.accept)
	t.wg.Go(t.receive)
	return t, nil
}

// listen opens TCP and UDP on the same port. A port that the kernel chose for
// TCP may be taken for UDP: then another is tried.
func (t *transport) listen(ip string, port int) (err error) {
	tries := 1
	if port == 0 {
		tries = 10
	}
	for range tries {
		if t.listener, err = t.network.Listen(net.JoinHostPort(ip, strconv.Itoa(port))); err != nil {
			return fmt.Errorf("gossip: %w", err)
		}
		_, chosen, _ := net.SplitHostPort(t.listener.Addr().String())
		if t.packets, err = t.network.ListenPacket(net.JoinHostPort(ip, chosen)); err == nil {
			break
		}
		t.listener.Close()
	}
	if err != nil {
		return fmt.Errorf("gossip: %w", err)
	}
	if c, ok := t.packets.(interface{ SetReadBuffer(int) error }); ok {
		if err := c.SetReadBuffer(receiveBuffer); err != nil {
			t.log.Debug("gossip keeps the kernel's receive buffer", "err", err)
		}
	}
	return nil
}

func (t *transport) resolve(cfg Config) error {
	bound, err := netip.ParseAddrPort(t.listener.Addr().String())
	if err != nil {
		return fmt.Errorf("gossip: listen: %w", err)
	}
	bound = netip.AddrPortFrom(bound.Addr().Unmap(), bound.Port())
	if t.advertise, err = cfg.advertise(bound); err != nil || t.advertise.IsValid() {
		return err
	}
	private, err := sockaddr.GetPrivateIP()
	if err != nil || private == "" {
		return fmt.Errorf("gossip: this machine has no private IP address to advertise: set advertise { serf = \"ADDRESS\" } or bind_addr")
	}
	ip, err := netip.ParseAddr(private)
	if err != nil {
		return fmt.Errorf("gossip: advertise: %w", err)
	}
	t.advertise = netip.AddrPortFrom(ip, bound.Port())
	return nil
}

func (t *transport) accept() {
	for wait := 5 * time.Millisecond; ; {
		conn, err := t.listener.Accept()
		if t.ctx.Err() != nil {
			if conn != nil {
				conn.Close()
			}
			return
		}
		if err != nil { // out of file descriptors, most likely
			t.log.Warn("accept a gossip connection", "err", err)
			if !pause(t.ctx, wait) {
				return
			}
			wait = min(2*wait, time.Second)
			continue
		}
		wait = 5 * time.Millisecond
		select {
		case t.streamCh <- conn:
		case <-t.ctx.Done():
			conn.Close()
		}
	}
}

func (t *transport) receive() {
	buf := make([]byte, 65536)
	for {
		n, from, err := t.packets.ReadFrom(buf)
		now := time.Now()
		if t.ctx.Err() != nil {
			return
		}
		if err != nil {
			t.log.Warn("receive a gossip packet", "err", err)
			if !pause(t.ctx, 5*time.Millisecond) {
				return
			}
			continue
		}
		if n == 0 {
			continue
		}
		p := &memberlist.Packet{Buf: append([]byte(nil), buf[:n]...), From: from, Timestamp: now}
		select {
		case t.packetCh <- p:
		case <-t.ctx.Done():
			return
		}
	}
}

// pause waits for d and reports whether ctx still runs.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// FinalAdvertiseAddr implements memberlist.Transport.
func (t *transport) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	return t.advertise.Addr().AsSlice(), int(t.advertise.Port()), nil
}

// WriteTo implements memberlist.Transport.
func (t *transport) WriteTo(b []byte, addr string) (time.Time, error) {
	to, err := netip.ParseAddrPort(addr)
	if err != nil {
		return time.Time{}, err
	}
	_, err = t.packets.WriteTo(b, net.UDPAddrFromAddrPort(to))
	return time.Now(), err
}

// PacketCh implements memberlist.Transport.
func (t *transport) PacketCh() <-chan *memberlist.Packet { return t.packetCh }

// DialTimeout implements memberlist.Transport.
func (t *transport) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(t.ctx, timeout)
	defer cancel()
	return t.network.Dial(ctx, addr)
}

// StreamCh implements memberlist.Transport.
func (t *transport) StreamCh() <-chan net.Conn { return t.streamCh }

// WriteToAddress implements memberlist.NodeAwareTransport; names are not needed.
func (t *transport) WriteToAddress(b []byte, a memberlist.Address) (time.Time, error) {
	return t.WriteTo(b, a.Addr)
}

// DialAddressTimeout implements memberlist.NodeAwareTransport.
func (t *transport) DialAddressTimeout(a memberlist.Address, timeout time.Duration) (net.Conn, error) {
	return t.DialTimeout(a.Addr, timeout)
}

// Shutdown implements memberlist.Transport: it closes the sockets and waits
// for the readers.
func (t *transport) Shutdown() error {
	t.cancel()
	t.listener.Close()
	t.packets.Close()
	t.wg.Wait()
	return nil
}
