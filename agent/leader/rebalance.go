package leader

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/healapi"
	"github.com/selfheal/selfheal/agent/state"
	"github.com/selfheal/selfheal/scheduler"
)

// rebalancer moves work when that brings the cluster nearer to balance, where it is asked to:
//
//	a node is ready, a setting changed, a move ended, a cool-down is over
//	    ─▶ scheduler.Rebalance, between decisions ─▶ BeginMoves ─▶ an evaluation places the successor
//	the successor is healthy ─▶ EndMoves: the predecessor stops
//	the successor fails, or finds no room ─▶ EndMoves: it stops, and the predecessor stays
//
// What moves is in the allocations' rows. The sets here are read from them when this server
// starts to lead.
type rebalancer struct {
	l      *Leader
	log    hclog.Logger
	feed   *feed
	busy   Busy
	moving map[string]bool // allocations that are asked to move
	look   time.Time       // when to look for moves; zero: not before something changes
}

func newRebalancer(l *Leader, f *feed) *rebalancer {
	return &rebalancer{l: l, log: l.log.Named("rebalance"), feed: f, busy: l.cfg.Busy("rebalance")}
}

func (r *rebalancer) run(ctx context.Context) error {
	snap := r.l.cfg.State.Snapshot()
	r.moving = map[string]bool{}
	for a := range snap.Allocs(nil, state.AllNamespaces, "") {
		if a.Moves() {
			r.moving[a.ID] = true
		}
	}
	r.look = time.Now().Add(snap.Rebalancing(nil).Config.Settle) // nodes may be coming back to a new leader
	for {
		end := r.busy()
		next, err := r.tend(ctx, time.Now())
		end()
		if err != nil {
			return err
		}
		if err := r.wait(ctx, next); err != nil {
			return err
		}
	}
}

// wait returns when a move may have ended, or it is time to look for others.
func (r *rebalancer) wait(ctx context.Context, next time.Time) error {
	var timer <-chan time.Time
	if !next.IsZero() {
		t := time.NewTimer(time.Until(next))
		defer t.Stop()
		timer = t.C
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer:
			return nil
		case <-r.feed.ready:
			if r.notice(r.feed.take()) {
				return nil
			}
		}
	}
}

// notice reads changes and reports whether one of them matters here.
func (r *rebalancer) notice(changes []state.Change) bool {
	matters := false
	for _, c := range changes {
		switch row := c.After.(type) {
		case *state.Alloc:
			if row.Moves() {
				r.moving[row.ID] = true
			}
			matters = matters || r.moving[row.ID] || r.moving[row.Previous]
		case *state.Node:
			before, _ := c.Before.(*state.Node)
			if opened(before, row) {
				r.lookBy(time.Unix(row.StatusUpdatedAt, 0).Add(r.l.cfg.State.Snapshot().Rebalancing(nil).Config.Settle))
				matters = true
			}
		case *state.Rebalancing, *api.SchedulerConfiguration:
			r.lookBy(time.Now())
			matters = true
		}
	}
	return matters
}

// opened reports whether a node has begun to take new work.
func opened(before, after *state.Node) bool {
	open := func(n *state.Node) bool {
		return n != nil && n.Status == api.NodeStatusReady && n.SchedulingEligibility == api.NodeSchedulingEligible && n.DrainStrategy == nil
	}
	return open(after) && !open(before)
}

// lookBy makes sure that moves are looked for at a time, or before it.
func (r *rebalancer) lookBy(at time.Time) {
	if r.look.IsZero() || at.Before(r.look) {
		r.look = at
	}
}

// tend ends moves that are over and begins others. It returns when to come again.
func (r *rebalancer) tend(ctx context.Context, now time.Time) (next time.Time, err error) {
	snap := r.l.cfg.State.Snapshot()
	cmd := &state.EndMoves{}
	for _, id := range slices.Sorted(maps.Keys(r.moving)) {
		a := snap.Alloc(nil, id)
		if a == nil || !a.Moves() || a.ServerTerminal() {
			delete(r.moving, id)
			continue
		}
		v := judgeMove(snap, a, now)
		switch {
		case v.done:
			cmd.Done = append(cmd.Done, id)
		case v.off != "":
			cmd.Off = append(cmd.Off, state.OffMove{AllocID: id, Why: v.off})
		case next.IsZero() || v.limit.Before(next):
			next = v.limit
		}
	}
	if len(cmd.Done)+len(cmd.Off) > 0 {
		if _, err := r.l.apply(ctx, cmd); err != nil {
			return next, fmt.Errorf("end %d moves: %w", len(cmd.Done)+len(cmd.Off), err)
		}
		for _, off := range cmd.Off {
			r.log.Info("move called off", "alloc", off.AllocID, "why", off.Why)
		}
		r.lookBy(now)
	}
	if !r.look.IsZero() && !now.Before(r.look) {
		r.look = time.Time{}
		if err := r.begin(ctx, now); err != nil {
			return next, err
		}
	}
	if next.IsZero() || !r.look.IsZero() && r.look.Before(next) {
		next = r.look
	}
	return next, nil
}

