package healapi

import (
	"fmt"
	"time"
)

// The modes of balancing. A job's Meta key "selfheal.rebalance" holds one of them for its
// own allocations; ModeOff of the cluster is the last word for all.
const (
	ModeOff     = "off"     // nothing moves, and nothing is proposed
	ModePropose = "propose" // moves are proposed, and nobody makes them
	ModeOn      = "on"      // moves are made
)

// MetaRebalance is the job's Meta key.
const MetaRebalance = "selfheal.rebalance"

// RebalanceConfig is when work moves to balance the cluster, and how fast.
type RebalanceConfig struct {
	// Mode is off, propose or on.
	Mode string
	// Threshold and Goal are skews, as shares of a node (0.2 = 20 points): beyond Threshold
	// balancing begins, at Goal it ends. The skew of a datacenter and node pool is the
	// dominant share in use of its most used node less that of its least used one. A lower
	// Threshold moves more for less.
	Threshold, Goal float64
	// MinGain is the least that a move must be worth, in shares of a node or of score: every
	// move costs a restart.
	MinGain float64
	// MaxParallel bounds the moves under way in the whole cluster; a group's own bound is
	// migrate.max_parallel less its allocations that are not well.
	MaxParallel int
	// Cooldown is how long an allocation stays where it was placed (ns).
	Cooldown time.Duration
	// Settle is how long a node must be ready before work is moved to it (ns): a node that
	// comes and goes gets none.
	Settle time.Duration
}

// DefaultRebalance proposes and moves nothing.
func DefaultRebalance() RebalanceConfig {
	return RebalanceConfig{
		Mode: ModePropose, Threshold: 0.20, Goal: 0.10, MinGain: 0.05, MaxParallel: 4,
		Cooldown: 10 * time.Minute, Settle: time.Minute,
	}
}

// Validate says what to change, nil when all is well.
func (c RebalanceConfig) Validate() error {
	switch {
	case !ValidMode(c.Mode):
		return fmt.Errorf("Mode is %q: use off, propose or on", c.Mode)
	case !(c.Threshold > 0 && c.Threshold <= 1):
		return fmt.Errorf("Threshold is %v: use a share of a node above 0 and up to 1, such as 0.2", c.Threshold)
	case !(c.Goal >= 0 && c.Goal < c.Threshold):
		return fmt.Errorf("Goal is %v: use a share from 0 and below Threshold, which is %v", c.Goal, c.Threshold)
	case !(c.MinGain > 0 && c.MinGain <= 1):
		return fmt.Errorf("MinGain is %v: use a share above 0 and up to 1, such as 0.05", c.MinGain)
	case c.MaxParallel < 1 || c.MaxParallel > 1000:
		return fmt.Errorf("MaxParallel is %d: use 1 to 1000", c.MaxParallel)
	case c.Cooldown < 0 || c.Settle < 0:
		return fmt.Errorf("Cooldown is %s and Settle %s: use 0 or more", c.Cooldown, c.Settle)
	}
	return nil
}

// ValidMode reports whether mode is one of the three.
func ValidMode(mode string) bool { return mode == ModeOff || mode == ModePropose || mode == ModeOn }

// Rebalance answers GET /v1/heal/rebalance.
type Rebalance struct {
	Config RebalanceConfig
	// Algorithm is the scheduler's: skew counts with "spread" only.
	Algorithm string
	// Balancing: the threshold was exceeded and the goal is not reached yet.
	Balancing bool
	// Skews are the present ones.
	Skews []Skew
	// Moving are the moves under way, Proposed those that would be worth while now.
	Moving, Proposed []Move
	LastIndex        uint64
}

// Skew is how unevenly a datacenter and node pool is used.
type Skew struct {
	Datacenter, NodePool          string
	MostUsedNode, LeastUsedNode   string // names
	MostUsedShare, LeastUsedShare float64
}

// Move takes an allocation to another node, its successor first.
type Move struct {
	AllocID, Name, Namespace, JobID, TaskGroup string
	FromNodeID, FromNodeName                   string
	ToNodeID, ToNodeName                       string
	// SuccessorID is the allocation that takes its place, "" as long as there is none.
	SuccessorID string `json:",omitempty"`
	// Mode is the one in force for the job: a proposed move of mode on is about to be made.
	Mode   string
	Reason string
}

// RebalanceUpdate changes the settings: what is nil stays.
type RebalanceUpdate struct {
	Mode            *string        `json:",omitempty"`
	Threshold, Goal *float64       `json:",omitempty"`
	MinGain         *float64       `json:",omitempty"`
	MaxParallel     *int           `json:",omitempty"`
	Cooldown        *time.Duration `json:",omitempty"`
	Settle          *time.Duration `json:",omitempty"`
}

// Apply returns the settings with the changes made.
func (u RebalanceUpdate) Apply(c RebalanceConfig) RebalanceConfig {
	replace(&c.Mode, u.Mode)
	replace(&c.Threshold, u.Threshold)
	replace(&c.Goal, u.Goal)
	replace(&c.MinGain, u.MinGain)
	replace(&c.MaxParallel, u.MaxParallel)
	replace(&c.Cooldown, u.Cooldown)
	replace(&c.Settle, u.Settle)
	return c
}

func replace[T any](field *T, with *T) {
	if with != nil {
		*field = *with
	}
}

// RebalanceSet answers PUT /v1/heal/rebalance with the settings as they are now.
type RebalanceSet struct {
	Config    RebalanceConfig
	LastIndex uint64
}
