package gossip

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/selfheal/selfheal/agent/simnet"
)

// lan is a network as one finds it in a rack.
func lan(seed int) simnet.Config {
	return simnet.Config{Seed: int64(seed), MinDelay: 200 * time.Microsecond, MaxDelay: 2 * time.Millisecond}
}

// expected is the formula of doc.go.
func expected(n int) time.Duration {
	c, f := Default(), float64(n)
	return time.Duration(float64(c.ProbeInterval) *
		((f-1)/f + 1 + float64(c.SuspicionMult)*max(1, math.Log10(f))))
}

func TestDeathIsReportedByTheFormula(t *testing.T) {
	var took []time.Duration
	for seed := range max(4, *seeds) {
		bubble(t, 20, lan(seed), nil, func(t *testing.T, c *cluster) {
			for dead := range 4 {
				time.Sleep(time.Duration(700+97*seed) * time.Millisecond)
				dead += 10
				at := time.Now()
				c.crash(dead)
				c.wait(5*time.Second, "failed everywhere", func() bool { return c.all(id(dead), Failed) })
				seen, _ := c.members[0].when(EventFailed, id(dead), at)
				took = append(took, seen.Sub(at))
			}
			for _, m := range c.members {
				if m != nil && m.NumNodes() != 16 {
					t.Errorf("%s sees %d alive, want 16", m.Self().Name, m.NumNodes())
				}
			}
		})
	}
	slices.Sort(took)
	t.Logf("%d deaths among 20 members: median %v, longest %v; formula %v", len(took), took[len(took)/2], took[len(took)-1], expected(20))
	if m := took[len(took)/2]; m > expected(20)*5/4 {
		t.Errorf("median %v, the formula says %v", m, expected(20))
	}
	if m := took[len(took)-1]; m > 3*expected(20) {
		t.Errorf("longest %v, the formula says %v", m, expected(20))
	}
}

// TestLossHealsItself counts false failures at 10 % packet loss: they are rare
// and they go away.
func TestLossHealsItself(t *testing.T) {
	for seed := range *seeds {
		bubble(t, 30, lan(seed), nil, func(t *testing.T, c *cluster) {
			c.net.SetLoss(0.1)
			from := time.Now()
			time.Sleep(*lossFor)
			reports, accused := 0, map[string]bool{}
			for _, m := range c.members {
				reports += m.count(EventFailed, from)
				for _, e := range m.events {
					if e.Kind == EventFailed {
						accused[fmt.Sprint(e.Member.ID, e.at.Truncate(5*time.Second))] = true
					}
				}
			}
			t.Logf("seed %d: %d false failures, %d reports, in %v of 30 members at 10 %% loss", seed, len(accused), reports, *lossFor)
			if len(accused) > 20 {
				t.Errorf("%d members were falsely reported failed", len(accused))
			}
			c.net.SetLoss(0)
			c.wait(15*time.Second, "whole again", func() bool {
				return !slices.ContainsFunc(c.members, func(m *node) bool { return m.NumNodes() != 30 })
			})
		})
	}
}

func TestPartitionHealsAndMerges(t *testing.T) {
	for _, cut := range []time.Duration{5 * time.Second, 2 * time.Minute} {
		bubble(t, 7, lan(1), nil, func(t *testing.T, c *cluster) {
			var a, b []string
			for i := range c.members {
				if i < 3 {
					a = append(a, ip(i))
				} else {
					b = append(b, ip(i))
				}
			}
			c.net.Partition(a, b)
			took := c.wait(10*time.Second, "split", func() bool {
				return c.members[0].NumNodes() == 3 && c.members[6].NumNodes() == 4
			})
			time.Sleep(cut)
			if n := c.members[0].count(EventFailed, time.Time{}); n != 4 {
				t.Errorf("member 0 reported %d failures, want 4", n)
			}
			c.net.Heal()
			whole := c.wait(20*time.Second, "merged", func() bool {
				return !slices.ContainsFunc(c.members, func(m *node) bool { return m.NumNodes() != 7 })
			})
			t.Logf("cut for %v: split seen after %v, merged after %v", cut, took, whole)
		})
	}
}

func TestIsolatedMemberComesBack(t *testing.T) {
	bubble(t, 7, lan(2), nil, func(t *testing.T, c *cluster) {
		c.net.Unplug(ip(4))
		c.wait(5*time.Second, "failed", func() bool { return c.all(id(4), Failed) })
		c.wait(20*time.Second, "alone", func() bool { return c.members[4].NumNodes() == 1 })
		time.Sleep(10 * time.Minute)
		c.net.Plug(ip(4))
		took := c.wait(20*time.Second, "back", func() bool {
			return c.all(id(4), Alive) && c.members[4].NumNodes() == 7
		})
		t.Logf("back after %v", took)
	})
}

func TestFrozenForTwoSeconds(t *testing.T) {
	bubble(t, 7, lan(3), nil, func(t *testing.T, c *cluster) {
		at := time.Now()
		c.net.Freeze(ip(5))
		time.Sleep(2 * time.Second)
		if !c.all(id(5), Failed) {
			t.Error("a frozen member is not reported")
		}
		c.net.Thaw(ip(5))
		took := c.wait(5*time.Second, "back", func() bool { return c.all(id(5), Alive) })
		time.Sleep(10 * time.Second)
		for i, m := range c.members {
			if m.NumNodes() != 7 {
				t.Errorf("member %d sees %d alive", i, m.NumNodes())
			}
			if n := m.count(EventFailed, at); i != 5 && n != 1 {
				t.Errorf("member %d reported %d failures, want 1", i, n)
			}
		}
		t.Logf("back %v after the thaw", took)
	})
}

// TestFailedAreForgotten shows that both memories end, each at its time.
func TestFailedAreForgotten(t *testing.T) {
	bubble(t, 3, lan(4), func(c *Config) { c.FailedTimeout, c.LeftTimeout = 10*time.Minute, time.Minute }, func(t *testing.T, c *cluster) {
		c.crash(2)
		c.wait(5*time.Second, "failed", func() bool { return c.all(id(2), Failed) })
		if err := c.members[1].Leave(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.wait(5*time.Second, "left", func() bool { m, _ := c.members[0].Member(id(1)); return m.Status == Left })
		time.Sleep(3 * time.Minute)
		if _, ok := c.members[0].Member(id(1)); ok {
			t.Error("the one that left is still remembered")
		}
		if _, ok := c.members[0].Member(id(2)); !ok {
			t.Error("the failed one is forgotten too soon")
		}
		time.Sleep(10 * time.Minute)
		if n := len(c.members[0].Members()); n != 1 {
			t.Errorf("%d members remembered, want 1", n)
		}
	})
}

// TestManyDieAtOnce: the living ask the dead to confirm, get no answer, think
// themselves slow and probe less often; it must stay bearable.
func TestManyDieAtOnce(t *testing.T) {
	for seed := range max(3, *seeds) {
		bubble(t, 7, lan(seed), nil, func(t *testing.T, c *cluster) {
			for i := range 3 {
				c.crash(4 + i)
			}
			took := c.wait(4*time.Second, "all three reported", func() bool {
				return c.all(id(4), Failed) && c.all(id(5), Failed) && c.all(id(6), Failed)
			})
			t.Logf("seed %d: 3 of 7 reported everywhere after %v", seed, took)
		})
	}
}
