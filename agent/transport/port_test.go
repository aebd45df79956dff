package transport

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/selfheal/selfheal/agent/simnet"
)

var (
	keyA = bytes.Repeat([]byte{1}, 32)
	keyB = bytes.Repeat([]byte{2}, 32)
)

// agent is a port that serves HTTP (it says who asks) and raft (it echoes).
type agent struct {
	*Port
	addr string
	stop func()
}

func config(i int, network Network) Config {
	return Config{
		Network: network, NodeID: fmt.Sprintf("node-%d", i), Role: RoleServer, Region: "global",
		ClusterKey: keyA, Logger: hclog.NewNullLogger(),
	}
}

func start(t *testing.T, cfg Config, ln net.Listener, err error) *agent {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	p, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- p.Serve(ctx, ln) }()
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/block" {
			<-r.Context().Done()
		}
		fmt.Fprintf(w, "%s %+v", r.Proto, PeerOf(r.TLS))
	})}
	go srv.Serve(p.HTTPListener())
	go func() {
		for {
			c, err := p.RaftListener().Accept()
			if err != nil {
				return
			}
			go func() { io.Copy(c, c); c.Close() }()
		}
	}()
	return &agent{Port: p, addr: ln.Addr().String(), stop: func() {
		cancel()
		if err := <-served; err != nil && !errors.Is(err, net.ErrClosed) { // closed: the machine was killed
			t.Errorf("serve: %v", err)
		}
		srv.Close()
		p.Close()
	}}
}

// sim starts an agent on the machine 10.0.0.i.
func sim(t *testing.T, n *simnet.Net, i int, change func(*Config)) *agent {
	t.Helper()
	host := n.Host(fmt.Sprintf("10.0.0.%d", i))
	cfg := config(i, host)
	if change != nil {
		change(&cfg)
	}
	ln, err := host.Listen(host.Addr() + ":4647")
	return start(t, cfg, ln, err)
}

func get(c *http.Client, addr, path string) (string, error) {
	resp, err := c.Get("https://" + addr + path)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return string(b), err
}

func echo(p *Port, addr string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	c, err := p.DialRaft(ctx, addr)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.Write([]byte("vote")); err != nil {
		return err
	}
	b := make([]byte, 4)
	c.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err = io.ReadFull(c, b); err == nil && string(b) != "vote" {
		err = fmt.Errorf("echoed %q", b)
	}
	return err
}

// network runs f in a bubble over simnet.
func network(t *testing.T, f func(*testing.T, *simnet.Net)) {
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New(simnet.Config{Seed: 1, MinDelay: time.Millisecond, MaxDelay: 3 * time.Millisecond})
		defer n.Close()
		f(t, n)
	})
}

func TestProtocolsSideBySide(t *testing.T) {
	network(t, func(t *testing.T, n *simnet.Net) {
		a := sim(t, n, 1, nil)
		b := sim(t, n, 2, func(c *Config) { c.Role, c.Region = RoleClient, "eu" })
		defer a.stop()
		defer b.stop()

		want := "HTTP/2.0 {NodeID:node-2 Role:client Region:eu Authenticated:true}"
		if got, err := get(b.Client(), a.addr, "/"); err != nil || got != want {
			t.Errorf("got %q, %v\nwant %q", got, err, want)
		}
		want = "HTTP/1.1 {NodeID:node-1 Role:server Region:global Authenticated:true}"
		if got, err := get(a.UpgradeClient(), b.addr, "/"); err != nil || got != want {
			t.Errorf("got %q, %v\nwant %q", got, err, want)
		}
		if err := echo(a.Port, a.addr); err != nil {
			t.Errorf("raft: %v", err)
		}
		if err := echo(a.Port, b.addr); err == nil || !strings.Contains(err.Error(), "only servers speak raft") {
			t.Errorf("raft to a client: %v", err)
		}
		if err := echo(b.Port, a.addr); err == nil {
			t.Error("a client spoke raft")
		}
	})
}

