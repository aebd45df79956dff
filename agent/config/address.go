package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Default ports, which an address without one means.
const (
	defaultRPCPort  = 4647
	defaultSerfPort = 4648
)

// resolve fills in what depends on the machine: the hostname, go-sockaddr templates, and
// the addresses derived from bind_addr. Findings about them are returned.
func (c *Config) resolve(sys System) Problems {
	var ps Problems
	if c.Name == "" {
		host, err := sys.Hostname()
		if err != nil {
			ps = append(ps, c.problem("name", "find hostname: %v; set name", err))
		}
		c.Name = host
	}
	templates := []struct {
		key  string
		text *string
	}{
		{"bind_addr", &c.BindAddr},
		{"addresses.http", &c.Addresses.HTTP},
		{"addresses.rpc", &c.Addresses.RPC},
		{"addresses.serf", &c.Addresses.Serf},
		{"advertise.http", &c.Advertise.HTTP},
		{"advertise.rpc", &c.Advertise.RPC},
		{"advertise.serf", &c.Advertise.Serf},
		{"client.network_interface", &c.Client.NetworkInterface},
		{"consul.address", &c.Consul.Address},
	}
	for _, t := range templates {
		if !strings.Contains(*t.text, "{{") {
			continue
		}
		out, err := sys.Template(*t.text)
		switch out = strings.TrimSpace(out); {
		case err != nil:
			ps = append(ps, c.problem(t.key, "%v", err))
		case out == "":
			ps = append(ps, c.problem(t.key, "%s matches no address of this machine", *t.text))
		}
		*t.text = out
	}
	if len(ps) > 0 {
		return ps
	}
	return append(ps, c.deriveAddresses(sys)...)
}

// deriveAddresses sets Addresses and Advertise where they are empty, and gives every
// advertised address a port.
func (c *Config) deriveAddresses(sys System) Problems {
	var ps Problems
	for _, s := range c.services() {
		if *s.bind == "" {
			*s.bind = c.BindAddr
		}
		host := *s.advertise
		if host == "" {
			host, _, _ = strings.Cut(strings.TrimSpace(*s.bind), " ")
			if ip, err := netip.ParseAddr(host); err == nil && ip.IsUnspecified() {
				host = ownAddress(sys, ip)
			}
		}
		addr, err := hostPort(host, *s.port)
		if err != nil {
			ps = append(ps, c.problem("advertise."+s.name, "%v", err))
			continue
		}
		*s.advertise = addr
	}
	return ps
}

// service is one of the three listeners with its settings.
type service struct {
	name            string
	bind, advertise *string
	port            *int
}

func (c *Config) services() []service {
	return []service{
		{"http", &c.Addresses.HTTP, &c.Advertise.HTTP, &c.Ports.HTTP},
		{"rpc", &c.Addresses.RPC, &c.Advertise.RPC, &c.Ports.RPC},
		{"serf", &c.Addresses.Serf, &c.Advertise.Serf, &c.Ports.Serf},
	}
}

// ownTemplates find an address that others can dial, best first. A listener on 0.0.0.0
// hears IPv4 only, so that an IPv6 address will not do; one on :: hears both.
var ownTemplates = map[bool][]string{
	true: {
		`{{ GetPrivateInterfaces | include "type" "ipv4" | limit 1 | join "address" " " }}`,
		`{{ GetAllInterfaces | exclude "flags" "loopback" | exclude "network" "169.254.0.0/16" | include "type" "ipv4" | limit 1 | join "address" " " }}`,
	},
	false: {
		`{{ GetPrivateInterfaces | limit 1 | join "address" " " }}`,
		`{{ GetAllInterfaces | exclude "flags" "loopback" | exclude "network" "fe80::/10" | limit 1 | join "address" " " }}`,
	},
}

// ownAddress is an address of this machine that reaches a listener on all addresses of
// bind's family: a private one, else any, else the loopback address, which the warnings
// mention.
func ownAddress(sys System, bind netip.Addr) string {
	for _, t := range ownTemplates[bind.Is4()] {
		if ip, err := sys.Template(t); err == nil && strings.TrimSpace(ip) != "" {
			return strings.TrimSpace(ip)
		}
	}
	if bind.Is4() {
		return "127.0.0.1"
	}
	return "::1"
}

// hostPort reads "ip", "host", "host:port", "[v6]" or "[v6]:port" and returns host:port.
func hostPort(s string, port int) (string, error) {
	s = strings.TrimSpace(s)
	if strings.Contains(s, "://") {
		return "", fmt.Errorf("wants host:port without a scheme, not %q", s)
	}
	if ip, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")); err == nil {
		return net.JoinHostPort(ip.String(), strconv.Itoa(port)), nil
	}
	host, text, err := net.SplitHostPort(s)
	if err != nil {
		host, text = s, strconv.Itoa(port)
		if strings.ContainsRune(s, ':') {
			return "", fmt.Errorf("wants host, host:port or [v6]:port, not %q", s)
		}
	}
	if n, err := strconv.Atoi(text); err != nil || n < 0 || n > 65535 {
		return "", fmt.Errorf("wants a port from 1 to 65535, not %q", text)
	}
	if _, err := netip.ParseAddr(host); err != nil && !isHostname(host) {
		return "", fmt.Errorf("wants a host name or an IP address, not %q", host)
	}
	return net.JoinHostPort(host, text), nil
}

func isHostname(s string) bool {
	bad := strings.ContainsFunc(s, func(r rune) bool {
		return !(r == '-' || r == '.' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z')
	})
	return s != "" && len(s) <= 253 && !bad
}

// joinAddress checks one entry of retry_join, start_join or servers.
func joinAddress(s string, port int) (string, error) {
	if strings.Contains(s, "provider=") {
		return "", errors.New("cloud discovery (provider=...) is not supported; list addresses or a DNS name")
	}
	return hostPort(s, port)
}

// JoinAddrs are the gossip addresses to try, as host:port, in order and without
// repetition. The server_join of the server block (and -join, -retry-join) names gossip
// addresses. Those of the client block name cluster ports, as in Nomad: gossip is by
// convention one port above, so that one is tried first and then the one given.
func (c *Config) JoinAddrs() []string {
	var out []string
	add := func(addr string) {
		if !slices.Contains(out, addr) {
			out = append(out, addr)
		}
	}
	for _, s := range slices.Concat(c.Server.Join.StartJoin, c.Server.Join.RetryJoin) {
		if addr, err := joinAddress(s, defaultSerfPort); err == nil {
			add(addr)
		}
	}
	for _, addr := range c.ServerAddrs() {
		host, port, err := net.SplitHostPort(addr)
		if n, bad := strconv.Atoi(port); err == nil && bad == nil && n < 65535 {
			add(net.JoinHostPort(host, strconv.Itoa(n+1)))
		}
		add(addr)
	}
	return out
}

// ServerAddrs are the cluster ports of servers that the client block names, as host:port.
func (c *Config) ServerAddrs() []string {
	var out []string
	for _, s := range slices.Concat(c.Client.Servers, c.Client.Join.RetryJoin) {
		addr, err := joinAddress(s, defaultRPCPort)
		if err == nil && !slices.Contains(out, addr) {
			out = append(out, addr)
		}
	}
	return out
}
