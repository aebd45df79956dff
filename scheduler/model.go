package scheduler

import "time"

// The compact model of the scheduler. agent/leader/lower.go makes these values
// from the API's, and is the only place that does.

// Units: cpu in MHz, memory and disk in MB (MiB as the API counts them).

// JobType is one of the four kinds of job.
type JobType string

// The job types, spelled as the API spells them.
const (
	Service  JobType = "service"
	Batch    JobType = "batch"
	System   JobType = "system"
	SysBatch JobType = "sysbatch"
)

// NodeStatus is what the servers believe of a node.
type NodeStatus string

// The node statuses, spelled as the API spells them.
const (
	NodeInit         NodeStatus = "initializing"
	NodeReady        NodeStatus = "ready"
	NodeDown         NodeStatus = "down"
	NodeDisconnected NodeStatus = "disconnected"
)

// Resources is an amount of what a node has and an allocation uses.
type Resources struct {
	CPU       int64 // MHz
	Memory    int64 // MB
	MemoryMax int64 // MB; 0 = Memory; does not count for placement
	Disk      int64 // MB
	Cores     int   // whole cores, pinned; their MHz are not in CPU, the Cluster adds them
}

// Node is a machine that runs an agent with a client.
type Node struct {
	ID, Name, Datacenter, Pool, Class string

	Status   NodeStatus
	Eligible bool // false: nothing new is placed here
	Draining bool // true: what runs here must leave
	// DrainForced: the drain's deadline has passed, so an allocation that a drain asks
	// to leave is stopped even when its replacement fits nowhere.
	DrainForced bool

	Attributes map[string]string // "kernel.name" -> "linux" (no "attr." prefix)
	Meta       map[string]string

	Capacity Resources       // total less what is reserved for the system
	CoreIDs  []int           // cores that may be pinned, ascending; nil = 0 .. Capacity.Cores-1
	NUMA     [][]int         // cores by NUMA node; nil = one NUMA node, or not known
	Drivers  map[string]bool // driver name -> detected and healthy

	IP             string            // address of the default host network
	HostNetworks   map[string]string // alias -> IP
	MinDynamicPort int               // inclusive
	MaxDynamicPort int               // inclusive
	ReservedPorts  []int             // on every address
	ReservedOn     map[string][]int  // the same by alias of a host network, on that one only

	HostVolumes map[string]HostVolume
	Devices     []Device
	MaxAllocs   int // 0 = no limit
}

// HostVolume is a directory that a node offers by name.
type HostVolume struct{ ReadOnly bool }

// Device is a group of equal devices on a node.
type Device struct {
	Vendor, Type, Name string
	IDs                []string          // healthy instances
	Attributes         map[string]string // "memory" -> "16 GiB": a number with a unit, or text
	NUMA               map[string]int    // by instance: the NUMA node that it hangs on, where known
}

// DeviceGrant is what one task has of a group of equal devices.
type DeviceGrant struct {
	Task, Vendor, Type, Name string
	IDs                      []string
}

// Job is one version of a job. Everything in it is canonical (defaults filled in).
type Job struct {
	Namespace, ID string
	Version       uint64
	CreateIndex   uint64 // tells a job from an earlier one of the same ID
	Type          JobType
	Priority      int
	Datacenters   []string // globs
	Pool          string   // node pool; "all" = every pool
	Stable        bool     // it has run well: no canaries are needed to find that out
	Stopped       bool     // stopped or deregistered: nothing of it may run
	Periodic      bool     // a template: never placed itself
	Parameterized bool     // a template: never placed itself
	Constraints   []Constraint
	Affinities    []Affinity
	Spreads       []Spread
	Groups        []*Group
}

// Group is a set of tasks that are placed together on one node.
type Group struct {
	Name        string
	Count       int
	Constraints []Constraint // the group's and its tasks'
	Affinities  []Affinity   // the group's and its tasks'
	Spreads     []Spread
	Drivers     []string  // every driver that its tasks need
	Resources   Resources // sum over tasks (lifecycle taken into account), disk of the group
	Ports       []PortAsk
	Volumes     []VolumeAsk
	Devices     []DeviceAsk
	Pins        []CoreAsk // tasks that pin cores, in order; Resources.Cores is their sum
	Tasks       []TaskAsk // for explanations only
	Reschedule  Reschedule
	Update      *Update // nil: no rolling update (batch, or max_parallel 0)
	MigrateMax  int     // migrate.max_parallel
	Sticky      bool    // ephemeral_disk.sticky: a new version prefers the node of the old
	Disconnect  Disconnect

	// Ask is a digest of everything that decides on which nodes an allocation of the group
	// fits: the job's and the group's scope, constraints and resources. Groups with equal Ask
	// fit alike. "" = not known.
	Ask string
	// Common is shared by the group's allocations; nil until Job.Share.
	Common *AllocGroup

	// Spec is a digest of every field whose change needs a new allocation: two
	// versions of a group with equal Spec are updated in place.
	Spec string
}

