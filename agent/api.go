package agent

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/client"
	"github.com/selfheal/selfheal/agent/config"
	"github.com/selfheal/selfheal/agent/consensus"
	"github.com/selfheal/selfheal/agent/httpapi"
	"github.com/selfheal/selfheal/agent/leader"
	"github.com/selfheal/selfheal/agent/state"
	"github.com/selfheal/selfheal/agent/telemetry"
	"github.com/selfheal/selfheal/agent/transport"
	"github.com/selfheal/selfheal/jobspec"
)

// startPort opens the cluster port.
func (a *Agent) startPort() error {
	key, err := a.cfg.Server.Key()
	if err != nil {
		return err
	}
	role := "client"
	if a.cfg.Server.Enabled {
		role = "server"
	}
	tc := transport.Config{Network: a.net, NodeID: a.id.ID, Role: role, Region: a.cfg.Region, ClusterKey: key, Logger: a.log.Named("transport")}
	if a.cfg.TLS.RPC {
		tc.CAFile, tc.CertFile, tc.KeyFile = a.cfg.TLS.CAFile, a.cfg.TLS.CertFile, a.cfg.TLS.KeyFile
	}
	if a.port, err = transport.New(tc); err != nil {
		return err
	}
	ln, err := a.listen("rpc", a.cfg.Addresses.RPC, a.cfg.Ports.RPC)
	if err != nil {
		return err
	}
	a.cfg.Ports.RPC = portOf(ln)
	a.rpcAddr = withPort(a.cfg.Advertise.RPC, a.cfg.Ports.RPC)
	a.life.loop("cluster port", func(ctx context.Context) { _ = a.port.Serve(ctx, ln) })

	// The people's port is opened here too, so that gossip can say where it is; it is
	// served at the end, when there is something to answer with.
	if a.httpListener, err = a.listen("http", a.cfg.Addresses.HTTP, a.cfg.Ports.HTTP); err != nil {
		return err
	}
	a.cfg.Ports.HTTP = portOf(a.httpListener)
	a.httpAddr = withPort(a.cfg.Advertise.HTTP, a.cfg.Ports.HTTP)
	a.life.add("http listener", func(context.Context) error { a.httpListener.Close(); return nil })
	return nil
}

// streamsEnd is how long streams and blocking queries, which were told to end, may take to
// send what makes their end a clean one. An agent that crashes told them nothing.
const streamsEnd = time.Second

// startAPI serves people on one port and agents on the other.
func (a *Agent) startAPI() error {
	api, err := httpapi.New(a.apiConfig())
	if err != nil {
		return err
	}
	a.api = api
	cluster := http.NewServeMux()
	cluster.HandleFunc("GET "+pathWitness, a.serveWitness)
	cluster.HandleFunc("PUT "+pathLeases, a.serveLeases)
	cluster.HandleFunc("GET "+pathProgress, a.serveProgress)
	cluster.Handle("/", api.ClusterHandler())
	ln := a.httpListener
	if a.cfg.TLS.HTTP {
		tc, err := httpTLS(a.cfg.TLS)
		if err != nil {
			return err
		}
		ln = tls.NewListener(ln, tc)
	}
	for _, each := range []struct {
		name string
		srv  *http.Server
		run  func(*http.Server) error
	}{
		{"cluster http", &http.Server{Handler: cluster, ErrorLog: a.log.Named("cluster").StandardLogger(nil)}, func(s *http.Server) error { return s.Serve(a.port.HTTPListener()) }},
		{"http", &http.Server{Handler: api.Handler(), ErrorLog: a.log.Named("http").StandardLogger(nil), ReadHeaderTimeout: 10 * time.Second}, func(s *http.Server) error { return s.Serve(ln) }},
	} {
		done := make(chan struct{})
		go func() {
			defer close(done)
			if err := each.run(each.srv); err != nil && !errors.Is(err, http.ErrServerClosed) {
				a.log.Debug("serve "+each.name, "err", err)
			}
		}()
		a.life.add(each.name, func(ctx context.Context) error {
			if a.leaving.Load() {
				ctx, cancel := context.WithTimeout(ctx, streamsEnd)
				defer cancel()
				_ = each.srv.Shutdown(ctx) // what does not end is ended next
			}
			err := each.srv.Close()
			<-done
			return err
		})
	}
	return nil
}

