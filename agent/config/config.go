package config

import "time"

// Config is everything an agent is told. The embedded groups only keep the structs
// small: their fields are top-level keys of the file and are read as c.Region,
// c.LogLevel and so on.
type Config struct {
	Identity
	Network
	Logging
	Process

	// Server is the server block: state, consensus and scheduling.
	Server Server `hcl:"server"`
	// Client is the client block: what this node offers to jobs.
	Client Client `hcl:"client"`
	// Gossip tunes failure detection. It is ours: Nomad has no such block.
	Gossip Gossip `hcl:"gossip"`
	// Autopilot says how the servers look after their own peer set.
	Autopilot Autopilot `hcl:"autopilot"`
	// Plugins holds the plugin blocks by driver name, undecoded: the driver knows its keys.
	Plugins map[string]Plugin `hcl:"plugin"`
	// Keyring holds the keyring block by its label, "aead".
	Keyring map[string]Keyring `hcl:"keyring"`
	// ACL is the acl block.
	ACL ACL `hcl:"acl"`
	// TLS is the tls block.
	TLS TLS `hcl:"tls"`
	// Telemetry is the telemetry block.
	Telemetry Telemetry `hcl:"telemetry"`
	// Consul is the consul block.
	Consul Consul `hcl:"consul"`
	// Vault is the vault block.
	Vault Vault `hcl:"vault"`
	// UI is the ui block.
	UI UI `hcl:"ui"`

	// origin says where a key path was set: "agent.hcl:3:5" or "-region". Keys that
	// nobody set are absent.
	origin map[string]string
}

// Identity is who this agent is.
type Identity struct {
	// Name is unique among the agents of a region; default: the hostname.
	// Members are listed as <name>.<region>.
	Name string `hcl:"name"`
	// Region is one consensus group; default "global". Changing it on an agent with
	// data makes it a stranger to its own state.
	Region string `hcl:"region"`
	// Datacenter is a label that jobs may choose nodes by; default "dc1".
	Datacenter string `hcl:"datacenter"`
	// Version is the version of the binary; set by the caller of Load.
	Version string `hcl:"-"`
	// DevMode is -dev: one agent that is server and client, keeps its state in memory
	// and needs no data_dir.
	DevMode bool `hcl:"-"`
}

// Network is where the agent listens and what it tells others to dial.
type Network struct {
	// BindAddr is the IP address that all three services listen on unless Addresses says
	// otherwise; default 0.0.0.0, with -dev 127.0.0.1. go-sockaddr templates are resolved.
	BindAddr string `hcl:"bind_addr"`
	// Addresses overrides BindAddr for one service. After Load each is set.
	Addresses Addresses `hcl:"addresses"`
	// Advertise is what peers dial, as host:port. After Load each is set.
	Advertise Advertise `hcl:"advertise"`
	// Ports are the three listening ports.
	Ports Ports `hcl:"ports"`
	// HTTPHeaders are added to every HTTP API response, for CORS for instance.
	HTTPHeaders map[string]string `hcl:"http_api_response_headers"`
	// Limits bound what unauthenticated peers can hold open.
	Limits Limits `hcl:"limits"`
}

// Addresses are IP addresses without a port.
type Addresses struct {
	// HTTP may be several addresses, separated by spaces.
	HTTP string `hcl:"http"`
	// RPC is the cluster port's address.
	RPC string `hcl:"rpc"`
	// Serf is the gossip address, UDP and TCP.
	Serf string `hcl:"serf"`
}

// Advertise are host:port addresses. A file may leave out the port: the one of Ports is
// meant. Default: the bind address, or where that is 0.0.0.0 the first private IPv4
// address of this machine (where it is :: the first private address), else any.
type Advertise struct {
	// HTTP is for people and tools, and for agents that fetch logs and files.
	HTTP string `hcl:"http"`
	// RPC is dialled by nodes and servers.
	RPC string `hcl:"rpc"`
	// Serf is dialled by gossip.
	Serf string `hcl:"serf"`
}

// Ports are TCP ports; serf is UDP as well. 0 lets the kernel choose, which only makes
// sense where nobody has to know the port beforehand.
type Ports struct {
	// HTTP is the API of people and tools; default 4646.
	HTTP int `hcl:"http"`
	// RPC is the cluster port, always TLS; default 4647.
	RPC int `hcl:"rpc"`
	// Serf is gossip; default 4648.
	Serf int `hcl:"serf"`
}

