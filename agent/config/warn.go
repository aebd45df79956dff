package config

import (
	"net"
	"net/netip"
	"strings"
)

// warnings are what is allowed and probably not meant, one line each.
func (c *Config) warnings() []string {
	var out []string
	warn := func(key, format string, args ...any) {
		out = append(out, c.problem(key, format, args...).String())
	}
	s := c.Server
	if n := s.BootstrapExpect; s.Enabled && n > 1 && n%2 == 0 {
		warn("server.bootstrap_expect", "%d servers survive as many failures as %d; an odd number is better", n, n-1)
	}
	if !s.Enabled && s.BootstrapExpect > 0 {
		warn("server.bootstrap_expect", "has no effect: this agent is no server")
	}
	if s.Enabled && s.BootstrapExpect == 0 && len(c.JoinAddrs()) == 0 {
		warn("server.bootstrap_expect", "is 0 and no address to join is given: this server waits until another joins it")
	}
	if c.Client.DrainOnShutdown != nil && !c.LeaveOnInterrupt && !c.LeaveOnTerminate {
		warn("client.drain_on_shutdown", "has no effect without leave_on_interrupt or leave_on_terminate")
	}
	if host, _, err := net.SplitHostPort(c.Advertise.RPC); err == nil && loopback(host) && !c.DevMode && c.origin["advertise.rpc"] == "" {
		warn("advertise.rpc", "only agents on this machine can reach %s; set advertise { } if there are others", host)
	}
	if c.Vault.Enabled {
		warn("vault.enabled", "has no effect: %s", notYet)
	}
	for _, block := range unread {
		if at := c.firstKey(block); at != "" {
			warn(at, "has no effect: %s", notYet)
		}
	}
	if fewer := c.Client.MaxDynamicPort - c.Client.MinDynamicPort; c.Client.Enabled && fewer < 100 {
		warn("client.max_dynamic_port", "leaves %d dynamic ports for all jobs on this node", fewer+1)
	}
	return out
}

// unread are blocks whose keys are checked and that nothing acts on yet.
var unread = []string{"consul."}

// firstKey is the first key, by name, that was given in a block; "" for none.
func (c *Config) firstKey(block string) string {
	first := ""
	for key := range c.origin {
		if strings.HasPrefix(key, block) && (first == "" || key < first) {
			first = key
		}
	}
	return first
}

func loopback(s string) bool {
	ip, err := netip.ParseAddr(s)
	return err == nil && ip.IsLoopback()
}
