package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/selfheal/selfheal/agent/client"
	"github.com/selfheal/selfheal/agent/config"
	"github.com/selfheal/selfheal/agent/driver"
	"github.com/selfheal/selfheal/agent/gossip"
	"github.com/selfheal/selfheal/agent/httpapi"
	"github.com/selfheal/selfheal/agent/telemetry"
	"github.com/selfheal/selfheal/agent/transport"
)

// Options are what an agent gets from its process rather than from its
// configuration. The zero value but for Logger is a real agent; tests fill in
// the rest.
type Options struct {
	Logger  hclog.InterceptLogger
	Version string
	// Warnings are said again by the running agent, where its log is read.
	Warnings []string

	Network  Network         // nil: the kernel's
	Identity Identity        // empty: of the data directory
	BootID   string          // "": of the machine
	Drivers  []driver.Driver // nil: those that the configuration enables
	Servers  *ServerStores   // nil: on disk, or in memory with -dev
	// Reload reads the configuration again for PUT /v1/agent/reload; nil: not possible.
	Reload func() (*config.Config, error)
	// Fingerprint replaces the look at the machine by a fixed answer; nil: look.
	Fingerprint func(context.Context, client.FingerprintConfig) (client.Facts, error)
}

// Agent is one running agent.
type Agent struct {
	cfg  *config.Config
	opts Options
	log  hclog.Logger
	id   Identity
	net  Network
	life lifecycle

	metrics *telemetry.Telemetry
	port    *transport.Port
	gossip  *gossip.Gossip
	// dismissed are the members that were told to leave and still answer.
	dismissed dismissals
	server    *server // nil on a client
	node      *node   // nil on a server
	api       *httpapi.API
	leaving   atomic.Bool // it stops in good order, and streams were told

	httpAddr     string
	httpListener net.Listener
	rpcAddr      string
}

// New starts an agent. When it returns, the agent listens, has joined or keeps
// trying to, and serves its API. On an error nothing of it runs.
func New(cfg *config.Config, opts Options) (*Agent, error) {
	a := &Agent{cfg: cfg, opts: opts, log: opts.Logger, net: opts.Network}
	if a.net == nil {
		a.net = kernel{}
	}
	a.life.log = a.log
	for _, step := range []struct {
		name  string
		start func() error
	}{
		{"listening", a.tryListen},
		{"data directory", a.startIdentity},
		{"telemetry", a.startTelemetry},
		{"cluster port", a.startPort},
		{"gossip", a.startGossip},
		{"server", a.startServer},
		{"client", a.startNode},
		{"http api", a.startAPI},
		{"join", a.startJoin},
	} {
		if err := step.start(); err != nil {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			a.life.shutdown(ctx)
			return nil, fmt.Errorf("start %s: %w", step.name, err)
		}
	}
	for _, w := range opts.Warnings {
		a.log.Warn(w)
	}
	a.log.Info("agent is up", "node", a.id.ID, "name", cfg.Name, "http", a.httpAddr, "server", cfg.Server.Enabled, "client", cfg.Client.Enabled)
	return a, nil
}

// tryListen finds out before the first start whether the addresses are to be had, so
// that an agent which cannot run leaves no data directory behind. Where there is one
// already, its lock has the better explanation: the agent that has the addresses.
func (a *Agent) tryListen() error {
	if _, err := os.Stat(a.dataDir()); err == nil {
		return nil
	}
	for _, at := range []struct {
		what, host string
		port       int
	}{{"rpc", a.cfg.Addresses.RPC, a.cfg.Ports.RPC}, {"http", a.cfg.Addresses.HTTP, a.cfg.Ports.HTTP}, {"serf", a.cfg.Addresses.Serf, a.cfg.Ports.Serf}} {
		ln, err := a.listen(at.what, at.host, at.port)
		if err != nil {
			return err
		}
		ln.Close()
	}
	return nil
}

