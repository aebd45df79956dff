package gossip

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/selfheal/selfheal/agent/simnet"
)

// apart runs f with n members that do not know each other.
func apart(t *testing.T, n int, config func(*Config), f func(*testing.T, *cluster)) {
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{t: t, net: simnet.New(lan(1)), config: config}
		for i := range n {
			c.members = append(c.members, c.start(i, "boot-1"))
		}
		defer c.close()
		f(t, c)
	})
}

func key(b byte) []byte { return bytes.Repeat([]byte{b}, 32) }

func TestKeys(t *testing.T) {
	for _, c := range []struct {
		name         string
		first, other [][]byte
		want         string
	}{
		{"the same", [][]byte{key(1)}, [][]byte{key(1)}, ""},
		{"rotating", [][]byte{key(2), key(1)}, [][]byte{key(1), key(2)}, ""},
		{"different", [][]byte{key(1)}, [][]byte{key(2)}, "the gossip keys differ: set the same `encrypt`"},
		{"joiner has none", [][]byte{key(1)}, nil, "one of the two agents has no key"},
		{"cluster has none", nil, [][]byte{key(1)}, "one of the two agents has no"},
	} {
		t.Run(c.name, func(t *testing.T) {
			apart(t, 2, func(cfg *Config) {
				cfg.Keys = c.first
				if cfg.Meta.ID == id(1) {
					cfg.Keys = c.other
				}
			}, func(t *testing.T, cl *cluster) {
				n, err := cl.members[1].Join(t.Context(), []string{ip(0)})
				if c.want == "" {
					if n != 1 || err != nil {
						t.Fatalf("joined %d, %v", n, err)
					}
					cl.wait(5*time.Second, "alive", func() bool { return cl.all(id(0), Alive) && cl.all(id(1), Alive) })
					return
				}
				if n != 0 || err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("joined %d: %v, want %q", n, err, c.want)
				}
			})
		})
	}
}

func TestKeyring(t *testing.T) {
	apart(t, 2, func(c *Config) {
		if c.Meta.ID == id(0) {
			c.Keys = [][]byte{key(1)}
		}
	}, func(t *testing.T, c *cluster) {
		g := c.members[0]
		steps := []struct {
			err  error
			keys int
		}{
			{g.InstallKey(key(2)), 2},
			{g.UseKey(key(2)), 2},
			{g.RemoveKey(key(1)), 1},
		}
		for i, s := range steps {
			if s.err != nil {
				t.Errorf("step %d: %v", i, s.err)
			}
		}
		if keys := g.Keys(); len(keys) != 1 || !bytes.Equal(keys[0], key(2)) {
			t.Errorf("keys %x", keys)
		}
		if err := g.RemoveKey(key(2)); err == nil {
			t.Error("removed the key in use")
		}
		if err := g.InstallKey([]byte("short")); err == nil {
			t.Error("installed a short key")
		}
		if err := c.members[1].InstallKey(key(1)); err == nil || c.members[1].Keys() != nil {
			t.Error("installed a key without encryption")
		}
	})
}

