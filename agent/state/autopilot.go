package state

import (
	"time"

	"github.com/hashicorp/go-memdb"
	"github.com/hashicorp/nomad/api"
)

// TypeSetAutopilot is the command of SetAutopilot.
const TypeSetAutopilot Type = 70

// TableAutopilot holds one *api.AutopilotConfiguration, once it was set.
const TableAutopilot = "autopilot"

const recAutopilot byte = 70

var autopilotIndexes = []index{identity(func(*api.AutopilotConfiguration) []byte { return joinKey("") })}

// SetAutopilot replaces the settings of how servers join and leave the consensus
// group; with CAS only if they were last changed at Index (0: never). Result: bool,
// whether it was replaced.
type SetAutopilot struct {
	Config *api.AutopilotConfiguration
	CAS    bool   `json:",omitempty"`
	Index  uint64 `json:",omitempty"`
}

// Type ties the command to its number.
func (*SetAutopilot) Type() Type { return TypeSetAutopilot }

// DefaultAutopilot is in force where nothing else is configured or set. The values are those of
// the Nomad API's documentation.
func DefaultAutopilot() *api.AutopilotConfiguration {
	return &api.AutopilotConfiguration{
		CleanupDeadServers: true, LastContactThreshold: 200 * time.Millisecond,
		MaxTrailingLogs: 250, ServerStabilizationTime: 10 * time.Second,
	}
}

// Autopilot is what was set, nil before that.
func (s *Snapshot) Autopilot(ws memdb.WatchSet) *api.AutopilotConfiguration {
	return one[api.AutopilotConfiguration](s, ws, TableAutopilot, byID, "")
}

func applySetAutopilot(t *tx, c *SetAutopilot) any {
	if c.Config == nil {
		return invalidf("set autopilot configuration: it is missing")
	}
	old := one[api.AutopilotConfiguration](t.Snapshot, nil, TableAutopilot, byID, "")
	after := *c.Config
	after.CreateIndex, after.ModifyIndex = t.index, t.index
	has := uint64(0)
	if old != nil {
		after.CreateIndex, has = old.CreateIndex, old.ModifyIndex
	}
	if c.CAS && c.Index != has {
		return false
	}
	put(t, TableAutopilot, old, &after)
	return true
}
