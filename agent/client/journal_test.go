package client

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/nomad/api"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/selfheal/selfheal/agent/driver"
	"github.com/selfheal/selfheal/agent/nodeapi"
)

func TestJournalKeepsWhatWasWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", "journal.db")
	j, content, err := openJournal(path, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	if len(content.allocs)+len(content.tasks)+len(content.jobs) != 0 {
		t.Errorf("a new journal holds %+v", content)
	}
	ref := nodeapi.JobRef{Namespace: "a", ID: "b/c", Version: 3, CreateIndex: 9}
	a := &nodeapi.Alloc{JobRef: ref}
	a.ID = allocID(1)
	task := taskRecord{
		Machine: machine{Phase: phaseRunning, State: api.TaskState{State: "running", StartedAt: noon}},
		Handle:  &driver.Handle{Driver: "mock_driver", TaskID: "x", State: []byte(`{"a":1}`)},
	}
	err = j.write(
		put(bucketAllocs, a.ID, allocRecord{Alloc: a, Health: health{Since: noon}}),
		put(bucketJobs, jobKey(ref), testJob("service")),
		put(bucketTasks, taskKey(a.ID, "web"), task),
		put(bucketTasks, taskKey(a.ID, "gone"), task),
	)
	if err != nil {
		t.Fatal(err)
	}
	// Many writers at once, which share transactions.
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if err := j.write(record{bucket: bucketTasks, key: taskKey(a.ID, "gone")}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := j.close(); err != nil {
		t.Fatal(err)
	}
	if err := j.write(); !errors.Is(err, errJournalClosed) {
		t.Errorf("write after close: %v", err)
	}
	j, content, err = openJournal(path, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	defer j.close()
	if diff := cmp.Diff(map[string]taskRecord{taskKey(a.ID, "web"): task}, content.tasks); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(allocRecord{Alloc: a, Health: health{Since: noon}}, content.allocs[a.ID]); diff != "" {
		t.Error(diff)
	}
	if content.jobs[ref] == nil || *content.jobs[ref].ID != "job" {
		t.Errorf("jobs: %v", content.jobs)
	}
}

func TestJournalInUseIsNotMovedAside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	j, _, err := openJournal(path, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	defer j.close()
	if _, _, err := openJournal(path, hclog.NewNullLogger()); !errors.Is(err, berrors.ErrTimeout) {
		t.Errorf("opened twice: %v", err)
	}
}

// TestJournalDamage overwrites each page of a good journal in turn: it opens, as it
// was or empty, and never panics.
func TestJournalDamage(t *testing.T) {
	good := filepath.Join(t.TempDir(), "journal.db")
	j, _, err := openJournal(good, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	for i := range 40 {
		a := &nodeapi.Alloc{}
		a.ID = allocID(i)
		a.Name = string(make([]byte, 500))
		if err := j.write(put(bucketAllocs, a.ID, allocRecord{Alloc: a})); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	damages := map[string]func([]byte, int) []byte{
		"garbage": func(b []byte, at int) []byte {
			for i := range min(4096, len(b)-at) {
				b[at+i] = byte(i*7 + 3)
			}
			return b
		},
		"truncated": func(b []byte, at int) []byte { return b[:at] },
	}
	for name, damage := range damages {
		for at := 0; at < len(whole); at += 4096 {
			path := filepath.Join(t.TempDir(), "journal.db")
			if err := os.WriteFile(path, damage(append([]byte(nil), whole...), at), 0o600); err != nil {
				t.Fatal(err)
			}
			j, content, err := openJournal(path, hclog.NewNullLogger())
			if err != nil {
				t.Errorf("%s at %d: %v", name, at, err)
				continue
			}
			if n := len(content.allocs); n != 0 && n != 40 {
				aside, _ := filepath.Glob(path + ".damaged-*")
				t.Logf("%s at %d: %d of 40 allocations, moved aside: %v", name, at, n, len(aside) > 0)
			}
			if err := j.write(put(bucketTasks, "x", taskRecord{})); err != nil {
				t.Errorf("%s at %d: write: %v", name, at, err)
			}
			j.close()
		}
	}
}

func TestIdentityStays(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "client")
	node, secret, err := LoadIdentity(dir)
	if err != nil || !validAllocID(node) || !validAllocID(secret) || node == secret {
		t.Fatalf("%q %q %v", node, secret, err)
	}
	again, secretAgain, err := LoadIdentity(dir)
	if err != nil || again != node || secretAgain != secret {
		t.Errorf("another identity: %q %q %v", again, secretAgain, err)
	}
	info, err := os.Stat(filepath.Join(dir, secretFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode of the secret: %v %v", info.Mode(), err)
	}
	if err := os.WriteFile(filepath.Join(dir, nodeIDFile), []byte("me\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := LoadIdentity(dir); err == nil {
		t.Error("an ID that is no UUID was taken")
	}
}