// Constraint is a hard rule. LTarget and RTarget may hold ${attr.x}, ${meta.x},
// ${node.unique.id}, ${node.datacenter}, ${node.class}, ${node.pool} ...
type Constraint struct{ LTarget, Operand, RTarget string }

// Affinity is a soft rule; Weight is in -100..100 and not 0.
type Affinity struct {
	LTarget, Operand, RTarget string
	Weight                    int
}

// Spread wishes allocations spread over the values of an attribute.
type Spread struct {
	Attribute string
	Weight    int // 1..100
	Targets   []SpreadTarget
}

// SpreadTarget wishes Percent of the allocations on nodes with Value.
type SpreadTarget struct {
	Value   string
	Percent int
}

// PortAsk is one port of a group.
type PortAsk struct {
	Label           string
	Static          int    // 0 = dynamic
	To              int    // port inside the allocation; 0 = none, -1 = the same as the host's
	HostNetwork     string // "" or "default" = the node's default network
	IgnoreCollision bool
}

// VolumeAsk is a host volume that a group needs. Source may be per allocation.
type VolumeAsk struct {
	Source       string
	ReadOnly     bool
	PerAlloc     bool
	SingleWriter bool // access_mode single-node-single-writer: no other writer beside it
	Sticky       bool // a successor goes to the node of its predecessor, which has the data
}

// VolumeHold is a host volume that an allocation uses on its node.
type VolumeHold struct {
	Name         string
	ReadOnly     bool
	SingleWriter bool
}

// DeviceAsk is a number of devices that a task needs.
type DeviceAsk struct {
	Task, Name  string
	Count       int
	Constraints []Constraint
	Affinities  []Affinity
}

// CoreAsk is a task that pins whole cores.
type CoreAsk struct {
	Task     string
	Count    int
	Affinity string   // of NUMA: "require" (all on one NUMA node), "prefer", else none
	Devices  []string // names of the task's DeviceAsks that must be on that NUMA node too
}

// TaskAsk is what one task asks for.
type TaskAsk struct {
	Name      string
	Resources Resources
}

// Reschedule is the policy by which a failed allocation is tried on another node.
type Reschedule struct {
	Attempts  int
	Interval  time.Duration
	Delay     time.Duration
	Function  string // constant, exponential, fibonacci
	MaxDelay  time.Duration
	Unlimited bool
}

// Update is the update block of a group.
type Update struct {
	MaxParallel      int
	Canary           int
	AutoPromote      bool
	AutoRevert       bool
	ProgressDeadline time.Duration
	MinHealthyTime   time.Duration
	HealthyDeadline  time.Duration
}

// Disconnect says what becomes of an allocation on a node that cannot be reached.
type Disconnect struct {
	LostAfter         time.Duration // 0 = lost at once
	StopOnClientAfter time.Duration // 0 = never; the longest kill_timeout of the tasks included
	Replace           bool
	Reconcile         string // best_score, keep_original, keep_replacement, longest_running
}

// Desired is what the servers want of an allocation.
type Desired string

// The desired statuses, spelled as the API spells them.
const (
	Run   Desired = "run"
	Stop  Desired = "stop"
	Evict Desired = "evict"
)

// ClientStatus is what a node says of an allocation.
type ClientStatus string

// The client statuses, spelled as the API spells them.
const (
	Pending  ClientStatus = "pending"
	Running  ClientStatus = "running"
	Complete ClientStatus = "complete"
	Failed   ClientStatus = "failed"
	Lost     ClientStatus = "lost"
	Unknown  ClientStatus = "unknown"
)

// Health is an allocation's health in its deployment.
type Health int8

// The three states of health.
const (
	HealthUnset Health = iota
	Healthy
	Unhealthy
)

