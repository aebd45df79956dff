package state

import (
	"time"

	"github.com/hashicorp/nomad/api"
)

// Type names a log command. The set is closed: a type keeps its number for ever,
// because old logs are replayed by new binaries.
type Type uint8

// The log commands.
const (
	TypeRegisterJob Type = iota + 1
	TypeDeregisterJob
	TypeEvaluateJob
	TypeMarkJobStable
	TypeRegisterNode
	TypeNodeStatus
	TypeNodeEligibility
	TypeNodeDrain
	TypeUpdateAllocs
	TypeTransitionAllocs
	TypeApplyPlans
	TypeUpsertEvals
	TypeUpdateDeployment
	TypeReap
	TypeSetSchedulerConfig
	TypeDeleteServices
	TypeUpsertNamespace
	TypeDeleteNamespace
	TypeUpsertNodePool
	TypeDeleteNodePool
	TypeSetClusterMeta
	TypeScaleJob
	TypeLaunchJobs
	TypeUpdateNodes
)

// Later commands number themselves where they are defined: 30 to 49 access control, 50 to
// 59 variables and root keys, 60 to 69 volumes, 70 to 79 what is told of nodes, jobs and
// servers, 80 to 89 healing.

// Command is one entry of the log. Every command is applied as one transaction:
// it happens whole or not at all, and every replica derives the same rows,
// IDs and times from it.
type Command interface{ Type() Type }

// RegisterJob stores a canonical, valid job, and an evaluation of it. The same
// specification again keeps the version and still makes an evaluation.
// Result: *JobResult.
type RegisterJob struct {
	Job        *api.Job
	Submission *api.JobSubmission `json:",omitempty"`
	// EnforceIndex refuses the write unless the job's JobModifyIndex is this
	// (0: the job must not exist).
	EnforceIndex   bool   `json:",omitempty"`
	JobModifyIndex uint64 `json:",omitempty"`
	EvalPriority   int    `json:",omitempty"`
	// Token makes a repeated request give the first one's result.
	Token string `json:",omitempty"`
	// Trigger is the evaluation's; "" = job-register.
	Trigger string `json:",omitempty"`
}

// DeregisterJob stops a job, or with Purge forgets it. Result: *JobResult.
type DeregisterJob struct {
	Namespace, ID   string
	Purge           bool   `json:",omitempty"`
	EvalPriority    int    `json:",omitempty"`
	NoShutdownDelay bool   `json:",omitempty"`
	Token           string `json:",omitempty"`
}

// EvaluateJob asks for an evaluation; ForceReschedule also gives failed
// allocations another try at once. Result: *JobResult.
type EvaluateJob struct {
	Namespace, ID   string
	ForceReschedule bool   `json:",omitempty"`
	Token           string `json:",omitempty"`
}

// MarkJobStable sets or clears the stable mark of a job version. Result: error or nil.
type MarkJobStable struct {
	Namespace, ID string
	Version       uint64
	Stable        bool
}

// LaunchJobs makes children of periodic and parameterized jobs, and an evaluation
// of each: the child is its parent's present version without the template's block.
// One launch that is refused does not keep the others from being made.
// Result: []LaunchResult, in order.
type LaunchJobs struct{ Launches []Launch }

// Launch is one child to make.
type Launch struct {
	Namespace, ID string // the parent
	// Child is the new job's ID, the parent's with a suffix. A scheduled launch whose
	// child exists already makes no second one; any other takes the next free suffix.
	Child string
	// Due is the time in the schedule that a scheduled launch is for. It is made once,
	// and not while prohibit_overlap forbids it; either way the schedule goes on from
	// the time of the entry. Zero: a user asked for this launch.
	Due      time.Time         `json:",omitzero"`
	Meta     map[string]string `json:",omitempty"` // added to the parent's
	Payload  []byte            `json:",omitempty"`
	Priority int               `json:",omitempty"` // 0: the parent's
	// Token makes a repeated dispatch give the first one's child, for as long as the
	// child is known.
	Token string `json:",omitempty"`
}

