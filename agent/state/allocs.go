package state

import (
	"cmp"
	"maps"
	"reflect"
	"slices"

	"github.com/hashicorp/nomad/api"
)

// applyUpdateAllocs takes a node's report of its allocations. Allocations that were
// forgotten meanwhile are passed over.
func applyUpdateAllocs(t *tx, c *UpdateAllocs) any {
	if err := t.takeReport(c); err != nil {
		return err
	}
	return nil
}

// applyUpdateNodes takes many reports; one that is refused keeps none of the others out.
func applyUpdateNodes(t *tx, c *UpdateNodes) any {
	refused := make([]error, len(c.Reports))
	for i := range c.Reports {
		refused[i] = t.takeReport(&c.Reports[i])
	}
	return refused
}

// takeReport takes all of a report or nothing.
func (t *tx) takeReport(c *UpdateAllocs) error {
	for i := range c.Updates {
		if a := t.allocs.get(c.Updates[i].ID); a != nil && a.NodeID != c.NodeID {
			return ErrPermission{"allocation " + a.ID + " is not on node " + c.NodeID}
		}
	}
	for i := range c.Updates {
		if a := t.allocs.get(c.Updates[i].ID); a != nil {
			t.updateAlloc(a, &c.Updates[i])
		}
	}
	return nil
}

func (t *tx) updateAlloc(a *Alloc, u *AllocUpdate) {
	states := t.s.pool.pack(u.TaskStates)
	if isOlder(states, a.TaskStates) {
		return
	}
	b := *a
	if states != nil {
		b.TaskStates = states
	}
	if u.NetworkStatus != nil {
		b.NetworkStatus = u.NetworkStatus
	}
	b.Client = t.s.pool.text(nextClient(a.Client, u.ClientStatus))
	if b.Client == u.ClientStatus {
		b.ClientDescription = t.s.pool.text(u.ClientDescription)
		if b.Client != api.AllocClientStatusPending {
			b.Rebooted = false
		}
	}
	healthChanged := t.setHealth(&b, u.Healthy, u.HealthyAt)
	t.setServices(&b, u.Services, u.Failing)
	if !healthChanged && sameReport(a, &b) {
		return
	}
	t.putAlloc(a, &b, false)
	if healthChanged {
		t.countHealth(a, &b)
	}
	if trigger := t.wantsEval(a, &b); trigger != "" {
		t.evaluate(t.jobOf(&b), trigger, nil)
	}
}

// isOlder compares reports by the last event of any task: tasks only ever add events.
func isOlder(report, known TaskStates) bool {
	return report != nil && report.lastEvent() < known.lastEvent()
}

// nextClient is the client status after a report: never back out of an end, and
// out of unknown to anything, as the node is heard of again.
func nextClient(now, reported string) string {
	switch {
	case clientRanks[reported] == 0: // not a status that nodes report
		return now
	case clientRanks[now] == clientEnded:
		return now
	}
	return reported
}

const clientEnded = 3

var clientRanks = map[string]int{
	api.AllocClientStatusPending: 1, api.AllocClientStatusRunning: 2,
	api.AllocClientStatusComplete: clientEnded, api.AllocClientStatusFailed: clientEnded, api.AllocClientStatusLost: clientEnded,
}

func sameReport(a, b *Alloc) bool {
	return a.Client == b.Client && a.ClientDescription == b.ClientDescription && a.Rebooted == b.Rebooted &&
		reflect.DeepEqual(a.NetworkStatus, b.NetworkStatus) && reflect.DeepEqual(a.TaskStates, b.TaskStates)
}

// wantsEval says why a job is to be evaluated after a report, "" if it is not.
func (t *tx) wantsEval(a, b *Alloc) string {
	switch {
	case a.Client == b.Client:
		return ""
	case a.Client == api.AllocClientStatusUnknown:
		if n := t.Node(nil, b.NodeID); n == nil || n.Status != api.NodeStatusReady {
			return "" // the job is evaluated when the node is ready again; before, it would be lost sight of once more
		}
		return triggerReconnect
	case b.ServerTerminal():
		return ""
	case b.Client == api.AllocClientStatusFailed:
		return triggerAllocFailure
	case b.Client == api.AllocClientStatusComplete && longRunning(t.jobOf(b)):
		return triggerAllocFailure
	}
	return ""
}

// longRunning jobs have their allocations replaced when they end well.
func longRunning(j *api.Job) bool {
	return *j.Type == api.JobTypeService || *j.Type == api.JobTypeSystem
}

// applyTransitionAllocs sets desired transitions and has the jobs evaluated.
func applyTransitionAllocs(t *tx, c *TransitionAllocs) any {
	result := &TransitionResult{EvalIDs: map[string]string{}}
	trigger := cmp.Or(c.Trigger, triggerAllocStop)
	found := false
	for _, id := range slices.Sorted(maps.Keys(c.Allocs)) {
		a := t.allocs.get(id)
		if a == nil || c.Allocs[id] == nil {
			continue
		}
		found = true
		t.transition(a, c.Allocs[id])
		key := a.Namespace + "\x00" + a.JobID
		if result.EvalIDs[key] == "" {
			result.EvalIDs[key] = t.newEval(t.jobOf(a), trigger, 0, nil).ID
		}
	}
	if !found && len(c.Allocs) > 0 {
		return ErrNotFound{"alloc", slices.Sorted(maps.Keys(c.Allocs))[0]}
	}
	return result
}

// transition merges what is asked into an allocation's desired transition.
func (t *tx) transition(a *Alloc, d *api.DesiredTransition) {
	merged := api.DesiredTransition{}
	if a.Transition != nil {
		merged = *a.Transition
	}
	fields := []struct{ to, from **bool }{
		{&merged.Migrate, &d.Migrate}, {&merged.Reschedule, &d.Reschedule},
		{&merged.ForceReschedule, &d.ForceReschedule}, {&merged.NoShutdownDelay, &d.NoShutdownDelay},
		{&merged.MigrateDisablePlacement, &d.MigrateDisablePlacement},
	}
	for _, f := range fields {
		if *f.from != nil {
			*f.to = *f.from
		}
	}
	b := *a
	b.Transition = &merged
	t.putAlloc(a, &b, true)
}
