package state

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/hashicorp/go-memdb"
	"github.com/hashicorp/nomad/api"
)

// A saved state is a line with the format's version, then records, then the end
// record with a checksum:
//
//	"selfheal state 1\n" ( kind byte, length uvarint, JSON )* 0 CRC-32C of all before, big-endian
//
// Kinds keep their numbers for ever; a reader refuses one it does not know.
const saveHeader = "selfheal state 1\n"

// Kinds of records. The order is that of writing: a record comes after those that it refers to.
const (
	recEnd byte = iota
	recIndex
	recMark
	recNamespace
	recNodePool
	recScheduler
	recClusterMeta
	recNode
	recJob
	recVersion
	recSubmission
	recSummary
	recEval
	recDeployment
	recMetric
	recAlloc
	recService
	recToken
	recScaling
	recLaunch
)

// Kinds of later records number themselves as their commands do.
const (
	recRootKey  byte = 50
	recKEK      byte = 51
	recVariable byte = 52
	recLock     byte = 53
)

// maxRecord bounds one row when a damaged length would ask for all memory.
const maxRecord = 1 << 30

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// saver writes records and remembers the first error.
type saver struct {
	w   *bufio.Writer
	sum uint32
	n   int64
	err error
}

func (s *saver) raw(b []byte) {
	if s.err == nil {
		var n int
		n, s.err = s.w.Write(b)
		s.sum, s.n = crc32.Update(s.sum, castagnoli, b), s.n+int64(n)
	}
}

func (s *saver) record(kind byte, row any) {
	if s.err != nil {
		return
	}
	body, err := json.Marshal(row)
	if err != nil {
		s.err = fmt.Errorf("save record of kind %d: %w", kind, err)
		return
	}
	s.raw(binary.AppendUvarint([]byte{kind}, uint64(len(body))))
	s.raw(body)
}

// saveRows writes a table's rows in key order.
func saveRows[T any](sv *saver, s *Snapshot, kind byte, table string) {
	for r := range rows[T](s, nil, table, byID) {
		sv.record(kind, r)
	}
}

// WriteTo saves the snapshot; it streams, and needs little memory of its own.
// Store.Restore reads it back to the same state.
func (s *Snapshot) WriteTo(w io.Writer) (int64, error) {
	sv := &saver{w: bufio.NewWriterSize(w, 1<<16)}
	sv.raw([]byte(saveHeader))
	saveRows[indexRow](sv, s, recIndex, tableIndex)
	saveRows[indexRow](sv, s, recMark, tableMarks)
	saveRows[api.Namespace](sv, s, recNamespace, TableNamespaces)
	saveRows[api.NodePool](sv, s, recNodePool, TableNodePools)
	saveRows[api.SchedulerConfiguration](sv, s, recScheduler, TableScheduler)
	saveRows[Rebalancing](sv, s, recRebalance, TableRebalance)
	saveRows[ClusterMeta](sv, s, recClusterMeta, TableClusterMeta)
	saveRows[Node](sv, s, recNode, TableNodes)
	saveRows[api.Job](sv, s, recJob, TableJobs)
	for v := range rows[jobVersion](s, nil, TableVersions, byID) {
		if v.job != s.Job(nil, *v.job.Namespace, *v.job.ID) {
			sv.record(recVersion, v.job)
		}
	}
	saveRows[submission](sv, s, recSubmission, TableSubmissions)
	saveRows[api.JobSummary](sv, s, recSummary, TableSummaries)
	saveRows[api.Evaluation](sv, s, recEval, TableEvals)
	saveRows[api.Deployment](sv, s, recDeployment, TableDeployments)
	s.saveAllocs(sv)
	saveRows[Service](sv, s, recService, TableServices)
	saveRows[token](sv, s, recToken, tableTokens)
	saveRows[jobScalings](sv, s, recScaling, tableScalings)
	saveRows[launched](sv, s, recLaunch, tableLaunch)
	saveRows[api.CSIVolume](sv, s, recCSIVolume, TableCSIVolumes)
	saveRows[api.HostVolume](sv, s, recHostVolume, TableHostVolumes)
	saveRows[api.AutopilotConfiguration](sv, s, recAutopilot, TableAutopilot)
	s.saveACL(sv)
	saveRows[KeyEncryptionKey](sv, s, recKEK, tableKEK)
	saveRows[RootKey](sv, s, recRootKey, TableRootKeys)
	saveRows[Variable](sv, s, recVariable, TableVariables)
	saveRows[VariableLock](sv, s, recLock, TableLocks)
	sv.raw([]byte{recEnd})
	sv.raw(binary.BigEndian.AppendUint32(nil, sv.sum))
	if sv.err == nil {
		sv.err = sv.w.Flush()
	}
	if sv.err != nil {
		return sv.n, fmt.Errorf("save state: %w", sv.err)
	}
	return sv.n, nil
}