// Alloc is an allocation as the scheduler sees it. Values are shared and never
// changed after they were given to a Cluster. A cluster may hold millions: what allocations
// have in common, and what few of them have, is behind pointers, which a copy shares with
// the original (see Change).
type Alloc struct {
	*AllocGroup
	*AllocExtras // nil is as good as empty in what UpsertAlloc is given

	ID     string
	Index  int // index in the name job.group[index]
	NodeID string

	Desired Desired
	Client  ClientStatus

	Ports []Port // what is taken on the node

	Migrate         bool // a drain asks it to leave
	ForceReschedule bool // someone asks for another placement
	Reschedule      bool // the deployment asks for another placement (unhealthy)
	// NoReplace: a batch allocation that was stopped for good (a drain's deadline); its
	// slot stays empty.
	NoReplace bool
	Health    Health
	Canary    bool

	DeploymentID string
	HealthAt     time.Time // when Health was decided; zero while it is unset
	CreatedAt    time.Time
	FinishedAt   time.Time // when its last task ended; zero while it runs
	Previous     string    // ID of the allocation that it replaced
}

// AllocGroup is what the allocations of a group in one version of its job have in common.
type AllocGroup struct {
	Namespace, Job string
	JobVersion     uint64
	JobCreateIndex uint64
	JobType        JobType
	Group          string
	Priority       int
	Used           Resources
	// MigrateMax is migrate.max_parallel of its group: preemption avoids to evict more.
	MigrateMax int
}

// Share makes what the allocations of each group have in common, for all of them.
func (j *Job) Share() {
	for _, g := range j.Groups {
		g.Common = j.common(g)
	}
}

func (j *Job) common(g *Group) *AllocGroup {
	out := &AllocGroup{
		Namespace: j.Namespace, Job: j.ID, JobVersion: j.Version, JobCreateIndex: j.CreateIndex, JobType: j.Type, Priority: j.Priority,
		Group: g.Name, Used: g.Resources,
	}
	if j.Type == Service { // the others have no migrate block
		out.MigrateMax = g.MigrateMax
	}
	return out
}

// AllocExtras is what few allocations have.
type AllocExtras struct {
	Cores   []int
	Devices []DeviceGrant
	Volumes []VolumeHold

	MoveTo    string    // ID of a node that it is to move to, its successor first; "" for none
	MoveOffAt time.Time // when a move of it was called off; zero for never
	UnknownAt time.Time // when it became unknown; zero otherwise

	Reschedules []RescheduleEvent
	Next        string // ID of its replacement: it is not replaced again
	// FollowupEval names the evaluation that will replace it later, if any. Request.Waiting
	// tells whether that is still pending.
	FollowupEval string
}

// noExtras is shared by all allocations that have none, and never changed.
var noExtras = &AllocExtras{}

// Compact lets an allocation without extras share the empty ones.
func (a *Alloc) Compact() {
	x := a.AllocExtras
	if x == nil || len(x.Cores)+len(x.Devices)+len(x.Volumes)+len(x.Reschedules) == 0 && x.MoveTo == "" && x.Next == "" && x.FollowupEval == "" &&
		x.MoveOffAt.IsZero() && x.UnknownAt.IsZero() {
		a.AllocExtras = noExtras
	}
}

// Change changes what a copy of an allocation shares with the original, on copies of its own.
func (a *Alloc) Change(f func(*AllocGroup, *AllocExtras)) {
	g, x := *a.AllocGroup, *a.AllocExtras
	f(&g, &x)
	a.AllocGroup, a.AllocExtras = &g, &x
}

// RescheduleEvent records one replacement of a failed allocation.
type RescheduleEvent struct {
	At       time.Time
	PrevID   string
	PrevNode string
	Delay    time.Duration
}

// Port is a port that an allocation holds on its node.
type Port struct {
	Label  string
	Value  int
	To     int
	HostIP string
	// Shared marks a static port with ignore_collision.
	Shared bool
}

// Deployment is the rollout of one job version, as far as the decision needs it.
type Deployment struct {
	ID             string
	JobVersion     uint64
	JobCreateIndex uint64
	Status         string // running, paused, failed, successful, cancelled, ...
	Groups         map[string]DeploymentGroup
}

// DeploymentGroup is the rollout of one group.
type DeploymentGroup struct {
	Promoted          bool
	DesiredCanaries   int
	DesiredTotal      int
	PlacedCanaries    []string // allocation IDs
	RequireProgressBy time.Time
}

// Settings is what an operator decides for the whole cluster.
type Settings struct {
	Algorithm       string // "binpack" (default) or "spread"
	PreemptService  bool
	PreemptBatch    bool
	PreemptSystem   bool
	PreemptSysBatch bool
}