// LaunchResult answers one Launch.
type LaunchResult struct {
	JobResult        // EvalID is "" where no child was made
	Skipped   string // why a scheduled launch made no child, "" if it did
	Err       error  // why the launch was refused
}

// JobResult answers the commands that create an evaluation of a job.
type JobResult struct {
	// Child is the job that LaunchJobs made, "" otherwise.
	Child           string `json:",omitempty"`
	EvalID          string
	EvalCreateIndex uint64
	JobModifyIndex  uint64
}

// RegisterNode stores a node as its agent describes it. What servers decide
// (status, eligibility, drain) survives. A node that registers is ready.
// A changed BootID means that the machine was rebooted. Result: *NodeResult.
type RegisterNode struct{ Node *Node }

// NodeResult answers the commands that change nodes; EvalIDs were created for
// the jobs that the change touches.
type NodeResult struct{ EvalIDs []string }

// NodeStatus moves nodes to another status, with an event. Evaluations of every
// touched job, and of system jobs for a node that became ready, are made in the
// same transaction. Result: *NodeResult.
type NodeStatus struct{ Updates []NodeStatusUpdate }

// NodeStatusUpdate is one node's new status.
type NodeStatusUpdate struct {
	NodeID      string
	Status      string         // initializing, ready, down, disconnected
	Description string         `json:",omitempty"`
	Event       *api.NodeEvent `json:",omitempty"`
}

// NodeEligibility marks a node eligible or ineligible. Result: *NodeResult.
type NodeEligibility struct {
	NodeID      string
	Eligibility string         // eligible, ineligible
	Event       *api.NodeEvent `json:",omitempty"`
}

// NodeDrain starts (Strategy set), changes or ends (nil) a drain. Result: *NodeResult.
type NodeDrain struct {
	NodeID       string
	Strategy     *api.DrainStrategy `json:",omitempty"`
	MarkEligible bool               `json:",omitempty"`
	Meta         map[string]string  `json:",omitempty"`
	Event        *api.NodeEvent     `json:",omitempty"`
	// Complete: the drain ended because nothing is left to move.
	Complete bool `json:",omitempty"`
}

// UpdateAllocs is what a node reports of its allocations. A report that is older
// than what is known changes nothing; a status never moves backwards. An
// allocation that failed, or ended when it should run, gets its job evaluated
// in the same transaction, and freed capacity wakes blocked evaluations.
// Result: error or nil.
type UpdateAllocs struct {
	NodeID  string
	Updates []AllocUpdate
}

// UpdateNodes is the reports of several nodes that came together. Result: []error, by
// report: nil where it was taken.
type UpdateNodes struct{ Reports []UpdateAllocs }

// AllocUpdate is one allocation's report by its node.
type AllocUpdate struct {
	ID                string
	ClientStatus      string
	ClientDescription string                    `json:",omitempty"`
	TaskStates        map[string]*api.TaskState `json:",omitempty"`
	// Healthy is the deployment health as the node judges it, nil: not yet known.
	Healthy       *bool                   `json:",omitempty"`
	HealthyAt     time.Time               `json:",omitzero"`
	NetworkStatus *api.AllocNetworkStatus `json:",omitempty"`
	// Services are all that the allocation offers now. What it was to offer and is not
	// named any more is deregistered. Only ID, name, tags, address and port are read.
	Services []*api.ServiceRegistration `json:",omitempty"`
	// Failing are the IDs of those whose checks do not all pass.
	Failing []string `json:",omitempty"`
}

// TransitionAllocs sets desired transitions (drain, stop, reschedule) and
// evaluates the jobs. Result: *TransitionResult.
type TransitionAllocs struct {
	Allocs map[string]*api.DesiredTransition // by allocation ID
	// Trigger is the evaluations': node-drain, alloc-stop, ...
	Trigger string
}

