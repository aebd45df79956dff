package gossip

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/selfheal/selfheal/agent/simnet"
)

func TestLeaveIsNotFailure(t *testing.T) {
	bubble(t, 5, simnet.Config{Seed: 1, MaxDelay: time.Millisecond, Loss: 0.05}, nil, func(t *testing.T, c *cluster) {
		at := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if err := c.members[4].Leave(ctx); err != nil {
			t.Fatal(err)
		}
		c.members[4].Shutdown()
		c.net.Kill(ip(4))
		c.members[4] = nil
		c.wait(5*time.Second, "left", func() bool { return c.all(id(4), Left) })
		time.Sleep(time.Minute)
		for _, m := range c.members[:4] {
			if _, failed := m.when(EventFailed, id(4), at); failed {
				t.Errorf("%s saw it fail", m.Self().Name)
			}
			if m.count(EventLeft, at) != 1 {
				t.Errorf("%s reported %d leaves", m.Self().Name, m.count(EventLeft, at))
			}
		}
		c.members[4] = c.start(4, "boot-2")
		c.members[4].Join(t.Context(), []string{ip(0)})
		c.wait(5*time.Second, "back", func() bool { return c.all(id(4), Alive) })
	})
}

func TestAnnouncedRestart(t *testing.T) {
	bubble(t, 7, lan(1), nil, func(t *testing.T, c *cluster) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		start := time.Now()
		if err := c.members[5].AnnounceRestart(ctx); err != nil {
			t.Fatal(err)
		}
		t.Logf("announced in %v", time.Since(start))
		time.Sleep(10 * time.Millisecond) // a round trip
		for _, m := range c.members[:3] {
			if seen, _ := m.Member(id(5)); !seen.Restarting {
				t.Errorf("server %s was not told", m.Self().Name)
			}
		}
		old := c.members[5]
		old.Shutdown()
		c.net.Kill(ip(5))
		c.wait(5*time.Second, "failed", func() bool { return c.all(id(5), Failed) })
		if m, _ := c.members[0].Member(id(5)); !m.Restarting {
			t.Error("the failed member lost its announcement")
		}
		c.members[5] = c.start(5, "boot-1")
		c.members[5].Join(t.Context(), []string{ip(1)})
		c.wait(5*time.Second, "back", func() bool {
			m, _ := c.members[0].Member(id(5))
			return c.all(id(5), Alive) && !m.Restarting
		})
	})
}

func TestRebootIsSeen(t *testing.T) {
	for _, c := range []struct {
		name string
		gone time.Duration
		want EventKind
	}{
		{"before anyone noticed", 50 * time.Millisecond, EventUpdated},
		{"after it failed", 5 * time.Second, EventJoined},
		{"after memberlist forgot it", 5 * time.Minute, EventJoined},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, 5, lan(1), nil, func(t *testing.T, cl *cluster) {
				cl.crash(4)
				time.Sleep(c.gone)
				at := time.Now()
				cl.net.Plug(ip(4))
				cl.members[4] = cl.start(4, "boot-2")
				if _, err := cl.members[4].Join(t.Context(), []string{ip(1)}); err != nil {
					t.Fatal(err)
				}
				cl.wait(5*time.Second, "back with a new boot ID", func() bool {
					for _, m := range cl.members {
						if seen, _ := m.Member(id(4)); seen.Status != Alive || seen.BootID != "boot-2" {
							return false
						}
					}
					return true
				})
				if _, ok := cl.members[0].when(c.want, id(4), at); !ok {
					t.Errorf("no %q event", c.want)
				}
			})
		})
	}
}

func TestMovedToAnotherAddress(t *testing.T) {
	bubble(t, 4, lan(1), nil, func(t *testing.T, c *cluster) {
		c.crash(3)
		moved := &node{}
		cfg := c.configFor(3, "boot-2")
		cfg.Network, cfg.BindAddr, cfg.Events = c.net.Host(ip(77)), ip(77), moved.heard
		g, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		moved.Gossip = g
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if _, err := g.Join(ctx, []string{ip(0)}); !errors.Is(err, ErrDuplicateID) {
			t.Errorf("while the old address counts as alive: %v", err)
		}
		if err := g.RetryJoin(ctx, []string{ip(0)}, time.Second, 0); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		c.members[3] = moved
		c.wait(5*time.Second, "back", func() bool {
			m, _ := c.members[1].Member(id(3))
			return m.Status == Alive && m.GossipAddr() == g.Addr()
		})
	})
}

