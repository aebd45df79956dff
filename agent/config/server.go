package config

import "time"

// Server is the server block.
type Server struct {
	// Enabled makes this agent a server.
	Enabled bool `hcl:"enabled"`
	// BootstrapExpect is how many servers must see each other before they form a new
	// cluster: 3 or 5. 1 forms one at once and survives no failure; 0 never forms one
	// and only joins. Ignored once there is state.
	BootstrapExpect int `hcl:"bootstrap_expect"`
	// DataDir overrides data_dir/server. Absolute.
	DataDir string `hcl:"data_dir"`
	// Encrypt is the cluster key: base64 of 16, 24 or 32 bytes. Gossip is encrypted with
	// it, and whoever has it may join.
	Encrypt string `hcl:"encrypt"`
	// Join is the server_join block; the older keys retry_join, retry_max,
	// retry_interval and start_join of the server block are read into it.
	Join Join `hcl:"server_join"`
	// RejoinAfterLeave joins again although the agent had left for good.
	RejoinAfterLeave bool `hcl:"rejoin_after_leave"`
	// AuthoritativeRegion is the region that ACLs are copied from; default: this one.
	AuthoritativeRegion string `hcl:"authoritative_region"`
	// OIDCIssuer is the base URL under which third parties reach /.well-known/ of this
	// cluster; it becomes the issuer of workload identities. Default: none.
	OIDCIssuer string `hcl:"oidc_issuer"`
	// EventBufferSize is how many log entries a late subscriber of events can still read;
	// default 1000: what a busy cluster writes while a watcher finds another server.
	EventBufferSize int `hcl:"event_buffer_size"`
	// Scheduler is used when the cluster forms, and never again: the API changes it.
	Scheduler Scheduler `hcl:"default_scheduler_config"`

	GC
	Raft
	JobLimits
}

// GC is how long the servers keep what is over. Memory grows with threshold x rate.
type GC struct {
	// JobGCInterval is the time between two collections; default 5m.
	JobGCInterval time.Duration `hcl:"job_gc_interval"`
	// JobGCThreshold keeps dead jobs; default 4h.
	JobGCThreshold time.Duration `hcl:"job_gc_threshold"`
	// EvalGCThreshold keeps finished evaluations and their allocations; default 1h.
	EvalGCThreshold time.Duration `hcl:"eval_gc_threshold"`
	// BatchEvalGCThreshold is the same for batch jobs; default 24h.
	BatchEvalGCThreshold time.Duration `hcl:"batch_eval_gc_threshold"`
	// DeploymentGCThreshold keeps finished deployments; default 1h.
	DeploymentGCThreshold time.Duration `hcl:"deployment_gc_threshold"`
	// ACLTokenGCThreshold keeps tokens that have expired, which nobody can use; default 1h.
	ACLTokenGCThreshold time.Duration `hcl:"acl_token_gc_threshold"`
	// NodeGCThreshold keeps nodes that are down; default 24h.
	NodeGCThreshold time.Duration `hcl:"node_gc_threshold"`
	// RootKeyGCInterval is the time between two looks at the root keyring; default 10m.
	RootKeyGCInterval time.Duration `hcl:"root_key_gc_interval"`
	// RootKeyGCThreshold keeps a root key that nothing needs, beyond
	// RootKeyRotationThreshold after it retired; default 1h.
	RootKeyGCThreshold time.Duration `hcl:"root_key_gc_threshold"`
	// RootKeyRotationThreshold is the age at which the active root key retires; the next
	// is published at half of it. Default 720h, 0 never.
	RootKeyRotationThreshold time.Duration `hcl:"root_key_rotation_threshold"`
}

// Raft tunes consensus. The zero of a field leaves the default of the consensus room.
type Raft struct {
	// RaftMultiplier scales raft's timeouts, 0 to 10; 0 and 1 are the fastest. Detecting
	// a dead leader takes about multiplier x 1s; a slow network needs more.
	RaftMultiplier int `hcl:"raft_multiplier"`
	// RaftSnapshotThreshold is how many log entries are written before a snapshot is
	// worth it; default 8192. A restart replays up to this many.
	RaftSnapshotThreshold int `hcl:"raft_snapshot_threshold"`
	// RaftSnapshotInterval is how often that is looked at; default 120s.
	RaftSnapshotInterval time.Duration `hcl:"raft_snapshot_interval"`
	// RaftTrailingLogs stay after a snapshot, so that a follower which was briefly away
	// does not need the whole snapshot; default 10240.
	RaftTrailingLogs int `hcl:"raft_trailing_logs"`
}