// TransitionResult lists the evaluations that were made, by "namespace\x00job".
type TransitionResult struct{ EvalIDs map[string]string }

// ApplyPlans commits the leader's decisions. Each plan ends one or more
// evaluations. Result: *PlanResult.
type ApplyPlans struct{ Plans []Plan }

// PlanResult answers ApplyPlans. Refused are the allocations that were not made,
// because their job version is gone or their node is not ready any more; their
// jobs are evaluated again.
type PlanResult struct{ Refused []string }

// Plan is a decision in compact form: the rows are made from it by every replica alike.
type Plan struct {
	EvalID        string
	Namespace     string
	JobID         string
	Placements    []Placement    `json:",omitempty"`
	Stops         []Stop         `json:",omitempty"`
	Updates       []InPlace      `json:",omitempty"`
	Deployment    *NewDeployment `json:",omitempty"`
	DeploymentSet *DeploymentSet `json:",omitempty"`
	// Evals are the evaluations as they are from now on: the one decided,
	// coalesced ones, a blocked one, follow-ups. SnapshotIndex has to be the index of
	// the snapshot that the plan was made from: what happened to the job, or to
	// capacity, between it and this entry then leads to another evaluation.
	Evals []*api.Evaluation `json:",omitempty"`
	// Metrics are shared by placements, by position.
	Metrics []*api.AllocationMetric `json:",omitempty"`
	// Nodes are the IDs that placements refer to, by position.
	Nodes []string `json:",omitempty"`
}

// Placement makes one allocation. Its ID is AllocID(plan's EvalID, its ordinal).
type Placement struct {
	Group      string
	Index      int
	Node       int // position in Plan.Nodes
	JobVersion uint64
	Metric     int               // position in Plan.Metrics, -1 none
	Canary     bool              `json:",omitempty"`
	Previous   string            `json:",omitempty"`
	Reschedule []Attempt         `json:",omitempty"` // those before it, and the one that it is
	Ports      []api.PortMapping `json:",omitempty"`
	Cores      []int             `json:",omitempty"`
	Devices    []TaskDevice      `json:",omitempty"`
	Preempts   []string          `json:",omitempty"`
	Deployment string            `json:",omitempty"` // deployment ID, "" none
}

// TaskDevice is what one task gets of a group of equal devices.
type TaskDevice struct {
	Task string
	api.AllocatedDeviceResource
}

// Stop ends an allocation, or marks it lost or unknown.
type Stop struct {
	AllocID        string
	Desired        string // run (unchanged), stop, evict
	Client         string `json:",omitempty"` // "", lost, unknown
	Description    string `json:",omitempty"`
	FollowupEvalID string `json:",omitempty"`
	PreemptedBy    string `json:",omitempty"`
}

// InPlace moves an allocation to another version of its job without a restart.
type InPlace struct {
	AllocID    string
	JobVersion uint64
	Deployment string `json:",omitempty"`
}

// NewDeployment creates a deployment; its ID is DeploymentID(EvalID).
type NewDeployment struct {
	JobVersion uint64
	Groups     map[string]*api.DeploymentState
}

// DeploymentSet changes the status of a deployment ("" = unchanged), or how many
// allocations of a group it waits for.
type DeploymentSet struct {
	ID, Status, Description string
	Totals                  map[string]int `json:",omitempty"` // by group
}

// UpsertEvals stores evaluations as given (their index fields are set by the
// entry). Result: error or nil.
type UpsertEvals struct{ Evals []*api.Evaluation }

