package state

import (
	"github.com/hashicorp/go-memdb"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/healapi"
)

// The log commands of balancing.
const (
	TypeSetRebalance Type = iota + 80
	TypeBeginMoves
	TypeEndMoves
)

// recRebalance is the kind of record of the settings: the number of their command.
const recRebalance = byte(TypeSetRebalance)

// TableRebalance holds the settings of balancing: *Rebalancing, one row.
const TableRebalance = "rebalance"

// triggerRebalance is the trigger of evaluations that a move asks for.
const triggerRebalance = "rebalance"

// Move is where an allocation is to go, its successor first.
type Move struct {
	To  string `json:",omitempty"` // node ID; "" when its last move was called off
	Why string `json:",omitempty"`
	At  int64  // ns since 1970: when it was decided, or called off
}

// Rebalancing is the settings of balancing, and how far it is.
type Rebalancing struct {
	Config healapi.RebalanceConfig
	// Begun: the threshold was exceeded, and the goal is not reached yet.
	Begun                    bool
	CreateIndex, ModifyIndex uint64
}

// SetRebalance changes the settings of balancing. Result: *Rebalancing.
type SetRebalance struct{ Update healapi.RebalanceUpdate }

// BeginMoves asks allocations to move and evaluates their jobs. What is over, moves already,
// or would go to a node that is not ready, is passed over. Result: nil.
type BeginMoves struct {
	Moves []AskedMove `json:",omitempty"`
	// Begun is Rebalancing.Begun from now on.
	Begun bool `json:",omitempty"`
}

// AskedMove is one move.
type AskedMove struct{ AllocID, NodeID, Why string }

// EndMoves ends moves, and evaluates the jobs. Done ones stop: their successors are healthy.
// Of the others the successor stops and the allocation stays. Result: nil.
type EndMoves struct {
	Done []string `json:",omitempty"` // allocation IDs
	Off  []OffMove
}

// OffMove is a move that is given up.
type OffMove struct{ AllocID, Why string }

// Type implements Command.
func (*SetRebalance) Type() Type { return TypeSetRebalance }

// Type implements Command.
func (*BeginMoves) Type() Type { return TypeBeginMoves }

// Type implements Command.
func (*EndMoves) Type() Type { return TypeEndMoves }

// Rebalancing is the settings of balancing; the defaults until they are set.
func (s *Snapshot) Rebalancing(ws memdb.WatchSet) *Rebalancing {
	if r := one[Rebalancing](s, ws, TableRebalance, byID, ""); r != nil {
		return r
	}
	return &Rebalancing{Config: healapi.DefaultRebalance()}
}

func (t *tx) putRebalancing(r Rebalancing) {
	old := one[Rebalancing](t.Snapshot, nil, TableRebalance, byID, "")
	r.CreateIndex, r.ModifyIndex = t.index, t.index
	if old != nil {
		r.CreateIndex = old.CreateIndex
	}
	put(t, TableRebalance, old, &r)
}

func applySetRebalance(t *tx, c *SetRebalance) any {
	r := *t.Rebalancing(nil)
	r.Config = c.Update.Apply(r.Config)
	if err := r.Config.Validate(); err != nil {
		return invalidf("set rebalancing: %v", err)
	}
	t.putRebalancing(r)
	return t.Rebalancing(nil)
}

func applyBeginMoves(t *tx, c *BeginMoves) any {
	if r := *t.Rebalancing(nil); r.Begun != c.Begun {
		r.Begun = c.Begun
		t.putRebalancing(r)
	}
	for _, m := range c.Moves {
		a, n := t.allocs.get(m.AllocID), t.Node(nil, m.NodeID)
		if a == nil || n == nil || n.Status != api.NodeStatusReady || a.Moves() || a.ServerTerminal() || a.ClientTerminal() || a.NodeID == n.ID {
			continue
		}
		b := *a
		b.Move = &Move{To: n.ID, Why: m.Why, At: t.at}
		b.DesiredDescription = t.s.pool.text("moving to balance: " + m.Why)
		t.putAlloc(a, &b, false)
		if job := t.jobOf(&b); job != nil {
			t.evaluate(job, triggerRebalance, nil)
		}
	}
	return nil
}

func applyEndMoves(t *tx, c *EndMoves) any {
	for _, id := range c.Done {
		if a := t.allocs.get(id); a != nil && a.Moves() {
			t.endMove(a, true, "moved to balance: "+a.Move.Why)
		}
	}
	for _, off := range c.Off {
		if a := t.allocs.get(off.AllocID); a != nil && a.Moves() {
			t.endMove(a, false, "move called off: "+off.Why)
		}
	}
	return nil
}

// endMove stops one of the two allocations of a move, with a reason.
func (t *tx) endMove(a *Alloc, done bool, why string) {
	next := t.allocs.get(a.Next)
	b := *a
	b.Move = nil
	stops := b.Desired == api.AllocDesiredStatusRun
	if stops {
		b.DesiredDescription = ""
	}
	if done && stops {
		b.Desired, b.DesiredDescription = t.s.pool.text(api.AllocDesiredStatusStop), t.s.pool.text(why)
	}
	if !done {
		b.Next, b.Move = "", &Move{At: t.at}
	}
	t.putAlloc(a, &b, done)
	if !done && next != nil && !next.ServerTerminal() {
		gone := *next
		gone.Desired, gone.DesiredDescription = t.s.pool.text(api.AllocDesiredStatusStop), t.s.pool.text(why)
		t.putAlloc(next, &gone, true)
	}
	if job := t.jobOf(a); job != nil {
		t.evaluate(job, triggerRebalance, nil)
	}
}

// Moves reports whether the allocation is asked to move to another node.
func (a *Alloc) Moves() bool { return a.Move != nil && a.Move.To != "" }

// Succeeds reports whether the allocation was placed for one that was asked to leave its
// node, by a drain or a move: then its health counts, as it does in a deployment.
func (s *Snapshot) Succeeds(a *Alloc) bool {
	old := s.allocs.get(a.Previous)
	return old != nil && (old.Moves() || old.Transition != nil && old.Transition.Migrate != nil && *old.Transition.Migrate)
}