// savedAlloc is an allocation without what it shares. Its fields hide the row's.
type savedAlloc struct {
	*Alloc
	Metric     int                       `json:",omitempty"` // number of the metric record, from 1
	Resources  *api.AllocatedResources   `json:",omitempty"` // nil: those of the job version's group
	TaskStates map[string]*api.TaskState `json:",omitempty"`
}

func (s *Snapshot) saveAllocs(sv *saver) {
	metrics := map[*api.AllocationMetric]int{}
	for a := range s.Allocs(nil, AllNamespaces, "") {
		rec := savedAlloc{Alloc: a, Resources: a.Resources, TaskStates: a.TaskStates.API()}
		if v := s.version(nil, a.Namespace, a.JobID, a.JobVersion); v != nil && v.shared[a.Group] == a.Resources {
			rec.Resources = nil
		}
		if a.Metric != nil {
			if metrics[a.Metric] == 0 {
				metrics[a.Metric] = len(metrics) + 1
				sv.record(recMetric, a.Metric)
			}
			rec.Metric = metrics[a.Metric]
		}
		sv.record(recAlloc, rec)
	}
}

// loader puts records into a database that nobody reads yet.
type loader struct {
	db      *memdb.MemDB
	pool    *pool
	txn     *memdb.Txn
	allocs  *allocTrees
	snap    *Snapshot // what was loaded before the first allocation, then set
	metrics []*api.AllocationMetric
}

// load is how a kind of record gets into its table.
func load[T any](table string) func(*loader, []byte) error {
	return func(l *loader, body []byte) error {
		row := new(T)
		if err := json.Unmarshal(body, row); err != nil {
			return err
		}
		return l.txn.Insert(table, row)
	}
}

var loaders = [...]func(*loader, []byte) error{
	recIndex:       load[indexRow](tableIndex),
	recMark:        load[indexRow](tableMarks),
	recNamespace:   load[api.Namespace](TableNamespaces),
	recNodePool:    load[api.NodePool](TableNodePools),
	recRebalance:   load[Rebalancing](TableRebalance),
	recScheduler:   load[api.SchedulerConfiguration](TableScheduler),
	recClusterMeta: load[ClusterMeta](TableClusterMeta),
	recNode:        load[Node](TableNodes),
	recJob:         loadJob(true),
	recVersion:     loadJob(false),
	recSubmission:  load[submission](TableSubmissions),
	recSummary:     load[api.JobSummary](TableSummaries),
	recEval:        load[api.Evaluation](TableEvals),
	recDeployment:  load[api.Deployment](TableDeployments),
	recMetric:      loadMetric,
	recAlloc:       loadAlloc,
	recService:     load[Service](TableServices),
	recToken:       load[token](tableTokens),
	recScaling:     load[jobScalings](tableScalings),
	recLaunch:      load[launched](tableLaunch),
	recCSIVolume:   load[api.CSIVolume](TableCSIVolumes),
	recHostVolume:  load[api.HostVolume](TableHostVolumes),
	recAutopilot:   load[api.AutopilotConfiguration](TableAutopilot),

	recACLPolicy:      load[api.ACLPolicy](TableACLPolicies),
	recACLRole:        load[api.ACLRole](TableACLRoles),
	recACLToken:       load[api.ACLToken](TableACLTokens),
	recACLAuthMethod:  load[api.ACLAuthMethod](TableACLAuthMethods),
	recACLBindingRule: load[api.ACLBindingRule](TableACLBindingRules),
	recOneTime:        load[api.OneTimeToken](tableOneTime),
	recACLBootstrap:   load[aclBootstrap](tableACLBootstrap),
	recKEK:            load[KeyEncryptionKey](tableKEK),
	recRootKey:        load[RootKey](TableRootKeys),
	recVariable:       load[Variable](TableVariables),
	recLock:           load[VariableLock](TableLocks),
}

func loadJob(current bool) func(*loader, []byte) error {
	return func(l *loader, body []byte) error {
		j := &api.Job{}
		if err := json.Unmarshal(body, j); err != nil {
			return err
		}
		if j.Version == nil || j.CreateIndex == nil || j.ModifyIndex == nil || j.JobModifyIndex == nil || j.Status == nil {
			return errors.New("a job without version, indexes or status")
		}
		if err := checkShape(j); err != nil {
			return err
		}
		if current {
			if err := l.txn.Insert(TableJobs, j); err != nil {
				return err
			}
		}
		return l.txn.Insert(TableVersions, &jobVersion{j, sharedResources(j)})
	}
}

func loadMetric(l *loader, body []byte) error {
	m := &api.AllocationMetric{}
	l.metrics = append(l.metrics, m)
	return json.Unmarshal(body, m)
}

