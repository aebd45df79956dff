package simnet

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

const (
	ipA = "10.0.0.1"
	ipB = "10.0.0.2"
)

// pair connects A to B on port 80 and returns A's end and B's end.
func pair(t *testing.T, n *Net) (near, far net.Conn) {
	t.Helper()
	l, err := n.Host(ipB).Listen(ipB + ":0")
	if err != nil {
		t.Fatal(err)
	}
	near, err = n.Host(ipA).Dial(t.Context(), l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if far, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return near, far
}

// say writes on one end and reads on the other, within the time given.
func say(from, to net.Conn, msg string, within time.Duration) error {
	if _, err := from.Write([]byte(msg)); err != nil {
		return err
	}
	to.SetReadDeadline(time.Now().Add(within))
	defer to.SetReadDeadline(time.Time{})
	b := make([]byte, len(msg))
	if _, err := io.ReadFull(to, b); err != nil {
		return err
	}
	if string(b) != msg {
		return errors.New("read " + string(b))
	}
	return nil
}

func dialFor(n *Net, from, addr string, d time.Duration) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	start := time.Now()
	c, err := n.Host(from).Dial(ctx, addr)
	if c != nil {
		c.Close()
	}
	return time.Since(start), err
}

func TestUnplugStallsAndPlugResumes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(Config{Seed: 1, MinDelay: time.Millisecond, MaxDelay: 5 * time.Millisecond})
		defer n.Close()
		near, far := pair(t, n)
		if err := say(near, far, "hello", time.Second); err != nil {
			t.Fatal(err)
		}
		n.Unplug(ipB)
		if err := say(near, far, "lost?", 10*time.Second); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("unplugged: %v, want a timeout", err)
		}
		took, err := dialFor(n, ipA, far.LocalAddr().String(), 3*time.Second)
		if !errors.Is(err, context.DeadlineExceeded) || took != 3*time.Second {
			t.Fatalf("dial to an unplugged host: %v after %v", err, took)
		}
		n.Plug(ipB)
		b := make([]byte, 5)
		far.SetReadDeadline(time.Now().Add(time.Second))
		if _, err := io.ReadFull(far, b); err != nil || string(b) != "lost?" {
			t.Fatalf("after plug: %q, %v", b, err)
		}
	})
}

func TestUnpluggedConnectionTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(Config{})
		defer n.Close()
		near, _ := pair(t, n)
		n.Unplug(ipB)
		start := time.Now()
		_, err := near.Read(make([]byte, 1))
		if !errors.Is(err, syscall.ETIMEDOUT) || time.Since(start) != keepAliveLimit {
			t.Fatalf("%v after %v", err, time.Since(start))
		}
	})
}

func TestKillIsHeardAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(Config{MinDelay: time.Millisecond, MaxDelay: time.Millisecond})
		defer n.Close()
		near, far := pair(t, n)
		host := n.Host(ipB)
		n.Kill(ipB)
		start := time.Now()
		if _, err := near.Read(make([]byte, 1)); err != io.EOF {
			t.Fatalf("peer reads %v, want EOF", err)
		}
		if took := time.Since(start); took != time.Millisecond {
			t.Errorf("EOF took %v, want the delay of the network", took)
		}
		near.Write([]byte("x"))
		time.Sleep(10 * time.Millisecond)
		if _, err := near.Write([]byte("y")); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("second write: %v, want a reset", err)
		}
		if _, err := dialFor(n, ipA, far.LocalAddr().String(), time.Second); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("dial: %v, want refused", err)
		}
		if _, err := host.Listen(ipB + ":0"); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a killed process listens: %v", err)
		}
		if _, err := n.Host(ipB).Listen(far.LocalAddr().String()); err != nil {
			t.Errorf("the next process cannot listen: %v", err)
		}
	})
}

func TestKillWithUnreadDataResets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(Config{})
		defer n.Close()
		near, _ := pair(t, n)
		near.Write([]byte("nobody reads this"))
		n.Kill(ipB)
		if _, err := near.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Fatalf("%v, want a reset", err)
		}
	})
}

func TestCrashIsSilentUntilThePowerIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(Config{MinDelay: time.Millisecond, MaxDelay: 2 * time.Millisecond})
		defer n.Close()
		near, far := pair(t, n)
		idle, _ := pair(t, n)
		n.Crash(ipB)
		if _, err := far.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Fatalf("the crashed end: %v", err)
		}
		near.Write([]byte("anyone?"))
		near.SetReadDeadline(time.Now().Add(time.Minute))
		if _, err := near.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("the peer of a crashed host: %v, want silence", err)
		}
		if _, err := dialFor(n, ipA, far.LocalAddr().String(), time.Second); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("dial: %v, want silence", err)
		}
		n.Plug(ipB)
		near.SetReadDeadline(time.Now().Add(time.Second))
		if _, err := near.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Fatalf("after boot: %v, want a reset", err)
		}
		if _, err := dialFor(n, ipA, far.LocalAddr().String(), time.Second); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Fatalf("dial after boot: %v, want refused", err)
		}
		start := time.Now()
		if _, err := idle.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) || time.Since(start) > keepAliveIdle {
			t.Fatalf("idle peer: %v after %v", err, time.Since(start))
		}
	})
}

func TestFreezeAnswersTheDialOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(Config{})
		defer n.Close()
		near, far := pair(t, n)
		l, _ := n.Host(ipB).Listen(ipB + ":81")
		udpA, _ := n.Host(ipA).ListenPacket(ipA + ":1")
		udpB, _ := n.Host(ipB).ListenPacket(ipB + ":1")
		n.Freeze(ipB)

		accepted := make(chan net.Conn, 1)
		go func() { c, _ := l.Accept(); accepted <- c }()
		if _, err := dialFor(n, ipA, ipB+":81", time.Second); err != nil {
			t.Fatalf("dial to a frozen host: %v", err)
		}
		sent := make(chan error, 1)
		go func() { _, err := udpB.WriteTo([]byte("late"), udpA.LocalAddr()); sent <- err }()
		udpA.WriteTo([]byte("kept"), udpB.LocalAddr())
		if err := say(far, near, "late", time.Second); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("a frozen host writes: %v", err)
		}
		near.Write([]byte("kept"))
		synctest.Wait()
		select {
		case <-accepted:
			t.Error("a frozen process accepted")
		case <-sent:
			t.Error("a frozen process sent a datagram")
		default:
		}

		n.Thaw(ipB)
		if c := <-accepted; c == nil {
			t.Error("no accept after thaw")
		}
		if err := <-sent; err != nil {
			t.Error(err)
		}
		for _, r := range []io.Reader{near, far, packets{udpA}, packets{udpB}} {
			b := make([]byte, 4)
			if _, err := r.Read(b); err != nil || string(b) != "late" && string(b) != "kept" {
				t.Errorf("after thaw: %q, %v", b, err)
			}
		}
	})
}

type packets struct{ net.PacketConn }

func (p packets) Read(b []byte) (int, error) { n, _, err := p.ReadFrom(b); return n, err }

func TestPartitionCutHeal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(Config{})
		defer n.Close()
		near, far := pair(t, n)

		n.Cut(ipA, ipB)
		if err := say(far, near, "back", time.Second); err != nil {
			t.Errorf("the way back is cut too: %v", err)
		}
		if err := say(near, far, "forth", time.Second); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a cut link delivers: %v", err)
		}
		n.Partition([]string{ipA}, []string{ipB, "10.0.0.3"})
		if err := say(far, near, "again", time.Second); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a partition delivers: %v", err)
		}
		n.Heal()
		for _, c := range []struct {
			conn net.Conn
			want string
		}{{far, "forth"}, {near, "again"}} {
			b := make([]byte, 5)
			c.conn.SetReadDeadline(time.Now().Add(time.Second))
			if _, err := io.ReadFull(c.conn, b); err != nil || string(b) != c.want {
				t.Errorf("after heal: %q, %v, want %q", b, err, c.want)
			}
		}
	})
}