// JobLimits are what a job may ask for.
type JobLimits struct {
	// JobMaxPriority is 100 to 32766; default 100.
	JobMaxPriority int `hcl:"job_max_priority"`
	// JobDefaultPriority is 50 to JobMaxPriority; default 50.
	JobDefaultPriority int `hcl:"job_default_priority"`
	// JobMaxCount bounds the sum of a job's group counts; default 50000, 0 no limit.
	JobMaxCount int `hcl:"job_max_count"`
	// JobMaxSourceSize bounds the job file kept beside a job; default 1M. A longer one
	// is dropped, the job is accepted.
	JobMaxSourceSize Bytes `hcl:"job_max_source_size"`
	// JobTrackedVersions is how many versions of a job are kept; default 6.
	JobTrackedVersions int `hcl:"job_tracked_versions"`
}

// Scheduler is the default_scheduler_config block.
type Scheduler struct {
	// Algorithm is "binpack" or "spread"; empty means binpack.
	Algorithm string `hcl:"scheduler_algorithm"`
	// MemoryOversubscription lets tasks use memory_max.
	MemoryOversubscription bool `hcl:"memory_oversubscription_enabled"`
	// RejectJobRegistration refuses jobs from tokens that are not management tokens.
	RejectJobRegistration bool `hcl:"reject_job_registration"`
	// Paused starts with scheduling paused.
	Paused bool `hcl:"pause_eval_broker"`
	// Preemption says which job types may displace lower priorities.
	Preemption Preemption `hcl:"preemption_config"`
}

// Preemption is the preemption_config block. Defaults: system true, the others false.
type Preemption struct {
	// System is for jobs of type system.
	System bool `hcl:"system_scheduler_enabled"`
	// SysBatch is for jobs of type sysbatch.
	SysBatch bool `hcl:"sysbatch_scheduler_enabled"`
	// Batch is for jobs of type batch.
	Batch bool `hcl:"batch_scheduler_enabled"`
	// Service is for jobs of type service.
	Service bool `hcl:"service_scheduler_enabled"`
}

// Join is a server_join block: how an agent finds its cluster.
type Join struct {
	// RetryJoin are tried until one answers: "ip", "host", "host:port", "[v6]:port".
	RetryJoin []string `hcl:"retry_join,append"`
	// StartJoin are the same, read for older files; only in the server block.
	StartJoin []string `hcl:"start_join,append"`
	// RetryMax is how many rounds are tried before the agent gives up; 0 never gives up.
	RetryMax int `hcl:"retry_max"`
	// RetryInterval is the longest pause between two rounds; default 30s.
	RetryInterval time.Duration `hcl:"retry_interval"`
}

// Gossip tunes failure detection. Zero leaves the default of the gossip room. An
// agent's death is suspected after about ProbeInterval + ProbeTimeout and reported after
// about SuspicionMult x log10(n) x ProbeInterval more.
type Gossip struct {
	// ProbeInterval is the time between two probes that an agent sends. Half of it
	// detects twice as fast, for twice the packets.
	ProbeInterval time.Duration `hcl:"probe_interval"`
	// ProbeTimeout is how long an answer may take; above the network's worst normal
	// round trip, below ProbeInterval.
	ProbeTimeout time.Duration `hcl:"probe_timeout"`
	// SuspicionMult scales the time a suspect has to refute.
	SuspicionMult int `hcl:"suspicion_mult"`
	// IndirectChecks is how many others are asked to probe a silent agent.
	IndirectChecks int `hcl:"indirect_checks"`
}

// Autopilot is the autopilot block.
type Autopilot struct {
	// CleanupDeadServers removes a failed server from the peer set once a majority
	// stays without it; default true.
	CleanupDeadServers bool `hcl:"cleanup_dead_servers"`
	// LastContactThreshold is how long a healthy server may be silent; default 200ms.
	LastContactThreshold time.Duration `hcl:"last_contact_threshold"`
	// MaxTrailingLogs is how far a healthy server may lag; default 250 entries.
	MaxTrailingLogs int `hcl:"max_trailing_logs"`
	// MinQuorum is the size below which nothing is removed; 0 no floor.
	MinQuorum int `hcl:"min_quorum"`
	// ServerStabilizationTime is how long a new server must be healthy before it votes;
	// default 10s.
	ServerStabilizationTime time.Duration `hcl:"server_stabilization_time"`
}
