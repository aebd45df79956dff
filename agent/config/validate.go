package config

import (
	"encoding/base64"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"
)

// LogLevels are the values of log_level, from the most to the least.
var LogLevels = []string{"TRACE", "DEBUG", "INFO", "WARN", "ERROR"}

// Validate returns everything that is wrong as a Problems, or nil. Load has called it;
// it is for configurations that were changed since.
func (c *Config) Validate() error { return c.findings().asError() }

// rules are the checks in the order in which findings are shown. Each one adds findings
// about its own part and assumes nothing about the others.
var rules = []func(*Config, *checker){
	checkIdentity,
	checkRoles,
	checkBind,
	checkPorts,
	checkLogging,
	checkServer,
	checkJobLimits,
	checkJoin,
	checkClient,
	checkClientPorts,
	checkVolumesAndNetworks,
	checkKeyring,
	checkTLS,
	checkTelemetry,
	checkGossip,
	checkConsul,
	checkDurations,
	checkCounts,
}

func (c *Config) findings() Problems {
	k := &checker{c: c}
	for _, rule := range rules {
		rule(c, k)
	}
	return k.problems
}

// checker collects findings.
type checker struct {
	c        *Config
	problems Problems
}

func (k *checker) fail(key, format string, args ...any) {
	k.problems = append(k.problems, k.c.problem(key, format, args...))
}

func checkIdentity(c *Config, k *checker) {
	names := []struct{ key, value, forbidden string }{
		{"name", c.Name, "/"},
		{"region", c.Region, "/."},
		{"datacenter", c.Datacenter, "*?"},
	}
	for _, n := range names {
		odd := strings.IndexFunc(n.value, func(r rune) bool {
			return unicode.IsSpace(r) || !unicode.IsPrint(r) || strings.ContainsRune(n.forbidden, r)
		})
		switch {
		case n.value == "":
			k.fail(n.key, "must not be empty")
		case odd >= 0:
			k.fail(n.key, "%q must not contain %q", n.value, []rune(n.value[odd:])[0])
		}
	}
}

func checkRoles(c *Config, k *checker) {
	if !c.Server.Enabled && !c.Client.Enabled {
		k.fail("", "nothing to run: add server { enabled = true } or client { enabled = true }, or start with -dev")
	}
	switch {
	case c.DataDir == "" && !c.DevMode:
		k.fail("data_dir", "is required: name a directory that survives a restart, or start with -dev")
	case c.DataDir != "" && !filepath.IsAbs(c.DataDir):
		k.fail("data_dir", "%q must be an absolute path", c.DataDir)
	}
	dirs := []struct{ key, path string }{
		{"server.data_dir", c.Server.DataDir},
		{"client.state_dir", c.Client.StateDir},
		{"client.alloc_dir", c.Client.AllocDir},
	}
	for _, d := range dirs {
		if d.path != "" && !filepath.IsAbs(d.path) {
			k.fail(d.key, "%q must be an absolute path", d.path)
		}
	}
}

func checkBind(c *Config, k *checker) {
	checkIP := func(key, text string) {
		if _, err := netip.ParseAddr(text); err != nil {
			k.fail(key, "wants an IP address without a port, not %q", text)
		}
	}
	checkIP("bind_addr", c.BindAddr)
	for _, s := range c.services() {
		key := "addresses." + s.name
		if *s.bind != c.BindAddr {
			texts := strings.Fields(*s.bind)
			if s.name != "http" && len(texts) > 1 {
				k.fail(key, "wants one address, not %d", len(texts))
			}
			for _, text := range texts {
				checkIP(key, text)
			}
		}
		if host, _, ok := strings.Cut(*s.advertise, ":"); ok && host == "0.0.0.0" || strings.HasPrefix(*s.advertise, "[::]") {
			k.fail("advertise."+s.name, "others cannot dial %s; name an address of this machine", *s.advertise)
		}
	}
}

