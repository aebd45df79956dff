package state

import (
	"encoding/binary"
	"fmt"

	"github.com/hashicorp/go-memdb"
	"github.com/hashicorp/nomad/api"
)

// The tables. The names appear in Change.Table and are arguments of Snapshot.Index.
const (
	TableJobs        = "jobs"            // *api.Job, the current version
	TableVersions    = "job_versions"    // *api.Job, every kept version
	TableSummaries   = "job_summaries"   // *api.JobSummary
	TableSubmissions = "job_submissions" // *api.JobSubmission
	TableNodes       = "nodes"           // *Node
	TableAllocs      = "allocs"          // *Alloc
	TableEvals       = "evals"           // *api.Evaluation
	TableDeployments = "deployments"     // *api.Deployment
	TableServices    = "services"        // *Service
	TableNamespaces  = "namespaces"      // *api.Namespace
	TableNodePools   = "node_pools"      // *api.NodePool
	TableScheduler   = "scheduler"       // *api.SchedulerConfiguration
	TableClusterMeta = "cluster_meta"    // *ClusterMeta
	// TableRestore is the table of the one Change that a Restore sends.
	TableRestore = "restore"

	tableTokens   = "tokens"     // *token: what repeated requests are answered with
	tableScalings = "scalings"   // *jobScalings: what autoscalers did and said
	tableLaunch   = "launches"   // *launched: when a periodic job was last launched by its schedule
	tableIndex    = "index"      // *indexRow: the last index that touched a table
	tableMarks    = "marks"      // *indexRow: the last index that touched the allocations of a job or node
	tableAllocR   = "alloc_root" // *allocTrees, one row
)

// Names of secondary indexes.
const (
	byID     = "id"
	byJob    = "job"
	byType   = "type"
	byName   = "name"
	byAlloc  = "alloc"
	byStatus = "status"
	byOpen   = "open"
	byAge    = "age"
)

// index is a memdb index over keys that are made without reflection. A part of a
// key ends with a zero byte, so that "a" is no prefix of "ab" unless asked as one.
type index struct {
	name    string
	unique  bool
	missing bool // a row may be absent: key then returns nil
	key     func(row any) []byte
}

// FromObject implements memdb.SingleIndexer.
func (x index) FromObject(row any) (bool, []byte, error) {
	k := x.key(row)
	return k != nil, k, nil
}

// FromArgs implements memdb.Indexer: strings and uint64s, in the key's order.
func (x index) FromArgs(args ...any) ([]byte, error) {
	var k []byte
	for _, a := range args {
		switch v := a.(type) {
		case string:
			k = append(append(k, v...), 0)
		case uint64:
			k = binary.BigEndian.AppendUint64(k, v)
		default:
			return nil, fmt.Errorf("index %s: argument of type %T", x.name, a)
		}
	}
	return k, nil
}

// PrefixFromArgs implements memdb.PrefixIndexer: the last string is a prefix.
func (x index) PrefixFromArgs(args ...any) ([]byte, error) {
	k, err := x.FromArgs(args...)
	if err != nil || len(args) == 0 {
		return k, err
	}
	if _, isString := args[len(args)-1].(string); isString {
		k = k[:len(k)-1]
	}
	return k, nil
}

// table is one row of the schema: its first index is the identity.
type table struct {
	name    string
	indexes []index
}

// identity is the index every table has.
func identity[T any](key func(*T) []byte) index {
	return index{name: byID, unique: true, key: func(row any) []byte { return key(row.(*T)) }}
}

// some indexes only the rows for which key is not nil; the row's ID is appended.
func some[T any](name string, key func(*T) []byte) index {
	return index{name: name, missing: true, key: func(row any) []byte { return key(row.(*T)) }}
}

func joinKey(parts ...string) []byte {
	n := 0
	for _, p := range parts {
		n += len(p) + 1
	}
	k := make([]byte, 0, n+36) // memdb appends the ID to the keys of indexes that are not unique
	for _, p := range parts {
		k = append(append(k, p...), 0)
	}
	return k
}