// moveVerdict is what becomes of a move.
type moveVerdict struct {
	done  bool
	off   string    // why it is given up
	limit time.Time // until when it may go on
}

// moveLimit is how long a move may take before it is given up: longer than the
// healthy_deadline of the migrate block, 5 minutes by default, after which a node itself says
// that an allocation is not healthy.
const moveLimit = 10 * time.Minute

// judgeMove decides about a move that is under way.
func judgeMove(snap *state.Snapshot, a *state.Alloc, now time.Time) moveVerdict {
	limit := time.Unix(0, a.Move.At).Add(moveLimit)
	to := nodeName(snap, a.Move.To)
	next := snap.Alloc(nil, a.Next)
	switch {
	case a.ClientTerminal() && next != nil:
		return moveVerdict{done: true} // the successor has its slot already
	case a.ClientTerminal():
		return moveVerdict{off: "the allocation has ended by itself"}
	case next == nil && deciding(snap, a):
		return moveVerdict{limit: limit}
	case next == nil:
		return moveVerdict{off: "node " + to + " has no room any more, or the job changes"}
	case next.ServerTerminal():
		return moveVerdict{off: "its successor was stopped: " + next.DesiredDescription}
	case next.ClientTerminal():
		return moveVerdict{off: "its successor on node " + to + " is " + next.Client}
	}
	if s := next.DeploymentStatus; s != nil && s.Healthy != nil {
		if *s.Healthy {
			return moveVerdict{done: true}
		}
		return moveVerdict{off: "its successor on node " + to + " is not healthy"}
	}
	if !now.Before(limit) {
		return moveVerdict{off: "its successor on node " + to + " was not healthy within " + moveLimit.String()}
	}
	return moveVerdict{limit: limit}
}

// deciding reports whether an evaluation of the allocation's job is still to be decided.
func deciding(snap *state.Snapshot, a *state.Alloc) bool {
	for e := range snap.EvalsByJob(nil, a.Namespace, a.JobID) {
		if e.Status == api.EvalStatusPending && e.WaitUntil.IsZero() {
			return true
		}
	}
	return false
}

// begin looks for moves of jobs that are to be moved, and begins as many as may be under way.
func (r *rebalancer) begin(ctx context.Context, now time.Time) error {
	snap := r.l.cfg.State.Snapshot()
	row := snap.Rebalancing(nil)
	room := row.Config.MaxParallel - len(r.moving)
	if room <= 0 || row.Config.Mode == healapi.ModeOff || !anyIn(snap, healapi.ModeOn) {
		return nil // a move that ends, or a setting that changes, leads here again
	}
	out, err := r.l.balance(ctx, []string{healapi.ModeOn}, room)
	if err != nil {
		return err
	}
	if len(out.Moves) == 0 && row.Begun == out.Begun {
		if !out.Later.IsZero() {
			r.lookBy(out.Later)
		}
		return nil
	}
	cmd := &state.BeginMoves{Begun: out.Begun}
	for _, m := range out.Moves {
		cmd.Moves = append(cmd.Moves, state.AskedMove{AllocID: m.Alloc.ID, NodeID: m.To, Why: m.Why})
		r.moving[m.Alloc.ID] = true
		r.log.Info("moving to balance", "alloc", m.Alloc.ID, "job", m.Alloc.Job, "node", m.To, "why", m.Why)
	}
	if _, err := r.l.apply(ctx, cmd); err != nil {
		return fmt.Errorf("begin %d moves: %w", len(cmd.Moves), err)
	}
	if !out.Later.IsZero() {
		r.lookBy(out.Later)
	}
	return nil
}

