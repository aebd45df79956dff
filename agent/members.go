package agent

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/gossip"
	"github.com/selfheal/selfheal/agent/leader"
)

// startGossip joins nobody yet: it listens and says who this agent is.
func (a *Agent) startGossip() error {
	gc := gossip.Default()
	g := a.cfg.Gossip
	gc.Network, gc.Logger = a.net, a.log.Named("gossip")
	gc.BindAddr, gc.Port, gc.AdvertiseAddr = a.cfg.Addresses.Serf, a.cfg.Ports.Serf, a.cfg.Advertise.Serf
	gc.ProbeInterval = cmp.Or(g.ProbeInterval, gc.ProbeInterval)
	gc.ProbeTimeout = cmp.Or(g.ProbeTimeout, gc.ProbeTimeout)
	gc.SuspicionMult = cmp.Or(g.SuspicionMult, gc.SuspicionMult)
	gc.IndirectChecks = cmp.Or(g.IndirectChecks, gc.IndirectChecks)
	var err error
	if gc.Keys, err = a.gossipKeys(); err != nil {
		return err
	}
	gc.Meta = gossip.Meta{
		ID: a.id.ID, Name: a.cfg.Name, Region: a.cfg.Region, Datacenter: a.cfg.Datacenter, BootID: a.opts.BootID,
		Server: a.cfg.Server.Enabled, Client: a.cfg.Client.Enabled, Version: a.opts.Version,
		HTTPAddr: a.cfg.Advertise.HTTP, RPCAddr: a.rpcAddr, HTTPPort: a.cfg.Ports.HTTP, RPCPort: a.cfg.Ports.RPC,
	}
	if a.cfg.Server.Enabled {
		gc.Meta.Expect = a.cfg.Server.BootstrapExpect
		if a.cfg.DevMode {
			gc.Meta.Expect = 1
		}
	}
	a.gossip, err = gossip.New(gc)
	if err != nil {
		return err
	}
	a.gossip.Subscribe(a.dismissed.watch(a.gossip))
	a.life.add("gossip", func(context.Context) error { return a.gossip.Shutdown() })
	return nil
}

// startJoin keeps trying to meet the agents that the configuration names: a
// server those at gossip addresses, a client its servers, which tell it where
// they gossip.
func (a *Agent) startJoin() error {
	if a.cfg.Server.Enabled {
		j, addrs := a.cfg.Server.Join, a.cfg.JoinAddrs()
		if len(addrs) == 0 {
			return nil
		}
		a.life.loop("join", func(ctx context.Context) {
			if err := a.gossip.RetryJoin(ctx, addrs, j.RetryInterval, j.RetryMax); err != nil && ctx.Err() == nil {
				a.log.Error("join", "err", err)
			}
		})
		return nil
	}
	a.life.loop("join", a.meetServers)
	return nil
}

