package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/driver"
	"github.com/selfheal/selfheal/agent/nodeapi"
)

// shared is what all allocations of a node share. Nothing of it changes once the
// first allocation exists, or it is safe for concurrent use.
type shared struct {
	allocDir, taskStateDir string
	region                 string
	env                    map[string]string // what tasks inherit of the agent's environment
	facts                  func() nodeFacts
	drivers                map[string]driver.Driver
	maxKillTimeout         time.Duration
	journal                *journal
	report                 func(status nodeapi.AllocStatus, hold bool)
	// checksSince is since when all checks of an allocation pass, zero while they do
	// not; nil where nobody runs checks: then running tasks are healthy.
	checksSince func(allocID string) time.Time
	removed     func(allocID string) // an allocation and its directory are gone
	metrics     Metrics
	log         hclog.Logger
}

// alloc runs one allocation. Its goroutine, run, owns it: everybody else sends
// functions to its inbox.
type alloc struct {
	id     string
	shared *shared
	log    hclog.Logger
	dir    allocDir
	inbox  chan func()
	quit   chan struct{} // closed when run takes nothing out of the inbox any more
	done   chan struct{} // closed when run has returned
	ctx    context.Context
	wg     sync.WaitGroup // the driver's operations beside run

	want  *nodeapi.Alloc
	job   *api.Job
	group *api.TaskGroup
	tasks []*task

	confirmed bool      // servers have said, since this agent began, that it is to run here
	ending    string    // why it is to end, "" while it is to run
	endAt     time.Time // when the stop begins: later than its order with shutdown_delay
	noDelay   bool
	removing  bool // it is to vanish, with its directory
	gone      bool // it has
	health    health
	changed   bool   // something happened since it was last published
	status    string // as last published

	whenTerminal []func() // to call once every task is dead

	lateMu    sync.Mutex
	lateExits []lateExit
}

// newAlloc makes an allocation that the servers want, confirmed, or one out of the
// journal, not confirmed. An error says why it can never run here.
func newAlloc(h *shared, want *nodeapi.Alloc, job *api.Job, confirmed bool) (*alloc, error) {
	if !validAllocID(want.ID) {
		return nil, fmt.Errorf("take allocation: ID %q is not a UUID", want.ID)
	}
	a := &alloc{
		id: want.ID, shared: h, log: h.log.With("alloc", want.ID, "job", want.JobID),
		dir:   allocDir(h.allocDir + "/" + want.ID),
		inbox: make(chan func()), quit: make(chan struct{}), done: make(chan struct{}),
		confirmed: confirmed,
	}
	if err := a.specify(want, job); err != nil {
		return nil, err
	}
	for _, spec := range a.group.Tasks {
		a.tasks = append(a.tasks, newTask(a, spec))
	}
	return a, nil
}

// specify takes over what the servers want.
func (a *alloc) specify(want *nodeapi.Alloc, job *api.Job) error {
	if job == nil {
		return fmt.Errorf("take allocation %s: its job %q was not sent", want.ID, want.JobID)
	}
	for _, group := range job.TaskGroups {
		if text(group.Name, "") == want.TaskGroup {
			a.want, a.job, a.group = want, job, group
			return nil
		}
	}
	return fmt.Errorf("take allocation %s: job %q has no group %q", want.ID, want.JobID, want.TaskGroup)
}

// begin starts the goroutine of a new allocation.
func (a *alloc) begin(ctx context.Context) {
	a.start(ctx, func() {
		a.health = health{DeploymentID: a.want.DeploymentID, Since: time.Now()}
		a.save(true)
		for _, t := range a.tasks {
			t.apply(event{kind: evReceived})
			if t.drv == nil {
				t.apply(event{kind: evFail, err: fmt.Errorf("this node has no driver %q", t.spec.Driver)})
			}
		}
		a.follow()
	})
}

// resume starts the goroutine of an allocation that an earlier agent journaled.
func (a *alloc) resume(ctx context.Context, rec allocRecord, tasks map[string]taskRecord) {
	a.start(ctx, func() {
		a.health = rec.Health
		for _, t := range a.tasks {
			if saved, ok := tasks[taskKey(a.id, t.spec.Name)]; ok {
				t.m, t.saved = saved.Machine, saved.Handle
			} else {
				t.apply(event{kind: evReceived})
			}
		}
		for _, t := range a.tasks {
			if t.saved != nil || (t.m.Phase != phasePending && t.m.Phase != phaseDead && t.m.Phase != phaseWaiting) {
				t.recover()
			}
		}
		a.follow()
		a.changed = true
	})
}

// start begins run, which does first before anything else.
func (a *alloc) start(ctx context.Context, first func()) {
	ctx, cancel := context.WithCancel(ctx)
	a.ctx = ctx
	go a.run(ctx, cancel, first)
}

