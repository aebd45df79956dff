package simnet

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestStreamKeepsOrderUnderLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(Config{Seed: 7, MinDelay: time.Millisecond, MaxDelay: 20 * time.Millisecond, Loss: 0.2})
		defer n.Close()
		near, far := pair(t, n)
		var want bytes.Buffer
		go func() {
			for i := range 500 {
				fmt.Fprintf(near, "%d,", i)
			}
			near.(*Conn).CloseWrite()
		}()
		for i := range 500 {
			fmt.Fprintf(&want, "%d,", i)
		}
		start := time.Now()
		got, err := io.ReadAll(far)
		if err != nil || !bytes.Equal(got, want.Bytes()) {
			t.Fatalf("read %d bytes, %v; want %d in order", len(got), err, want.Len())
		}
		if took := time.Since(start); took < rto {
			t.Errorf("took %v: loss cost nothing", took)
		}
		if err := say(far, near, "half open", time.Minute); err != nil {
			t.Errorf("the other half: %v", err)
		}
	})
}

func TestWindowBlocksTheWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(Config{Window: 10})
		defer n.Close()
		near, far := pair(t, n)
		near.Write(make([]byte, 10))
		near.SetWriteDeadline(time.Now().Add(time.Second))
		if _, err := near.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("write beyond the window: %v", err)
		}
		near.SetWriteDeadline(time.Time{})
		done := make(chan error, 1)
		go func() { _, err := near.Write([]byte("x")); done <- err }()
		synctest.Wait()
		io.ReadFull(far, make([]byte, 5))
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	})
}

func TestDatagrams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(Config{Seed: 3, MinDelay: time.Millisecond, MaxDelay: 50 * time.Millisecond, Loss: 0.3})
		defer n.Close()
		a, _ := n.Host(ipA).ListenPacket(ipA + ":9")
		b, _ := n.Host(ipB).ListenPacket("0.0.0.0:9")
		const sent = 200
		for i := range sent {
			a.WriteTo([]byte{byte(i)}, &net.UDPAddr{IP: net.ParseIP(ipB), Port: 9})
		}
		var got []byte
		overtaken := 0
		for {
			b.SetReadDeadline(time.Now().Add(time.Second))
			buf := make([]byte, 10)
			k, from, err := b.ReadFrom(buf)
			if err != nil {
				break
			}
			if from.String() != ipA+":9" {
				t.Fatalf("from %v", from)
			}
			if len(got) > 0 && buf[0] < got[len(got)-1] {
				overtaken++
			}
			got = append(got, buf[:k]...)
		}
		if len(got) < sent*6/10 || len(got) > sent*8/10 {
			t.Errorf("%d of %d arrived, want about 70 %%", len(got), sent)
		}
		if overtaken == 0 {
			t.Error("no datagram overtook another")
		}
		if _, err := a.WriteTo(make([]byte, maxDatagram+1), b.LocalAddr()); !errors.Is(err, syscall.EMSGSIZE) {
			t.Errorf("too long: %v", err)
		}
	})
}

func TestAddresses(t *testing.T) {
	n := New(Config{})
	defer n.Close()
	a, b := n.Host(ipA), n.Host(ipB)
	listen := func(h *Host, addr string) net.Listener {
		l, err := h.Listen(addr)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	listen(a, "127.0.0.1:80")
	listen(a, ":81")
	for _, c := range []struct {
		from *Host
		addr string
		want error
	}{
		{a, "127.0.0.1:80", nil},
		{a, "localhost:81", nil},
		{b, ipA + ":80", syscall.ECONNREFUSED}, // loopback only
		{b, ipA + ":81", nil},
		{b, "127.0.0.1:81", syscall.ECONNREFUSED}, // its own loopback
	} {
		conn, err := c.from.Dial(t.Context(), c.addr)
		if !errors.Is(err, c.want) {
			t.Errorf("%s -> %s: %v, want %v", c.from.Addr(), c.addr, err, c.want)
		} else if conn != nil && conn.RemoteAddr().String() == "" {
			t.Error("no remote address")
		}
	}
	var dns *net.DNSError
	if _, err := a.Dial(t.Context(), "nowhere.example:1"); !errors.As(err, &dns) {
		t.Errorf("unknown name: %v", err)
	}
	if _, err := a.Listen(ipB + ":1"); !errors.Is(err, syscall.EADDRNOTAVAIL) {
		t.Errorf("another's address: %v", err)
	}
	if _, err := a.Listen(":81"); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("twice: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.Dial(ctx, ipB+":1"); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled dial: %v", err)
	}
}

func TestSameSeedSameWeather(t *testing.T) {
	draw := func(seed int64) (out []time.Duration) {
		n := New(Config{Seed: seed, MaxDelay: time.Second})
		for range 20 {
			out = append(out, n.delay(n.machine(ipA), n.machine(ipB)))
			n.delay(n.machine(ipB), n.machine(ipA)) // another link must not disturb it
		}
		return out
	}
	if fmt.Sprint(draw(1)) != fmt.Sprint(draw(1)) {
		t.Error("the same seed draws differently")
	}
	if fmt.Sprint(draw(1)) == fmt.Sprint(draw(2)) {
		t.Error("another seed draws the same")
	}
}

// TestHTTP2 proves what the cluster port needs: TLS and HTTP/2 in a bubble.
func TestHTTP2(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(Config{Seed: 1, MinDelay: time.Millisecond, MaxDelay: 4 * time.Millisecond, Loss: 0.05})
		defer n.Close()
		l, err := n.Host(ipB).Listen(ipB + ":443")
		if err != nil {
			t.Fatal(err)
		}
		srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.Copy(w, r.Body)
			fmt.Fprint(w, r.Proto)
		}))
		srv.Listener = l
		srv.EnableHTTP2 = true
		srv.StartTLS()
		defer srv.Close()

		host := n.Host(ipA)
		client := &http.Client{Transport: &http.Transport{
			DialContext:       func(ctx context.Context, _, addr string) (net.Conn, error) { return host.Dial(ctx, addr) },
			TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
			ForceAttemptHTTP2: true,
		}}
		defer client.CloseIdleConnections()
		body := bytes.Repeat([]byte("x"), 1<<20)
		resp, err := client.Post("https://"+ipB+":443/", "", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		got, err := io.ReadAll(resp.Body)
		if err != nil || string(got) != string(body)+"HTTP/2.0" {
			t.Fatalf("read %d bytes, %v", len(got), err)
		}
	})
}
