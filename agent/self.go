package agent

import (
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/config"
)

// self describes this agent: its configuration without secrets, and what it
// measures of itself.
func (a *Agent) self() *api.AgentSelf {
	stats := map[string]map[string]string{"selfheal": {
		"server": fmt.Sprint(a.server != nil), "client": fmt.Sprint(a.node != nil), "version": a.opts.Version,
		"gossip_members": fmt.Sprint(a.gossip.NumNodes()), "gossip_health_score": fmt.Sprint(a.gossip.HealthScore()),
	}}
	if s := a.server; s != nil {
		_, addr := s.raft.Leader()
		stats["nomad"] = map[string]string{"server": "true", "leader": fmt.Sprint(s.raft.IsLeader()), "leader_addr": addr, "bootstrap": fmt.Sprint(a.cfg.Server.BootstrapExpect == 1)}
	}
	if n := a.node; n != nil {
		stats["client"] = map[string]string{"node_id": n.client.NodeID()}
	}
	return &api.AgentSelf{Config: configMap(a.cfg.Redacted(), a.opts.Version), Member: *agentMember(a.gossip.Self()), Stats: stats}
}

// configMap is the configuration as tools expect it: the field names of the Go
// structs, and the version where they look for it.
func configMap(c *config.Config, version string) map[string]any {
	text, err := json.Marshal(c)
	out := map[string]any{}
	if err != nil || json.Unmarshal(text, &out) != nil {
		return map[string]any{"Name": c.Name}
	}
	out["Version"] = map[string]any{"Version": version, "VersionPrerelease": "", "VersionMetadata": ""}
	return out
}

// Reload applies what can change while the agent runs, and says what cannot.
func (a *Agent) Reload(next *config.Config) error {
	changed, ignored := config.Reloadable(a.cfg, next)
	for _, key := range ignored {
		a.log.Warn("a changed key needs a restart of the agent", "key", key)
	}
	for _, key := range changed {
		a.log.Info("reloading", "key", key)
	}
	if !reflect.DeepEqual(a.cfg.TLS, next.TLS) {
		if err := a.port.Reload(); err != nil {
			return fmt.Errorf("reload tls: %w", err)
		}
	}
	if next.LogLevel != a.cfg.LogLevel {
		a.opts.Logger.SetLevel(level(next.LogLevel))
	}
	a.cfg.LogLevel = next.LogLevel
	return nil
}