func checkPorts(c *Config, k *checker) {
	all := c.services()
	for i, s := range all {
		if *s.port < 0 || *s.port > 65535 {
			k.fail("ports."+s.name, "wants a port from 1 to 65535, or 0 for any, not %d", *s.port)
			continue
		}
		for _, other := range all[:i] {
			if *s.port != 0 && *s.port == *other.port && overlap(*s.bind, *other.bind) {
				k.fail("ports."+s.name, "%d is the port of %s already", *s.port, other.name)
			}
		}
	}
}

// overlap reports whether two listeners would meet: on one address, or on all.
func overlap(a, b string) bool {
	for _, x := range strings.Fields(a) {
		for _, y := range strings.Fields(b) {
			if x == y || unspecified(x) || unspecified(y) {
				return true
			}
		}
	}
	return false
}

func unspecified(s string) bool {
	ip, err := netip.ParseAddr(s)
	return err == nil && ip.IsUnspecified()
}

func checkLogging(c *Config, k *checker) {
	if !slices.Contains(LogLevels, strings.ToUpper(c.LogLevel)) {
		k.fail("log_level", "no level %q: choose %s", c.LogLevel, strings.Join(LogLevels, ", "))
	}
}

func checkServer(c *Config, k *checker) {
	s := c.Server
	switch {
	case s.BootstrapExpect < 0:
		k.fail("server.bootstrap_expect", "wants the number of servers, not %d", s.BootstrapExpect)
	case c.DevMode && s.BootstrapExpect > 1:
		k.fail("server.bootstrap_expect", "-dev is a cluster of one and cannot wait for %d servers; leave one of the two out", s.BootstrapExpect)
	}
	if _, err := s.Key(); err != nil {
		k.fail("server.encrypt", "%v", err)
	}
	if s.RaftMultiplier < 0 || s.RaftMultiplier > 10 {
		k.fail("server.raft_multiplier", "wants 0 to 10, not %d", s.RaftMultiplier)
	}
	if a := s.Scheduler.Algorithm; a != "" && a != "binpack" && a != "spread" {
		k.fail("server.default_scheduler_config.scheduler_algorithm", `wants "binpack" or "spread", not %q`, a)
	}
}

// Key decodes Encrypt; nil when there is none. Both base64 alphabets are accepted.
func (s Server) Key() ([]byte, error) {
	if s.Encrypt == "" {
		return nil, nil
	}
	text := strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(s.Encrypt, "="))
	key, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("wants base64 of 16, 24 or 32 bytes: %w", err)
	}
	if n := len(key); n != 16 && n != 24 && n != 32 {
		return nil, fmt.Errorf("wants base64 of 16, 24 or 32 bytes, not of %d", n)
	}
	return key, nil
}

func checkJobLimits(c *Config, k *checker) {
	l := c.Server.JobLimits
	if l.JobMaxPriority < 100 || l.JobMaxPriority > 32766 {
		k.fail("server.job_max_priority", "wants 100 to 32766, not %d", l.JobMaxPriority)
	}
	if l.JobDefaultPriority < 50 || l.JobDefaultPriority > l.JobMaxPriority {
		k.fail("server.job_default_priority", "wants 50 to job_max_priority (%d), not %d", l.JobMaxPriority, l.JobDefaultPriority)
	}
	if l.JobTrackedVersions < 1 {
		k.fail("server.job_tracked_versions", "wants at least 1, not %d", l.JobTrackedVersions)
	}
}

func checkJoin(c *Config, k *checker) {
	lists := []struct {
		key   string
		addrs []string
	}{
		{"server.server_join.start_join", c.Server.Join.StartJoin},
		{"server.server_join.retry_join", c.Server.Join.RetryJoin},
		{"client.server_join.retry_join", c.Client.Join.RetryJoin},
		{"client.servers", c.Client.Servers},
	}
	for _, l := range lists {
		for _, addr := range l.addrs {
			if _, err := joinAddress(addr, defaultRPCPort); err != nil {
				k.fail(l.key, "%v", err)
			}
		}
	}
	if len(c.Client.Join.StartJoin) > 0 {
		k.fail("client.server_join.start_join", "a client has no start_join; use retry_join")
	}
}

