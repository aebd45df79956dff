package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/driver"
	"github.com/selfheal/selfheal/agent/nodeapi"
)

// Servers are the calls that a node makes; *nodeapi.Client is the real one. Each
// tries every server once and then returns an error.
type Servers interface {
	Register(context.Context, nodeapi.RegisterRequest) (*nodeapi.RegisterResponse, error)
	Allocs(context.Context, nodeapi.AllocsRequest) (*nodeapi.AllocsResponse, error)
	Status(context.Context, nodeapi.StatusRequest) (*nodeapi.StatusResponse, error)
	Goodbye(context.Context, nodeapi.GoodbyeRequest) error
	Identities(context.Context, nodeapi.IdentitiesRequest) (*nodeapi.IdentitiesResponse, error)
}

// Metrics takes what the client measures. Names are dotted, e.g. "client.allocs.running".
type Metrics interface {
	SetGauge(name string, value float64)
	AddCounter(name string, n float64)
}

// Config is all that a Client needs to know.
type Config struct {
	NodeID, SecretID    string // as LoadIdentity gives them
	Name                string // "" is the host name
	Region, Datacenter  string
	NodeClass, NodePool string
	Meta                map[string]string
	Options             map[string]string // "env.denylist"
	Version             string            // of Selfheal

	AllocDir string // directories of allocations
	StateDir string // the journal and the drivers' state; mode 0700
	// VolumesDir is where host volumes are made; "" is StateDir/host_volumes.
	VolumesDir string

	Drivers           []driver.Driver
	Servers           Servers
	HTTPAddr, RPCAddr string // advertised host:port of the API and of the cluster port
	TLS               bool   // the API at HTTPAddr is https

	Resources        Resources
	NetworkInterface string // "" is the default route's
	HostVolumes      map[string]*api.HostVolumeInfo
	HostNetworks     map[string]*api.HostNetworkInfo
	MaxAllocs        int // the most allocations to place here; 0: no limit

	// Fingerprint finds out about the machine; nil is the function of that name.
	Fingerprint func(context.Context, FingerprintConfig) (Facts, error)
	// FingerprintEvery is how often it is asked again; 0 is one minute.
	FingerprintEvery time.Duration
	// PollWait is how long servers hold a poll when nothing changes; 0 is 30 s. A
	// longer one costs less and notices a dead server later, where connections are
	// not watched otherwise.
	PollWait time.Duration
	// MaxKillTimeout bounds every kill_timeout; 0 is 30 s.
	MaxKillTimeout time.Duration
	// Checks runs the health checks of services. nil: tasks that run are healthy.
	Checks Checks

	GC      GC
	Logger  hclog.Logger
	Metrics Metrics // nil: nobody is told
}

// Client is a node: it registers, runs what the servers want, and says what became
// of it. Make one with New, and let Run run.
type Client struct {
	cfg       Config
	log       hclog.Logger
	journal   *journal
	shared    *shared
	reporter  *reporter
	register  *registrar
	drivers   map[string]driver.Driver
	hostStats hostSampler
	own       ownIdentity

	telling sync.Mutex // held while the node is told something; taken before mu
	mu      sync.Mutex
	told    told
	node    *api.Node
	allocs  map[string]*alloc
	jobs    map[nodeapi.JobRef]*api.Job
	contact time.Time // when a server last answered

	restored  []func(context.Context) // resumes what the journal had
	confirmed chan struct{}           // closed when servers have said what is to run here
	adopted   chan struct{}           // closed when what nobody knows has been ended

	leaving chan struct{} // closed by Shutdown: Run is to return
	leave   sync.Once
	stopped chan struct{} // closed when Run has returned
	running bool
	collect chan struct{} // capacity 1: there may be too many allocations
}

