package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
	"github.com/selfheal/selfheal/jobspec"
)

// Config is all that the API needs. What an agent does not have stays nil: a
// client-only agent has no State, Raft, Operator, Planner, Liveness, Janitor and
// Snapshots; a server-only one no Node, Allocs and Files.
type Config struct {
	// Logger feeds /v1/agent/monitor too.
	Logger hclog.InterceptLogger

	Region, Datacenter, NodeName, Version string

	State     *state.Store
	Raft      Raft
	Operator  RaftOperator
	Planner   Planner
	Foresight Foresight
	Liveness  Liveness
	Leases    Leases
	Janitor   Janitor
	Snapshots Snapshots

	Node   Node
	Allocs Allocs
	Files  Files
	// NodeIdentity is the local client's own; it comes with Node.
	NodeIdentity NodeIdentity
	// Checks answers the status of an allocation's checks on this node.
	Checks func(allocID string) (api.AllocCheckStatuses, error)

	// Exec runs a command in a task of this node until it ends or ctx does, and
	// returns its exit code.
	Exec func(ctx context.Context, allocID string, s ExecSession) (exitCode int, err error)

	// AllocSnapshot returns what writes an archive of an allocation's files.
	AllocSnapshot func(allocID string) (write func(context.Context, io.Writer) error, err error)

	Metadata    Metadata
	HostVolumes HostVolumes
	// PlaceVolume chooses the node for a new host volume, or says why none will do.
	PlaceVolume func(*state.Snapshot, *api.HostVolume) (nodeID string, err error)
	// Autopilot is in force until something else is set; nil: the defaults.
	Autopilot *api.AutopilotConfiguration
	// LogFile is the file that this agent writes its log to, "" none.
	LogFile string

	Cluster Cluster
	Keyring Keyring
	Peers   Peers
	// Agents are the cluster ports of every living agent, clients too, by name.
	Agents func() map[string]string
	// Forward calls other agents' cluster ports; https and HTTP/2 by its transport.
	Forward *http.Client
	// Upgrade is Forward over HTTP/1.1, for websockets.
	Upgrade *http.Client
	// ForwardScheme is the scheme of cluster ports; "" = https.
	ForwardScheme string
	// Self is this agent's name among Peers' addresses, so that it never calls itself.
	Self string

	Metrics Metrics
	// Observe is told of every answered request; nil: nobody counts.
	Observe    func(Observation)
	Prometheus http.Handler
	AgentSelf  func() *api.AgentSelf
	Reload     func() error
	// SetServers replaces the servers that the local client talks to.
	SetServers func(addrs []string) error
	ACL        ACL
	// Owner says whose an allocation of this node is; nil: there is no client.
	Owner func(allocID string) (Owner, bool)
	// Identities checks identities of workloads; nil: none is accepted.
	Identities Identities
	// Secrets seals variables, and makes root keys. It comes with State.
	Secrets Secrets
	// Signer signs identities. It comes with State.
	Signer Signer
	// JWKS is the document of /.well-known/jwks.json.
	JWKS func() json.RawMessage
	// Discovery is that of /.well-known/openid-configuration, nil without an issuer.
	Discovery func() any
	// UI serves /ui/; nil: no UI.
	UI http.Handler

	// Peer answers who is on the other side of a cluster port's connection (its
	// certificate says so); an error refuses the request. Nil lets everyone in.
	Peer func(*http.Request) (name string, err error)

	EnablePprof bool
	Limits      Limits
	JobLimits   jobspec.Limits
}

// Limits bound what one client may ask for.
type Limits struct {
	// MaxBody is the largest request body in bytes: it is held in memory and, for a
	// job, becomes one entry of the log. A snapshot to restore is streamed and has no limit.
	MaxBody int64
	// MaxConnsPerClient is how many requests one address may have open; more are
	// answered 429. Negative: no limit. Fact of the Nomad API: http_max_conns_per_client 100.
	MaxConnsPerClient int
	// LeaderWait is how long a request waits for a leader while one is elected: the
	// killed leader's successor accepts writes within about a second.
	LeaderWait time.Duration
	// BodyWait is how long a request's body may take to arrive, so that nobody holds
	// a connection and memory by sending slowly. Streamed bodies have no limit.
	BodyWait time.Duration
}

