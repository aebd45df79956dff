package config

import (
	"maps"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
)

func checkClient(c *Config, k *checker) {
	cl := c.Client
	switch p := cl.NodePool; {
	case p == "":
		k.fail("client.node_pool", `must not be empty; the usual pool is "default"`)
	case p == "all":
		k.fail("client.node_pool", `"all" is the pool of every node; choose another name`)
	case len(p) > 128 || strings.ContainsFunc(p, notNameRune):
		k.fail("client.node_pool", "wants up to 128 letters, digits, - and _, not %q", p)
	}
	if f := cl.PreferredAddressFamily; f != "" && f != "ipv4" && f != "ipv6" {
		k.fail("client.preferred_address_family", `wants "ipv4" or "ipv6", not %q`, f)
	}
	for _, key := range slices.Sorted(maps.Keys(cl.Meta)) {
		if key == "" || strings.ContainsFunc(key, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) || r == '=' }) {
			k.fail("client.meta."+key, "%q is no name for an attribute", key)
		}
	}
	percents := []struct {
		key string
		n   float64
	}{
		{"client.gc_disk_usage_threshold", cl.GCDiskUsageThreshold},
		{"client.gc_inode_usage_threshold", cl.GCInodeUsageThreshold},
	}
	for _, p := range percents {
		if p.n < 0 || p.n > 100 {
			k.fail(p.key, "wants a percentage from 0 to 100, not %v", p.n)
		}
	}
	if cl.GCMaxAllocs < 1 {
		k.fail("client.gc_max_allocs", "wants at least 1, not %d", cl.GCMaxAllocs)
	}
	if cl.GCParallelDestroys < 1 {
		k.fail("client.gc_parallel_destroys", "wants at least 1, not %d", cl.GCParallelDestroys)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Plugins)) {
		checkPlugin(name, c.Plugins[name], k)
	}
	if v, set := cl.Options["driver.raw_exec.enable"]; set {
		if _, err := parseBool(v); err != nil {
			k.fail("client.options.driver.raw_exec.enable", "%v", err)
		}
	}
}

// checkPlugin looks only at what this package reads itself; drivers check the rest.
func checkPlugin(name string, p Plugin, k *checker) {
	key := "plugin." + name
	if v, set := p.Config["enabled"]; set {
		if _, err := parseBool(v); err != nil {
			k.fail(key+".config.enabled", "%v", err)
		}
	}
	if len(p.Args) > 0 {
		k.fail(key+".args", "drivers are built in and take no arguments")
	}
}

func notNameRune(r rune) bool {
	return !(r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z')
}

func checkClientPorts(c *Config, k *checker) {
	switch lo, hi := c.Client.MinDynamicPort, c.Client.MaxDynamicPort; {
	case lo < 1 || lo > 65535:
		k.fail("client.min_dynamic_port", "wants a port from 1 to 65535, not %d", lo)
	case hi < 1 || hi > 65535:
		k.fail("client.max_dynamic_port", "wants a port from 1 to 65535, not %d", hi)
	case lo > hi:
		k.fail("client.min_dynamic_port", "%d is above max_dynamic_port (%d)", lo, hi)
	}
	if _, err := ParsePorts(c.Client.Reserved.Ports); err != nil {
		k.fail("client.reserved.reserved_ports", "%v", err)
	}
	if _, err := ParseCores(c.Client.Reserved.Cores); err != nil {
		k.fail("client.reserved.cores", "%v", err)
	}
}

func checkVolumesAndNetworks(c *Config, k *checker) {
	for _, name := range slices.Sorted(maps.Keys(c.Client.HostVolumes)) {
		key := "client.host_volume." + name
		switch p := c.Client.HostVolumes[name].Path; {
		case name == "":
			k.fail("client.host_volume", "needs a name")
		case p == "":
			k.fail(key, "needs a path")
		case !filepath.IsAbs(p):
			k.fail(key+".path", "%q must be an absolute path", p)
		}
	}
	for _, n := range c.Client.HostNetworks {
		key := "client.host_network." + n.Name
		if n.CIDR != "" {
			if _, err := netip.ParsePrefix(n.CIDR); err != nil {
				k.fail(key+".cidr", `wants a range such as "10.0.0.0/8", not %q`, n.CIDR)
			}
		}
		if n.CIDR == "" && n.Interface == "" {
			k.fail(key, "needs a cidr or an interface")
		}
		if _, err := ParsePorts(n.ReservedPorts); err != nil {
			k.fail(key+".reserved_ports", "%v", err)
		}
	}
}
