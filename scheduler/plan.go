package scheduler

import "time"

// Request is everything that a decision may depend on.
type Request struct {
	// Cluster is read, never changed.
	Cluster *Cluster
	// Now is the time of the decision.
	Now time.Time
	// Job is the current version; nil when the job no longer exists (all of its
	// allocations are then stopped).
	Job              *Job
	Namespace, JobID string // always set, also without a Job
	// Versions returns another version of the job that allocations still refer to,
	// nil if it is gone.
	Versions func(version uint64) *Job
	// Deployment is the job's latest deployment, nil if it never had one.
	Deployment *Deployment
	Settings   Settings
	// Waiting tells when a follow-up evaluation runs, and false when it is not pending any
	// more. With nil every Alloc.FollowupEval counts as pending.
	Waiting func(evaluation string) (at time.Time, pending bool)
	// Trigger is the evaluation's trigger, for descriptions only.
	Trigger string
}

// Plan is a decision: what to do, and why the rest could not be done. Every list
// is in a fixed order.
type Plan struct {
	Stops      []StopAlloc
	Placements []Placement
	Updates    []UpdateAlloc
	// Deployment is a change of the job's deployment, nil for none.
	Deployment *DeploymentChange
	// Followups are evaluations to create for later (a reschedule delay, a
	// lost_after that runs out).
	Followups []Followup

	// Failed explains, by group, what could not be placed.
	Failed map[string]*Metric
	// Queued counts, by group, what still waits for a place.
	Queued map[string]int
	// Desired counts the decisions by group, for `job plan`.
	Desired map[string]*DesiredUpdates
}

// StopAlloc ends an allocation.
type StopAlloc struct {
	ID          string
	Desired     Desired      // Stop or Evict
	Client      ClientStatus // "" = left to its node; Lost or Unknown when the node is gone
	Description string       // DesiredDescription
	// PreemptedBy is the ordinal of the placement in Placements that evicts it, else -1.
	PreemptedBy int
	// Followup is the ordinal in Followups that will replace it, else -1 (for Unknown and
	// delayed reschedules the allocation keeps Desired Run: see KeepDesired).
	Followup int
	// KeepDesired: only Client, Description and Followup change; the allocation stays wanted.
	KeepDesired bool
}

// Placement puts a new allocation on a node. It uses the Resources of the group in job
// version JobVersion; the Devices, Cores and Ports are listed here. It inherits the
// reschedule events of Previous when that has the same job version, and adds Reschedule.
type Placement struct {
	Group      string
	Index      int
	NodeID     string
	JobVersion uint64
	Canary     bool
	Previous   string           // the allocation that it replaces (whose Next it becomes), or ""
	Reschedule *RescheduleEvent // set when this replacement counts as a reschedule
	Ports      []Port
	Cores      []int         // in the order of Group.Pins: the first task's, then the next one's
	Devices    []DeviceGrant // in the order of Group.Devices
	Preempts   []string      // allocation IDs, also in Stops
	Metric     *Metric       // how the node was chosen; shared between placements of one pass
}

// UpdateAlloc moves a running allocation to the request's job version in place.
type UpdateAlloc struct{ ID string }

// Followup is an evaluation for later.
type Followup struct {
	At      time.Time
	Trigger string   // API trigger name
	Allocs  []string // that wait for it
}

// DeploymentChange creates a deployment, or changes the status of the present one.
type DeploymentChange struct {
	// Create: the new deployment's groups; nil when only Status changes.
	Create map[string]NewDeploymentGroup
	// Status and Description for the *present* deployment (cancelled, successful), "" = unchanged.
	Status, Description string
	// Totals are how many allocations the present deployment has to make healthy from now
	// on, by group, where that changed: nodes joined or left a system job's rollout.
	Totals map[string]int
}

// NewDeploymentGroup is a group of a deployment about to be created.
type NewDeploymentGroup struct {
	DesiredTotal, DesiredCanaries int
	AutoRevert, AutoPromote       bool
	Promoted                      bool
	ProgressDeadline              time.Duration
}

// DesiredUpdates counts what a plan does to one group; the API's DesiredUpdates.
type DesiredUpdates struct {
	Ignore, Place, Migrate, Stop, InPlaceUpdate, DestructiveUpdate, Canary, Preemptions, Disconnect, Reconnect, RescheduleNow, RescheduleLater uint64
}

// Metric explains a decision in the terms of the API's AllocationMetric.
type Metric struct {
	NodesEvaluated     int
	NodesFiltered      int
	NodesInPool        int
	NodePool           string
	NodesAvailable     map[string]int // by datacenter
	ClassFiltered      map[string]int
	ConstraintFiltered map[string]int
	NodesExhausted     int
	ClassExhausted     map[string]int
	DimensionExhausted map[string]int // "cpu", "memory", "disk", "network: port collision", ...
	CoalescedFailures  int
	// ResourcesExhausted holds, by task, what was asked of a dimension that ran out.
	ResourcesExhausted map[string]Resources
	// Took is how long the decision took for one allocation; the caller, who has a clock,
	// fills it in.
	Took   time.Duration
	Scores []NodeScore // best five
	// Hint is the smallest change that would place one more, in words; "" if unknown.
	Hint string
}

// NodeScore is one node's score by scorer name ("binpack", "job-anti-affinity", ...).
type NodeScore struct {
	NodeID string
	Scores map[string]float64
	Norm   float64
}
