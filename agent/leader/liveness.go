package leader

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
)

// Member is what gossip knows of an agent.
type Member struct {
	ID, Name   string
	Region     string
	Addr       string // host:port of its cluster port
	BootID     string
	Server     bool
	Client     bool
	Alive      bool
	Left       bool // it said that it goes for good
	Restarting bool // it said that it will be back
	Since      time.Time
}

// Members is gossip, as the leader reads it.
type Members interface {
	Members() []Member
	Member(id string) (Member, bool)
}

// Prober gathers evidence.
type Prober interface {
	// Probe tries to reach an agent's cluster port until ctx ends.
	Probe(ctx context.Context, id, addr string) Evidence
	// Witnesses asks other agents to do the same; it returns what came back in time.
	Witnesses(ctx context.Context, id, addr string) []Evidence
}

const (
	// probeWindow bounds one round of evidence. Shorter heals faster; longer lets a
	// slow or lossy network answer.
	probeWindow = 300 * time.Millisecond
	// settle is how long a new leader waits for a node that gossip has never heard
	// of, as after a restart of the whole cluster.
	settle = 10 * time.Second
)

// liveness turns accusations into node statuses.
type liveness struct {
	l        *Leader
	log      hclog.Logger
	feed     *feed
	busy     Busy
	sighted  chan sighted
	goodbyes chan goodbye

	// owned by run
	suspects map[string]*suspect
	graces   map[string]time.Duration // by node, while it restarts
	started  time.Time
	brake    Brake
}

// suspect is a node under accusation.
type suspect struct {
	since   time.Time
	probing bool
	verdict Verdict
	next    time.Time     // when to look again
	restart time.Duration // the grace that it asked for
	logged  Verdict
}

type sighted struct {
	id string
	s  Sighting
}

type goodbye struct {
	id      string
	restart bool
	grace   time.Duration
}

func newLiveness(l *Leader, f *feed) *liveness {
	return &liveness{
		l: l, log: l.log.Named("liveness"), feed: f, busy: l.cfg.Busy("liveness"),
		sighted: make(chan sighted), goodbyes: make(chan goodbye, 64),
	}
}

// tableMembers marks a change of gossip in the liveness feed; After is the member's ID.
const tableMembers = "members"

// MemberChanged tells the loops that gossip knows something new of a member. It
// never blocks.
func (l *Leader) MemberChanged(id string) {
	l.liveness.feed.put([]state.Change{{Table: tableMembers, After: id}})
	l.members.wake()
}

// Goodbye tells that a node's agent stops: for a restart, during which nothing is
// to move for grace, or for good.
func (l *Leader) Goodbye(node string, restart bool, grace time.Duration) {
	if l.leases.goodbye(node, restart, grace) {
		return
	}
	select {
	case l.liveness.goodbyes <- goodbye{node, restart, grace}:
	default: // a flood of goodbyes: gossip says the same
	}
}

func (v *liveness) run(ctx context.Context) error {
	v.suspects, v.graces = map[string]*suspect{}, map[string]time.Duration{}
	v.started, v.brake = time.Now(), v.l.cfg.Brake
	look, settled := v.everyone(), false
	for {
		end := v.busy()
		now := time.Now()
		if !settled && now.Sub(v.started) >= settle {
			look, settled = v.everyone(), true
		}
		if err := v.accuse(ctx, look, now); err != nil {
			return err
		}
		next, err := v.sentence(ctx, now)
		if err != nil {
			return err
		}
		v.investigate(ctx, now)
		end()
		if at := v.started.Add(settle); !settled && (next.IsZero() || at.Before(next)) {
			next = at
		}
		if look, err = v.wait(ctx, next); err != nil {
			return err
		}
	}
}

// everyone lists all nodes. It is asked twice in a term: at its start, and when
// nodes that gossip has never heard of have had their time.
func (v *liveness) everyone() []string {
	var ids []string
	for n := range v.l.cfg.State.Snapshot().Nodes(nil) {
		ids = append(ids, n.ID)
	}
	return ids
}

