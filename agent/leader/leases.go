package leader

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
)

const (
	// leaseTick is how often leases are looked at; it is small against the shortest
	// (nodeapi.MinLease, 5 s), and nothing ticks while no node has one.
	leaseTick = time.Second
	// leaseBatch bounds the nodes of one log entry.
	leaseBatch = 1000
	// leaseSlices is into how many parts the leased nodes are divided for the brake:
	// they come in thousands, and it counts one at a time.
	leaseSlices = 100
	// leftFor is how long after its goodbye a node's own late calls do not bring it back.
	leftFor = 10 * time.Second
)

// leases is the liveness of the nodes that are not in gossip. Every call that such a
// node makes to any server renews its lease; when it runs out the node is down.
//
// Leases are not in the state: renewing them would cost an entry a second for a few
// hundred nodes. A new leader grants each node a whole one, as nobody can know
// better, and a node that is gone by then is found one lease later.
type leases struct {
	l    *Leader
	log  hclog.Logger
	feed *feed
	busy Busy

	mu      sync.Mutex
	renewed map[string]struct{}      // since the last look
	said    map[string]time.Duration // goodbyes since then: 0 for good, else when it is back

	// owned by run
	until map[string]time.Time // of the nodes that have a lease and are not down
	left  map[string]time.Time
	brake Brake
}

func newLeases(l *Leader, f *feed) *leases {
	return &leases{
		l: l, log: l.log.Named("leases"), feed: f, busy: l.cfg.Busy("leases"),
		renewed: map[string]struct{}{}, said: map[string]time.Duration{},
	}
}

// Renew tells that these nodes called a server within the last second or two. IDs of
// nodes without a lease are ignored.
func (l *Leader) Renew(nodes []string) {
	v := l.leases
	v.mu.Lock()
	for _, id := range nodes {
		v.renewed[id] = struct{}{}
	}
	v.mu.Unlock()
	v.feed.wake()
}

// goodbye notes what a node with a lease said, and reports whether it has one.
func (v *leases) goodbye(id string, restart bool, grace time.Duration) bool {
	n := v.l.cfg.State.Snapshot().Node(nil, id)
	if n == nil || n.Lease == 0 {
		return false
	}
	if !restart {
		grace = 0
	}
	v.mu.Lock()
	v.said[id] = min(grace, v.l.cfg.Graces.Restarting)
	v.mu.Unlock()
	v.feed.wake()
	return true
}

func (v *leases) run(ctx context.Context) error {
	v.until, v.left, v.brake = map[string]time.Time{}, map[string]time.Time{}, v.l.cfg.Brake
	v.all(time.Now())
	for {
		end := v.busy()
		err := v.pass(ctx, time.Now())
		end()
		if err != nil {
			return err
		}
		if err := v.wait(ctx); err != nil {
			return err
		}
	}
}

// wait returns when a lease may have run out, a node called, or one changed.
func (v *leases) wait(ctx context.Context) error {
	var tick <-chan time.Time
	if len(v.until) > 0 {
		t := time.NewTimer(leaseTick)
		defer t.Stop()
		tick = t.C
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-tick:
	case <-v.feed.ready:
	}
	return nil
}

// all grants every node that has a lease and is not down a whole one.
func (v *leases) all(now time.Time) {
	for n := range v.l.cfg.State.Snapshot().Nodes(nil) {
		if n.Lease > 0 && n.Status != api.NodeStatusDown {
			v.until[n.ID] = now.Add(n.Lease)
		}
	}
}

// pass takes in what happened, and commits what follows.
func (v *leases) pass(ctx context.Context, now time.Time) error {
	v.follow(now)
	snap := v.l.cfg.State.Snapshot()
	updates := append(v.farewell(snap, now), v.renew(snap, now)...)
	updates = append(updates, v.expire(snap, now)...)
	for part := range slices.Chunk(updates, leaseBatch) {
		if _, err := v.l.apply(ctx, &state.NodeStatus{Updates: part}); err != nil {
			return fmt.Errorf("change %d nodes with leases: %w", len(part), err)
		}
	}
	return nil
}