func httpTLS(c config.TLS) (*tls.Config, error) {
	cert, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	out := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	if c.VerifyHTTPSClient {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("tls: ca_file: %w", err)
		}
		out.ClientCAs, out.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
		if !out.ClientCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("tls: ca_file %s holds no certificate in PEM", c.CAFile)
		}
	}
	return out, nil
}

func (a *Agent) apiConfig() httpapi.Config {
	out := httpapi.Config{
		Logger: a.opts.Logger, Region: a.cfg.Region, Datacenter: a.cfg.Datacenter, NodeName: a.cfg.Name, Version: a.opts.Version,
		Cluster: roster{a}, Keyring: ring{a}, Peers: peers{a}, Agents: peers{a}.agents, Forward: a.port.Client(), Upgrade: a.port.UpgradeClient(), Self: a.rpcAddr,
		Metrics: shown{a.metrics}, Observe: shown{a.metrics}.observe, Prometheus: a.metrics.PrometheusHandler(),
		AgentSelf: a.self, Reload: a.reload,
		Peer: func(r *http.Request) (string, error) {
			p := transport.PeerOf(r.TLS)
			return p.NodeID, nil
		},
		LogFile:     a.logFile(),
		ACL:         a.accessControl(),
		EnablePprof: a.cfg.EnableDebug || a.cfg.DevMode,
		Limits:      httpapi.Limits{MaxConnsPerClient: a.cfg.Limits.HTTPMaxConnsPerClient},
		JobLimits:   jobspec.Limits{MaxCount: a.cfg.Server.JobMaxCount, MaxPriority: a.cfg.Server.JobMaxPriority},
	}
	if s := a.server; s != nil {
		out.State, out.Raft, out.Operator = s.state, log{s}, operator{a}
		out.Leases, out.Autopilot = s.leases, a.autopilot()
		out.PlaceVolume = func(snap *state.Snapshot, v *api.HostVolume) (string, error) {
			return leader.PlaceVolume(snap, v, time.Now())
		}
		out.Foresight = foresight{s}
		out.Secrets, out.JWKS, out.Discovery = s.ring, s.ring.JWKS, s.ring.Discovery
		out.Identities, out.Signer = identities{s.ring}, identities{s.ring}
		out.Planner, out.Liveness, out.Janitor, out.Snapshots = planner{s}, s.leader, janitor{s}, backups{s.raft}
	}
	if n := a.node; n != nil {
		out.NodeIdentity = n.client
		out.Node, out.Allocs, out.Files, out.Checks = n.client, local{n.client}, n.client, n.client.CheckStatuses
		out.Metadata, out.HostVolumes, out.AllocSnapshot = n.client, n.client, n.client.Snapshot
		out.Exec = func(ctx context.Context, alloc string, s httpapi.ExecSession) (int, error) {
			return n.client.Exec(ctx, alloc, client.ExecSession(s))
		}
		out.Owner = func(id string) (httpapi.Owner, bool) {
			ns, drivers, known := n.client.Belongs(id)
			return httpapi.Owner{Namespace: ns, Drivers: drivers}, known
		}
		out.SetServers = func(addrs []string) error { n.calls.SetServers(addrs); return nil }
	}
	return out
}

// logFile is the file that the agent logs to, "" none.
func (a *Agent) logFile() string {
	if strings.HasSuffix(a.cfg.LogFile, "/") {
		return a.cfg.LogFile + "selfheal.log"
	}
	return a.cfg.LogFile
}

// reload reads the configuration again, for those who ask over HTTP.
func (a *Agent) reload() error {
	if a.opts.Reload == nil {
		return errors.New("this agent cannot be reloaded")
	}
	next, err := a.opts.Reload()
	if err != nil {
		return err
	}
	return a.Reload(next)
}

// log is the consensus as the API writes it: its errors in the API's words.
type log struct{ s *server }

