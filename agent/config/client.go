package config

import "time"

// Client is the client block: what this node offers to jobs and how.
type Client struct {
	// Enabled makes this agent run allocations.
	Enabled bool `hcl:"enabled"`
	// StateDir overrides data_dir/client. Absolute.
	StateDir string `hcl:"state_dir"`
	// AllocDir overrides data_dir/alloc. Absolute.
	AllocDir string `hcl:"alloc_dir"`
	// Servers are cluster addresses of servers; the port may be left out.
	Servers []string `hcl:"servers,append"`
	// Join is the server_join block, an alternative to Servers.
	Join Join `hcl:"server_join"`
	// Meta are the node's own attributes, ${meta.key} in a job.
	Meta map[string]string `hcl:"meta"`
	// Options are the older settings of drivers and fingerprinters, by dotted name.
	Options map[string]string `hcl:"options"`
	// HostVolumes are directories that jobs may mount, by name.
	HostVolumes map[string]HostVolume `hcl:"host_volume"`
	// HostNetworks are named address ranges that ports may be bound to. A name may
	// appear several times: each adds addresses.
	HostNetworks []HostNetwork `hcl:"host_network"`
	// Reserved is kept back from jobs.
	Reserved Reserved `hcl:"reserved"`
	// CgroupParent is the cgroup under which tasks get theirs; default /selfheal.
	CgroupParent string `hcl:"cgroup_parent"`
	// MaxKillTimeout caps what a task may ask for as kill_timeout; default 30s.
	MaxKillTimeout time.Duration `hcl:"max_kill_timeout"`
	// DisableRemoteExec refuses exec sessions on this node.
	DisableRemoteExec bool `hcl:"disable_remote_exec"`
	// DrainOnShutdown drains before leaving; nil stops without a drain.
	DrainOnShutdown *DrainOnShutdown `hcl:"drain_on_shutdown"`

	Placement
	Totals
	ClientGC
}

// Placement is what the scheduler chooses nodes by.
type Placement struct {
	// NodeClass groups like nodes, ${node.class} in a job.
	NodeClass string `hcl:"node_class"`
	// NodePool is the pool this node belongs to; default "default".
	NodePool string `hcl:"node_pool"`
	// NodeMaxAllocs bounds how many allocations run here; 0 no bound.
	NodeMaxAllocs int `hcl:"node_max_allocs"`
	// NetworkInterface is whose addresses jobs get; default: the one of the default
	// route, with -dev loopback.
	NetworkInterface string `hcl:"network_interface"`
	// PreferredAddressFamily is "ipv4", "ipv6" or "" for the first address found.
	PreferredAddressFamily string `hcl:"preferred_address_family"`
	// MinDynamicPort is the lowest port given to a job that names none; default 20000.
	MinDynamicPort int `hcl:"min_dynamic_port"`
	// MaxDynamicPort is the highest; default 32000. Keep the range clear of the kernel's
	// own (net.ipv4.ip_local_port_range), which starts at 32768.
	MaxDynamicPort int `hcl:"max_dynamic_port"`
}

// Totals override what the node finds out about itself; 0 believes the machine.
type Totals struct {
	// CPUTotalCompute is cores x MHz.
	CPUTotalCompute int `hcl:"cpu_total_compute"`
	// MemoryTotalMB is in MiB.
	MemoryTotalMB int `hcl:"memory_total_mb"`
	// DiskTotalMB is in MiB.
	DiskTotalMB int `hcl:"disk_total_mb"`
}

// Reserved is the reserved block: kept back from jobs for the system.
type Reserved struct {
	// CPU is in MHz.
	CPU int `hcl:"cpu"`
	// Cores is a cpuset such as "0-1,7".
	Cores string `hcl:"cores"`
	// MemoryMB is in MiB.
	MemoryMB int `hcl:"memory"`
	// DiskMB is in MiB.
	DiskMB int `hcl:"disk"`
	// Ports is a list such as "22,80,8000-8100", reserved on every address.
	Ports string `hcl:"reserved_ports"`
}

// HostVolume is a host_volume block.
type HostVolume struct {
	// Path is absolute and exists.
	Path string `hcl:"path"`
	// ReadOnly refuses mounts that may write.
	ReadOnly bool `hcl:"read_only"`
}

// HostNetwork is a host_network block.
type HostNetwork struct {
	// Name is the block's label.
	Name string `hcl:"name,label"`
	// CIDR selects this machine's addresses in a range.
	CIDR string `hcl:"cidr"`
	// Interface selects the addresses of one interface.
	Interface string `hcl:"interface"`
	// ReservedPorts is as in Reserved, for these addresses only.
	ReservedPorts string `hcl:"reserved_ports"`
}

// ClientGC is when directories of finished allocations are removed.
type ClientGC struct {
	// GCInterval is the time between two looks at the disk; default 1m.
	GCInterval time.Duration `hcl:"gc_interval"`
	// GCDiskUsageThreshold is the percentage of the disk above which the oldest go;
	// default 80.
	GCDiskUsageThreshold float64 `hcl:"gc_disk_usage_threshold"`
	// GCInodeUsageThreshold is the same for inodes; default 70.
	GCInodeUsageThreshold float64 `hcl:"gc_inode_usage_threshold"`
	// GCMaxAllocs is how many allocations, running ones included, are kept before a new
	// one removes an old one; default 50.
	GCMaxAllocs int `hcl:"gc_max_allocs"`
	// GCParallelDestroys is how many are removed at once; default 2. More makes the disk
	// busier.
	GCParallelDestroys int `hcl:"gc_parallel_destroys"`
}

// DrainOnShutdown is the drain_on_shutdown block. It needs leave_on_interrupt or
// leave_on_terminate.
type DrainOnShutdown struct {
	// Deadline is when what is left is stopped; default 1h.
	Deadline time.Duration `hcl:"deadline"`
	// Force stops everything at once.
	Force bool `hcl:"force"`
	// IgnoreSystemJobs leaves system jobs running.
	IgnoreSystemJobs bool `hcl:"ignore_system_jobs"`
}

// setDefaults is called when a file has the block.
func (d *DrainOnShutdown) setDefaults() { d.Deadline = time.Hour }
