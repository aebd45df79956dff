package agent

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/gossip"
)

// autopilot is the configuration file's word on how servers join and leave.
func (a *Agent) autopilot() *api.AutopilotConfiguration {
	c := a.cfg.Autopilot
	return &api.AutopilotConfiguration{
		CleanupDeadServers: c.CleanupDeadServers, LastContactThreshold: c.LastContactThreshold, MaxTrailingLogs: uint64(max(0, c.MaxTrailingLogs)),
		MinQuorum: uint(max(0, c.MinQuorum)), ServerStabilizationTime: c.ServerStabilizationTime,
	}
}

// pathProgress is where the leader asks a server how far it is, on the cluster port only.
const pathProgress = "/v1/internal/server/progress"

// progress is how far a server has followed its leader.
type progress struct {
	LastContact     time.Duration
	LastTerm, Index uint64
}

// serveProgress answers the leader.
func (a *Agent) serveProgress(w http.ResponseWriter, _ *http.Request) {
	if a.server == nil {
		http.Error(w, "not a server", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(a.server.progress()) // who does not hear it takes it for silence
}

func (s *server) progress() progress {
	term, index := s.raft.Progress()
	return progress{LastContact: s.raft.LastContact(), LastTerm: term, Index: index}
}

// progressWait is how long a server may take to say how far it is: it answers from
// memory, and one that does not is not healthy.
const progressWait = time.Second

// askProgress asks another server.
func (a *Agent) askProgress(ctx context.Context, addr string) (progress, error) {
	ctx, cancel := context.WithTimeout(ctx, progressWait)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+addr+pathProgress, nil)
	if err != nil {
		return progress{}, err
	}
	resp, err := a.port.Client().Do(req)
	if err != nil {
		return progress{}, err
	}
	defer resp.Body.Close()
	var p progress
	return p, json.NewDecoder(resp.Body).Decode(&p)
}

// Health is what the leader sees of the servers, by the settings in force: alive for
// gossip, in contact, and not too far behind.
func (o operator) Health(ctx context.Context) (*api.OperatorHealthReply, error) {
	servers, _, err := o.a.server.raft.Configuration()
	if err != nil {
		return nil, err
	}
	set := o.a.server.state.Snapshot().Autopilot(nil)
	if set == nil {
		set = o.a.autopilot()
	}
	lead, _ := o.a.server.raft.Leader()
	own := o.a.server.progress()
	out := &api.OperatorHealthReply{Healthy: lead != "", Leader: lead, Servers: make([]api.ServerHealth, len(servers))}
	var wg sync.WaitGroup
	for i, s := range servers {
		wg.Go(func() {
			out.Servers[i] = api.ServerHealth{ID: s.ID, Name: s.ID, Address: s.Addr, SerfStatus: "none", Leader: s.ID == lead, Voter: s.Voter}
			o.a.judgeServer(ctx, &out.Servers[i], own, set)
		})
	}
	wg.Wait()
	voters, healthy := 0, 0
	for _, h := range out.Servers {
		out.Healthy = out.Healthy && h.Healthy
		if h.Voter {
			voters++
			out.Voters = append(out.Voters, h.ID)
			if h.Healthy {
				healthy++
			}
		}
	}
	out.FailureTolerance = max(0, healthy-(voters/2+1))
	return out, nil
}

// judgeServer fills in what gossip and the server itself say.
func (a *Agent) judgeServer(ctx context.Context, h *api.ServerHealth, own progress, set *api.AutopilotConfiguration) {
	m, known := a.gossip.Member(h.ID)
	if !known {
		return
	}
	h.Name, h.SerfStatus, h.Version, h.StableSince = m.FullName(), string(m.Status), m.Version, m.Since
	p := own
	if h.ID != a.id.ID {
		var err error
		if m.Status != gossip.Alive {
			return
		}
		if p, err = a.askProgress(ctx, m.RPC()); err != nil {
			a.log.Debug("a server did not say how far it is", "node", h.ID, "err", err)
			return
		}
	}
	h.LastContact, h.LastTerm, h.LastIndex = p.LastContact, p.LastTerm, p.Index
	h.Healthy = m.Status == gossip.Alive && (h.Leader || p.LastContact <= set.LastContactThreshold) &&
		p.Index+set.MaxTrailingLogs >= own.Index
}