// wait returns the nodes that something changed about.
func (v *liveness) wait(ctx context.Context, next time.Time) (look []string, err error) {
	var timer <-chan time.Time
	if !next.IsZero() {
		t := time.NewTimer(time.Until(next))
		defer t.Stop()
		timer = t.C
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-timer:
	case <-v.feed.ready:
		for _, c := range v.feed.take() {
			switch row := c.After.(type) {
			case string:
				look = append(look, row)
			case *state.Node:
				look = append(look, row.ID)
			}
			if c.Table == state.TableRestore {
				look = v.everyone()
			}
		}
	case g := <-v.goodbyes:
		if g.restart {
			v.graces[g.id] = g.grace
		}
	case s := <-v.sighted:
		if sus := v.suspects[s.id]; sus != nil {
			sus.probing, sus.verdict = false, judge(s.s)
		}
	}
	return look, nil
}

// accuse compares nodes with gossip: who should be there and is not becomes a
// suspect, who is back is cleared, and ready again if it was given up.
func (v *liveness) accuse(ctx context.Context, look []string, now time.Time) error {
	cmd := &state.NodeStatus{}
	snap := v.l.cfg.State.Snapshot()
	for _, id := range look {
		n := snap.Node(nil, id)
		m, known := v.l.cfg.Members.Member(id)
		switch {
		case n == nil, n.Lease > 0: // gone, or not gossip's to judge
			delete(v.suspects, id)
		case known && m.Alive:
			delete(v.suspects, id)
			v.brake.Back(id)
			if !m.Restarting {
				delete(v.graces, id)
			}
			// Another boot ID means that its tasks are gone; it registers and says so itself.
			if n.BootID == m.BootID && (n.Status == api.NodeStatusDown || n.Status == statusDisconnected) {
				cmd.Updates = append(cmd.Updates, state.NodeStatusUpdate{NodeID: id, Status: api.NodeStatusReady, Event: event(now, "Node reconnected")})
			}
		case n.Status == api.NodeStatusDown:
			delete(v.suspects, id)
		case !known && now.Sub(v.started) < settle:
		case v.suspects[id] == nil:
			v.suspects[id] = v.newSuspect(id, m, known, now)
			v.log.Info("node accused: gossip does not hear it", "node", id, "name", n.Name)
		}
	}
	if len(cmd.Updates) == 0 {
		return nil
	}
	if _, err := v.l.apply(ctx, cmd); err != nil {
		return fmt.Errorf("welcome %d nodes back: %w", len(cmd.Updates), err)
	}
	return nil
}

func (v *liveness) newSuspect(id string, m Member, known bool, now time.Time) *suspect {
	sus := &suspect{since: now, restart: v.graces[id]}
	if known && m.Since.Before(now) {
		sus.since = m.Since
	}
	if known && m.Restarting && sus.restart == 0 {
		sus.restart = v.l.cfg.Graces.Restarting
	}
	return sus
}

const statusDisconnected = "disconnected"

func event(now time.Time, text string) *api.NodeEvent {
	return &api.NodeEvent{Message: text, Subsystem: "Cluster", Timestamp: now}
}

// investigate starts a round of probes of every suspect whose time has come.
// Rounds run beside the loop, one a suspect, and end within probeWindow.
func (v *liveness) investigate(ctx context.Context, now time.Time) {
	snap := v.l.cfg.State.Snapshot()
	for id, sus := range v.suspects {
		if sus.probing || sus.verdict != "" || now.Before(sus.next) {
			continue
		}
		n := snap.Node(nil, id)
		if n == nil {
			delete(v.suspects, id)
			continue
		}
		sus.probing = true
		addr := n.RPCAddr
		go func() {
			s := v.sight(ctx, id, addr)
			select {
			case v.sighted <- sighted{id, s}:
			case <-ctx.Done():
			}
		}()
	}
}

func (v *liveness) sight(ctx context.Context, id, addr string) Sighting {
	ctx, cancel := context.WithTimeout(ctx, probeWindow)
	defer cancel()
	witnesses := make(chan []Evidence, 1)
	go func() { witnesses <- v.l.cfg.Prober.Witnesses(ctx, id, addr) }()
	own := v.l.cfg.Prober.Probe(ctx, id, addr)
	if own == Answered {
		cancel() // nothing can outweigh it
	}
	return Sighting{Own: own, Witnesses: <-witnesses}
}

