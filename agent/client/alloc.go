package client

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
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
	volumes                func() map[string]*api.HostVolumeInfo // host volumes of this node by name
	drivers                map[string]driver.Driver
	maxKillTimeout         time.Duration
	journal                *journal
	report                 func(status nodeapi.AllocStatus, hold bool)
	checks                 Checks // nil: nobody runs them, and tasks that run are healthy
	nodeID                 string
	identities             func(context.Context, nodeapi.IdentitiesRequest) (*nodeapi.IdentitiesResponse, error)
	removed                func(allocID string) // an allocation and its directory are gone
	metrics                Metrics
	log                    hclog.Logger
}

// alloc runs one allocation. Its goroutine, run, owns it: everybody else sends
// functions to its inbox.
type alloc struct {
	id     string
	shared *shared
	log    hclog.Logger
	dir    allocDir
	mailbox
	ctx context.Context
	wg  sync.WaitGroup // the driver's operations beside run

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

	serving

	whenTerminal []func() // to call once every task is dead

	// aloneFor is stop_on_client_after, 0 without it or once it ends. Others read it.
	aloneFor atomic.Int64

	late lateExits
}

// newAlloc makes an allocation that the servers want, confirmed, or one out of the
// journal, not confirmed. An error says why it can never run here.
func newAlloc(h *shared, want *nodeapi.Alloc, job *api.Job, confirmed bool) (*alloc, error) {
	if !validAllocID(want.ID) {
		return nil, fmt.Errorf("take allocation: ID %q is not a UUID", want.ID)
	}
	a := &alloc{
		id: want.ID, shared: h, log: h.log.With("alloc", want.ID, "job", want.JobID),
		dir:       allocDir(h.allocDir + "/" + want.ID),
		mailbox:   newMailbox(),
		serving:   serving{poked: make(chan struct{}, 1)},
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
			a.setAloneFor()
			return nil
		}
	}
	return fmt.Errorf("take allocation %s: job %q has no group %q", want.ID, want.JobID, want.TaskGroup)
}

// setAloneFor says how long the allocation may run while no server answers.
func (a *alloc) setAloneFor() {
	var limit time.Duration
	if d := a.group.Disconnect; d != nil && d.StopOnClientAfter != nil && a.ending == "" && !terminalStatus(a.status) {
		limit = *d.StopOnClientAfter
	}
	a.aloneFor.Store(int64(limit))
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
				t.m, t.saved, t.identities = saved.Machine, saved.Handle, saved.Identities
				t.wasWell = t.m.Phase == phaseRunning && a.health.Healthy != nil && *a.health.Healthy
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
	defer a.late.journal()
	if a.shared.checks != nil {
		defer a.shared.checks.Set(a.id, nil, nil)
	}
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
		case <-a.poked:
		case <-ctx.Done():
			return
		}
	}
}

// settle brings everything forward that can go forward now, tells the servers if
// anything changed, and says when to look again (zero: on the next event).
func (a *alloc) settle() time.Time {
	for _, t := range a.tasks {
		if t.recovering { // what the journal says may not be so any more
			return time.Time{}
		}
	}
	now := time.Now()
	for _, t := range a.tasks {
		t.apply(event{kind: evTimer})
	}
	restart := a.restartUnhealthy(now)
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
	for _, t := range a.tasks {
		t.renewIdentities(now)
	}
	a.tendServices()
	look := a.judgeHealth(now)
	if a.changed {
		a.changed = false
		a.publish()
	}
	if a.removing && a.forgotten() {
		a.remove()
	}
	return a.earliest(look, restart)
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
func (a *alloc) earliest(times ...time.Time) time.Time {
	if a.ending != "" && time.Now().Before(a.endAt) {
		times = append(times, a.endAt)
	}
	for _, t := range a.tasks {
		times = append(times, t.m.Next, t.renewAt())
	}
	var first time.Time
	for _, at := range times {
		if !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	return first
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
