package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/selfheal/selfheal/agent/transport"
)

// pathLeases is where a server tells the leader which nodes have called it, on the
// cluster port only.
const pathLeases = "/v1/internal/leases"

// leaseFlush is how often a server tells the leader: one small request a second, for
// however many nodes, and none while no node with a lease calls.
const leaseFlush = time.Second

// leases collects which nodes with a lease have called this server, for the leader.
type leases struct {
	log  hclog.Logger
	tell func(ctx context.Context, nodes []string) error
	wake chan struct{} // capacity 1: there is something to tell

	mu   sync.Mutex
	seen map[string]struct{}
}

func newLeases(log hclog.Logger, tell func(context.Context, []string) error) *leases {
	return &leases{log: log, tell: tell, wake: make(chan struct{}, 1), seen: map[string]struct{}{}}
}

// Contact notes that a node called. It never blocks.
func (s *leases) Contact(node string) {
	s.mu.Lock()
	s.seen[node] = struct{}{}
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// run tells the leader, once in leaseFlush, until ctx ends. What it could not tell is
// told next time.
func (s *leases) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		}
		s.mu.Lock()
		seen := s.seen
		s.seen = map[string]struct{}{}
		s.mu.Unlock()
		if err := s.tell(ctx, slices.Collect(maps.Keys(seen))); err != nil && ctx.Err() == nil {
			s.log.Debug("tell the leader about leases", "err", err)
			for id := range seen {
				s.Contact(id)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(leaseFlush):
		}
	}
}

// renew is how a server's leases reach the leader's loop, here or elsewhere.
func (a *Agent) renew(ctx context.Context, nodes []string) error {
	if a.server.leads.Load() {
		a.server.leader.Renew(nodes)
		return nil
	}
	lead := a.server.leaders.leader()
	if lead == "" || lead == a.rpcAddr {
		return fmt.Errorf("no leader at the moment")
	}
	body, err := json.Marshal(nodes)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, "https://"+lead+pathLeases, bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := a.port.Client().Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1024))
		return fmt.Errorf("%s answered %d: %s", lead, resp.StatusCode, text)
	}
	return nil
}

// maxLeases bounds what a server is told at once: some 100,000 nodes.
const maxLeases = 4 << 20

// serveLeases takes what another server tells.
func (a *Agent) serveLeases(w http.ResponseWriter, r *http.Request) {
	var nodes []string
	switch {
	case transport.PeerOf(r.TLS).Role != transport.RoleServer:
		http.Error(w, "leases: only servers tell of them", http.StatusForbidden)
	case a.server == nil || !a.server.leads.Load():
		http.Error(w, "leases: this agent does not lead", http.StatusServiceUnavailable)
	case json.NewDecoder(io.LimitReader(r.Body, maxLeases)).Decode(&nodes) != nil:
		http.Error(w, "leases: a list of node IDs is expected", http.StatusBadRequest)
	default:
		a.server.leader.Renew(nodes)
	}
}
