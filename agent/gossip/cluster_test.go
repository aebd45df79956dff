package gossip

import (
	"context"
	"flag"
	"fmt"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/selfheal/selfheal/agent/simnet"
)

var (
	verbose = flag.Bool("gossip.log", false, "log what the members do")
	lossFor = flag.Duration("gossip.loss", 2*time.Minute, "how long, in virtual time, packets are lost")
	seeds   = flag.Int("gossip.seeds", 1, "how many seeds the timed tests run")
)

// cluster is members in a bubble, one a machine: member i has address 10.0.0.i+1.
type cluster struct {
	t       *testing.T
	net     *simnet.Net
	config  func(*Config)
	members []*node
	ended   []*Gossip
}

// node is a member and everything it reported.
type node struct {
	*Gossip
	mu     sync.Mutex
	events []timed
}

type timed struct {
	Event
	at time.Time
}

func (n *node) heard(e Event) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.events = append(n.events, timed{e, time.Now()})
}

// when returns when this member first reported kind of id, from a time on.
func (n *node) when(kind EventKind, id string, from time.Time) (time.Time, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, e := range n.events {
		if e.Kind == kind && e.Member.ID == id && !e.at.Before(from) {
			return e.at, true
		}
	}
	return time.Time{}, false
}

func (n *node) count(kind EventKind, from time.Time) (k int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, e := range n.events {
		if e.Kind == kind && !e.at.Before(from) {
			k++
		}
	}
	return k
}

// bubble runs f in virtual time with n joined members and shuts them down.
func bubble(t *testing.T, n int, net simnet.Config, config func(*Config), f func(*testing.T, *cluster)) {
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{t: t, net: simnet.New(net), config: config}
		for i := range n {
			c.members = append(c.members, c.start(i, "boot-1"))
		}
		defer c.close()
		c.join()
		f(t, c)
	})
}

func (c *cluster) close() {
	for _, m := range c.members {
		if m != nil {
			c.ended = append(c.ended, m.Gossip)
		}
	}
	for _, g := range c.ended {
		g.Shutdown()
	}
	c.net.Close()
	time.Sleep(time.Minute) // memberlist's last probes
}

func ip(i int) string { return fmt.Sprintf("10.0.%d.%d", i/200, i%200+1) }

func id(i int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", i) }

func (c *cluster) configFor(i int, boot string) Config {
	cfg := Default()
	cfg.Network = c.net.Host(ip(i))
	cfg.BindAddr = ip(i)
	cfg.Meta = Meta{
		ID: id(i), Name: fmt.Sprintf("node-%d", i), Region: "global", Datacenter: "dc1",
		Server: i < 3, Client: i >= 3, HTTPPort: 4646, RPCPort: 4647, BootID: boot, Version: "1.0.0",
	}
	cfg.Logger = hclog.NewNullLogger()
	if *verbose {
		cfg.Logger = hclog.New(&hclog.LoggerOptions{Name: cfg.Meta.Name, Level: hclog.Debug, Output: os.Stderr, TimeFormat: "15:04:05.000"})
	}
	if c.config != nil {
		c.config(&cfg)
	}
	return cfg
}

func (c *cluster) start(i int, boot string) *node {
	c.t.Helper()
	n := &node{}
	cfg := c.configFor(i, boot)
	cfg.Events = n.heard
	g, err := New(cfg)
	if err != nil {
		c.t.Fatal(err)
	}
	n.Gossip = g
	return n
}

// join lets everyone join the first member and waits until all know all.
func (c *cluster) join() {
	c.t.Helper()
	for _, m := range c.members[1:] {
		if _, err := m.Join(context.Background(), []string{ip(0)}); err != nil {
			c.t.Fatal(err)
		}
	}
	c.wait(time.Minute, "all alive", func() bool {
		for _, m := range c.members {
			if m != nil && m.NumNodes() != len(c.members) {
				return false
			}
		}
		return true
	})
}

// wait polls in virtual time.
func (c *cluster) wait(limit time.Duration, what string, ok func() bool) time.Duration {
	c.t.Helper()
	start := time.Now()
	for !ok() {
		if time.Since(start) > limit {
			for _, m := range c.members {
				if m != nil {
					c.t.Logf("%s sees %d alive", m.Self().Name, m.NumNodes())
				}
			}
			c.t.Fatalf("not %s after %v", what, limit)
		}
		time.Sleep(5 * time.Millisecond)
	}
	return time.Since(start)
}

// all reports whether every living member but those excepted sees id so.
func (c *cluster) all(id string, s Status) bool {
	for _, m := range c.members {
		if m == nil || m.id == id {
			continue
		}
		if seen, ok := m.Member(id); !ok || seen.Status != s {
			return false
		}
	}
	return true
}

// crash takes a member and its machine away without a word.
func (c *cluster) crash(i int) *Gossip {
	c.net.Crash(ip(i))
	g := c.members[i].Gossip
	c.members[i] = nil
	c.ended = append(c.ended, g)
	return g
}
