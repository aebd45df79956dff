package config

import "time"

// Default is an agent that nobody has told anything: neither server nor client, so it
// does not validate before a file or a flag enables one.
func Default() *Config {
	return &Config{
		Identity: Identity{Region: "global", Datacenter: "dc1"},
		Network: Network{
			BindAddr: "0.0.0.0",
			Ports:    Ports{HTTP: 4646, RPC: 4647, Serf: 4648},
			Limits: Limits{
				HTTPSHandshakeTimeout: 5 * time.Second,
				HTTPMaxConnsPerClient: 100,
				RPCHandshakeTimeout:   5 * time.Second,
				RPCMaxConnsPerClient:  100,
			},
		},
		Logging: Logging{LogLevel: "INFO", LogRotateDuration: 24 * time.Hour},
		Server:  defaultServer(),
		Client:  defaultClient(),
		Autopilot: Autopilot{
			CleanupDeadServers:      true,
			LastContactThreshold:    200 * time.Millisecond,
			MaxTrailingLogs:         250,
			ServerStabilizationTime: 10 * time.Second,
		},
		ACL: ACL{
			TokenTTL:              30 * time.Second,
			PolicyTTL:             30 * time.Second,
			RoleTTL:               30 * time.Second,
			TokenMinExpirationTTL: time.Minute,
			TokenMaxExpirationTTL: 24 * time.Hour,
		},
		TLS: TLS{MinVersion: "tls12"},
		Telemetry: Telemetry{
			CollectionInterval:         time.Second,
			InMemoryCollectionInterval: 10 * time.Second,
			InMemoryRetentionPeriod:    time.Minute,
			FilterDefault:              true,
		},
		Consul: Consul{
			VerifySSL:         true,
			Timeout:           5 * time.Second,
			AutoAdvertise:     true,
			ServerServiceName: "nomad",
			ClientServiceName: "nomad-client",
			ServerAutoJoin:    true,
			ClientAutoJoin:    true,
		},
		UI: UI{Enabled: true, ShowCLIHints: true},
	}
}

func defaultServer() Server {
	return Server{
		Join:            Join{RetryInterval: 30 * time.Second},
		EventBufferSize: 1000,
		Scheduler:       Scheduler{Algorithm: "binpack", Preemption: Preemption{System: true}},
		GC: GC{
			JobGCInterval:         5 * time.Minute,
			JobGCThreshold:        4 * time.Hour,
			EvalGCThreshold:       time.Hour,
			BatchEvalGCThreshold:  24 * time.Hour,
			DeploymentGCThreshold: time.Hour,
			NodeGCThreshold:       24 * time.Hour,
			ACLTokenGCThreshold:   time.Hour,

			RootKeyGCInterval:        10 * time.Minute,
			RootKeyGCThreshold:       time.Hour,
			RootKeyRotationThreshold: 720 * time.Hour,
		},
		Raft: Raft{
			RaftSnapshotThreshold: 8192,
			RaftSnapshotInterval:  120 * time.Second,
			RaftTrailingLogs:      10240,
		},
		JobLimits: JobLimits{
			JobMaxPriority:     100,
			JobDefaultPriority: 50,
			JobMaxCount:        50_000,
			JobMaxSourceSize:   1_000_000,
			JobTrackedVersions: 6,
		},
	}
}

func defaultClient() Client {
	return Client{
		Join:           Join{RetryInterval: 30 * time.Second},
		CgroupParent:   "/selfheal",
		MaxKillTimeout: 30 * time.Second,
		Placement:      Placement{NodePool: "default", MinDynamicPort: 20_000, MaxDynamicPort: 32_000},
		ClientGC: ClientGC{
			GCInterval:            time.Minute,
			GCDiskUsageThreshold:  80,
			GCInodeUsageThreshold: 70,
			GCMaxAllocs:           50,
			GCParallelDestroys:    2,
		},
	}
}

// Dev is what -dev starts from: one agent that is a whole cluster on the loopback
// interface, with raw_exec allowed and the mock driver present. Files and flags still
// count, except that a file cannot take away either role.
func Dev() *Config {
	c := Default()
	c.DevMode = true
	c.BindAddr = "127.0.0.1"
	c.EnableDebug = true
	c.Server.Enabled = true
	c.Server.BootstrapExpect = 1
	c.Client.Enabled = true
	c.Plugins = map[string]Plugin{"raw_exec": {Config: map[string]any{"enabled": true}}}
	return c
}

// RawExec reports whether jobs may use raw_exec on this node. As in Nomad they may not
// unless `plugin "raw_exec" { config { enabled = true } }` or the older client option
// "driver.raw_exec.enable" says so; -dev says so.
func (c *Config) RawExec() bool {
	on, _ := parseBool(c.Plugins["raw_exec"].Config["enabled"])
	if v, set := c.Client.Options["driver.raw_exec.enable"]; set {
		on, _ = parseBool(v)
	}
	return on
}
