package healapi

import "github.com/hashicorp/nomad/api"

// DrainPlan says where everything on a node would go if it was drained now.
type DrainPlan struct {
	NodeID, NodeName string
	// Fits: everything that has to run elsewhere finds a place.
	Fits bool
	// Nowhere counts the allocations that would find none. They stay until the drain's
	// deadline, and are stopped then.
	Nowhere int
	Moves   []DrainMove
	// LastIndex is the index of the state that the answer was made from.
	LastIndex uint64
}

// DrainMove is what would become of one allocation.
type DrainMove struct {
	AllocID, Name, Namespace, JobID, TaskGroup, JobType string

	// FromNodeID is the drained node, or that of an allocation evicted to make room.
	FromNodeID, FromNodeName string
	// ToNodeID and ToNodeName are where it would run; "" for nowhere, or when it ends.
	ToNodeID, ToNodeName string
	// Ends: nothing takes its place. System work ends with its node; batch work may finish
	// until the drain's deadline.
	Ends bool
	// Hint is the smallest change that would give it a place.
	Hint string `json:",omitempty"`
	// Metric explains why it has none.
	Metric *api.AllocationMetric `json:",omitempty"`
}

// Resilience says which nodes can be lost with everything still placed.
type Resilience struct {
	// AnyOne and AnyTwo are true only when that is known of every single node, and of
	// every two at once (asked with ?pairs=true).
	AnyOne, AnyTwo bool
	Single         Coverage
	Pair           Coverage
	// Nodes are those that carry work that would have to run elsewhere, by name; with
	// ?brief=true only those that cannot be lost.
	Nodes []NodeLoss
	// WorstPair is the pair whose loss leaves most without a place, nil for none.
	WorstPair *Loss `json:",omitempty"`
	LastIndex uint64
}

// Coverage says how much of a question was answered within its budget of work.
type Coverage struct {
	Total      int // losses that are possible
	Examined   int // of them
	Survived   int // of those
	Exhaustive bool
}

// NodeLoss is what the loss of one node would mean.
type NodeLoss struct {
	NodeID, NodeName string
	Allocs           int  // that would need another place
	Examined         bool // false: the budget was spent before
	Survives         bool
	Unplaced         []Unplaced `json:",omitempty"`
}

// Loss is what the loss of some nodes at once would mean.
type Loss struct {
	NodeIDs, NodeNames []string
	Unplaced           []Unplaced
}

// Unplaced counts the allocations of a group that would have no place. Hint is the smallest
// change that would give one to the first of them.
type Unplaced struct {
	Namespace, JobID, TaskGroup string
	Count                       int
	Hint                        string `json:",omitempty"`
}

// ResilienceRequest asks the same after a change: the job as it is to be.
type ResilienceRequest struct{ Job *api.Job }