func checkTLS(c *Config, k *checker) {
	t := c.TLS
	if (t.CertFile == "") != (t.KeyFile == "") {
		k.fail("tls", "cert_file and key_file belong together; one is missing")
	}
	if (t.HTTP || t.RPC) && t.CertFile == "" && t.KeyFile == "" {
		k.fail("tls", "http and rpc need cert_file and key_file")
	}
	if (t.RPC || t.VerifyHTTPSClient) && t.CAFile == "" {
		k.fail("tls", "rpc and verify_https_client need ca_file, to check the certificates of others")
	}
	if t.VerifyHTTPSClient && !t.HTTP {
		k.fail("tls.verify_https_client", "needs http = true")
	}
	if t.MinVersion != "tls12" && t.MinVersion != "tls13" {
		k.fail("tls.tls_min_version", `wants "tls12" or "tls13", not %q`, t.MinVersion)
	}
}

func checkTelemetry(c *Config, k *checker) {
	t := c.Telemetry
	if t.InMemoryCollectionInterval > 0 && t.InMemoryRetentionPeriod < t.InMemoryCollectionInterval {
		k.fail("telemetry.in_memory_retention_period", "must be at least in_memory_collection_interval (%s), not %s",
			t.InMemoryCollectionInterval, t.InMemoryRetentionPeriod)
	}
	for _, f := range t.PrefixFilter {
		if len(f) < 2 || f[0] != '+' && f[0] != '-' {
			k.fail("telemetry.prefix_filter", `wants "+prefix" to keep or "-prefix" to drop, not %q`, f)
		}
	}
}

func checkGossip(c *Config, k *checker) {
	g := c.Gossip
	if g.ProbeInterval > 0 && g.ProbeTimeout >= g.ProbeInterval {
		k.fail("gossip.probe_timeout", "must be less than probe_interval (%s), not %s", g.ProbeInterval, g.ProbeTimeout)
	}
}

func checkConsul(c *Config, k *checker) {
	if (c.Consul.CertFile == "") != (c.Consul.KeyFile == "") {
		k.fail("consul", "cert_file and key_file belong together; one is missing")
	}
}

// checkDurations demands that what the agent does at intervals has one, and that no
// duration is negative.
func checkDurations(c *Config, k *checker) {
	positive := []string{
		"server.job_gc_interval", "server.root_key_gc_interval", "client.gc_interval", "client.max_kill_timeout",
		"server.server_join.retry_interval", "client.server_join.retry_interval",
		"telemetry.collection_interval", "telemetry.in_memory_collection_interval",
	}
	for _, l := range leaves(c) {
		d, ok := l.value.Interface().(time.Duration)
		switch {
		case !ok:
		case d < 0:
			k.fail(l.key, "must not be negative, not %s", d)
		case d == 0 && slices.Contains(positive, l.key):
			k.fail(l.key, "must be positive")
		}
	}
}

// checkCounts demands that no count is negative. Those with rules of their own are left
// to them.
func checkCounts(c *Config, k *checker) {
	own := []string{
		"ports.", "server.bootstrap_expect", "server.raft_multiplier",
		"server.job_max_priority", "server.job_default_priority", "server.job_tracked_versions",
		"client.min_dynamic_port", "client.max_dynamic_port", "client.gc_",
	}
	for _, l := range leaves(c) {
		n, ok := l.value.Interface().(int)
		if ok && n < 0 && !slices.ContainsFunc(own, func(p string) bool { return strings.HasPrefix(l.key, p) }) {
			k.fail(l.key, "must not be negative, not %d", n)
		}
	}
}