// New opens the journal and looks at the machine. Nothing runs yet.
func New(cfg Config) (*Client, error) {
	if !validAllocID(cfg.NodeID) {
		return nil, fmt.Errorf("make client: node ID %q is not a UUID", cfg.NodeID)
	}
	if cfg.AllocDir == "" || cfg.StateDir == "" || cfg.Servers == nil {
		return nil, errors.New("make client: AllocDir, StateDir and Servers are required")
	}
	cfg = cfg.withDefaults()
	for _, dir := range []*string{&cfg.AllocDir, &cfg.StateDir, &cfg.VolumesDir} { // tasks run elsewhere
		abs, err := filepath.Abs(*dir)
		if err != nil {
			return nil, fmt.Errorf("make client: %w", err)
		}
		*dir = abs
	}
	for dir, mode := range map[string]os.FileMode{cfg.AllocDir: 0o711, cfg.StateDir: 0o700} {
		if err := os.MkdirAll(dir, mode); err != nil {
			return nil, fmt.Errorf("make client: %w", err)
		}
	}
	c := &Client{
		cfg: cfg, log: cfg.Logger,
		allocs: map[string]*alloc{}, jobs: map[nodeapi.JobRef]*api.Job{},
		drivers:   map[string]driver.Driver{},
		confirmed: make(chan struct{}),
		adopted:   make(chan struct{}),
		leaving:   make(chan struct{}), stopped: make(chan struct{}), collect: make(chan struct{}, 1),
	}
	for _, d := range cfg.Drivers {
		c.drivers[d.Name()] = d
	}
	var err error
	if c.told, err = readTold(cfg.StateDir); err != nil {
		return nil, fmt.Errorf("make client: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), fingerprintLimit)
	defer cancel()
	facts, err := cfg.Fingerprint(ctx, c.fingerprintConfig())
	if err != nil {
		c.log.Warn("finding out about this machine was not complete", "err", err)
	}
	c.node = c.buildNode(ctx, facts)
	c.register = &registrar{c: c, bootID: facts.BootID, wake: make(chan struct{}, 1), first: make(chan struct{}), heard: make(chan struct{})}
	c.reporter = newReporter(cfg.Servers, cfg.NodeID, c.log, c.refused)
	return c, c.open()
}

// fingerprintLimit bounds the look at the machine and its drivers.
const fingerprintLimit = 10 * time.Second

func (cfg Config) withDefaults() Config {
	cfg.Region = cmp.Or(cfg.Region, "global")
	cfg.VolumesDir = cmp.Or(cfg.VolumesDir, filepath.Join(cfg.StateDir, "host_volumes"))
	cfg.FingerprintEvery = cmp.Or(cfg.FingerprintEvery, time.Minute)
	cfg.PollWait = cmp.Or(cfg.PollWait, 30*time.Second)
	cfg.MaxKillTimeout = cmp.Or(cfg.MaxKillTimeout, 30*time.Second)
	cfg.GC = cfg.GC.withDefaults()
	if cfg.Fingerprint == nil {
		cfg.Fingerprint = Fingerprint
	}
	if cfg.Logger == nil {
		cfg.Logger = hclog.NewNullLogger()
	}
	if cfg.Metrics == nil {
		cfg.Metrics = noMetrics{}
	}
	return cfg
}

// noMetrics tells nobody.
type noMetrics struct{}

func (noMetrics) SetGauge(string, float64)   {}
func (noMetrics) AddCounter(string, float64) {}

// open reads the journal and prepares the allocations in it.
func (c *Client) open() error {
	j, content, err := openJournal(filepath.Join(c.cfg.StateDir, "journal.db"), c.log)
	if err != nil {
		return err
	}
	c.journal = j
	env := hostEnv(os.Environ(), c.cfg.Options)
	if program, err := os.Executable(); err == nil {
		env = withProgram(env, program)
	}
	c.shared = &shared{
		allocDir: c.cfg.AllocDir, taskStateDir: filepath.Join(c.cfg.StateDir, "tasks"),
		region: c.cfg.Region, env: env,
		facts:   func() nodeFacts { return factsOf(c.Node(), c.cfg.Region) },
		volumes: func() map[string]*api.HostVolumeInfo { return c.Node().HostVolumes },
		drivers: c.drivers, maxKillTimeout: c.cfg.MaxKillTimeout,
		journal: j, report: c.reporter.set, checks: c.cfg.Checks,
		nodeID: c.cfg.NodeID, identities: c.cfg.Servers.Identities,
		removed: c.removed, metrics: c.cfg.Metrics, log: c.log,
	}
	c.jobs = content.jobs
	c.contact = time.Now()
	if !content.contact.IsZero() && content.contact.Before(c.contact) {
		c.contact = content.contact // the time without an agent counts too
	}
	c.restore(content)
	return nil
}

// fingerprintConfig says what to look at.
func (c *Client) fingerprintConfig() FingerprintConfig {
	return FingerprintConfig{AllocDir: c.cfg.AllocDir, Interface: c.cfg.NetworkInterface}
}

// NodeID is the node's UUID.
func (c *Client) NodeID() string { return c.cfg.NodeID }

// Node is the node as it is, or will be, registered. It is not to be changed.
func (c *Client) Node() *api.Node {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.node
}

// Run is the node's life until ctx ends or Shutdown is called: what was journaled
// is taken up again, the node registers, and what the servers want is made so. When
// it returns nothing of ours runs but the tasks under their supervisors. A Client
// runs once.
func (c *Client) Run(ctx context.Context) error {
	c.mu.Lock()
	if c.running {
		c.mu.Unlock()
		return errors.New("run client: it has run, or was shut down, before")
	}
	c.running = true
	restored := c.restored
	c.restored = nil
	c.mu.Unlock()
	defer close(c.stopped)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, resume := range restored {
		resume(ctx)
	}
	var wg sync.WaitGroup
	for _, loop := range []func(context.Context){
		c.register.run, c.afterRegistration(c.reporter.run), c.afterRegistration(c.poll),
		c.refingerprint, c.collectLoop, c.isolation, c.adopt,
	} {
		wg.Go(func() { loop(ctx) })
	}
	select {
	case <-ctx.Done():
	case <-c.leaving:
	}
	cancel()
	wg.Wait()
	for _, a := range c.all() {
		<-a.done
	}
	return c.journal.close()
}
