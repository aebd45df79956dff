package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/selfheal/selfheal/agent/gossip"
	"github.com/selfheal/selfheal/agent/leader"
	"github.com/selfheal/selfheal/agent/transport"
)

// prober gathers evidence about a silent agent: it dials it, and asks others to.
type prober struct{ a *Agent }

// evidence says what each finding of a dial means to the leader.
var evidence = map[transport.Evidence]leader.Evidence{
	transport.Answered: leader.Answered,
	transport.Refused:  leader.Refused,
	transport.Reset:    leader.Refused, // someone's kernel closed it: the host lives
	transport.Frozen:   leader.Frozen,
	transport.Silent:   leader.Silent,
}

// redial is the pause between two dials of one round. Each is a fresh chance for
// packets to get through; the kernel would repeat a lost one only after a second.
const redial = 90 * time.Millisecond

// Probe dials until something answers or ctx ends. The strongest evidence counts:
// an answer, then a refusal, then a dial that was taken.
func (p prober) Probe(ctx context.Context, id, addr string) leader.Evidence {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var mu sync.Mutex
	var dials sync.WaitGroup
	best := leader.Silent
	for ctx.Err() == nil {
		dials.Go(func() {
			found, peer := p.a.port.Probe(ctx, addr)
			if found == transport.Answered && peer.NodeID != id {
				found = transport.Refused // another agent has taken its address
			}
			mu.Lock()
			best = stronger(best, evidence[found])
			enough := best == leader.Answered || best == leader.Refused
			mu.Unlock()
			if enough {
				cancel()
			}
		})
		select {
		case <-ctx.Done():
		case <-time.After(redial):
		}
	}
	dials.Wait()
	return best
}

func stronger(a, b leader.Evidence) leader.Evidence {
	rank := map[leader.Evidence]int{leader.Silent: 0, leader.Frozen: 1, leader.Refused: 2, leader.Answered: 3}
	if rank[b] > rank[a] {
		return b
	}
	return a
}

// pathWitness is where agents ask each other for evidence, on the cluster port only.
const pathWitness = "/v1/internal/witness"

// witnesses is how many other agents are asked. More see more paths; each costs a
// few dials.
const witnesses = 3

// Witnesses asks other agents what they find. Servers first, then nodes.
func (p prober) Witnesses(ctx context.Context, id, addr string) []leader.Evidence {
	var mu sync.Mutex
	var out []leader.Evidence
	var asked sync.WaitGroup
	for _, m := range p.pick(id) {
		asked.Go(func() {
			if e, ok := p.ask(ctx, m, id, addr); ok {
				mu.Lock()
				out = append(out, e)
				mu.Unlock()
			}
		})
	}
	asked.Wait()
	return out
}

func (p prober) pick(accused string) []gossip.Member {
	var servers, nodes []gossip.Member
	for _, m := range p.a.gossip.Members() {
		switch {
		case m.Status != gossip.Alive || m.ID == accused || m.ID == p.a.id.ID || m.Region != p.a.cfg.Region:
		case m.Server:
			servers = append(servers, m)
		default:
			nodes = append(nodes, m)
		}
	}
	all := append(servers, nodes...)
	return all[:min(witnesses, len(all))]
}

func (p prober) ask(ctx context.Context, m gossip.Member, id, addr string) (leader.Evidence, bool) {
	q := url.Values{"id": {id}, "addr": {addr}}
	if deadline, ok := ctx.Deadline(); ok { // it must answer while there is time to listen
		q.Set("for", (time.Until(deadline) - 40*time.Millisecond).String())
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("https://%s%s?%s", m.RPC(), pathWitness, q.Encode()), nil)
	if err != nil {
		return "", false
	}
	resp, err := p.a.port.Client().Do(req)
	if err != nil {
		return "", false
	}
	defer resp.Body.Close()
	var e leader.Evidence
	if resp.StatusCode != http.StatusOK || json.NewDecoder(resp.Body).Decode(&e) != nil {
		return "", false
	}
	return e, true
}

// serveWitness answers another agent's question. It dials only addresses that
// gossip knows, so that nobody can make it scan a network.
func (a *Agent) serveWitness(w http.ResponseWriter, r *http.Request) {
	id, addr := r.FormValue("id"), r.FormValue("addr")
	limit, err := time.ParseDuration(r.FormValue("for"))
	m, known := a.gossip.Member(id)
	if !known || m.RPC() != addr || err != nil || limit <= 0 {
		http.Error(w, "witness: unknown node, another address, or no time", http.StatusBadRequest)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), min(limit, time.Second))
	defer cancel()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(prober{a}.Probe(ctx, id, addr))
}
