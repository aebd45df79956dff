package state

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"

	"github.com/hashicorp/nomad/api"
)

// Node is a node's row: what everyone may see, and what only servers know.
type Node struct {
	api.Node
	// SecretID proves a node's identity on the node routes. Never on the wire.
	SecretID string
	// BootID changes when the machine boots.
	BootID string
	// RPCAddr is the host:port of the node's cluster port.
	RPCAddr string
	// Lease is how long the node lives after each call that it makes to a server; 0: gossip
	// says whether it lives.
	Lease time.Duration `json:",omitempty"`
}

// Alloc is an allocation's row. It is stored without its job, which is joined
// on read by (Namespace, JobID, JobVersion), and shares what allocations of one
// group have in common, so that a row with its indexes stays under 1 KiB.
// Rows are never changed after they are stored: copy, change, store.
type Alloc struct {
	ID             string
	Namespace      string
	JobID          string
	JobVersion     uint64
	JobCreateIndex uint64
	Group          string
	Index          int
	NodeID         string
	EvalID         string

	Desired            string
	DesiredDescription string                 `json:",omitempty"`
	Transition         *api.DesiredTransition `json:",omitempty"`
	Move               *Move                  `json:",omitempty"`
	Client             string
	ClientDescription  string                  `json:",omitempty"`
	TaskStates         TaskStates              `json:",omitempty"`
	NetworkStatus      *api.AllocNetworkStatus `json:",omitempty"`

	Resources *api.AllocatedResources `json:",omitempty"` // shared unless the allocation has ports of its own
	Cores     []int                   `json:",omitempty"` // CPU cores reserved for it, by number
	Metric    *api.AllocationMetric   `json:",omitempty"` // shared by the placements of one pass

	DeploymentID     string                     `json:",omitempty"`
	DeploymentStatus *api.AllocDeploymentStatus `json:",omitempty"`

	// Rebooted: its node booted since the allocation last reported, so its tasks
	// cannot be running. The next report clears it.
	Rebooted bool `json:",omitempty"`

	FollowupEvalID string    `json:",omitempty"`
	Previous       string    `json:",omitempty"`
	Next           string    `json:",omitempty"`
	Reschedule     []Attempt `json:",omitempty"` // oldest first
	Preempted      []string  `json:",omitempty"`
	PreemptedBy    string    `json:",omitempty"`

	CreateIndex      uint64
	ModifyIndex      uint64
	AllocModifyIndex uint64 // changed by servers only: what a node waits on
	UnknownAt        int64  `json:",omitempty"` // ns since 1970: when its node was last lost sight of
	CreateTime       int64  // ns since 1970
	ModifyTime       int64
}

// Attempt is one replacement of a failed allocation. The API's event lacks the
// delay, which the next attempt's grows from.
type Attempt struct {
	At                  int64 // ns since 1970
	PrevAlloc, PrevNode string
	Delay               time.Duration
}

// Name is the allocation's name, job.group[index].
func (a *Alloc) Name() string {
	return a.JobID + "." + a.Group + "[" + strconv.Itoa(a.Index) + "]"
}

// ClientTerminal says that the allocation's tasks have ended for good.
func (a *Alloc) ClientTerminal() bool {
	return a.Client == api.AllocClientStatusComplete || a.Client == api.AllocClientStatusFailed || a.Client == api.AllocClientStatusLost
}

// ServerTerminal says that servers do not want the allocation any more.
func (a *Alloc) ServerTerminal() bool { return a.Desired != api.AllocDesiredStatusRun }

// AllocID is the ID of a plan's nth placement (from 0).
func AllocID(evalID string, n int) string { return deriveID("alloc", evalID, strconv.Itoa(n)) }

// DeploymentID is the ID of the deployment that a plan creates.
func DeploymentID(evalID string) string { return deriveID("deployment", evalID) }

// deriveID makes the UUID that every replica derives from the same parts. Purity
// forbids a random source here, and a replayed log must give the same IDs.
func deriveID(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write([]byte(p))
		h.Write([]byte{0})
	}
	sum := h.Sum(nil)
	sum[6] = sum[6]&0x0f | 0x80 // version 8: vendor-specific (RFC 9562)
	sum[8] = sum[8]&0x3f | 0x80
	var b [36]byte
	hex.Encode(b[0:8], sum[0:4])
	b[8] = '-'
	hex.Encode(b[9:13], sum[4:6])
	b[13] = '-'
	hex.Encode(b[14:18], sum[6:8])
	b[18] = '-'
	hex.Encode(b[19:23], sum[8:10])
	b[23] = '-'
	hex.Encode(b[24:36], sum[10:16])
	return string(b[:])
}