// sentence acts on verdicts: a node whose grace is over is declared down, as far
// as the brake lets it. It returns when to look again.
func (v *liveness) sentence(ctx context.Context, now time.Time) (next time.Time, err error) {
	cmd := &state.NodeStatus{}
	snap := v.l.cfg.State.Snapshot()
	for id, sus := range v.suspects {
		n := snap.Node(nil, id)
		if n == nil {
			delete(v.suspects, id)
			continue
		}
		if sus.verdict != "" {
			if update, wait := v.judgeOne(snap, n, sus, now); update != nil {
				cmd.Updates = append(cmd.Updates, *update)
				if update.Status == api.NodeStatusDown {
					delete(v.suspects, id)
					continue
				}
			} else {
				sus.next = now.Add(wait)
			}
			sus.verdict = ""
		}
		if !sus.probing && (next.IsZero() || sus.next.Before(next)) {
			next = sus.next
		}
	}
	if len(cmd.Updates) == 0 {
		return next, nil
	}
	if _, err := v.l.apply(ctx, cmd); err != nil {
		return next, fmt.Errorf("declare %d nodes down: %w", len(cmd.Updates), err)
	}
	return next, nil
}

// judgeOne is the new status of a suspect, or nil and when to look at it again.
func (v *liveness) judgeOne(snap *state.Snapshot, n *state.Node, sus *suspect, now time.Time) (*state.NodeStatusUpdate, time.Duration) {
	if sus.logged != sus.verdict {
		sus.logged = sus.verdict
		v.log.Info("node judged", "node", n.ID, "verdict", sus.verdict, "accused_for", now.Sub(sus.since).Round(time.Millisecond))
	}
	down, again := v.l.cfg.Graces.decide(sus.verdict, sus.since, now, sus.restart)
	if m, ok := v.l.cfg.Members.Member(n.ID); ok && m.Left && sus.verdict != Alive {
		down = true
	}
	if !down {
		return nil, again
	}
	status := statusFor(snap, n)
	if status == n.Status {
		sus.next = now.Add(time.Second) // disconnected, and its jobs still wait for it
		return nil, time.Second
	}
	if n.Status != statusDisconnected { // a node that was given up already does not count again
		if ok, wait := v.brake.Allow(n.ID, now, countNodes(snap)); !ok {
			v.log.Warn("brake: many nodes fail at once, replacing slowly", "node", n.ID, "wait", wait)
			return nil, wait
		}
	}
	text := fmt.Sprintf("Node %s: %s", status, sus.verdict)
	v.log.Warn("node is "+status, "node", n.ID, "verdict", sus.verdict, "after", now.Sub(sus.since).Round(time.Millisecond))
	sus.next = now.Add(time.Second)
	return &state.NodeStatusUpdate{NodeID: n.ID, Status: status, Description: text, Event: event(now, text)}, 0
}

// countNodes is asked only when a node is about to be declared down.
func countNodes(snap *state.Snapshot) int {
	n := 0
	for range snap.Nodes(nil) {
		n++
	}
	return n
}

// statusFor is the status of a node that cannot be reached: disconnected as long
// as one of its jobs waits for it (disconnect with lost_after), else down.
func statusFor(snap *state.Snapshot, n *state.Node) string {
	for a := range snap.AllocsByNode(nil, n.ID) {
		if a.Desired != api.AllocDesiredStatusRun {
			continue
		}
		switch {
		case a.Client == api.AllocClientStatusUnknown:
			return statusDisconnected
		case a.Client != api.AllocClientStatusRunning && a.Client != api.AllocClientStatusPending:
			continue
		}
		j := snap.JobVersion(nil, a.Namespace, a.JobID, a.JobVersion)
		if j == nil {
			continue
		}
		if g := j.LookupTaskGroup(a.Group); g != nil && lowerDisconnect(g).LostAfter > 0 {
			return statusDisconnected
		}
	}
	return api.NodeStatusDown
}
