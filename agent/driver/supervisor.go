package driver

import (
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	rekillEvery  = 20 * time.Millisecond  // between sweeps of a tree that will not die
	drainFor     = 500 * time.Millisecond // for a pipe that somebody outside the tree holds open
	retrySave    = time.Second            // after a failed write of the state file
	releaseAfter = 300 * time.Millisecond // after a start, to give its garbage back
)

// call is one request on its way to the loop.
type call struct {
	request
	reply chan reply    // room for one
	watch chan status   // of a watch and of its end
	sent  chan struct{} // closed when the reply is written

	files []*os.File      // of an exec: the command's descriptors
	ended chan exitRecord // of an exec and of its end; room for one
}

// supervisor is the state of the supervising process. Only the loop's
// goroutine touches it, but for calls, conns and saved.
type supervisor struct {
	cfg   supervisorConfig
	dir   string
	state stateFile
	calls chan call
	conns atomic.Int64  // open connections
	syncs chan struct{} // asks the syncing goroutine

	record record // what is, or should be, on disk
	dirty  bool   // it is not on disk yet
	spec   spec   // of the current run

	mainGone  bool   // the main process was reaped: the run is about to end
	childless bool   // nothing is left to reap
	oomKills  uint64 // of the machine when the run began
	ended     *exitRecord
	pumps     *pumps

	watchers map[chan status]bool
	sessions map[int]*session // commands beside the task's own, by PID
	stops    []call           // stop requests to answer at the end of the run
	stopping bool
	ending   bool // leave when the run has ended
	left     bool // leave now

	killAt    <-chan time.Time // SIGKILL for all
	killTime  time.Time        // when that is
	rekill    <-chan time.Time
	drained   <-chan time.Time // give up on open pipes
	saveAgain <-chan time.Time

	idleSince time.Time
	dirGone   int // checks in a row that found no state directory
}

func newSupervisor(dir string, cfg supervisorConfig) *supervisor {
	self, _ := readProc(os.Getpid())
	return &supervisor{
		cfg:      cfg,
		dir:      dir,
		state:    stateFile{dir: dir, disk: cfg.disk},
		calls:    make(chan call),
		syncs:    make(chan struct{}, 1),
		record:   record{Boot: bootID(), Supervisor: procID{PID: os.Getpid(), Start: self.Start}},
		watchers: make(map[chan status]bool),
		sessions: make(map[int]*session),
		// The first start comes right after birth.
		idleSince: time.Now(),
	}
}

// run serves until there is nothing left to do for anybody. The process ends
// after it, and with it the goroutines it started.
func (s *supervisor) run(listener net.Listener) {
	children := make(chan os.Signal, 1)
	signal.Notify(children, syscall.SIGCHLD)
	terminate := make(chan os.Signal, 1)
	signal.Notify(terminate, syscall.SIGTERM)
	// Caught, not ignored: an ignored signal would stay ignored in the task.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGINT, syscall.SIGHUP)

	go s.accept(listener)
	go s.syncer()
	check := time.NewTicker(max(s.cfg.idle/4, time.Millisecond))
	for !s.left {
		var pumpsDone <-chan struct{}
		if s.pumps != nil && s.childless {
			pumpsDone = s.pumps.done
		}
		select {
		case c := <-s.calls:
			handlers[c.Op](s, c)
		case <-children:
			s.reap()
		case <-pumpsDone:
			s.finish()
		case <-s.drained:
			s.finish()
		case <-s.killAt:
			s.killTree()
		case <-s.rekill:
			s.killTree()
		case <-s.saveAgain:
			s.save()
		case <-terminate:
			s.terminate()
		case <-check.C:
			s.housekeep()
		}
	}
	if s.ending {
		s.state.sync()
	}
}

// handlers are the requests by name.
var handlers = map[string]func(*supervisor, call){
	opStart:    (*supervisor).onStart,
	opSignal:   (*supervisor).onSignal,
	opStop:     (*supervisor).onStop,
	opWatch:    (*supervisor).onWatch,
	opUnwatch:  (*supervisor).onUnwatch,
	opShutdown: (*supervisor).onShutdown,
	opExec:     (*supervisor).onExec,
	opHungUp:   (*supervisor).onHungUp,
}

func (s *supervisor) status() status {
	return status{Supervisor: s.record.Supervisor, Run: s.record.Run, Main: s.record.Main, Exit: s.record.Exit}
}

func (s *supervisor) answer(c call, fault fault, err error) {
	r := reply{Fault: fault, Status: s.status()}
	if err != nil {
		r.Err = err.Error()
	}
	c.reply <- r
}