// Limits bound connections. 0 switches a limit off.
type Limits struct {
	// HTTPSHandshakeTimeout is how long a TLS handshake may take; default 5s. An
	// attacker can hold rate x timeout half-open connections.
	HTTPSHandshakeTimeout time.Duration `hcl:"https_handshake_timeout"`
	// HTTPMaxConnsPerClient is connections per source IP; default 100.
	HTTPMaxConnsPerClient int `hcl:"http_max_conns_per_client"`
	// RPCHandshakeTimeout is the same for the cluster port; default 5s.
	RPCHandshakeTimeout time.Duration `hcl:"rpc_handshake_timeout"`
	// RPCMaxConnsPerClient is the same for the cluster port; default 100. Many nodes
	// behind one NAT address need more.
	RPCMaxConnsPerClient int `hcl:"rpc_max_conns_per_client"`
}

// Logging is where and how much the agent logs.
type Logging struct {
	// LogLevel is TRACE, DEBUG, INFO, WARN or ERROR in capitals; default INFO. SIGHUP
	// changes it.
	LogLevel string `hcl:"log_level"`
	// LogJSON writes one JSON object a line.
	LogJSON bool `hcl:"log_json"`
	// LogIncludeLocation adds file and line of the call.
	LogIncludeLocation bool `hcl:"log_include_location"`
	// LogFile logs to this file as well; a path that ends in / gets selfheal.log.
	LogFile string `hcl:"log_file"`
	// LogRotateBytes starts a new file beyond this size; 0 never.
	LogRotateBytes Bytes `hcl:"log_rotate_bytes"`
	// LogRotateDuration starts a new file after this time; default 24h.
	LogRotateDuration time.Duration `hcl:"log_rotate_duration"`
	// LogRotateMaxFiles is how many old files stay; 0 keeps all.
	LogRotateMaxFiles int `hcl:"log_rotate_max_files"`
}

// Process is what concerns the process as such.
type Process struct {
	// DataDir holds everything that must survive a restart. Absolute; required unless -dev.
	DataDir string `hcl:"data_dir"`
	// EnableDebug serves pprof under /v1/agent/pprof.
	EnableDebug bool `hcl:"enable_debug"`
	// LeaveOnInterrupt makes SIGINT a departure: the server gives up its vote, the node
	// drains where Client.DrainOnShutdown says so. Without it the cluster expects the
	// agent back.
	LeaveOnInterrupt bool `hcl:"leave_on_interrupt"`
	// LeaveOnTerminate is the same for SIGTERM.
	LeaveOnTerminate bool `hcl:"leave_on_terminate"`
	// DisableUpdateCheck is read and always true in effect: nothing is ever looked up.
	DisableUpdateCheck bool `hcl:"disable_update_check"`
}

// Plugin is one plugin block: the settings of a task driver on this node.
type Plugin struct {
	// Args are kept for completeness; drivers are built in and take none.
	Args []string `hcl:"args"`
	// Config is the config block as bool, float64, int64, string, []any and
	// map[string]any. Repeated blocks of one name become a []any.
	Config map[string]any `hcl:"config"`
}

// ACL is the acl block.
type ACL struct {
	// Enabled refuses requests without a token that allows them; default false.
	Enabled bool `hcl:"enabled"`
	// TokenTTL is how long a resolved token is believed; default 30s. A revoked token
	// works for this long on agents that cached it.
	TokenTTL time.Duration `hcl:"token_ttl"`
	// PolicyTTL is the same for policies; default 30s.
	PolicyTTL time.Duration `hcl:"policy_ttl"`
	// RoleTTL is the same for roles; default 30s.
	RoleTTL time.Duration `hcl:"role_ttl"`
	// ReplicationToken lets this region copy policies from the authoritative one.
	ReplicationToken string `hcl:"replication_token"`
	// TokenMinExpirationTTL is the shortest life a token may be given; default 1m.
	TokenMinExpirationTTL time.Duration `hcl:"token_min_expiration_ttl"`
	// TokenMaxExpirationTTL is the longest; default 24h.
	TokenMaxExpirationTTL time.Duration `hcl:"token_max_expiration_ttl"`
}

// TLS is the tls block. The cluster port is TLS in any case; these files replace the
// certificates that the cluster makes itself.
type TLS struct {
	// HTTP serves the API over HTTPS.
	HTTP bool `hcl:"http"`
	// RPC uses the files below on the cluster port.
	RPC bool `hcl:"rpc"`
	// CAFile is a PEM bundle that peers' certificates must chain to.
	CAFile string `hcl:"ca_file"`
	// CertFile is the PEM certificate of this agent; with KeyFile or not at all.
	CertFile string `hcl:"cert_file"`
	// KeyFile is the PEM key of CertFile.
	KeyFile string `hcl:"key_file"`
	// VerifyServerHostname demands server.<region>.nomad in a server's certificate.
	VerifyServerHostname bool `hcl:"verify_server_hostname"`
	// VerifyHTTPSClient demands a client certificate on the API: mutual TLS.
	VerifyHTTPSClient bool `hcl:"verify_https_client"`
	// MinVersion is tls12 or tls13; default tls12.
	MinVersion string `hcl:"tls_min_version"`
}