// DefaultLimits are the limits of an agent that sets none.
func DefaultLimits() Limits {
	return Limits{MaxBody: 16 << 20, MaxConnsPerClient: 100, LeaderWait: 2 * time.Second, BodyWait: time.Minute}
}

// API serves the HTTP API.
type API struct {
	cfg     Config
	log     hclog.Logger
	people  *router // the http port
	peers   *router // the cluster port: the same and the node routes
	conns   *connLimit
	says    *reports
	orders  *pace
	answers *answers
	now     func() time.Time
	// started is when the API was made.
	started time.Time
	// workers is what somebody set for the scheduler workers that there are not.
	workers atomic.Pointer[api.AgentSchedulerWorkerConfigResponse]

	// compiled and callers are what access control remembers.
	compiled *compiler
	callers  *callers
	keys     keyCache
	logins   oidcLogins

	// closing ends every blocking query and stream: see Close.
	closing context.Context
	stop    context.CancelFunc
}

// New checks the configuration and makes the API.
func New(cfg Config) (*API, error) {
	switch {
	case cfg.Logger == nil:
		return nil, errors.New("httpapi: no logger")
	case (cfg.State == nil) != (cfg.Raft == nil):
		return nil, errors.New("httpapi: State and Raft come together")
	case (cfg.State == nil) != (cfg.Secrets == nil) || (cfg.State == nil) != (cfg.Signer == nil):
		return nil, errors.New("httpapi: State, Secrets and Signer come together")
	case cfg.Peers == nil || cfg.Cluster == nil:
		return nil, errors.New("httpapi: Peers and Cluster are needed")
	}
	def := DefaultLimits()
	if cfg.Limits.MaxBody == 0 {
		cfg.Limits.MaxBody = def.MaxBody
	}
	if cfg.Limits.MaxConnsPerClient == 0 {
		cfg.Limits.MaxConnsPerClient = def.MaxConnsPerClient
	}
	if cfg.Limits.LeaderWait == 0 {
		cfg.Limits.LeaderWait = def.LeaderWait
	}
	if cfg.Limits.BodyWait == 0 {
		cfg.Limits.BodyWait = def.BodyWait
	}
	if cfg.Forward == nil {
		cfg.Forward = http.DefaultClient
	}
	if cfg.Autopilot == nil {
		cfg.Autopilot = state.DefaultAutopilot()
	}
	if cfg.Upgrade == nil {
		cfg.Upgrade = cfg.Forward
	}
	if cfg.ForwardScheme == "" {
		cfg.ForwardScheme = "https"
	}
	a := &API{cfg: cfg, log: cfg.Logger.Named("http"), now: time.Now, started: time.Now(), compiled: newCompiler(), callers: newCallers()}
	a.closing, a.stop = context.WithCancel(context.Background())
	a.people = newRouter(routes())
	a.peers = newRouter(append(routes(), nodeRoutes()...))
	a.says = &reports{commit: a.commitReports}
	a.orders = newPace(a.deciding)
	a.answers = &answers{}
	if cfg.State != nil {
		cfg.State.Changes(func(changes []state.Change) {
			if len(changes) > 0 && changes[0].Table == state.TableRestore {
				a.answers.forget()
			}
		})
	}
	a.conns = newConnLimit(cfg.Limits.MaxConnsPerClient)
	return a, nil
}

// Close makes every blocking query answer with what it has and every stream end,
// now and from now on, so that the HTTP servers can shut down in good order.
func (a *API) Close() { a.stop() }

// Handler serves the http port: people and tools.
func (a *API) Handler() http.Handler { return a.conns.wrap(a.serve(a.people)) }