func TestLoopback(t *testing.T) {
	cfg := config(1, dialer{})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	a := start(t, cfg, ln, err)
	defer a.stop()
	if got, err := get(a.Client(), a.addr, "/"); err != nil || !strings.Contains(got, "HTTP/2.0 {NodeID:node-1") {
		t.Errorf("got %q, %v", got, err)
	}
	if err := echo(a.Port, a.addr); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if e, p := a.Probe(ctx, a.addr); e != Answered || p.NodeID != "node-1" || !p.Authenticated {
		t.Errorf("probe: %s %+v", e, p)
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	if e, _ := a.Probe(ctx, closed.Addr().String()); e != Refused {
		t.Errorf("probe of a closed port: %s", e)
	}
	deaf, err := net.Listen("tcp", "127.0.0.1:0") // the kernel takes the connection, nobody else does
	if err != nil {
		t.Fatal(err)
	}
	defer deaf.Close()
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if e, _ := a.Probe(short, deaf.Addr().String()); e != Frozen {
		t.Errorf("probe of a deaf process: %s", e)
	}
}

type dialer struct{ net.Dialer }

func (d dialer) Dial(ctx context.Context, addr string) (net.Conn, error) {
	return d.DialContext(ctx, "tcp", addr)
}

func TestWhoIsLetIn(t *testing.T) {
	caA, caB := files(t, keyA), files(t, keyB)
	none := func(c *Config) { c.ClusterKey = nil }
	key := func(k []byte) func(*Config) { return func(c *Config) { c.ClusterKey = k } }
	for _, c := range []struct {
		name           string
		server, client func(*Config)
		want           string // in the answer
		err            string // in the error
	}{
		{"same key", key(keyA), key(keyA), "node-2 Role:server Region:global Authenticated:true", ""},
		{"another key", key(keyA), key(keyB), "", "comes from another CA: set the same `encrypt` key"},
		{"no key at the client", key(keyA), none, "", "does not accept this agent's certificate: set the same `encrypt` key"},
		{"no key at the server", none, key(keyA), "", "comes from another CA"},
		{"no key at all", none, none, "node-2 Role:server Region:global Authenticated:false", ""},
		{"same files", caA, caA, "Authenticated:true", ""},
		{"other files", caA, caB, "", "comes from another CA"},
	} {
		t.Run(c.name, func(t *testing.T) {
			network(t, func(t *testing.T, n *simnet.Net) {
				a, b := sim(t, n, 1, c.server), sim(t, n, 2, c.client)
				defer a.stop()
				defer b.stop()
				got, err := get(b.Client(), a.addr, "/")
				if c.err == "" && (err != nil || !strings.Contains(got, c.want)) {
					t.Errorf("got %q, %v, want %q", got, err, c.want)
				}
				if c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
					t.Errorf("got %q, %v, want an error with %q", got, err, c.err)
				}
				if raft := echo(b.Port, a.addr); (raft == nil) != (c.err == "") {
					t.Errorf("raft: %v", raft)
				}
			})
		})
	}
}

// files writes the certificates of a key's cluster as an operator would.
func files(t *testing.T, key []byte) func(*Config) {
	t.Helper()
	cfg := config(9, dialer{})
	cfg.ClusterKey = key
	creds, err := fromKey(cfg)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	ca, leaf, private := der(t, creds)
	caFile, cert, keyFile := write("ca.pem", "CERTIFICATE", ca), write("cert.pem", "CERTIFICATE", leaf), write("key.pem", "PRIVATE KEY", private)
	return func(c *Config) { c.CAFile, c.CertFile, c.KeyFile = caFile, cert, keyFile }
}

func TestProbe(t *testing.T) {
	const target = "10.0.0.1"
	for _, c := range []struct {
		name  string
		cause func(*simnet.Net)
		want  Evidence
	}{
		{"alive", func(*simnet.Net) {}, Answered},
		{"killed", func(n *simnet.Net) { n.Kill(target) }, Refused},
		{"crashed", func(n *simnet.Net) { n.Crash(target) }, Silent},
		{"unplugged", func(n *simnet.Net) { n.Unplug(target) }, Silent},
		{"partitioned", func(n *simnet.Net) { n.Partition([]string{target}, []string{"10.0.0.2"}) }, Silent},
		{"frozen", func(n *simnet.Net) { n.Freeze(target) }, Frozen},
		{"thawed", func(n *simnet.Net) { n.Freeze(target); n.Thaw(target) }, Answered},
		{"booted, no agent", func(n *simnet.Net) { n.Crash(target); n.Plug(target) }, Refused},
		{"dies in the handshake", func(n *simnet.Net) {
			n.Freeze(target)
			time.AfterFunc(100*time.Millisecond, func() { n.Kill(target) })
		}, Reset},
	} {
		t.Run(c.name, func(t *testing.T) {
			network(t, func(t *testing.T, n *simnet.Net) {
				a, b := sim(t, n, 1, nil), sim(t, n, 2, nil)
				defer b.stop()
				c.cause(n)
				start := time.Now()
				got, peer := b.Probe(t.Context(), a.addr)
				if got != c.want {
					t.Errorf("got %s, want %s", got, c.want)
				}
				if took := time.Since(start); took > probeTimeout {
					t.Errorf("took %v", took)
				}
				if want := (Peer{NodeID: "node-1", Role: RoleServer, Region: "global", Authenticated: true}); got == Answered && peer != want {
					t.Errorf("peer %+v", peer)
				}
				n.Crash(target)
			})
		})
	}
}

// TestProbeOfStrangers: someone answers, and it is not who was expected.
func TestProbeOfStrangers(t *testing.T) {
	network(t, func(t *testing.T, n *simnet.Net) {
		a := sim(t, n, 1, func(c *Config) { c.ClusterKey = keyB })
		b := sim(t, n, 2, nil)
		defer a.stop()
		defer b.stop()
		if e, p := b.Probe(t.Context(), a.addr); e != Answered || p.NodeID != "node-1" || p.Authenticated {
			t.Errorf("another cluster's agent: %s %+v", e, p)
		}
		l, err := n.Host("10.0.0.3").Listen(":80")
		if err != nil {
			t.Fatal(err)
		}
		go http.Serve(l, nil)
		if e, p := b.Probe(t.Context(), "10.0.0.3:80"); e != Answered || p != (Peer{}) {
			t.Errorf("a web server: %s %+v", e, p)
		}
	})
}