// meetServers asks the configured servers where they gossip until this client
// knows another member; gossip itself heals what splits later. A client that has
// lost everybody asks again.
func (a *Agent) meetServers(ctx context.Context) {
	pause, said := 100*time.Millisecond, false
	for {
		if a.gossip.NumNodes() > 1 {
			pause = 5 * time.Second
		} else if err := a.meet(ctx); err == nil {
			continue
		} else {
			if !said {
				a.log.Warn("no server reached yet, will go on trying", "servers", a.cfg.ServerAddrs(), "err", err)
				said = true
			}
			pause = min(2*pause, 2*time.Second)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// meet joins through the first configured server that answers.
func (a *Agent) meet(ctx context.Context) error {
	err := errors.New("no servers are configured: set client { servers = [...] } or server_join")
	for _, addr := range a.cfg.ServerAddrs() {
		var seeds []string
		if seeds, err = a.gossipAddrs(ctx, addr); err != nil {
			continue
		}
		if _, err = a.gossip.Join(ctx, seeds); err == nil {
			return nil
		}
	}
	return err
}

// gossipAddrs asks a server, at its cluster port, where the servers gossip.
func (a *Agent) gossipAddrs(ctx context.Context, server string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+server+"/v1/agent/members", nil)
	if err != nil {
		return nil, err
	}
	resp, err := a.port.Client().Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var members api.ServerMembers
	if err := json.NewDecoder(resp.Body).Decode(&members); err != nil {
		return nil, fmt.Errorf("ask %s for members: %w", server, err)
	}
	var out []string
	for _, m := range members.Members {
		if m.Status == string(gossip.Alive) {
			out = append(out, net.JoinHostPort(m.Addr, strconv.Itoa(int(m.Port))))
		}
	}
	return out, nil
}

// members is gossip as the leader reads it: its own region.
type members struct {
	gossip *gossip.Gossip
	region string
}

func (m members) Members() []leader.Member {
	var out []leader.Member
	for _, each := range m.gossip.Members() {
		if each.Region == m.region {
			out = append(out, leaderMember(each))
		}
	}
	return out
}

func (m members) Member(id string) (leader.Member, bool) {
	each, ok := m.gossip.Member(id)
	return leaderMember(each), ok && each.Region == m.region
}

func leaderMember(m gossip.Member) leader.Member {
	return leader.Member{
		ID: m.ID, Name: m.Name, Region: m.Region, Addr: m.RPC(), BootID: m.BootID, Server: m.Server, Client: m.Client,
		Alive: m.Status == gossip.Alive, Left: m.Status == gossip.Left, Restarting: m.Restarting, Since: m.Since,
	}
}

// roster is gossip as the API shows it. Users of this API know servers as
// members; nodes are listed as nodes.
type roster struct{ a *Agent }

func (r roster) Members() []*api.AgentMember {
	var out []*api.AgentMember
	for _, m := range r.a.gossip.Members() {
		if !m.Server {
			continue
		}
		shown := agentMember(m)
		if _, told := r.a.dismissed.standing(m.ID, time.Now()); told && m.Status == gossip.Alive {
			shown.Status = "leaving"
		}
		out = append(out, shown)
	}
	return out
}

func (r roster) Local() *api.AgentMember { return agentMember(r.a.gossip.Self()) }

func (r roster) Join(addrs []string) (int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return r.a.gossip.Join(ctx, addrs)
}

// ForceLeave makes a member leave. One that nobody knows has left already: the
// request may be a repetition.
func (r roster) ForceLeave(name string, prune bool) error {
	var found []gossip.Member
	for _, m := range r.a.gossip.Members() {
		if m.ID == name || m.Name == name || m.FullName() == name {
			found = append(found, m)
		}
	}
	switch {
	case len(found) == 0:
		r.a.log.Info("asked to make a member leave that is not known", "name", name)
		return nil
	case len(found) == 1 && found[0].Status == gossip.Alive && found[0].ID != r.a.id.ID:
		r.a.dismissed.add(found[0].ID, prune, time.Now())
	}
	return r.a.gossip.ForceLeave(name, prune)
}

func agentMember(m gossip.Member) *api.AgentMember {
	_, rpc, _ := net.SplitHostPort(m.RPC())
	tags := map[string]string{
		"id": m.ID, "region": m.Region, "dc": m.Datacenter, "build": m.Version, "port": rpc, "rpc_addr": m.RPC(), "http_addr": m.HTTP(),
		"role": "nomad", "raft_vsn": "3", "vsn": "1",
	}
	if !m.Server {
		tags["role"] = "node"
	}
	if m.Expect > 0 {
		tags["expect"] = strconv.Itoa(m.Expect)
	}
	return &api.AgentMember{
		Name: m.FullName(), Addr: m.Addr.String(), Port: uint16(m.Port), Tags: tags, Status: string(m.Status),
		ProtocolMin: 1, ProtocolMax: 5, ProtocolCur: 2, DelegateMin: 2, DelegateMax: 5, DelegateCur: 4,
	}
}

// peers finds other agents' cluster ports for the API.
type peers struct{ a *Agent }

// Leader is the leader's cluster port, "" while there is none or it is unknown.
func (p peers) Leader() string {
	if s := p.a.server; s != nil {
		return s.leaders.leader()
	}
	return ""
}

// LeaderChanged is closed when Leader changes from what it is now.
func (p peers) LeaderChanged() <-chan struct{} {
	if s := p.a.server; s != nil {
		return s.leaders.changed()
	}
	return nil // a client has no leader of its own to watch
}

// Servers are the cluster ports of a region's alive servers, the leader first.
func (p peers) Servers(region string) []string {
	lead := ""
	if region == p.a.cfg.Region {
		lead = p.Leader()
	}
	var out []string
	if lead != "" {
		out = append(out, lead)
	}
	for _, m := range p.a.gossip.Members() {
		if m.Server && m.Region == region && m.Status == gossip.Alive && m.RPC() != lead {
			out = append(out, m.RPC())
		}
	}
	return out
}

// Server is the cluster port of the server with that ID or member name.
func (p peers) Server(id string) string {
	for _, m := range p.a.gossip.Members() {
		if m.Server && (m.ID == id || m.FullName() == id || m.Name == id) {
			return m.RPC()
		}
	}
	return ""
}

// agents are the cluster ports of every living agent, servers and clients, by full name.
func (p peers) agents() map[string]string {
	out := map[string]string{}
	for _, m := range p.a.gossip.Members() {
		if m.Status != gossip.Alive {
			continue
		}
		name := m.FullName()
		if _, taken := out[name]; taken { // nodes may share a host name
			name = m.ID
		}
		out[name] = m.RPC()
	}
	return out
}

// Regions are the regions that any known server belongs to, sorted by name of their first member.
func (p peers) Regions() []string {
	seen := map[string]bool{p.a.cfg.Region: true}
	out := []string{p.a.cfg.Region}
	for _, m := range p.a.gossip.Members() {
		if m.Server && !seen[m.Region] {
			seen[m.Region] = true
			out = append(out, m.Region)
		}
	}
	return out
}
