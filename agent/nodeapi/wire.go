package nodeapi

import (
	"encoding/json"
	"time"

	"github.com/hashicorp/nomad/api"
)

// Paths of the node routes. Every request carries the headers HeaderNode and
// HeaderSecret; a wrong pair is answered with 403.
const (
	PathRegister = "/v1/internal/node/register"
	PathAllocs   = "/v1/internal/node/allocs"
	PathStatus   = "/v1/internal/node/status"
	PathGoodbye  = "/v1/internal/node/goodbye"
	// PathIdentities answers what the node's tasks, and the node itself, show to others.
	PathIdentities = "/v1/internal/node/identities"

	HeaderNode    = "X-Selfheal-Node"
	HeaderSecret  = "X-Selfheal-Secret"
	HeaderVersion = "X-Selfheal-Node-Protocol"

	// HeaderKnownLeader is "false" in the answer of a server without a leader, here as
	// in the rest of the API.
	HeaderKnownLeader = "X-Nomad-KnownLeader"

	// Version is the protocol's version. A server refuses one that it does not know
	// with 400 and a text that says which it knows.
	Version = "1"
)

// RegisterRequest describes a node. It is sent at start, when the fingerprint
// changes, and when a server says that it does not know the node.
type RegisterRequest struct {
	Node     *api.Node
	SecretID string
	BootID   string
	RPCAddr  string // host:port of the node's own cluster port
	// Lease says that the node is not in gossip: it is alive for this long after each of
	// its calls, to any server, and down when that is over. A poll is held for a third of
	// it at most. 0: gossip tells whether the node lives.
	Lease time.Duration `json:",omitempty"`
}

// MinLease is the shortest lease that servers grant: they look at leases once a second,
// and tell each other of them as often.
const MinLease = 5 * time.Second

// RegisterResponse answers RegisterRequest.
type RegisterResponse struct {
	Index   uint64
	Servers []string // host:port of the cluster ports of all servers, the leader first
}

// AllocsRequest asks for the node's allocations that servers changed after
// Index; it is held until there are some, at most Wait.
type AllocsRequest struct {
	NodeID string
	Index  uint64
	Wait   time.Duration
	// Jobs that the node already has: they are not sent again.
	Jobs []JobRef
}

// JobRef names one version of a job.
type JobRef struct {
	Namespace, ID string
	Version       uint64
	CreateIndex   uint64
}

// AllocsResponse is what changed.
type AllocsResponse struct {
	Index uint64 // for the next request
	// Allocs changed after the request's Index, without their jobs.
	Allocs []*Alloc
	// IDs of every allocation that the servers have for this node: what the node has
	// beyond these was garbage collected, and is to be destroyed.
	IDs []string
	// Jobs that the node needs for Allocs and did not name.
	Jobs    []*api.Job
	Servers []string
	// NoLeader: the server that answered knows no leader, so the answer may be old. The
	// node's side fills it in, from the header HeaderKnownLeader.
	NoLeader bool `json:"-"`
}

// Alloc is an allocation on its way to a node: what of the API's a node acts on, which
// is what MarshalJSON writes, without its job.
type Alloc struct {
	api.Allocation
	JobRef JobRef
	// Cores are pinned for the allocation, in the order of the tasks that ask for some.
	Cores []int `json:",omitempty"`
	// Rebooted: tasks of this allocation cannot be running any more.
	Rebooted bool `json:",omitempty"`
}

// MarshalJSON writes what a node acts on and leaves out what only servers need, such as
// how the node was chosen. When thousands of nodes get work at once, encoding and
// decoding that was most of what it cost.
func (a *Alloc) MarshalJSON() ([]byte, error) {
	return json.Marshal(&order{
		ID: a.ID, Namespace: a.Namespace, EvalID: a.EvalID, Name: a.Name, NodeID: a.NodeID, NodeName: a.NodeName, JobID: a.JobID, TaskGroup: a.TaskGroup,
		AllocatedResources: a.AllocatedResources, DesiredStatus: a.DesiredStatus, DesiredDescription: a.DesiredDescription,
		DesiredTransition: a.DesiredTransition, ClientStatus: a.ClientStatus, TaskStates: a.TaskStates,
		DeploymentID: a.DeploymentID, DeploymentStatus: a.DeploymentStatus, PreviousAllocation: a.PreviousAllocation,
		AllocModifyIndex: a.AllocModifyIndex, CreateIndex: a.CreateIndex, CreateTime: a.CreateTime,
		JobRef: a.JobRef, Cores: a.Cores, Rebooted: a.Rebooted,
	})
}

// order has the names of api.Allocation, so that Alloc reads it.
type order struct {
	ID, Namespace, EvalID, Name, NodeID, JobID, TaskGroup string

	NodeName           string                  `json:",omitempty"`
	AllocatedResources *api.AllocatedResources `json:",omitempty"`
	DesiredStatus      string
	DesiredDescription string                `json:",omitempty"`
	DesiredTransition  api.DesiredTransition `json:",omitzero"`
	ClientStatus       string
	TaskStates         map[string]*api.TaskState  `json:",omitempty"`
	DeploymentID       string                     `json:",omitempty"`
	DeploymentStatus   *api.AllocDeploymentStatus `json:",omitempty"`
	PreviousAllocation string                     `json:",omitempty"`
	AllocModifyIndex   uint64
	CreateIndex        uint64
	CreateTime         int64
	JobRef             JobRef
	Cores              []int `json:",omitempty"`
	Rebooted           bool  `json:",omitempty"`
}

// StatusRequest reports what became of allocations. It is idempotent: it states
// the present, and an older report than the one already known changes nothing.
type StatusRequest struct {
	NodeID string
	Allocs []AllocStatus
}

// AllocStatus is the present state of one allocation on its node.
type AllocStatus struct {
	ID                string
	ClientStatus      string
	ClientDescription string                    `json:",omitempty"`
	TaskStates        map[string]*api.TaskState `json:",omitempty"`
	Healthy           *bool                     `json:",omitempty"`
	HealthyAt         time.Time                 `json:",omitzero"`
	NetworkStatus     *api.AllocNetworkStatus   `json:",omitempty"`
	// Services are all that the allocation offers now, with ID, name, tags, address and
	// port: what is not named any more is deregistered. They travel with the status, so
	// that a task which runs is registered by the same commit, and one that is about to
	// be stopped is deregistered by the one that says so.
	Services []*api.ServiceRegistration `json:",omitempty"`
	// Failing are the IDs of those Services whose checks do not all pass.
	Failing []string `json:",omitempty"`
}

// StatusResponse answers StatusRequest.
type StatusResponse struct{ Index uint64 }

// GoodbyeRequest says that the agent stops. Restart true: it comes back and its
// tasks go on; nothing is to move for Grace.
type GoodbyeRequest struct {
	NodeID  string
	Restart bool
	Grace   time.Duration
}
