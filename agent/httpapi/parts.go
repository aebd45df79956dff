package httpapi

import (
	"context"
	"errors"
	"io"
	"iter"
	"net/http"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
)

// Errors that a Raft reports, by errors.Is.
var (
	// ErrNotLeader: this server is not the leader and the entry was not stored.
	// The request is carried to the leader, or waits for one.
	ErrNotLeader = errors.New("not the leader")
	// ErrOutcomeUnknown: leadership was lost while the entry was under way; it may
	// be stored or not.
	ErrOutcomeUnknown = errors.New("leadership lost while the write was under way: it may have happened or not")
)

// Raft is how a write is agreed.
type Raft interface {
	// Apply commits an encoded state command and returns what the state machine
	// answered (an error value for a refused command) and the entry's index.
	Apply(ctx context.Context, data []byte) (result any, index uint64, err error)
	// IsLeader reports whether this server leads and has applied all that was
	// committed before its term: then its own state may answer consistent reads.
	IsLeader() bool
	// KnownLeader reports whether this server has a leader at the moment.
	KnownLeader() bool
	// LastContact is how long ago this server heard of its leader; 0 on the leader.
	LastContact() time.Duration
}

// RaftOperator is what an operator may do to the raft cluster.
type RaftOperator interface {
	Configuration(ctx context.Context) (*api.RaftConfiguration, error)
	RemovePeer(ctx context.Context, id string) error
	// TransferLeadership moves leadership to the server of that ID, "" to any.
	TransferLeadership(ctx context.Context, id string) error
	// Health is what autopilot sees.
	Health(ctx context.Context) (*api.OperatorHealthReply, error)
}

// Snapshots saves and restores the whole state.
type Snapshots interface {
	Save(ctx context.Context, w io.Writer) error
	Restore(ctx context.Context, r io.Reader) error
}

// Planner is the dry run of `job plan`. It is asked on the leader only.
type Planner interface {
	// Plan answers what registering job (canonical and valid) on top of snap would
	// do: Annotations, FailedTGAllocs and CreatedEvals. The rest is filled here.
	Plan(ctx context.Context, snap *state.Snapshot, job *api.Job) (*api.JobPlanResponse, error)
}

// Liveness is the leader's book of who is alive.
type Liveness interface {
	// Goodbye says that a node's agent stops. Restart: it comes back, and nothing
	// is to move for grace.
	Goodbye(nodeID string, restart bool, grace time.Duration)
}

// Leases hears of every call of a node that lives by its calls, on any server. It must
// not block.
type Leases interface{ Contact(nodeID string) }

// Janitor forgets what nobody needs any more. It is asked on the leader only.
type Janitor interface {
	ForceGC(ctx context.Context) error
	ReconcileSummaries(ctx context.Context) error
}

// Cluster is gossip: who is in the cluster.
type Cluster interface {
	// Members are the servers, of all regions; client nodes are not listed.
	Members() []*api.AgentMember
	Local() *api.AgentMember
	// Join asks the agents at addrs (gossip host:port) to let this one in and
	// returns how many did.
	Join(addrs []string) (int, error)
	// ForceLeave declares the member of that name gone; with prune it is forgotten.
	// An unknown name is no error.
	ForceLeave(name string, prune bool) error
}

// Peers finds the other agents. Addresses are the host:port of cluster ports.
type Peers interface {
	// Leader is the leader of this region, "" while there is none.
	Leader() string
	// LeaderChanged is closed when Leader changes from what it is now.
	LeaderChanged() <-chan struct{}
	// Servers are the servers of a region, the leader first where it is known.
	Servers(region string) []string
	// Server is the server of that ID or member name, "" unknown.
	Server(id string) string
	Regions() []string
}

// Node is the local client, on an agent that runs one.
type Node interface {
	NodeID() string
	HostStats() (*api.HostStats, error)
	GC() error
}

// Allocs is what the local client does with its allocations. An error may carry
// its HTTP status: see StatusError.
type Allocs interface {
	// HasAlloc reports whether the allocation is, or was, this client's.
	HasAlloc(allocID string) bool
	AllocStats(allocID, task string) (*api.AllocResourceUsage, error)
	// RestartAlloc restarts one task, or with task "" all that run; all includes
	// tasks that have already ended.
	RestartAlloc(allocID, task string, all bool) error
	SignalAlloc(allocID, task, signal string) error
	GCAlloc(allocID string) error
}

// Files reads the directories and logs of the local client's allocations.
type Files interface {
	List(allocID, path string) ([]*api.AllocFileInfo, error)
	Stat(allocID, path string) (*api.AllocFileInfo, error)
	// ReadAt reads limit bytes from offset, all that follows when limit is 0.
	ReadAt(allocID, path string, offset, limit int64) (io.ReadCloser, error)
	// Stream yields the frames of a file from offset, counted from origin (start or
	// end); with follow it goes on until ctx ends.
	Stream(ctx context.Context, allocID, path, origin string, offset int64, follow bool) iter.Seq2[*api.StreamFrame, error]
	// Logs yields the frames of a task's log (stdout or stderr) across rotation.
	Logs(ctx context.Context, allocID, task, logType, origin string, offset int64, follow bool) iter.Seq2[*api.StreamFrame, error]
}

// Metrics shows the metrics in memory; armon's InmemSink is one.
type Metrics interface {
	DisplayMetrics(http.ResponseWriter, *http.Request) (any, error)
}

// StatusError is an error that knows its HTTP status. Any error in a chain may be one.
type StatusError interface {
	error
	HTTPStatus() int
}

// Secrets is the root keyring.
type Secrets interface {
	// Seal encrypts a variable's items with the active key.
	Seal(namespace, path string, items map[string]string) (keyID string, sealed []byte, err error)
	Open(*state.Variable) (items map[string]string, err error)
	// Make makes a key, active at once when publishAt is zero.
	Make(publishAt time.Time) (*state.AddRootKey, error)
	// Rekey re-encrypts up to limit variables of a key with the active one; nil: it
	// encrypts none.
	Rekey(snap *state.Snapshot, keyID string, limit int) (*state.RekeyVariables, error)
}

// Signer signs what tasks and nodes show to others.
type Signer interface {
	// SignTask signs an identity of a task as its job file asks for it.
	SignTask(alloc *state.Alloc, job *api.Job, task string, identity *api.WorkloadIdentity) (Token, error)
	SignNode(node *state.Node, ttl time.Duration) (Token, error)
	// SignIntroduction signs who a node that is to join will be.
	SignIntroduction(name, pool string, ttl time.Duration) (Token, error)
}

// Token is a signed identity (JWT).
type Token struct {
	JWT             string
	Issued, Expires time.Time // Expires zero: never by itself
}

// Identities checks the identities that servers sign for workloads (JWT).
type Identities interface {
	// Verify checks a token's signature, issuer and expiry and gives what it claims; an
	// error is a token that is not ours, not yet valid, or expired.
	Verify(token string) (Claims, error)
}

// Claims is what a signed identity says of its workload. Task is empty for the identity
// of a service, Service for that of a task.
type Claims struct {
	Namespace, JobID, Group, Task, AllocID, Service string
	// NodeID is the node that the allocation was placed on.
	NodeID  string
	Expires time.Time // zero: as long as the allocation
}