// tables is the schema, whole. Allocations are not rows of memdb: see allocTrees.
var tables = []table{
	{TableJobs, []index{
		identity(func(j *api.Job) []byte { return joinKey(*j.Namespace, *j.ID) }),
		some(byType, everyNodeKey),
	}},
	{TableVersions, []index{identity(func(v *jobVersion) []byte {
		return binary.BigEndian.AppendUint64(joinKey(*v.job.Namespace, *v.job.ID), *v.job.Version)
	})}},
	{TableSummaries, []index{identity(func(s *api.JobSummary) []byte { return joinKey(s.Namespace, s.JobID) })}},
	{TableSubmissions, []index{identity(func(s *submission) []byte {
		return binary.BigEndian.AppendUint64(joinKey(s.Namespace, s.JobID), s.Version)
	})}},
	{TableNodes, []index{identity(func(n *Node) []byte { return joinKey(n.ID) })}},
	{TableEvals, []index{
		identity(func(e *api.Evaluation) []byte { return joinKey(e.ID) }),
		some(byJob, func(e *api.Evaluation) []byte { return joinKey(e.Namespace, e.JobID) }),
		some(byOpen, openEvalKey),
		some(byStatus, evalQueueKey),
	}},
	{TableDeployments, []index{
		identity(func(d *api.Deployment) []byte { return joinKey(d.ID) }),
		some(byJob, func(d *api.Deployment) []byte { return joinKey(d.Namespace, d.JobID) }),
	}},
	{TableServices, []index{
		identity(func(s *Service) []byte { return joinKey(s.ID) }),
		some(byName, func(s *Service) []byte { return joinKey(s.Namespace, s.ServiceName) }),
		some(byAlloc, func(s *Service) []byte { return joinKey(s.AllocID) }),
		some(byJob, func(s *Service) []byte { return joinKey(s.Namespace, s.JobID) }),
	}},
	{TableNamespaces, []index{identity(func(n *api.Namespace) []byte { return joinKey(n.Name) })}},
	{TableNodePools, []index{identity(func(p *api.NodePool) []byte { return joinKey(p.Name) })}},
	{TableRebalance, []index{identity(func(*Rebalancing) []byte { return joinKey("") })}},
	{TableScheduler, []index{identity(func(*api.SchedulerConfiguration) []byte { return joinKey("") })}},
	{TableClusterMeta, []index{identity(func(*ClusterMeta) []byte { return joinKey("") })}},
	{TableCSIVolumes, csiVolumeIndexes},
	{TableHostVolumes, hostVolumeIndexes},
	{TableAutopilot, autopilotIndexes},
	{TableACLPolicies, []index{identity(func(p *api.ACLPolicy) []byte { return joinKey(p.Name) })}},
	{TableACLTokens, []index{
		identity(func(t *api.ACLToken) []byte { return joinKey(t.AccessorID) }),
		{name: bySecret, unique: true, key: func(row any) []byte { return joinKey(row.(*api.ACLToken).SecretID) }},
	}},
	{TableACLRoles, []index{
		identity(func(r *api.ACLRole) []byte { return joinKey(r.ID) }),
		{name: byName, unique: true, key: func(row any) []byte { return joinKey(row.(*api.ACLRole).Name) }},
	}},
	{TableACLAuthMethods, []index{identity(func(m *api.ACLAuthMethod) []byte { return joinKey(m.Name) })}},
	{TableACLBindingRules, []index{identity(func(r *api.ACLBindingRule) []byte { return joinKey(r.ID) })}},
	{tableOneTime, []index{identity(func(t *api.OneTimeToken) []byte { return joinKey(t.OneTimeSecretID) })}},
	{tableACLBootstrap, []index{identity(func(*aclBootstrap) []byte { return joinKey("") })}},
	{TableRootKeys, []index{identity(func(k *RootKey) []byte { return joinKey(k.KeyID) })}},
	{tableKEK, []index{identity(func(k *KeyEncryptionKey) []byte { return joinKey(k.ID) })}},
	{TableVariables, []index{
		identity(func(v *Variable) []byte { return joinKey(v.Namespace, v.Path) }),
		some(byKey, func(v *Variable) []byte { return joinKey(v.KeyID) }),
	}},
	{TableLocks, []index{identity(func(l *VariableLock) []byte { return joinKey(l.Namespace, l.Path) })}},
	{tableTokens, []index{
		identity(func(t *token) []byte { return joinKey(t.Token) }),
		some(byAge, func(t *token) []byte { return binary.BigEndian.AppendUint64(nil, uint64(t.At)) }),
	}},
	{tableScalings, []index{identity(func(s *jobScalings) []byte { return joinKey(s.Namespace, s.JobID) })}},
	{tableLaunch, []index{identity(func(l *launched) []byte { return joinKey(l.Namespace, l.JobID) })}},
	{tableIndex, []index{identity(func(r *indexRow) []byte { return joinKey(r.Name) })}},
	{tableMarks, []index{identity(func(r *indexRow) []byte { return joinKey(r.Name) })}},
	{tableAllocR, []index{identity(func(*allocTrees) []byte { return joinKey("") })}},
}

