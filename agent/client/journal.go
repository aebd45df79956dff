package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/nomad/api"
	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/selfheal/selfheal/agent/driver"
	"github.com/selfheal/selfheal/agent/nodeapi"
)

// The journal's buckets: JSON by key.
const (
	bucketAllocs = "allocs" // alloc ID -> allocRecord
	bucketJobs   = "jobs"   // jobKey -> api.Job
	bucketTasks  = "tasks"  // alloc ID/task -> taskRecord
	bucketMeta   = "meta"   // keyContact -> time of the last contact with servers

	keyContact = "contact"
)

// allocRecord is what the journal keeps of an allocation.
type allocRecord struct {
	Alloc  *nodeapi.Alloc // without its job
	Health health
}

// taskRecord is what the journal keeps of a task.
type taskRecord struct {
	Machine machine
	Handle  *driver.Handle `json:",omitempty"`
	// Identities are when those that the task was given were signed, by name.
	Identities map[string]identityTime `json:",omitempty"`
}

// journaled is everything in a journal.
type journaled struct {
	allocs map[string]allocRecord
	jobs   map[nodeapi.JobRef]*api.Job
	tasks  map[string]taskRecord
	// contact is the last sign of life of a server, where it matters; else zero.
	contact time.Time
}

// record is one change: value nil deletes the key.
type record struct {
	bucket, key string
	value       []byte
}

// put makes a record; what cannot be encoded is a broken invariant.
func put(bucket, key string, value any) record {
	data, err := json.Marshal(value)
	if err != nil {
		panic(fmt.Sprintf("encode %s of the journal: %v", bucket, err))
	}
	return record{bucket, key, data}
}

// journal is what the agent knows of its allocations when it comes back after any
// death. write returns when the change survives the death of the process: it has
// been given to the kernel. It survives the death of the machine only after the
// sync that follows within syncEvery; then no task runs any more, and the servers
// send again what they want.
//
// One goroutine commits; writes that wait meanwhile go into its next transaction
// together.
type journal struct {
	db     *bbolt.DB
	log    hclog.Logger
	writes chan journalWrite
	stop   chan struct{}
	wg     sync.WaitGroup
	dirty  chan struct{} // capacity 1: the syncer has something to do
}

type journalWrite struct {
	records []record
	done    chan error
}

// syncEvery bounds what a power failure can take of the journal.
const syncEvery = time.Second

// errJournalClosed answers writes after close.
var errJournalClosed = errors.New("the journal is closed")

// openJournal opens or makes the journal and reads it. One that cannot be read is
// moved aside, with a warning, and a new one begun.
func openJournal(path string, log hclog.Logger) (*journal, journaled, error) {
	db, content, err := readJournal(path)
	if err != nil && !errors.Is(err, berrors.ErrTimeout) && !errors.Is(err, os.ErrPermission) {
		aside := path + ".damaged-" + time.Now().UTC().Format("20060102T150405")
		if mv := os.Rename(path, aside); mv != nil {
			return nil, journaled{}, fmt.Errorf("open journal: %w; and moving it aside failed: %w", err, mv)
		}
		log.Warn("the journal is damaged: it was moved aside, and the servers will say again what is to run here; "+
			"tasks still running are found by their supervisors", "moved_to", aside, "err", err)
		db, content, err = readJournal(path)
	}
	if err != nil {
		return nil, journaled{}, fmt.Errorf("open journal: %w", err)
	}
	j := &journal{
		db: db, log: log,
		writes: make(chan journalWrite, 64),
		stop:   make(chan struct{}),
		dirty:  make(chan struct{}, 1),
	}
	j.wg.Add(2)
	go j.commitLoop()
	go j.syncLoop()
	return j, content, nil
}

// readJournal opens the file and reads all of it. A damaged page of a mapped file
// is a fault or a panic inside bbolt: both become errors.
func readJournal(path string) (db *bbolt.DB, content journaled, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("read journal: %v", r)
		}
	}()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, content, err
	}
	// The freelist is kept in the file: without it bbolt walks all pages in a goroutine
	// of its own, and a panic there cannot be caught.
	db, err = bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout: time.Second, NoSync: true, FreelistType: bbolt.FreelistMapType,
	})
	if err != nil {
		return nil, content, err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, name := range []string{bucketAllocs, bucketJobs, bucketTasks, bucketMeta} {
			if _, err := tx.CreateBucketIfNotExists([]byte(name)); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		content, err = loadAll(db)
	}
	if err != nil {
		db.Close()
		return nil, content, err
	}
	return db, content, nil
}