// startIdentity takes the data directory.
func (a *Agent) startIdentity() error {
	dir := a.dataDir()
	if dir != "" {
		lock, err := lockDataDir(dir)
		if err != nil {
			return err
		}
		a.life.add("data directory", func(context.Context) error { return lock.Close() })
	}
	a.id = a.opts.Identity
	if a.opts.BootID == "" {
		a.opts.BootID = bootID()
	}
	if a.id.ID != "" {
		return nil
	}
	var err error
	if dir == "" {
		a.id, err = newIdentity()
	} else {
		a.id.ID, a.id.SecretID, err = client.LoadIdentity(dir)
	}
	return err
}

// dataDir is where this agent keeps what must survive it; "" with -dev, whose
// allocations live in a temporary directory.
func (a *Agent) dataDir() string {
	if a.cfg.DevMode {
		return ""
	}
	return a.cfg.DataDir
}

// clientDir is where the client keeps its journal and its allocations.
func (a *Agent) clientDir() (string, error) {
	if dir := a.dataDir(); dir != "" {
		return dir, nil
	}
	dir, err := os.MkdirTemp("", "selfheal-dev-")
	if err != nil {
		return "", err
	}
	a.life.add("temporary directory", func(context.Context) error { return os.RemoveAll(dir) })
	return dir, nil
}

func (a *Agent) serverDir() string {
	if dir := a.dataDir(); dir != "" {
		return filepath.Join(dir, "server")
	}
	return ""
}

// HTTPAddr is the host:port that people and tools reach this agent's API at.
func (a *Agent) HTTPAddr() string { return a.httpAddr }

// NodeID is the agent's ID: of the node, the gossip member and the raft server.
func (a *Agent) NodeID() string { return a.id.ID }

// Exit says how an agent stops.
type Exit int

const (
	// Restart: it will be back. Its tasks go on, and nothing is to move.
	Restart Exit = iota
	// Leave: it goes for good. Servers give up their vote.
	Leave
	// Crash: as if its process had been killed; for tests.
	Crash
)

// Shutdown stops the agent in the reverse order of its start.
func (a *Agent) Shutdown(ctx context.Context, exit Exit) error {
	if exit != Crash {
		a.farewell(ctx, exit)
		a.leaving.Store(true)
		a.api.Close()
	}
	a.life.shutdown(ctx)
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("shutdown did not end in time: %w", err)
	}
	return nil
}

// farewell tells the cluster what kind of absence this will be, so that nobody
// has to find out. Tasks outlive an agent that will be back; they end with one
// that leaves, once the cluster knows that it does, and with -dev.
func (a *Agent) farewell(ctx context.Context, exit Exit) {
	said := func(what string, err error) {
		if err != nil && !errors.Is(err, context.Canceled) {
			a.log.Warn(what, "err", err)
		}
	}
	alone := a.gossip.NumNodes() == 1
	if a.server != nil && a.server.raft.IsLeader() && !alone {
		said("hand over leadership", a.server.raft.TransferLeadership(ctx))
	}
	mode := client.Restart
	switch {
	case a.cfg.DevMode && alone:
		mode = client.Vanish
	case a.cfg.DevMode || exit == Leave:
		mode = client.StopTasks
	}
	if exit == Leave && !alone {
		said("leave", a.gossip.Leave(ctx))
	}
	if mode == client.Vanish { // its own leader would place again what is stopped here
		said("stop leading", a.life.end(ctx, "leader"))
	}
	if a.node != nil {
		said("stop the client", a.node.client.Shutdown(ctx, mode))
	}
	if exit == Restart && !alone {
		said("announce the restart", a.gossip.AnnounceRestart(ctx))
	}
}

// listen opens a TCP listener and says what is in the way when it cannot.
func (a *Agent) listen(what, host string, port int) (net.Listener, error) {
	addr := net.JoinHostPort(host, fmt.Sprint(port))
	ln, err := a.net.Listen(addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %s for %s: %w (another agent? choose another port with ports { %s = ... })", addr, what, err, what)
	}
	return ln, nil
}