// everyNodeKey indexes the jobs that a new node concerns.
func everyNodeKey(j *api.Job) []byte {
	if *j.Type != api.JobTypeSystem && *j.Type != api.JobTypeSysbatch {
		return nil
	}
	return joinKey("every-node")
}

// openEvalKey indexes by job the evaluations that are not over.
func openEvalKey(e *api.Evaluation) []byte {
	if e.Status != api.EvalStatusPending && e.Status != api.EvalStatusBlocked {
		return nil
	}
	return joinKey(e.Namespace, e.JobID)
}

// Queues of open evaluations in the order in which they are served.
const (
	queuePending = "pending" // by priority, then age
	queueDelayed = "delayed" // by WaitUntil
	queueBlocked = "blocked" // by priority, then age
)

// evalQueueKey is queue, rank, create index.
func evalQueueKey(e *api.Evaluation) []byte {
	queue, rank := queuePending, uint64(1<<32-e.Priority)
	switch {
	case e.Status == api.EvalStatusBlocked:
		queue = queueBlocked
	case e.Status != api.EvalStatusPending:
		return nil
	case !e.WaitUntil.IsZero():
		queue, rank = queueDelayed, uint64(e.WaitUntil.UnixNano())
	}
	k := binary.BigEndian.AppendUint64(joinKey(queue), rank)
	return binary.BigEndian.AppendUint64(k, e.CreateIndex)
}

// dbSchema compiles the tables for memdb.
func dbSchema() *memdb.DBSchema {
	s := &memdb.DBSchema{Tables: map[string]*memdb.TableSchema{}}
	for _, t := range tables {
		ts := &memdb.TableSchema{Name: t.name, Indexes: map[string]*memdb.IndexSchema{}}
		for _, x := range t.indexes {
			ts.Indexes[x.name] = &memdb.IndexSchema{Name: x.name, Unique: x.unique, AllowMissing: x.missing, Indexer: x}
		}
		s.Tables[t.name] = ts
	}
	return s
}

// indexRow remembers the last log index that touched what Name says.
type indexRow struct {
	Name  string
	Index uint64
}

// jobVersion is a row of TableVersions: the job, and what its allocations share.
type jobVersion struct {
	job    *api.Job
	shared map[string]*api.AllocatedResources // by group
}

// submission is a row of TableSubmissions.
type submission struct {
	Namespace, JobID string
	Version          uint64
	Submission       *api.JobSubmission
}

// token remembers the answer to a request, for its repetition.
type token struct {
	Token  string
	At     int64 // ns, of the first request
	Result JobResult
}

// launched remembers until when a periodic job's schedule has been served.
type launched struct {
	Namespace, JobID string
	At               int64 // ns
}

// ClusterMeta is decided once, by the first leader.
type ClusterMeta struct {
	ClusterID   string
	CreateIndex uint64
	CreateTime  int64 // ns since 1970
}