// Telemetry is the telemetry block.
type Telemetry struct {
	// PrometheusMetrics serves /v1/metrics?format=prometheus.
	PrometheusMetrics bool `hcl:"prometheus_metrics"`
	// PublishNodeMetrics emits gauges about this node; default false.
	PublishNodeMetrics bool `hcl:"publish_node_metrics"`
	// PublishAllocationMetrics emits gauges for every task: several series a task.
	PublishAllocationMetrics bool `hcl:"publish_allocation_metrics"`
	// CollectionInterval is how often gauges are read; default 1s. Half the interval
	// costs twice the work.
	CollectionInterval time.Duration `hcl:"collection_interval"`
	// InMemoryCollectionInterval is the bucket of the JSON metrics; default 10s.
	InMemoryCollectionInterval time.Duration `hcl:"in_memory_collection_interval"`
	// InMemoryRetentionPeriod is how much of it is kept; default 1m. Memory grows as
	// retention / interval.
	InMemoryRetentionPeriod time.Duration `hcl:"in_memory_retention_period"`
	// DisableHostname leaves the hostname label off gauges.
	DisableHostname bool `hcl:"disable_hostname"`
	// UseNodeName labels with the agent's name instead of the hostname.
	UseNodeName bool `hcl:"use_node_name"`
	// FilterDefault says whether a metric that no PrefixFilter names is kept; default true.
	FilterDefault bool `hcl:"filter_default"`
	// PrefixFilter is a list of "+prefix" (keep) and "-prefix" (drop); the longest wins.
	PrefixFilter []string `hcl:"prefix_filter"`
}

// Consul is the consul block. Empty strings leave it to Consul's own environment
// variables (CONSUL_HTTP_ADDR, CONSUL_HTTP_TOKEN) and defaults.
type Consul struct {
	// Address is host:port or unix:///path; empty means CONSUL_HTTP_ADDR or 127.0.0.1:8500.
	Address string `hcl:"address"`
	// Auth is user:password for HTTP basic authentication.
	Auth string `hcl:"auth"`
	// Token is the ACL token of the agent's own requests.
	Token string `hcl:"token"`
	// SSL dials Consul over HTTPS.
	SSL bool `hcl:"ssl"`
	// VerifySSL checks Consul's certificate; default true.
	VerifySSL bool `hcl:"verify_ssl"`
	// CAFile is the PEM bundle for that.
	CAFile string `hcl:"ca_file"`
	// CertFile is a client certificate; with KeyFile or not at all.
	CertFile string `hcl:"cert_file"`
	// KeyFile is its key.
	KeyFile string `hcl:"key_file"`
	// Timeout bounds one request; default 5s.
	Timeout time.Duration `hcl:"timeout"`
	// Tags are added to the agent's own services.
	Tags []string `hcl:"tags"`
	// AutoAdvertise registers the agent itself in Consul; default true.
	AutoAdvertise bool `hcl:"auto_advertise"`
	// ChecksUseAdvertise makes the agent's checks dial the advertised address.
	ChecksUseAdvertise bool `hcl:"checks_use_advertise"`
	// ServerServiceName is the servers' service; default "nomad".
	ServerServiceName string `hcl:"server_service_name"`
	// ClientServiceName is the nodes' service; default "nomad-client".
	ClientServiceName string `hcl:"client_service_name"`
	// ServerAutoJoin finds servers through Consul; default true.
	ServerAutoJoin bool `hcl:"server_auto_join"`
	// ClientAutoJoin lets a node find servers through Consul; default true.
	ClientAutoJoin bool `hcl:"client_auto_join"`
}

// Vault is the vault block.
type Vault struct {
	// Enabled is read so that files which say false are silent; true earns a warning.
	Enabled bool `hcl:"enabled"`
}

// UI is the ui block.
type UI struct {
	// Enabled serves the web UI under /ui/; default true.
	Enabled bool `hcl:"enabled"`
	// ShowCLIHints lets commands print the matching UI address; default true.
	ShowCLIHints bool `hcl:"show_cli_hints"`
}