func loadAll(db *bbolt.DB) (journaled, error) {
	content := journaled{
		allocs: map[string]allocRecord{},
		jobs:   map[nodeapi.JobRef]*api.Job{},
		tasks:  map[string]taskRecord{},
	}
	err := db.View(func(tx *bbolt.Tx) error {
		return errors.Join(
			each(tx, bucketAllocs, func(key string, rec allocRecord) error {
				if rec.Alloc == nil || rec.Alloc.ID != key {
					return fmt.Errorf("allocation %q is not whole", key)
				}
				content.allocs[key] = rec
				return nil
			}),
			each(tx, bucketTasks, func(key string, rec taskRecord) error {
				content.tasks[key] = rec
				return nil
			}),
			each(tx, bucketMeta, func(_ string, at time.Time) error {
				content.contact = at
				return nil
			}),
			each(tx, bucketJobs, func(key string, job api.Job) error {
				ref, err := parseJobKey(key)
				content.jobs[ref] = &job
				return err
			}),
		)
	})
	return content, err
}

// each decodes every value of a bucket.
func each[T any](tx *bbolt.Tx, bucket string, f func(key string, value T) error) error {
	return tx.Bucket([]byte(bucket)).ForEach(func(k, v []byte) error {
		var value T
		if err := json.Unmarshal(v, &value); err != nil {
			return fmt.Errorf("decode %s %q: %w", bucket, k, err)
		}
		return f(string(k), value)
	})
}

// write commits the records together.
func (j *journal) write(records ...record) error {
	w := journalWrite{records, make(chan error, 1)}
	select {
	case j.writes <- w:
	case <-j.stop:
		return errJournalClosed
	}
	select {
	case err := <-w.done:
		return err
	case <-j.stop:
		return errJournalClosed
	}
}

// close ends both goroutines, syncs and closes the file.
func (j *journal) close() error {
	close(j.stop)
	j.wg.Wait()
	return errors.Join(j.db.Sync(), j.db.Close())
}

// commitLoop owns the transactions.
func (j *journal) commitLoop() {
	defer j.wg.Done()
	for {
		select {
		case <-j.stop:
			return
		case w := <-j.writes:
			batch := append([]journalWrite{w}, j.waiting()...)
			err := j.commit(batch)
			for _, w := range batch {
				w.done <- err
			}
			select {
			case j.dirty <- struct{}{}:
			default:
			}
		}
	}
}

// waiting takes the writes that are in the queue already.
func (j *journal) waiting() []journalWrite {
	var more []journalWrite
	for range len(j.writes) {
		more = append(more, <-j.writes)
	}
	return more
}

func (j *journal) commit(batch []journalWrite) error {
	err := j.db.Update(func(tx *bbolt.Tx) error {
		for _, w := range batch {
			for _, r := range w.records {
				bucket := tx.Bucket([]byte(r.bucket))
				if r.value == nil {
					if err := bucket.Delete([]byte(r.key)); err != nil {
						return err
					}
				} else if err := bucket.Put([]byte(r.key), r.value); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	return nil
}

// syncLoop brings commits to the disk, away from those who wait for them.
func (j *journal) syncLoop() {
	defer j.wg.Done()
	for {
		select {
		case <-j.stop:
			return
		case <-j.dirty:
		}
		select {
		case <-j.stop:
			return
		case <-time.After(syncEvery):
		}
		if err := j.db.Sync(); err != nil {
			j.log.Error("syncing the journal failed", "err", err)
		}
	}
}

// jobKey is a JobRef as a key: JSON, since every character may be in an ID.
func jobKey(ref nodeapi.JobRef) string {
	data, err := json.Marshal(ref)
	if err != nil {
		panic(err)
	}
	return string(data)
}

func parseJobKey(key string) (nodeapi.JobRef, error) {
	var ref nodeapi.JobRef
	if err := json.NewDecoder(strings.NewReader(key)).Decode(&ref); err != nil {
		return ref, fmt.Errorf("decode key of job %q: %w", key, err)
	}
	return ref, nil
}

// taskKey names a task across allocations.
func taskKey(allocID, task string) string { return allocID + "/" + task }