// run owns the allocation until ctx ends, which leaves its tasks alone, or until
// it has been removed.
func (a *alloc) run(ctx context.Context, cancel context.CancelFunc, first func()) {
	defer close(a.done)
	defer a.journalLate()
	defer a.wg.Wait()
	defer close(a.quit)
	defer cancel()
	first()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		wake := a.settle()
		if a.gone {
			return
		}
		timer.Stop()
		if !wake.IsZero() {
			timer.Reset(max(0, time.Until(wake)))
		}
		select {
		case f := <-a.inbox:
			f()
		case <-timer.C:
		case <-ctx.Done():
			return
		}
	}
}

// send gives the owner something to do; false when it takes nothing any more.
func (a *alloc) send(f func()) bool {
	select {
	case a.inbox <- f:
		return true
	case <-a.quit:
		return false
	}
}

// lateExit is an exit that came when the owner had just stopped listening.
type lateExit struct {
	task *task
	exit driver.Exit
}

// late keeps such an exit: its driver may tell it only once.
func (a *alloc) late(t *task, exit driver.Exit) {
	a.lateMu.Lock()
	defer a.lateMu.Unlock()
	a.lateExits = append(a.lateExits, lateExit{t, exit})
}

// journalLate takes them into the journal, where the next agent finds what is to be
// done about them. Nothing runs beside it any more.
func (a *alloc) journalLate() {
	for _, l := range a.lateExits {
		l.task.m, _ = l.task.m.step(event{kind: evExited, exit: l.exit}, time.Now(), l.task.pol)
		l.task.save()
	}
}

// errAllocEnded answers those who ask an allocation that is gone.
var errAllocEnded = errors.New("the allocation is gone")

// call lets the owner do something and waits for its answer.
func (a *alloc) call(f func() error) error {
	answer := make(chan error, 1)
	select {
	case a.inbox <- func() { answer <- f() }:
		return <-answer
	case <-a.quit:
		return errAllocEnded
	}
}

// settle brings everything forward that can go forward now, tells the servers if
// anything changed, and says when to look again (zero: on the next event).
func (a *alloc) settle() time.Time {
	now := time.Now()
	for _, t := range a.tasks {
		t.apply(event{kind: evTimer})
	}
	for range len(a.tasks) + 2 { // each round of moves lets at most the next rank act
		stopping := a.ending != "" && !now.Before(a.endAt)
		todo := moves(a.members(), stopping, a.ending)
		if len(todo) == 0 {
			break
		}
		for _, mv := range todo {
			a.tasks[mv.task].apply(mv.event(a.noDelay))
		}
	}
	look := a.judgeHealth(now)
	if a.changed {
		a.changed = false
		a.publish()
	}
	if a.removing && a.forgotten() {
		a.remove()
	}
	return a.earliest(look)
}

// event is the move as its task sees it.
func (mv move) event(noDelay bool) event {
	if mv.begin {
		return event{kind: evBegin}
	}
	return event{kind: evKill, cause: mv.cause, reason: mv.reason, noWait: noDelay}
}

// members is the group as the order of tasks sees it.
func (a *alloc) members() []member {
	group := make([]member, len(a.tasks))
	for i, t := range a.tasks {
		group[i] = member{
			role: t.role, phase: t.m.Phase, failed: t.m.State.Failed,
			started: !t.m.State.StartedAt.IsZero(), stopped: t.m.Goal == goalStop,
		}
	}
	return group
}