func TestSlowHandshakesBlockNobody(t *testing.T) {
	network(t, func(t *testing.T, n *simnet.Net) {
		a, b := sim(t, n, 1, nil), sim(t, n, 2, nil)
		defer a.stop()
		defer b.stop()
		slow := n.Host("10.0.0.3")
		var conns []net.Conn
		for range 50 {
			c, err := slow.Dial(t.Context(), a.addr)
			if err != nil {
				t.Fatal(err)
			}
			conns = append(conns, c)
		}
		start := time.Now()
		if _, err := get(b.Client(), a.addr, "/"); err != nil || time.Since(start) > 100*time.Millisecond {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		start = time.Now()
		if _, err := conns[0].Read(make([]byte, 1)); err == nil || time.Since(start) > handshakeTimeout+time.Second {
			t.Errorf("a silent connection: %v after %v", err, time.Since(start))
		}
	})
}

func TestClientOutlivesItsPeers(t *testing.T) {
	network(t, func(t *testing.T, n *simnet.Net) {
		a, b := sim(t, n, 1, nil), sim(t, n, 2, nil)
		defer b.stop()
		if _, err := get(b.Client(), a.addr, "/"); err != nil {
			t.Fatal(err)
		}
		n.Kill("10.0.0.1")
		if _, err := get(b.Client(), a.addr, "/"); err == nil {
			t.Error("a killed agent answered")
		}
		a.stop()
		a = sim(t, n, 1, nil)
		if _, err := get(b.Client(), a.addr, "/"); err != nil {
			t.Errorf("after the restart: %v", err)
		}

		// A silent death fails the request that waits, without a timeout of its own.
		time.AfterFunc(10*time.Second, func() { n.Crash("10.0.0.1") })
		start := time.Now()
		_, err := get(b.Client(), a.addr, "/block")
		if took := time.Since(start) - 10*time.Second; err == nil || took > idlePing+pingTimeout+100*time.Millisecond {
			t.Errorf("%v, %v after the crash", err, took)
		}
		a.stop()
		n.Plug("10.0.0.1")
		a = sim(t, n, 1, nil)
		defer a.stop()
		if _, err := get(b.Client(), a.addr, "/"); err != nil {
			t.Errorf("after the reboot: %v", err)
		}
	})
}

func TestServeEnds(t *testing.T) {
	network(t, func(t *testing.T, n *simnet.Net) {
		host := n.Host("10.0.0.1")
		p, err := New(config(1, host))
		if err != nil {
			t.Fatal(err)
		}
		ln, err := host.Listen(":4647")
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Second, func() { ln.Close() })
		if err := p.Serve(t.Context(), ln); !errors.Is(err, net.ErrClosed) {
			t.Errorf("serve: %v", err)
		}
		if _, err := p.HTTPListener().Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("accept: %v", err)
		}
	})
}

func TestConfigErrors(t *testing.T) {
	pemFile := files(t, keyA)
	for _, c := range []struct {
		want   string
		change func(*Config)
	}{
		{"set NodeID", func(c *Config) { c.NodeID = "" }},
		{`role "boss" is neither`, func(c *Config) { c.Role = "boss" }},
		{"set cert_file too", func(c *Config) { pemFile(c); c.CertFile = "" }},
		{"ca_file: open /nowhere", func(c *Config) { pemFile(c); c.CAFile = "/nowhere" }},
		{"holds no PEM certificate", func(c *Config) { pemFile(c); c.CAFile = c.KeyFile }},
		{"cert_file and key_file", func(c *Config) { pemFile(c); c.KeyFile = c.CAFile }},
		{`region "my region": use letters`, func(c *Config) { c.Region = "my region" }},
	} {
		cfg := config(1, dialer{})
		c.change(&cfg)
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
}

func TestUnauthenticatedSaysSo(t *testing.T) {
	var out bytes.Buffer
	for _, c := range []struct {
		key  []byte
		want int
	}{{nil, 1}, {keyA, 0}} {
		out.Reset()
		cfg := config(1, dialer{})
		cfg.ClusterKey, cfg.Logger = c.key, hclog.New(&hclog.LoggerOptions{Output: &out})
		p, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(out.String(), "NOT AUTHENTICATED"); n != c.want || p.Authenticated() != (c.want == 0) {
			t.Errorf("key %v: %d warnings, authenticated %v", c.key != nil, n, p.Authenticated())
		}
	}
}

func TestPeerOfNobody(t *testing.T) {
	for _, s := range []*tls.ConnectionState{nil, {}} {
		if p := PeerOf(s); p != (Peer{}) {
			t.Errorf("%+v", p)
		}
	}
}