func TestDuplicateIDIsRefused(t *testing.T) {
	bubble(t, 3, lan(1), nil, func(t *testing.T, c *cluster) {
		cfg := c.configFor(1, "boot-9")
		cfg.Network, cfg.BindAddr = c.net.Host(ip(50)), ip(50)
		twin, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		c.ended = append(c.ended, twin)
		_, err = twin.Join(t.Context(), []string{ip(0)})
		if !errors.Is(err, ErrDuplicateID) || !strings.Contains(err.Error(), `"node-1" at 10.0.0.2:4648`) {
			t.Errorf("join says %v", err)
		}
		time.Sleep(time.Minute)
		for i, m := range c.members {
			if seen, _ := m.Member(id(1)); seen.BootID != "boot-1" || seen.Status != Alive {
				t.Errorf("member %d believes the twin: %+v", i, seen)
			}
		}
	})
}

func TestForceLeave(t *testing.T) {
	bubble(t, 6, lan(1), nil, func(t *testing.T, c *cluster) {
		c.crash(4)
		c.crash(5)
		c.wait(5*time.Second, "failed", func() bool { return c.all(id(4), Failed) && c.all(id(5), Failed) })

		if err := c.members[3].ForceLeave("node-4.global", false); err != nil {
			t.Fatal(err)
		}
		c.wait(5*time.Second, "left", func() bool { return c.all(id(4), Left) })
		if err := c.members[2].ForceLeave(id(5), true); err != nil {
			t.Fatal(err)
		}
		c.wait(5*time.Second, "pruned", func() bool {
			for _, m := range c.members[:4] {
				if _, known := m.Member(id(5)); known {
					return false
				}
			}
			return true
		})
		if c.members[0].count(EventLeft, time.Time{}) != 2 {
			t.Error("a pruned member must be reported left")
		}

		at := time.Now()
		if err := c.members[0].ForceLeave("node-1", true); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		if !c.all(id(1), Alive) {
			t.Error("a living member was dismissed")
		}
		for _, m := range c.members[:4] {
			if m.count(EventLeft, at)+m.count(EventFailed, at) != 0 {
				t.Errorf("%s reported the living one gone", m.Self().Name)
			}
		}
		for name, want := range map[string]string{"nobody": "no member is called", "node-0": "that is this agent"} {
			if err := c.members[0].ForceLeave(name, false); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("force-leave %s: %v", name, err)
			}
		}
	})
}

// TestForceLeaveOfAnIsolatedMember: the others dismiss it, it comes back and stays.
func TestForceLeaveOfAnIsolatedMember(t *testing.T) {
	bubble(t, 5, lan(1), nil, func(t *testing.T, c *cluster) {
		c.net.Unplug(ip(4))
		c.wait(5*time.Second, "failed", func() bool { return c.all(id(4), Failed) })
		if err := c.members[0].ForceLeave(id(4), false); err != nil {
			t.Fatal(err)
		}
		c.wait(5*time.Second, "left", func() bool { return c.all(id(4), Left) })
		c.net.Plug(ip(4))
		c.wait(20*time.Second, "back", func() bool { return c.all(id(4), Alive) })
	})
}

func TestUpdateMeta(t *testing.T) {
	bubble(t, 4, lan(1), nil, func(t *testing.T, c *cluster) {
		err := c.members[2].UpdateMeta(func(m *Meta) { m.Name = strings.Repeat("n", 600) })
		if err == nil || !strings.Contains(err.Error(), "at most") {
			t.Errorf("a name of 600 bytes: %v", err)
		}
		if err := c.members[2].UpdateMeta(func(m *Meta) { m.ID = "other" }); err == nil {
			t.Error("the ID changed")
		}
		if err := c.members[2].UpdateMeta(func(m *Meta) { m.Version = "2.0.0" }); err != nil {
			t.Fatal(err)
		}
		c.wait(5*time.Second, "updated", func() bool {
			for _, m := range c.members {
				if seen, _ := m.Member(id(2)); seen.Version != "2.0.0" || seen.Name != "node-2" {
					return false
				}
			}
			return true
		})
		if c.members[0].count(EventUpdated, time.Time{}) != 1 {
			t.Error("no event, or more than one")
		}
	})
}

func TestAfterShutdown(t *testing.T) {
	bubble(t, 2, lan(1), nil, func(t *testing.T, c *cluster) {
		g := c.members[1]
		g.Shutdown()
		if _, err := g.Join(t.Context(), []string{ip(0)}); !errors.Is(err, ErrShutdown) {
			t.Errorf("join: %v", err)
		}
		if err := g.RetryJoin(t.Context(), []string{ip(0)}, time.Second, 0); !errors.Is(err, ErrShutdown) {
			t.Errorf("retry join: %v", err)
		}
		if err := g.ForceLeave(id(0), false); !errors.Is(err, ErrShutdown) {
			t.Errorf("force-leave: %v", err)
		}
		if err := g.Leave(t.Context()); !errors.Is(err, ErrShutdown) {
			t.Errorf("leave: %v", err)
		}
		if err := g.Shutdown(); err != nil {
			t.Errorf("second shutdown: %v", err)
		}
	})
}
