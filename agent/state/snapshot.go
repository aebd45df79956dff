package state

import (
	"iter"
	"strings"

	"github.com/hashicorp/go-memdb"
	"github.com/hashicorp/nomad/api"
)

// AllNamespaces is the namespace argument that matches every namespace.
const AllNamespaces = "*"

// Snapshot is the state at one moment. It is cheap, never changes, and any number
// of goroutines may read it. What it returns is shared: copy before changing.
//
// A read that takes a watch set adds to it what must change for the read to have
// another result; nil asks for no watching.
type Snapshot struct {
	txn    *memdb.Txn
	allocs *allocTrees
}

// Snapshot is the state after the last entry that was applied.
func (s *Store) Snapshot() *Snapshot { return snapshotOf(s.gen.Load()) }

// Told is a snapshot of which subscribers have been given every change. Snapshot may
// be ahead of them by the entry that is being applied. It waits for that entry.
func (s *Store) Told() *Snapshot {
	s.apply.Lock()
	defer s.apply.Unlock()
	return s.Snapshot()
}

func snapshotOf(g *generation) *Snapshot {
	txn := g.db.Txn(false)
	root, err := txn.First(tableAllocR, byID, "")
	if err != nil || root == nil {
		panic("state: no allocation root: " + errText(err)) // every generation begins with one
	}
	return &Snapshot{txn: txn, allocs: root.(*allocTrees)}
}

func errText(err error) string {
	if err == nil {
		return "no row"
	}
	return err.Error()
}

// LastIndex is the index of the last entry that changed anything; at least 1.
func (s *Snapshot) LastIndex() uint64 {
	last := uint64(1)
	for r := range rows[indexRow](s, nil, tableIndex, byID) {
		last = max(last, r.Index)
	}
	return last
}

// Index is the last index that touched any of the tables; at least 1, as a
// blocking read of an empty table needs a number to wait on.
func (s *Snapshot) Index(tables ...string) uint64 {
	last := uint64(1)
	for _, t := range tables {
		if r := one[indexRow](s, nil, tableIndex, byID, t); r != nil {
			last = max(last, r.Index)
		}
	}
	return last
}

// one reads a row, nil when there is none. The schema and the arguments are ours:
// an error is a broken invariant.
func one[T any](s *Snapshot, ws memdb.WatchSet, table, index string, args ...any) *T {
	ch, raw, err := s.txn.FirstWatch(table, index, args...)
	if err != nil {
		panic("state: read " + table + ": " + err.Error())
	}
	ws.Add(ch)
	if raw == nil {
		return nil
	}
	return raw.(*T)
}

// rows reads rows in key order; index "id_prefix" and the like match prefixes.
func rows[T any](s *Snapshot, ws memdb.WatchSet, table, index string, args ...any) iter.Seq[*T] {
	if ws != nil {
		ws.Add(s.iterator(table, index, args...).WatchCh())
	}
	return func(yield func(*T) bool) {
		it := s.iterator(table, index, args...)
		for raw := it.Next(); raw != nil; raw = it.Next() {
			if !yield(raw.(*T)) {
				return
			}
		}
	}
}

func (s *Snapshot) iterator(table, index string, args ...any) memdb.ResultIterator {
	it, err := s.txn.Get(table, index, args...)
	if err != nil {
		panic("state: read " + table + ": " + err.Error())
	}
	return it
}

// where keeps the rows for which ok is true.
func where[T any](seq iter.Seq[*T], ok func(*T) bool) iter.Seq[*T] {
	return func(yield func(*T) bool) {
		for r := range seq {
			if ok(r) && !yield(r) {
				return
			}
		}
	}
}

// Job is the current version of a job, nil if there is none. ModifyIndex moves
// with its status too, JobModifyIndex with its specification only.
func (s *Snapshot) Job(ws memdb.WatchSet, ns, id string) *api.Job {
	return one[api.Job](s, ws, TableJobs, byID, ns, id)
}

// Jobs are the jobs of a namespace, or of all, whose ID begins with prefix, by
// namespace and ID.
func (s *Snapshot) Jobs(ws memdb.WatchSet, ns, prefix string) iter.Seq[*api.Job] {
	if ns != AllNamespaces {
		return rows[api.Job](s, ws, TableJobs, byID+"_prefix", ns, prefix)
	}
	all := rows[api.Job](s, ws, TableJobs, byID)
	return where(all, func(j *api.Job) bool { return strings.HasPrefix(*j.ID, prefix) })
}

// JobVersion is one version of a job, nil if it is not kept.
func (s *Snapshot) JobVersion(ws memdb.WatchSet, ns, id string, version uint64) *api.Job {
	if v := s.version(ws, ns, id, version); v != nil {
		return v.job
	}
	return nil
}

func (s *Snapshot) version(ws memdb.WatchSet, ns, id string, version uint64) *jobVersion {
	return one[jobVersion](s, ws, TableVersions, byID, ns, id, version)
}

// JobVersions are the kept versions of a job, newest first.
func (s *Snapshot) JobVersions(ws memdb.WatchSet, ns, id string) []*api.Job {
	var out []*api.Job
	for v := range rows[jobVersion](s, ws, TableVersions, byID+"_prefix", ns, id+"\x00") {
		out = append(out, v.job)
	}
	for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
		out[i], out[j] = out[j], out[i]
	}
	return out
}