// earliest is when something is due by itself.
func (a *alloc) earliest(look time.Time) time.Time {
	times := []time.Time{look}
	if a.ending != "" && time.Now().Before(a.endAt) {
		times = append(times, a.endAt)
	}
	for _, t := range a.tasks {
		times = append(times, t.m.Next)
	}
	var first time.Time
	for _, at := range times {
		if !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	return first
}

// update takes over what the servers say now. It confirms the allocation.
func (a *alloc) update(want *nodeapi.Alloc, job *api.Job) {
	if want.AllocModifyIndex >= a.want.AllocModifyIndex {
		if err := a.specify(want, job); err != nil {
			a.log.Error("taking over an update failed", "err", err)
		}
		a.respecify()
		if want.DeploymentID != a.health.DeploymentID {
			a.health = health{DeploymentID: want.DeploymentID, Since: time.Now()}
		}
		a.save(true)
		a.follow()
	}
	a.confirm()
	if want.ClientStatus != a.status {
		a.changed = true
	}
}

// respecify gives each task its new specification. An update in place never adds
// or removes tasks.
func (a *alloc) respecify() {
	for _, t := range a.tasks {
		for _, spec := range a.group.Tasks {
			if spec.Name == t.spec.Name {
				t.specify(spec)
			}
		}
	}
}

// confirm lets starts go ahead that waited for the servers' word.
func (a *alloc) confirm() {
	if a.confirmed {
		return
	}
	a.confirmed = true
	for _, t := range a.tasks {
		if t.held && a.ending == "" {
			t.start()
		}
	}
}

// follow obeys the desired status.
func (a *alloc) follow() {
	if a.want.DesiredStatus == api.AllocDesiredStatusRun || a.want.DesiredStatus == "" {
		return
	}
	reason := a.want.DesiredDescription
	if reason == "" {
		reason = "the servers want it to " + a.want.DesiredStatus
	}
	a.noDelay = a.want.DesiredTransition.NoShutdownDelay != nil && *a.want.DesiredTransition.NoShutdownDelay
	a.end(reason)
}

// end stops all tasks in order, after the group's shutdown_delay.
func (a *alloc) end(reason string) {
	if a.ending != "" {
		return
	}
	a.ending, a.endAt = reason, time.Now()
	if delay := a.group.ShutdownDelay; delay != nil && !a.noDelay {
		a.endAt = a.endAt.Add(*delay)
	}
}

// endNow stops all tasks without any delay but their kill_timeout.
func (a *alloc) endNow(reason string) {
	a.noDelay = true
	a.end(reason)
	a.endAt = time.Now()
}

// destroy stops everything and removes the allocation with its directory.
func (a *alloc) destroy(reason string) {
	a.removing = true
	a.endNow(reason)
	for _, t := range a.tasks { // nobody waits for poststop tasks of what must vanish
		t.apply(event{kind: evKill, reason: reason, noWait: true})
	}
}

// forgotten tells whether no driver knows any task any more.
func (a *alloc) forgotten() bool {
	for _, t := range a.tasks {
		if t.m.Phase != phaseDead || t.running != nil || t.saved != nil {
			return false
		}
	}
	return true
}

// terminal tells whether every task is dead.
func (a *alloc) terminal() bool {
	status, _ := clientStatus(a.members())
	return terminalStatus(status)
}

// endedAt is when the last task ended.
func (a *alloc) endedAt() time.Time {
	var at time.Time
	for _, t := range a.tasks {
		at = later(at, t.m.State.FinishedAt)
	}
	return at
}

func terminalStatus(status string) bool {
	return status == api.AllocClientStatusComplete || status == api.AllocClientStatusFailed || status == api.AllocClientStatusLost
}

// judgeHealth brings the health forward, and says when it may change by itself.
func (a *alloc) judgeHealth(now time.Time) time.Time {
	if a.ending != "" || a.health.Healthy != nil {
		return time.Time{}
	}
	p := healthPolicyOf(a.job, a.group, a.want)
	var checks *time.Time
	if a.shared.checksSince != nil {
		since := a.shared.checksSince(a.id)
		checks = &since
	}
	well := make([]wellness, len(a.tasks))
	for i, m := range a.members() {
		well[i] = wellness{m.role, m.phase, m.failed, m.started, a.tasks[i].m.State.StartedAt}
	}
	next, look := a.health.judge(p, well, checks, now)
	if next.Healthy != nil {
		a.health = next
		a.changed = true
		a.save(false)
	}
	if !look.IsZero() && p.checks && checks != nil {
		look = now.Add(min(look.Sub(now), checksPoll))
	}
	return look
}

// checksPoll is how often the checks are looked at while they decide over health.
const checksPoll = 500 * time.Millisecond

// publish tells the servers the present state. While a start is under way the next
// change comes within milliseconds: then both go in one report.
func (a *alloc) publish() {
	status, description := clientStatus(a.members())
	a.status = status
	report := nodeapi.AllocStatus{
		ID: a.id, ClientStatus: status, ClientDescription: description,
		TaskStates: map[string]*api.TaskState{}, Healthy: a.health.Healthy, HealthyAt: a.health.At,
	}
	hold := false
	for _, t := range a.tasks {
		state := t.m.State
		report.TaskStates[t.spec.Name] = &state
		hold = hold || (t.m.Phase == phaseStarting && !t.held)
	}
	a.shared.report(report, hold)
	if terminalStatus(status) {
		for _, f := range a.whenTerminal {
			f()
		}
		a.whenTerminal = nil
	}
}

// save journals the allocation, and its job if that may be new.
func (a *alloc) save(job bool) {
	stored := *a.want
	stored.Job = nil
	records := []record{put(bucketAllocs, a.id, allocRecord{Alloc: &stored, Health: a.health})}
	if job {
		records = append(records, put(bucketJobs, jobKey(a.want.JobRef), a.job))
	}
	if err := a.shared.journal.write(records...); err != nil {
		a.log.Error("journaling an allocation failed", "err", err)
	}
}

// remove deletes all that is left of the allocation: its directory first, so that
// a journal entry never lacks what it stands for.
func (a *alloc) remove() {
	if err := a.dir.destroy(); err != nil {
		a.log.Error("removing an allocation's directory failed", "err", err)
	}
	records := []record{{bucket: bucketAllocs, key: a.id}}
	for _, t := range a.tasks {
		records = append(records, record{bucket: bucketTasks, key: taskKey(a.id, t.spec.Name)})
	}
	if err := a.shared.journal.write(records...); err != nil {
		a.log.Error("forgetting an allocation failed", "err", err)
	}
	a.gone = true
	a.shared.removed(a.id)
}