func (s *supervisor) onStart(c call) {
	switch {
	case c.Spec == nil || c.Run < 1:
		s.answer(c, faultOther, fmt.Errorf("start: run and spec are required"))
	case c.Run == s.record.Run:
		s.answer(c, "", nil) // a repeated request
	case c.Run < s.record.Run:
		s.answer(c, faultOther, fmt.Errorf("start run %d: run %d began already", c.Run, s.record.Run))
	case s.status().running():
		s.answer(c, faultRunning, nil)
	default:
		if err := s.start(c.Run, *c.Spec); err != nil {
			s.idleSince = time.Now()
			s.answer(c, startFault(err), err)
			return
		}
		s.answer(c, "", nil)
		s.publish()
		time.AfterFunc(releaseAfter, shrink)
	}
}

func (s *supervisor) onSignal(c call) {
	if !s.status().running() || s.mainGone {
		s.answer(c, faultNotRunning, nil)
		return
	}
	if err := syscall.Kill(s.record.Main.PID, c.Signal); err != nil {
		s.answer(c, faultOther, fmt.Errorf("signal process %d: %w", s.record.Main.PID, err))
		return
	}
	s.answer(c, "", nil)
}

func (s *supervisor) onStop(c call) {
	if !s.status().running() {
		s.answer(c, "", nil)
		return
	}
	s.stops = append(s.stops, c)
	if c.Signal == 0 {
		c.Signal = s.spec.KillSignal
	}
	s.stop(c.Signal, c.Timeout)
}

// stop asks the main process to end and sets the time for all to be killed. A
// second stop sends its own signal and may only bring that time forward.
func (s *supervisor) stop(sig syscall.Signal, timeout time.Duration) {
	if !s.mainGone {
		syscall.Kill(s.record.Main.PID, sig) // it has not been reaped: the PID is its own
	}
	if timeout <= 0 {
		s.stopping = true
		s.killTree()
		return
	}
	if !s.stopping || timeout < time.Until(s.killTime) {
		s.stopping = true
		s.killTime = time.Now().Add(timeout)
		s.killAt = time.After(timeout)
	}
}

func (s *supervisor) onWatch(c call) {
	c.watch <- s.status()
	s.watchers[c.watch] = true
}

func (s *supervisor) onUnwatch(c call) {
	if s.watchers[c.watch] {
		delete(s.watchers, c.watch)
		close(c.watch)
	}
}

// publish tells every watcher. One that does not read loses its connection,
// dials again and is told the status of then.
func (s *supervisor) publish() {
	for watcher := range s.watchers {
		select {
		case watcher <- s.status():
		default:
			delete(s.watchers, watcher)
			close(watcher)
		}
	}
}

func (s *supervisor) onShutdown(c call) {
	if s.status().running() {
		s.answer(c, faultRunning, nil)
		return
	}
	s.answer(c, "", nil)
	select {
	case <-c.sent:
	case <-time.After(time.Second):
	}
	s.left = true
}

// terminate is the machine shutting down, or somebody cleaning up by hand: the
// task gets its kill signal and its time, its exit is recorded, then we go.
func (s *supervisor) terminate() {
	if !s.status().running() {
		s.left = true
		return
	}
	s.ending = true
	s.stop(s.spec.KillSignal, s.spec.KillTimeout)
}

// finish ends the run: every process is gone, every log line is written.
func (s *supervisor) finish() {
	s.pumps.close()
	s.pumps = nil
	s.killAt, s.rekill, s.drained, s.stopping = nil, nil, nil, false
	s.ended.At = time.Now()
	s.record.Exit = s.ended
	s.idleSince = time.Now()
	s.save()
	s.publish()
	for _, c := range s.stops {
		s.answer(c, "", nil)
	}
	s.stops = nil
}

// save writes the record, now or as soon as the disk takes it.
func (s *supervisor) save() {
	s.saveAgain = nil
	err := s.state.save(s.record)
	s.dirty = err != nil
	if s.dirty {
		fmt.Fprintln(os.Stderr, err)
		s.saveAgain = time.After(retrySave)
		return
	}
	select {
	case s.syncs <- struct{}{}:
	default: // one is asked for already, and will see this record
	}
	s.left = s.left || s.ending && s.record.Exit != nil
}

// syncer brings saved records to stable storage behind the loop's back.
func (s *supervisor) syncer() {
	for range s.syncs {
		if err := s.state.sync(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
}

// housekeep ends a supervisor that nobody can need any more.
//
// Without a task: after the idle time without a connection, if the exit is on
// disk, where Recover finds it. With one: when its state directory was removed
// and no agent holds a connection, then no agent will ever find it, and a task
// that nobody owns must not run on beside its replacement.
func (s *supervisor) housekeep() {
	if s.conns.Load() > 0 {
		s.idleSince, s.dirGone = time.Now(), 0
		return
	}
	if _, err := os.Lstat(filepath.Join(s.dir, socketName)); os.IsNotExist(err) {
		s.dirGone++
	} else {
		s.dirGone = 0
	}
	gone := s.dirGone >= 4 // the idle time, as the ticker beats at a quarter
	switch {
	case s.status().running():
		if gone {
			s.terminate()
		}
	case gone, !s.dirty && time.Since(s.idleSince) >= s.cfg.idle:
		s.left = true
	}
}