// balance asks for the moves that are worth while now, of jobs with one of the modes.
func (l *Leader) balance(ctx context.Context, modes []string, most int) (*scheduler.Balance, error) {
	var out *scheduler.Balance
	err := l.ask(ctx, func(e *evaluator) (work *scheduler.Inquiry) {
		work, out = scheduler.Rebalance(e.cluster, e.source, e.balancing(modes, most))
		return work
	})
	return out, err
}

// balancing lowers the settings, with the modes of jobs and the ages of nodes as they are.
func (e *evaluator) balancing(modes []string, most int) scheduler.RebalanceConfig {
	snap, now := e.l.cfg.State.Snapshot(), time.Now()
	row := snap.Rebalancing(nil)
	c := row.Config
	return scheduler.RebalanceConfig{
		Threshold: c.Threshold, Goal: c.Goal, Begun: row.Begun, MinGain: c.MinGain, Cooldown: c.Cooldown, MaxMoves: most,
		Allowed: func(namespace, id string) bool {
			job := snap.Job(nil, namespace, id)
			return job != nil && slices.Contains(modes, rebalanceMode(c, job))
		},
		Settled: func(id string) bool {
			n := snap.Node(nil, id)
			return n != nil && !now.Before(time.Unix(n.StatusUpdatedAt, 0).Add(c.Settle))
		},
	}
}

// rebalanceMode is the mode in force for a job: its own, unless the cluster's is off.
func rebalanceMode(c healapi.RebalanceConfig, job *api.Job) string {
	if own := job.Meta[healapi.MetaRebalance]; c.Mode != healapi.ModeOff && healapi.ValidMode(own) {
		return own
	}
	return c.Mode
}

// anyIn reports whether any job is in a mode.
func anyIn(snap *state.Snapshot, mode string) bool {
	c := snap.Rebalancing(nil).Config
	if c.Mode == mode {
		return true
	}
	for job := range snap.Jobs(nil, state.AllNamespaces, "") {
		if rebalanceMode(c, job) == mode {
			return true
		}
	}
	return false
}

// proposed bounds the proposal that is shown.
const proposed = 50

// Rebalance tells the settings, the moves that are under way, and those that would be worth
// while now.
func (l *Leader) Rebalance(ctx context.Context) (*healapi.Rebalance, error) {
	snap := l.cfg.State.Snapshot()
	row := snap.Rebalancing(nil)
	out := &healapi.Rebalance{
		Config: row.Config, Balancing: row.Begun, Algorithm: lowerSettings(snap.SchedulerConfig(nil)).Algorithm,
		Skews: []healapi.Skew{}, Moving: []healapi.Move{}, Proposed: []healapi.Move{}, LastIndex: snap.LastIndex(),
	}
	for a := range snap.Allocs(nil, state.AllNamespaces, "") {
		if a.Moves() && !a.ServerTerminal() {
			out.Moving = append(out.Moving, raiseMove(snap, row.Config, a, a.Move.To, a.Move.Why))
		}
	}
	if row.Config.Mode == healapi.ModeOff {
		return out, nil
	}
	release, err := l.takeTurn(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	found, err := l.balance(ctx, []string{healapi.ModePropose, healapi.ModeOn}, proposed)
	if err != nil {
		return nil, err
	}
	for _, s := range found.Skews {
		out.Skews = append(out.Skews, healapi.Skew{
			Datacenter: s.Datacenter, NodePool: s.Pool, MostUsedNode: nodeName(snap, s.Most), LeastUsedNode: nodeName(snap, s.Least),
			MostUsedShare: s.High, LeastUsedShare: s.Low,
		})
	}
	for _, m := range found.Moves {
		if a := snap.Alloc(nil, m.Alloc.ID); a != nil {
			out.Proposed = append(out.Proposed, raiseMove(snap, row.Config, a, m.To, m.Why))
		}
	}
	return out, nil
}

func raiseMove(snap *state.Snapshot, c healapi.RebalanceConfig, a *state.Alloc, to, why string) healapi.Move {
	m := healapi.Move{
		AllocID: a.ID, Name: a.Name(), Namespace: a.Namespace, JobID: a.JobID, TaskGroup: a.Group,
		FromNodeID: a.NodeID, FromNodeName: nodeName(snap, a.NodeID), ToNodeID: to, ToNodeName: nodeName(snap, to), Reason: why,
	}
	if a.Moves() {
		m.SuccessorID = a.Next
	}
	if job := snap.Job(nil, a.Namespace, a.JobID); job != nil {
		m.Mode = rebalanceMode(c, job)
	}
	return m
}