// loadAlloc restores what allocations share, strings included.
func loadAlloc(l *loader, body []byte) error {
	if l.snap == nil {
		// All that allocations refer to is in: reads of a committed table are much faster.
		l.txn.Commit()
		l.snap, l.txn = &Snapshot{txn: l.db.Txn(false), allocs: l.allocs}, l.db.Txn(true)
	}
	rec := savedAlloc{Alloc: &Alloc{}}
	if err := json.Unmarshal(body, &rec); err != nil {
		return err
	}
	a := rec.Alloc
	a.Resources = rec.Resources
	if rec.Metric < 0 || rec.Metric > len(l.metrics) {
		return fmt.Errorf("allocation %s refers to metric %d, which is not there", a.ID, rec.Metric)
	}
	if rec.Metric > 0 {
		a.Metric = l.metrics[rec.Metric-1]
	}
	if v := l.snap.version(nil, a.Namespace, a.JobID, a.JobVersion); v != nil {
		a.Namespace, a.JobID = *v.job.Namespace, *v.job.ID
		if g := v.group(a.Group); g != nil {
			a.Group = *g.Name
		}
		if a.Resources == nil {
			a.Resources = v.shared[a.Group]
		}
	}
	if n := l.snap.Node(nil, a.NodeID); n != nil {
		a.NodeID = n.ID
	}
	if e := l.snap.Eval(nil, a.EvalID); e != nil {
		a.EvalID = e.ID
	}
	if d := l.snap.Deployment(nil, a.DeploymentID); d != nil {
		a.DeploymentID = d.ID
	}
	a.Desired, a.Client, a.TaskStates = l.pool.text(a.Desired), l.pool.text(a.Client), l.pool.pack(rec.TaskStates)
	a.DesiredDescription, a.ClientDescription = l.pool.text(a.DesiredDescription), l.pool.text(a.ClientDescription)
	l.allocs.put(a)
	return nil
}

// Restore replaces the state by a saved one. On an error the state is as before.
// Blocked reads run again, subscribers of Changes are told.
func (s *Store) Restore(r io.Reader) error {
	s.apply.Lock()
	defer s.apply.Unlock()
	g, err := newGeneration()
	if err != nil {
		return err
	}
	l := &loader{db: g.db, pool: s.pool, txn: g.db.Txn(true), allocs: newAllocTrees()}
	defer func() { l.txn.Abort() }()
	if err := l.readAll(r); err != nil {
		return fmt.Errorf("restore state: %w", err)
	}
	if err := l.txn.Insert(tableAllocR, l.allocs); err != nil {
		return fmt.Errorf("restore state: %w", err)
	}
	l.txn.Commit()
	old := s.gen.Swap(g)
	close(old.replaced)
	s.publish(0, []Change{{Index: s.Snapshot().LastIndex(), Table: TableRestore}})
	return nil
}

// Verify reads a saved state to its end and says whether Restore would take it. It
// needs as much memory as the state itself for the while.
func Verify(r io.Reader) error {
	s, err := New(Config{})
	if err != nil {
		return err
	}
	return s.Restore(r)
}

// sumReader keeps the checksum of what was read through it.
type sumReader struct {
	*bufio.Reader
	sum uint32
}

func (r *sumReader) full(b []byte) error {
	_, err := io.ReadFull(r.Reader, b)
	r.sum = crc32.Update(r.sum, castagnoli, b)
	return err
}

// ReadByte implements io.ByteReader for the lengths.
func (r *sumReader) ReadByte() (byte, error) {
	var b [1]byte
	err := r.full(b[:])
	return b[0], err
}

func (l *loader) readAll(in io.Reader) error {
	r := &sumReader{Reader: bufio.NewReaderSize(in, 1<<16)}
	head := make([]byte, len(saveHeader))
	if err := r.full(head); err != nil || string(head) != saveHeader {
		return fmt.Errorf("this is not a saved state of a version that this server knows (it begins with %q)", head)
	}
	var body bytes.Buffer
	for {
		kind, err := r.ReadByte()
		if err != nil {
			return fmt.Errorf("the end is missing: %w", err)
		}
		if kind == recEnd {
			return checkEnd(r)
		}
		if int(kind) >= len(loaders) || loaders[kind] == nil {
			return fmt.Errorf("unknown record kind %d: it was saved by a newer version", kind)
		}
		size, err := binary.ReadUvarint(r)
		if err != nil || size > maxRecord {
			return fmt.Errorf("record of kind %d has a damaged length: %w", kind, err)
		}
		body.Reset()
		if n, err := io.CopyN(&body, r.Reader, int64(size)); err != nil {
			return fmt.Errorf("record of kind %d ends after %d of %d bytes: %w", kind, n, size, err)
		}
		r.sum = crc32.Update(r.sum, castagnoli, body.Bytes())
		if err := loaders[kind](l, body.Bytes()); err != nil {
			return fmt.Errorf("record of kind %d: %w", kind, err)
		}
	}
}

func checkEnd(r *sumReader) error {
	want := r.sum
	var sum [4]byte
	if err := r.full(sum[:]); err != nil {
		return fmt.Errorf("the checksum is missing: %w", err)
	}
	if got := binary.BigEndian.Uint32(sum[:]); got != want {
		return fmt.Errorf("the checksum is %08x, not %08x: the file is damaged", want, got)
	}
	return nil
}