// follow takes over what the state says of nodes.
func (v *leases) follow(now time.Time) {
	for _, c := range v.feed.take() {
		if c.Table == state.TableRestore {
			clear(v.until)
			v.all(now)
			return
		}
		after, _ := c.After.(*state.Node)
		before, _ := c.Before.(*state.Node)
		switch {
		case after == nil && before != nil:
			delete(v.until, before.ID)
		case after == nil:
		case after.Lease == 0 || after.Status == api.NodeStatusDown:
			delete(v.until, after.ID)
		case before == nil || before.Lease == 0 || before.Status != after.Status && after.Status == api.NodeStatusReady:
			v.until[after.ID] = now.Add(after.Lease)
			delete(v.left, after.ID)
		}
	}
}

// farewell acts on goodbyes: a node that leaves is down now, and no brake holds,
// because this is no failure.
func (v *leases) farewell(snap *state.Snapshot, now time.Time) (out []state.NodeStatusUpdate) {
	v.mu.Lock()
	said := v.said
	v.said = map[string]time.Duration{}
	v.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(said)) {
		n := snap.Node(nil, id)
		switch {
		case n == nil || n.Status == api.NodeStatusDown:
		case said[id] > 0:
			v.until[id] = now.Add(max(said[id], n.Lease))
		default:
			v.left[id] = now
			out = append(out, leaseUpdate(n, api.NodeStatusDown, "it said goodbye", now))
		}
	}
	maps.DeleteFunc(v.left, func(_ string, at time.Time) bool { return now.Sub(at) > leftFor })
	return out
}

// renew prolongs the leases of the nodes that called, and welcomes back those that
// had been given up.
func (v *leases) renew(snap *state.Snapshot, now time.Time) (out []state.NodeStatusUpdate) {
	v.mu.Lock()
	renewed := v.renewed
	v.renewed = map[string]struct{}{}
	v.mu.Unlock()
	for id := range renewed {
		n := snap.Node(nil, id)
		if _, left := v.left[id]; left || n == nil || n.Lease == 0 {
			continue
		}
		if until := now.Add(n.Lease); until.After(v.until[id]) {
			v.until[id] = until
		}
		if n.Status == api.NodeStatusDown || n.Status == statusDisconnected {
			out = append(out, leaseUpdate(n, api.NodeStatusReady, "", now))
		}
	}
	return out
}

// expire gives up the nodes whose lease ran out, as far as the brake lets it.
func (v *leases) expire(snap *state.Snapshot, now time.Time) (out []state.NodeStatusUpdate) {
	var over []string
	for id, until := range v.until {
		if now.After(until) {
			over = append(over, id)
		}
	}
	if len(over) == 0 {
		return nil
	}
	slices.Sort(over)
	slice := max(1, len(v.until)/leaseSlices)
	for i, id := range over {
		if i%slice == 0 {
			if ok, wait := v.brake.Allow(id, now, (len(v.until)+slice-1)/slice); !ok {
				v.log.Warn("brake: many leases run out at once, replacing slowly", "nodes", len(over)-i, "wait", wait)
				break
			}
		}
		n := snap.Node(nil, id)
		if n == nil {
			delete(v.until, id)
			continue
		}
		status := statusFor(snap, n)
		v.until[id] = now.Add(leaseTick) // disconnected: looked at again until its jobs give it up
		if status != n.Status {
			v.log.Warn("node is "+status+": its lease ran out", "node", id, "lease", n.Lease)
			out = append(out, leaseUpdate(n, status, "its lease ran out", now))
		}
	}
	return out
}

// leaseUpdate is a node's change of status, with the reason that its users see.
func leaseUpdate(n *state.Node, status, why string, now time.Time) state.NodeStatusUpdate {
	if status == api.NodeStatusReady {
		return state.NodeStatusUpdate{NodeID: n.ID, Status: status, Event: event(now, "Node reconnected")}
	}
	text := fmt.Sprintf("Node %s: %s", status, why)
	return state.NodeStatusUpdate{NodeID: n.ID, Status: status, Description: text, Event: event(now, text)}
}
