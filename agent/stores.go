package agent

import (
	"github.com/hashicorp/raft"

	"github.com/selfheal/selfheal/agent/consensus"
)

// ServerStores keep a server's log over a restart within one process, for tests.
type ServerStores struct{ stores consensus.Stores }

// NewServerStores makes empty ones in memory.
func NewServerStores() *ServerStores {
	mem := raft.NewInmemStore()
	return &ServerStores{consensus.Stores{Log: mem, Stable: mem, Snapshots: raft.NewInmemSnapshotStore()}}
}
