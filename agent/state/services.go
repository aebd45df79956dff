package state

import (
	"iter"
	"slices"

	"github.com/hashicorp/go-memdb"
	"github.com/hashicorp/nomad/api"
)

// Service is a registration's row: what everyone may see, and what only servers
// know. Rows are never changed after they are stored.
//
// A registration belongs to an allocation. Its node says with each report which
// services the allocation offers now; whatever ends that by the servers' own
// knowledge (the allocation ended or is unknown, its node is down, was rebooted or
// is disconnected) takes the rows away in the same transaction. Until a node is
// ready again its reports register nothing, and when it is, the servers touch its
// allocations, which makes it report them again.
type Service struct {
	api.ServiceRegistration
	// Failing: not all of its checks pass.
	Failing bool `json:",omitempty"`
}

// Service is one registration, nil if there is none.
func (s *Snapshot) Service(ws memdb.WatchSet, id string) *Service {
	return one[Service](s, ws, TableServices, byID, id)
}

// Services are the registrations of a namespace, or of all, by namespace, name and ID.
func (s *Snapshot) Services(ws memdb.WatchSet, ns string) iter.Seq[*Service] {
	if ns == AllNamespaces {
		return rows[Service](s, ws, TableServices, byName)
	}
	return rows[Service](s, ws, TableServices, byName+"_prefix", ns+"\x00")
}

// ServicesByName are the registrations of one service, by ID.
func (s *Snapshot) ServicesByName(ws memdb.WatchSet, ns, name string) iter.Seq[*Service] {
	return rows[Service](s, ws, TableServices, byName+"_prefix", ns, name+"\x00")
}

// ServicesByJob are the registrations of a job, by ID.
func (s *Snapshot) ServicesByJob(ws memdb.WatchSet, ns, job string) iter.Seq[*Service] {
	return rows[Service](s, ws, TableServices, byJob+"_prefix", ns, job+"\x00")
}

// ServicesByAlloc are the registrations of an allocation, by ID.
func (s *Snapshot) ServicesByAlloc(ws memdb.WatchSet, alloc string) iter.Seq[*Service] {
	return rows[Service](s, ws, TableServices, byAlloc+"_prefix", alloc+"\x00")
}

// setServices makes the registrations of an allocation those that its node reports.
func (t *tx) setServices(a *Alloc, report []*api.ServiceRegistration, failing []string) {
	if len(report) == 0 || !mayServe(a) {
		t.dropServices(a.ID)
		return
	}
	node := t.Node(nil, a.NodeID)
	if node == nil || node.Status != api.NodeStatusReady {
		return // what it had was taken away when it was found not to be
	}
	said := map[string]bool{}
	for _, reg := range report {
		if reg == nil || reg.ID == "" || reg.ServiceName == "" {
			continue
		}
		old := t.Service(nil, reg.ID)
		if old != nil && old.AllocID != a.ID {
			continue // an ID names its allocation: nobody takes another's
		}
		said[reg.ID] = true
		after := &Service{ServiceRegistration: *reg, Failing: slices.Contains(failing, reg.ID)}
		after.Namespace, after.JobID, after.AllocID, after.NodeID, after.Datacenter = a.Namespace, a.JobID, a.ID, a.NodeID, node.Datacenter
		after.CreateIndex, after.ModifyIndex = t.index, t.index
		if old != nil {
			after.CreateIndex = old.CreateIndex
			if sameService(old, after) {
				continue
			}
		}
		put(t, TableServices, old, after)
	}
	for _, s := range slices.Collect(t.ServicesByAlloc(nil, a.ID)) {
		if !said[s.ID] {
			drop(t, TableServices, s)
		}
	}
}

// mayServe says whether anything of an allocation can be reached, as far as servers know,
// and will be for a while: one that is to stop leaves the catalogue in the entry that
// decides so, before its node hears of it.
func mayServe(a *Alloc) bool {
	return !a.ClientTerminal() && !a.ServerTerminal() && a.Client != api.AllocClientStatusUnknown
}

func sameService(a, b *Service) bool {
	return a.Failing == b.Failing && a.ServiceName == b.ServiceName && slices.Equal(a.Tags, b.Tags) &&
		a.Datacenter == b.Datacenter && a.Address == b.Address && a.Port == b.Port
}

// dropServices takes an allocation's registrations away.
func (t *tx) dropServices(alloc string) {
	for _, s := range slices.Collect(t.ServicesByAlloc(nil, alloc)) {
		drop(t, TableServices, s)
	}
}

// dropServicesOn takes the registrations of a node away: what it ran cannot be
// reached, whatever becomes of it.
func (t *tx) dropServicesOn(node string) {
	for _, a := range t.liveOn(node) {
		t.dropServices(a.ID)
	}
}

// askServicesOf makes a node that is back report those of its allocations that
// offer services: they were taken away while it was not ready.
func (t *tx) askServicesOf(node string) {
	for _, a := range t.liveOn(node) {
		if v := t.version(nil, a.Namespace, a.JobID, a.JobVersion); v != nil && offersServices(v.group(a.Group)) {
			b := *a
			t.putAlloc(a, &b, true)
		}
	}
}

func offersServices(g *api.TaskGroup) bool {
	return g != nil && (len(g.Services) > 0 || slices.ContainsFunc(g.Tasks, func(task *api.Task) bool { return len(task.Services) > 0 }))
}

// applyDeleteServices removes registrations by hand. One whose allocation lives on
// is back with the next report of it.
func applyDeleteServices(t *tx, c *DeleteServices) any {
	found := false
	for _, id := range c.IDs {
		if s := t.Service(nil, id); s != nil {
			found = true
			drop(t, TableServices, s)
		}
	}
	if !found && len(c.IDs) > 0 {
		return ErrNotFound{"service registration", c.IDs[0]}
	}
	return nil
}
