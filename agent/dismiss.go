package agent

import (
	"sync"
	"time"

	"github.com/selfheal/selfheal/agent/gossip"
)

// dismissFor is how long an order to leave stands against a member that still
// answers. It covers the seconds between the end of an agent and its notice: an
// operator who stops a server and sends it away at once must not have to repeat it.
const dismissFor = time.Minute

// dismissals remembers the living members that were told to leave. One that
// stops answering meanwhile has left, and did not fail; one that lives on is a
// full member again afterwards.
type dismissals struct {
	mu     sync.Mutex
	orders map[string]dismissal // by member ID
}

type dismissal struct {
	prune bool
	until time.Time
}

// add remembers an order.
func (d *dismissals) add(id string, prune bool, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.orders == nil {
		d.orders = map[string]dismissal{}
	}
	d.orders[id] = dismissal{prune, now.Add(dismissFor)}
}

// standing is the order against a member, if there is one.
func (d *dismissals) standing(id string, now time.Time) (dismissal, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	o, ok := d.orders[id]
	if ok && now.After(o.until) {
		delete(d.orders, id)
		return dismissal{}, false
	}
	return o, ok
}

// watch carries an order out when its member has failed.
func (d *dismissals) watch(g *gossip.Gossip) func(gossip.Event) {
	return func(e gossip.Event) {
		if o, ok := d.standing(e.Member.ID, time.Now()); ok && e.Kind == gossip.EventFailed {
			_ = g.ForceLeave(e.Member.ID, o.prune) // it fails only when the agent stops or another did it
		}
	}
}
