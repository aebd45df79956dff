package driver

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// onceDisk fails its first call.
type onceDisk struct {
	realDisk
	failed bool
}

func (d *onceDisk) Rename(from, to string) error {
	if !d.failed {
		d.failed = true
		return errors.New("injected")
	}
	return d.realDisk.Rename(from, to)
}

func newTestSupervisor(t *testing.T, disk disk) *supervisor {
	s := newSupervisor(t.TempDir(), supervisorConfig{disk: disk, idle: time.Minute})
	s.record.Run = 1
	s.record.Exit = &exitRecord{Code: 3}
	return s
}

func TestUnsavedExitIsTriedAgain(t *testing.T) {
	s := newTestSupervisor(t, &onceDisk{})
	s.save()
	if !s.dirty || s.saveAgain == nil {
		t.Fatal("a failed save is not tried again")
	}
	if _, err := readState(s.dir); err == nil {
		t.Fatal("the fault was not injected")
	}
	s.save()
	rec, err := readState(s.dir)
	if err != nil || rec.Exit == nil || rec.Exit.Code != 3 || s.dirty {
		t.Errorf("got %+v, %v, dirty %v", rec, err, s.dirty)
	}
	if len(s.syncs) != 1 {
		t.Error("nobody is asked to sync it")
	}
}

func TestWhoStays(t *testing.T) {
	long := time.Now().Add(-time.Hour)
	tests := []struct {
		name string
		set  func(*supervisor)
		left bool
	}{
		{"ended long ago", func(s *supervisor) {}, true},
		{"ended just now", func(s *supervisor) { s.idleSince = time.Now() }, false},
		{"an agent listens", func(s *supervisor) { s.conns.Add(1) }, false},
		{"exit is not saved", func(s *supervisor) { s.dirty = true }, false},
		{"task runs", func(s *supervisor) { s.record.Exit = nil }, false},
		{"directory is gone since a moment", func(s *supervisor) { s.dirty = true; s.dirGone = 2; os.RemoveAll(s.dir) }, false},
		{"directory is gone for good", func(s *supervisor) { s.dirty = true; s.dirGone = 3; os.RemoveAll(s.dir) }, true},
	}
	for _, test := range tests {
		s := newTestSupervisor(t, realDisk{})
		if err := os.WriteFile(filepath.Join(s.dir, socketName), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		s.idleSince = long
		test.set(s)
		s.housekeep()
		if s.left != test.left {
			t.Errorf("%s: left %v, want %v", test.name, s.left, test.left)
		}
	}
}

func TestSlowWatcherIsCutOff(t *testing.T) {
	s := newTestSupervisor(t, realDisk{})
	slow := make(chan status, 1)
	s.onWatch(call{watch: slow})
	s.publish() // no room
	if <-slow; len(s.watchers) != 0 {
		t.Error("it still is a watcher")
	}
	if _, open := <-slow; open {
		t.Error("its connection is not ended")
	}
	s.onUnwatch(call{watch: slow}) // must not close it twice
}

func TestSuperviseRefusesPeople(t *testing.T) {
	for _, args := range [][]string{nil, {"relative"}, {"/a", "/b"}} {
		if code := Supervise(args); code != 2 {
			t.Errorf("%q: code %d, want 2", args, code)
		}
	}
}
