package config

import (
	"reflect"
	"strings"
)

// reloadable are the keys that SIGHUP applies, by prefix. Everything else needs a
// restart, which moves no task.
var reloadable = []string{
	"log_level",
	"tls.",
	"server.server_join.",
	"client.server_join.",
	"client.servers",
	"server.raft_snapshot_threshold",
	"server.raft_snapshot_interval",
	"server.raft_trailing_logs",
}

// Reloadable compares two configurations and names the keys that differ: changed are
// those that a running agent applies, ignored those that need a restart. Both are in the
// order of the structs. Certificates are read again in any case: a new file under the
// same name is no difference here.
func Reloadable(old, new *Config) (changed, ignored []string) {
	before, after := byKey(old), byKey(new)
	seen := map[string]bool{}
	for _, l := range append(leaves(old), leaves(new)...) {
		if seen[l.key] || reflect.DeepEqual(before[l.key], after[l.key]) {
			continue
		}
		seen[l.key] = true
		if canReload(l.key) {
			changed = append(changed, l.key)
		} else {
			ignored = append(ignored, l.key)
		}
	}
	return changed, ignored
}

func byKey(c *Config) map[string]any {
	out := map[string]any{}
	for _, l := range leaves(c) {
		out[l.key] = l.value.Interface()
	}
	return out
}

func canReload(key string) bool {
	for _, prefix := range reloadable {
		if key == prefix || strings.HasSuffix(prefix, ".") && strings.HasPrefix(key, prefix) {
			return true
		}
	}
	return false
}

// Redacted is a copy that may be shown to whoever may read the agent's configuration:
// secrets are replaced, and of plugins only the names stay.
func (c *Config) Redacted() *Config {
	out := *c
	for _, secret := range []*string{&out.Server.Encrypt, &out.ACL.ReplicationToken, &out.Consul.Token, &out.Consul.Auth} {
		if *secret != "" {
			*secret = "<redacted>"
		}
	}
	out.Plugins = map[string]Plugin{}
	for name := range c.Plugins {
		out.Plugins[name] = Plugin{}
	}
	return &out
}