func TestJoinSaysWhatIsWrong(t *testing.T) {
	apart(t, 1, nil, func(t *testing.T, c *cluster) {
		c.net.Host(ip(8)) // a machine without an agent
		for _, row := range []struct{ addr, want string }{
			{ip(8), "connection refused"},
			{ip(9), "timeout"},
			{ip(9) + ":notaport", "join 10.0.0.10:notaport"},
		} {
			n, err := c.members[0].Join(t.Context(), []string{row.addr})
			if n != 0 || err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("join %s: %d, %v, want %q", row.addr, n, err, row.want)
			}
		}
		if n, err := c.members[0].Join(t.Context(), []string{ip(0), ip(0) + ":4648"}); n != 0 || err != nil {
			t.Errorf("join oneself: %d, %v", n, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		start := time.Now()
		if _, err := c.members[0].Join(ctx, []string{ip(9)}); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 100*time.Millisecond {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}

func TestRetryJoin(t *testing.T) {
	apart(t, 3, nil, func(t *testing.T, c *cluster) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		all := []string{ip(0), ip(1), ip(2), ip(3)}
		done := make(chan error, 3)
		c.net.Partition([]string{ip(2)}, []string{ip(0), ip(1), ip(3)})
		for _, m := range c.members {
			go func() { done <- m.RetryJoin(ctx, all, 10*time.Second, 0) }()
		}
		c.wait(time.Second, "the first two joined", func() bool { return c.members[0].NumNodes() == 2 })
		time.Sleep(time.Minute)
		if n := c.members[2].NumNodes(); n != 1 {
			t.Fatalf("the isolated member sees %d", n)
		}
		// Two clusters that never met become one, and a late seed is taken in.
		c.net.Heal()
		c.wait(20*time.Second, "one cluster", func() bool { return c.members[0].NumNodes() == 3 })
		c.members = append(c.members, c.start(3, "boot-1"))
		c.wait(20*time.Second, "the late seed is in", func() bool { return c.members[3].NumNodes() == 4 })
		cancel()
		for range 3 {
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		}
		err := c.members[0].RetryJoin(t.Context(), []string{ip(20)}, time.Second, 3)
		if err == nil || !strings.Contains(err.Error(), "gave up after 3 attempts") {
			t.Errorf("with a limit: %v", err)
		}
	})
}

func TestRegionsFederate(t *testing.T) {
	refuse := func(ms []Member) error {
		for _, m := range ms {
			if m.Region == "mars" {
				return fmt.Errorf("region %q is not welcome", m.Region)
			}
		}
		return nil
	}
	regions := []string{"europe", "asia", "mars"}
	apart(t, 3, func(c *Config) {
		for i, r := range regions {
			if c.Meta.ID == id(i) {
				c.Meta.Region = r
			}
		}
		if c.Meta.ID == id(0) {
			c.AllowMerge = refuse
		}
	}, func(t *testing.T, c *cluster) {
		if _, err := c.members[0].Join(t.Context(), []string{ip(1)}); err != nil {
			t.Fatal(err)
		}
		if m, ok := c.members[0].Member(id(1)); !ok || m.FullName() != "node-1.asia" {
			t.Errorf("%+v", m)
		}
		if _, err := c.members[0].Join(t.Context(), []string{ip(2)}); err == nil || !strings.Contains(err.Error(), "not welcome") {
			t.Errorf("mars: %v", err)
		}
	})
}

// loopback is the kernel's network, as the agent wires it.
type loopback struct{ net.Dialer }

func (loopback) Listen(addr string) (net.Listener, error) { return net.Listen("tcp", addr) }
func (loopback) ListenPacket(addr string) (net.PacketConn, error) {
	return net.ListenPacket("udp", addr)
}
func (l loopback) Dial(c context.Context, a string) (net.Conn, error) {
	return l.DialContext(c, "tcp", a)
}

func TestRealNetwork(t *testing.T) {
	c := &cluster{t: t, net: simnet.New(simnet.Config{})}
	joined := make(chan string, 10)
	var members []*Gossip
	for i := range 2 {
		cfg := c.configFor(i, "boot-1")
		cfg.Network, cfg.BindAddr, cfg.Port, cfg.Keys = loopback{}, "127.0.0.1", 0, [][]byte{key(9)}
		if i == 0 {
			cfg.Events = func(e Event) { joined <- string(e.Kind) + " " + e.Member.Name }
		}
		g, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer g.Shutdown()
		members = append(members, g)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := members[1].Join(ctx, []string{members[0].Addr()}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"joined node-0", "joined node-1"} {
		select {
		case got := <-joined:
			if got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		case <-ctx.Done():
			t.Fatalf("no %q", want)
		}
	}
}