// UpdateDeployment changes a deployment and what hangs on it in one transaction.
// Result: *DeploymentResult.
type UpdateDeployment struct {
	ID          string
	Status      string `json:",omitempty"` // "" = unchanged
	Description string `json:",omitempty"`
	// Promote names the groups to promote; PromoteAll all of them.
	Promote    []string `json:",omitempty"`
	PromoteAll bool     `json:",omitempty"`
	// Healthy and Unhealthy set allocations' health by hand.
	Healthy, Unhealthy []string `json:",omitempty"`
	// AutoRevert re-registers the newest stable version of the job before the deployment's
	// as a new one, if there is one, and ends the description with what came of it.
	AutoRevert bool `json:",omitempty"`
	// Stable marks the deployment's job version stable.
	Stable bool `json:",omitempty"`
	// Evaluate the job afterwards. Without a trigger the evaluation is a new one (what
	// a user asked for); with one, a pending evaluation of the job will do.
	Evaluate bool   `json:",omitempty"`
	Trigger  string `json:",omitempty"`
}

// DeploymentResult answers UpdateDeployment.
type DeploymentResult struct {
	EvalID             string
	RevertedJobVersion *uint64
}

// Reap forgets rows that nobody needs any more. Result: error or nil.
type Reap struct {
	Evals, Allocs, Deployments, Nodes []string
	Jobs                              []JobKey
}

// JobKey names a job.
type JobKey struct{ Namespace, ID string }

// SetSchedulerConfig replaces the scheduler's settings. CAS refuses the write
// unless the settings' ModifyIndex is Index. Result: bool, whether it was set.
type SetSchedulerConfig struct {
	Config *api.SchedulerConfiguration
	CAS    bool
	Index  uint64
}

// DeleteServices removes registrations from the built-in service catalogue by hand.
// Nodes register theirs with UpdateAllocs.
type DeleteServices struct{ IDs []string }

// UpsertNamespace creates or changes a namespace.
type UpsertNamespace struct{ Namespace *api.Namespace }

// DeleteNamespace deletes an empty namespace.
type DeleteNamespace struct{ Name string }

// UpsertNodePool creates or changes a node pool.
type UpsertNodePool struct{ Pool *api.NodePool }

// DeleteNodePool deletes an empty node pool.
type DeleteNodePool struct{ Name string }

// SetClusterMeta stores what the first leader decides once: it never changes afterwards.
type SetClusterMeta struct{ ClusterID string }

// The Type methods tie each command to its number.
func (*RegisterJob) Type() Type        { return TypeRegisterJob }
func (*DeregisterJob) Type() Type      { return TypeDeregisterJob }
func (*EvaluateJob) Type() Type        { return TypeEvaluateJob }
func (*MarkJobStable) Type() Type      { return TypeMarkJobStable }
func (*RegisterNode) Type() Type       { return TypeRegisterNode }
func (*NodeStatus) Type() Type         { return TypeNodeStatus }
func (*NodeEligibility) Type() Type    { return TypeNodeEligibility }
func (*NodeDrain) Type() Type          { return TypeNodeDrain }
func (*UpdateAllocs) Type() Type       { return TypeUpdateAllocs }
func (*UpdateNodes) Type() Type        { return TypeUpdateNodes }
func (*TransitionAllocs) Type() Type   { return TypeTransitionAllocs }
func (*ApplyPlans) Type() Type         { return TypeApplyPlans }
func (*UpsertEvals) Type() Type        { return TypeUpsertEvals }
func (*UpdateDeployment) Type() Type   { return TypeUpdateDeployment }
func (*Reap) Type() Type               { return TypeReap }
func (*SetSchedulerConfig) Type() Type { return TypeSetSchedulerConfig }
func (*DeleteServices) Type() Type     { return TypeDeleteServices }
func (*UpsertNamespace) Type() Type    { return TypeUpsertNamespace }
func (*DeleteNamespace) Type() Type    { return TypeDeleteNamespace }
func (*UpsertNodePool) Type() Type     { return TypeUpsertNodePool }
func (*DeleteNodePool) Type() Type     { return TypeDeleteNodePool }
func (*SetClusterMeta) Type() Type     { return TypeSetClusterMeta }
func (*LaunchJobs) Type() Type         { return TypeLaunchJobs }