// JobSummary counts the allocations of a job, nil if there is no job. Its
// ModifyIndex moves with every count.
func (s *Snapshot) JobSummary(ws memdb.WatchSet, ns, id string) *api.JobSummary {
	return one[api.JobSummary](s, ws, TableSummaries, byID, ns, id)
}

// JobSubmission is the text that a job version was made from, nil if none was given.
func (s *Snapshot) JobSubmission(ws memdb.WatchSet, ns, id string, version uint64) *api.JobSubmission {
	if r := one[submission](s, ws, TableSubmissions, byID, ns, id, version); r != nil {
		return r.Submission
	}
	return nil
}

// Node is a node, nil if there is none.
func (s *Snapshot) Node(ws memdb.WatchSet, id string) *Node {
	return one[Node](s, ws, TableNodes, byID, id)
}

// Nodes are all nodes, by ID.
func (s *Snapshot) Nodes(ws memdb.WatchSet) iter.Seq[*Node] {
	return rows[Node](s, ws, TableNodes, byID)
}

// NodesByPrefix are the nodes whose ID begins with prefix, by ID.
func (s *Snapshot) NodesByPrefix(ws memdb.WatchSet, prefix string) iter.Seq[*Node] {
	return rows[Node](s, ws, TableNodes, byID+"_prefix", prefix)
}

// Eval is an evaluation, nil if there is none.
func (s *Snapshot) Eval(ws memdb.WatchSet, id string) *api.Evaluation {
	return one[api.Evaluation](s, ws, TableEvals, byID, id)
}

// Evals are the evaluations of a namespace, or of all, whose ID begins with prefix, by ID.
func (s *Snapshot) Evals(ws memdb.WatchSet, ns, prefix string) iter.Seq[*api.Evaluation] {
	all := rows[api.Evaluation](s, ws, TableEvals, byID+"_prefix", prefix)
	return where(all, func(e *api.Evaluation) bool { return ns == AllNamespaces || e.Namespace == ns })
}

// EvalsByJob are a job's evaluations, by ID.
func (s *Snapshot) EvalsByJob(ws memdb.WatchSet, ns, job string) iter.Seq[*api.Evaluation] {
	return rows[api.Evaluation](s, ws, TableEvals, byJob+"_prefix", ns, job+"\x00")
}

// PendingEvals are the evaluations to be decided now: the highest priority first,
// then the oldest. Those that wait for a time are DelayedEvals.
func (s *Snapshot) PendingEvals(ws memdb.WatchSet) iter.Seq[*api.Evaluation] {
	return rows[api.Evaluation](s, ws, TableEvals, byStatus+"_prefix", queuePending+"\x00")
}

// DelayedEvals are the pending evaluations with a WaitUntil, the earliest first.
// Whether it has passed is the reader's to say.
func (s *Snapshot) DelayedEvals(ws memdb.WatchSet) iter.Seq[*api.Evaluation] {
	return rows[api.Evaluation](s, ws, TableEvals, byStatus+"_prefix", queueDelayed+"\x00")
}

// BlockedEvals wait for capacity, at most one a job.
func (s *Snapshot) BlockedEvals(ws memdb.WatchSet) iter.Seq[*api.Evaluation] {
	return rows[api.Evaluation](s, ws, TableEvals, byStatus+"_prefix", queueBlocked+"\x00")
}

// openEvals are a job's pending and blocked evaluations.
func (s *Snapshot) openEvals(ns, job string) iter.Seq[*api.Evaluation] {
	return rows[api.Evaluation](s, nil, TableEvals, byOpen+"_prefix", ns, job+"\x00")
}

// Deployment is a deployment, nil if there is none.
func (s *Snapshot) Deployment(ws memdb.WatchSet, id string) *api.Deployment {
	return one[api.Deployment](s, ws, TableDeployments, byID, id)
}

// Deployments are the deployments of a namespace, or of all, whose ID begins with prefix, by ID.
func (s *Snapshot) Deployments(ws memdb.WatchSet, ns, prefix string) iter.Seq[*api.Deployment] {
	all := rows[api.Deployment](s, ws, TableDeployments, byID+"_prefix", prefix)
	return where(all, func(d *api.Deployment) bool { return ns == AllNamespaces || d.Namespace == ns })
}

// DeploymentsByJob are a job's deployments, by ID.
func (s *Snapshot) DeploymentsByJob(ws memdb.WatchSet, ns, job string) iter.Seq[*api.Deployment] {
	return rows[api.Deployment](s, ws, TableDeployments, byJob+"_prefix", ns, job+"\x00")
}

// LatestDeployment is a job's newest deployment, nil if it never had one.
func (s *Snapshot) LatestDeployment(ws memdb.WatchSet, ns, job string) *api.Deployment {
	var latest *api.Deployment
	for d := range s.DeploymentsByJob(ws, ns, job) {
		if latest == nil || d.CreateIndex > latest.CreateIndex {
			latest = d
		}
	}
	return latest
}