func (l log) Apply(ctx context.Context, data []byte) (any, uint64, error) {
	result, index, err := l.s.raft.Apply(ctx, data)
	var not consensus.ErrNotLeader
	switch {
	case errors.As(err, &not):
		err = fmt.Errorf("%w: %w", httpapi.ErrNotLeader, err)
	case errors.Is(err, consensus.ErrLeadershipLost):
		err = fmt.Errorf("%w: %w", httpapi.ErrOutcomeUnknown, err)
	}
	return result, index, err
}

func (l log) IsLeader() bool             { return l.s.leads.Load() }
func (l log) LastContact() time.Duration { return l.s.raft.LastContact() }

func (l log) KnownLeader() bool {
	_, addr := l.s.raft.Leader()
	return addr != ""
}

// operator is what an operator may ask of the consensus group.
type operator struct{ a *Agent }

func (o operator) Configuration(context.Context) (*api.RaftConfiguration, error) {
	servers, index, err := o.a.server.raft.Configuration()
	if err != nil {
		return nil, err
	}
	lead, _ := o.a.server.raft.Leader()
	out := &api.RaftConfiguration{Index: index}
	for _, s := range servers {
		name := "(unknown)"
		if m, ok := o.a.gossip.Member(s.ID); ok {
			name = m.FullName()
		}
		out.Servers = append(out.Servers, &api.RaftServer{ID: s.ID, Node: name, Address: s.Addr, Leader: s.ID == lead, Voter: s.Voter, RaftProtocol: "3"})
	}
	return out, nil
}

func (o operator) RemovePeer(ctx context.Context, id string) error {
	return o.a.server.raft.Remove(ctx, id)
}

func (o operator) TransferLeadership(ctx context.Context, id string) error {
	if id == "" {
		return o.a.server.raft.TransferLeadership(ctx)
	}
	m, ok := o.a.gossip.Member(id)
	if !ok {
		return fmt.Errorf("no server has the ID %q", id)
	}
	return o.a.server.raft.TransferLeadershipTo(ctx, id, m.RPC())
}

// planner answers `job plan` with the leader's own decision.
type planner struct{ s *server }

func (p planner) Plan(ctx context.Context, _ *state.Snapshot, job *api.Job) (*api.JobPlanResponse, error) {
	out, err := p.s.leader.Plan(ctx, job)
	if err != nil {
		return nil, notLeading(err)
	}
	resp := &api.JobPlanResponse{Annotations: out.Annotations, FailedTGAllocs: out.Failed}
	if len(out.Failed) > 0 { // what cannot be placed would wait in an evaluation of its own
		resp.CreatedEvals = []*api.Evaluation{{
			Namespace: *job.Namespace, JobID: *job.ID, Type: *job.Type, Priority: *job.Priority,
			TriggeredBy: "queued-allocs", Status: api.EvalStatusBlocked, FailedTGAllocs: out.Failed,
			StatusDescription: out.Waiting,
		}}
	}
	return resp, nil
}

// local is the client as the API asks it about allocations.
type local struct{ *client.Client }

// HasAlloc reports whether the allocation is, or was, this client's.
func (l local) HasAlloc(id string) bool {
	_, err := l.TaskStates(id)
	return err == nil
}

// janitor forgets on request.
type janitor struct{ s *server }

func (j janitor) ForceGC(ctx context.Context) error { return j.s.leader.CollectGarbage(ctx) }

// ReconcileSummaries has nothing to do: summaries are kept in the transactions
// that change allocations, and cannot drift.
func (j janitor) ReconcileSummaries(context.Context) error { return nil }

// shown is telemetry as the API shows it.
type shown struct{ t *telemetry.Telemetry }

func (s shown) DisplayMetrics(http.ResponseWriter, *http.Request) (any, error) {
	return s.t.DisplayMetrics()
}

// observe counts a request. Durations carry the method alone: a summary for every
// route would cost more memory than it tells.
func (s shown) observe(o httpapi.Observation) {
	s.t.IncrCounter([]string{"http", "requests"}, 1, "method", o.Method, "route", o.Route, "code", strconv.Itoa(o.Code))
	if o.Took > 0 {
		s.t.AddSample([]string{"http", "request_ms"}, float32(o.Took.Seconds()*1000), "method", o.Method)
	}
}
