package httpapi

import (
	"cmp"
	"net/http"
	"os"
	"runtime"
	"slices"
	"sort"
	"strings"
	"syscall"

	"github.com/hashicorp/nomad/api"
)

// agentSelf is GET /v1/agent/self.
func agentSelf(a *API, _ *request) (any, error) {
	if a.cfg.AgentSelf == nil {
		return nil, notYet("the agent's description")
	}
	return a.cfg.AgentSelf(), nil
}

// agentMembers is GET /v1/agent/members: the servers that gossip knows, the one
// that was asked first.
func agentMembers(a *API, _ *request) (any, error) {
	members := a.cfg.Cluster.Members()
	if members == nil {
		members = []*api.AgentMember{}
	}
	sort.Sort(api.AgentMembersNameSort(members))
	self := a.cfg.Cluster.Local().Name
	slices.SortStableFunc(members, func(x, y *api.AgentMember) int {
		return cmp.Compare(bit(x.Name != self), bit(y.Name != self))
	})
	return &api.ServerMembers{
		ServerName: self, ServerRegion: a.cfg.Region, ServerDC: a.cfg.Datacenter, Members: members,
	}, nil
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// agentServers is GET /v1/agent/servers: the cluster ports of this region's servers.
func agentServers(a *API, _ *request) (any, error) {
	servers := slices.Clone(a.cfg.Peers.Servers(a.cfg.Region))
	if servers == nil {
		servers = []string{}
	}
	slices.Sort(servers)
	return servers, nil
}

// agentSetServers is PUT /v1/agent/servers?address=...
func agentSetServers(a *API, r *request) (any, error) {
	addrs := r.query["address"]
	switch {
	case a.cfg.SetServers == nil:
		return nil, errNotClient
	case len(addrs) == 0 || slices.Contains(addrs, ""):
		return nil, badRequest("missing server address: set ?address=host:port, once or more")
	}
	return nil, a.cfg.SetServers(addrs)
}

// agentHealth is GET /v1/agent/health (?type=client|server): 500 when something that
// was asked for is not well.
func agentHealth(a *API, r *request) (any, error) {
	kind := r.query.Get("type")
	if !slices.Contains([]string{"", "client", "server"}, kind) {
		return nil, badRequest("unknown type %q: use client or server", kind)
	}
	health := &api.AgentHealthResponse{}
	code := http.StatusOK
	if kind != "server" && (a.cfg.Node != nil || kind == "client") {
		health.Client = &api.AgentHealth{Ok: true, Message: "ok"}
		if a.cfg.Node == nil {
			health.Client = &api.AgentHealth{Message: "client not enabled"}
		} else if len(a.cfg.Peers.Servers(a.cfg.Region)) == 0 {
			health.Client = &api.AgentHealth{Message: "no known servers"}
		}
		if !health.Client.Ok {
			code = http.StatusInternalServerError
		}
	}
	if kind != "client" && (a.cfg.Raft != nil || kind == "server") {
		health.Server = &api.AgentHealth{Ok: true, Message: "ok"}
		if a.cfg.Raft == nil {
			health.Server = &api.AgentHealth{Message: "server not enabled"}
		} else if !a.cfg.Raft.KnownLeader() {
			health.Server = &api.AgentHealth{Message: errNoLeader.Text}
		}
		if !health.Server.Ok {
			code = http.StatusInternalServerError
		}
	}
	return status{code, health}, nil
}

// agentJoin is PUT /v1/agent/join?address=...
func agentJoin(a *API, r *request) (any, error) {
	addrs := r.query["address"]
	if len(addrs) == 0 || slices.Contains(addrs, "") {
		return nil, badRequest("missing address to join: set ?address=host:port, once or more")
	}
	type joined struct {
		NumJoined int    `json:"num_joined"`
		Error     string `json:"error"`
	}
	n, err := a.cfg.Cluster.Join(addrs)
	if err != nil {
		return joined{n, err.Error()}, nil
	}
	return joined{NumJoined: n}, nil
}

// agentForceLeave is PUT /v1/agent/force-leave?node=name (&prune).
func agentForceLeave(a *API, r *request) (any, error) {
	name := r.query.Get("node")
	if name == "" {
		return nil, badRequest("missing node to force leave: set ?node=")
	}
	prune, err := r.flag("prune", true)
	if err != nil {
		return nil, err
	}
	return nil, a.cfg.Cluster.ForceLeave(name, prune)
}

// agentReload is PUT /v1/agent/reload: the same as SIGHUP.
func agentReload(a *API, _ *request) (any, error) {
	if a.cfg.Reload == nil {
		return nil, notYet("reloading over HTTP")
	}
	return nil, a.cfg.Reload()
}

// agentHost is GET /v1/agent/host: what a bug report needs of the machine. Values of
// environment variables that may hold secrets are left out.
func agentHost(a *API, _ *request) (any, error) {
	if !a.cfg.EnablePprof {
		return nil, notFound("switched off: set enable_debug = true to describe the host")
	}
	data := &api.HostData{
		OS:          runtime.GOOS + " " + runtime.GOARCH,
		ResolvConf:  readText("/etc/resolv.conf"),
		Hosts:       readText("/etc/hosts"),
		Environment: map[string]string{},
		Disk:        map[string]api.DiskUsage{},
	}
	for _, kv := range os.Environ() {
		name, v, _ := strings.Cut(kv, "=")
		if looksSecret(name) {
			v = "<redacted>"
		}
		data.Environment[name] = v
	}
	var fs syscall.Statfs_t
	if syscall.Statfs("/", &fs) == nil {
		unit := int64(fs.Bsize)
		data.Disk["/"] = api.DiskUsage{
			DiskMB: int64(fs.Blocks) * unit >> 20, UsedMB: int64(fs.Blocks-fs.Bfree) * unit >> 20,
		}
	}
	return &api.HostDataResponse{AgentID: a.cfg.NodeName, HostData: data}, nil
}

func readText(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return string(b)
}

// looksSecret guesses from its name whether a variable's value is one.
func looksSecret(name string) bool {
	name = strings.ToUpper(name)
	for _, word := range []string{"TOKEN", "SECRET", "PASS", "KEY", "CRED", "AUTH"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}