// ClusterHandler serves the cluster port: node routes, and requests that other
// agents forward.
func (a *API) ClusterHandler() http.Handler {
	next := a.serve(a.peers)
	if a.cfg.Peer == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, hr *http.Request) {
		if _, err := a.cfg.Peer(hr); err != nil {
			a.log.Warn("refused a peer", "addr", hr.RemoteAddr, "err", err)
			http.Error(w, "Permission denied: "+err.Error(), http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, hr)
	})
}

func (a *API) serve(rt *router) http.Handler {
	return http.HandlerFunc(func(hw http.ResponseWriter, hr *http.Request) {
		w := &watched{ResponseWriter: hw}
		ctx, cancel := context.WithCancel(hr.Context())
		defer cancel()
		defer context.AfterFunc(a.closing, cancel)()
		hr = hr.WithContext(ctx)
		start := a.now()
		row, vars, known := rt.find(hr.Method, hr.URL.EscapedPath())
		r, err := newRequest(w, hr, row, vars)
		if r.fromPeer = rt == a.peers; !r.fromPeer {
			hr.Header.Del(headerHops) // only agents say how far a request has come
		}
		defer a.recover(r)
		switch {
		case !known:
			a.serveOther(w, hr)
		case row == nil:
			a.respondError(r, errBadMethod)
		case err != nil:
			a.respondError(r, err)
		default:
			out, err := a.dispatch(r)
			a.respond(r, out, err)
			took := a.now().Sub(start)
			a.observe(r, w, out, took)
			a.log.Debug("request complete", "method", r.Method, "path", r.URL.Path, "duration", took)
		}
	})
}

// serveOther answers what is not in the table: the UI, or an empty 404.
func (a *API) serveOther(w http.ResponseWriter, hr *http.Request) {
	if a.cfg.UI != nil && hr.URL.Path == "/" {
		http.Redirect(w, hr, "/ui/", http.StatusTemporaryRedirect)
		return
	}
	if a.cfg.UI != nil && len(hr.URL.Path) >= 4 && hr.URL.Path[:4] == "/ui/" {
		a.cfg.UI.ServeHTTP(w, hr)
		return
	}
	w.WriteHeader(http.StatusNotFound)
}

// recover turns a broken invariant in a handler into a 500; the agent goes on.
func (a *API) recover(r *request) {
	p := recover()
	if p == nil {
		return
	}
	if p == http.ErrAbortHandler {
		panic(p)
	}
	a.log.Error("handler panicked", "method", r.Method, "path", r.URL.Path, "panic", p, "stack", string(debug.Stack()))
	a.respondError(r, errors.New("internal error: the agent's log has the details"))
}

// dispatch sends a request to where it is answered, and answers it if its caller may ask.
func (a *API) dispatch(r *request) (any, error) {
	whole := r.Context()
	if a.asksBefore(r) {
		if err := a.allow(r); err != nil {
			return nil, err
		}
		defer a.until(r)() // what is passed on from a node ends with the right to it too
	}
	deadline := a.now().Add(a.cfg.Limits.LeaderWait)
	for {
		if out, done, err := a.carry(r); done {
			if err != nil && whole.Err() == nil && r.Context().Err() != nil {
				err = errTokenExpired
			}
			return out, err
		}
		if !r.row.asks {
			if err := a.allow(r); err != nil {
				return nil, err
			}
		}
		out, err := a.answer(r)
		// Deposed between the two: the next leader takes it, unless it may have
		// happened already and must not happen twice.
		again := errors.Is(err, ErrNotLeader) || errors.Is(err, ErrOutcomeUnknown) && r.repeatable()
		if !again || !a.now().Before(deadline) {
			return out, err
		}
		select {
		case <-r.Context().Done():
			return nil, r.Context().Err()
		case <-time.After(leaderPoll):
		}
	}
}

// answer runs the handler of a request that may be answered here.
func (a *API) answer(r *request) (any, error) {
	whole := r.Request
	end := a.until(r)
	out, err := r.row.do(a, r)
	late := r.Context().Err() != nil && whole.Context().Err() == nil
	end()
	r.Request = whole
	if late && err != nil {
		return nil, errTokenExpired
	}
	return out, err
}
