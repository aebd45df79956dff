package simnode

import (
	"context"
	"strconv"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/nodeapi"
)

// alloc is one allocation that a node is said to run.
type alloc struct {
	id     string
	tasks  []string
	began  time.Time
	ended  bool
	failed bool

	life, health *time.Timer // nil: it runs for ever; nobody asks for its health
	healthy      *bool
	healthyAt    time.Time
}

func (a *alloc) halt() {
	for _, t := range []*time.Timer{a.life, a.health} {
		if t != nil {
			t.Stop()
		}
	}
}

// converge makes what servers say so.
func (n *node) converge(ctx context.Context, resp *nodeapi.AllocsResponse) {
	jobs := map[nodeapi.JobRef]*api.Job{}
	for _, j := range resp.Jobs {
		jobs[refOf(j)] = j
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, want := range resp.Allocs {
		a := n.allocs[want.ID]
		run := want.DesiredStatus == api.AllocDesiredStatusRun && !terminal(want.ClientStatus)
		switch {
		case a == nil && run:
			n.begin(ctx, want, jobs[want.JobRef])
		case a == nil && !terminal(want.ClientStatus): // of an earlier run of this fleet
			n.say(ctx, &alloc{id: want.ID, ended: true, began: time.Now()})
		case a != nil && !run && !a.ended:
			n.finish(ctx, a, 0)
		}
	}
	has := make(map[string]bool, len(resp.IDs))
	for _, id := range resp.IDs {
		has[id] = true
	}
	for id, a := range n.allocs {
		if !has[id] { // the servers have forgotten it
			a.halt()
			if !a.ended {
				n.f.running.Add(-1)
			}
			delete(n.allocs, id)
		}
	}
}

// begin runs an allocation: from now on, as long as run_for of its tasks says.
func (n *node) begin(ctx context.Context, want *nodeapi.Alloc, job *api.Job) {
	a := &alloc{id: want.ID, began: time.Now()}
	if n.allocs == nil {
		n.allocs = map[string]*alloc{}
	}
	n.allocs[a.id] = a
	n.f.running.Add(1)
	var group *api.TaskGroup
	if job != nil {
		group = job.LookupTaskGroup(want.TaskGroup)
	}
	if group != nil {
		for _, t := range group.Tasks {
			a.tasks = append(a.tasks, t.Name)
		}
		if runFor, code := lifeOf(group); runFor > 0 {
			a.life = time.AfterFunc(runFor, func() { n.later(func() { n.finish(ctx, a, code) }) })
		}
		if after, asked := healthAfter(job, group, want.DeploymentID != ""); asked {
			a.health = time.AfterFunc(after, func() { n.later(func() { n.judge(ctx, a) }) })
		}
	}
	n.say(ctx, a)
}

// later is what a timer does: under the lock, unless the node's life is over.
func (n *node) later(do func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.over {
		do()
	}
}

// finish ends an allocation.
func (n *node) finish(ctx context.Context, a *alloc, code int) {
	if a.ended {
		return
	}
	a.halt()
	a.ended, a.failed = true, code != 0
	n.f.running.Add(-1)
	n.f.ended.Add(1)
	n.say(ctx, a)
}

// judge finds an allocation healthy.
func (n *node) judge(ctx context.Context, a *alloc) {
	if !a.ended {
		a.healthy, a.healthyAt = new(true), time.Now()
		n.say(ctx, a)
	}
}

// say has the present state of an allocation reported.
func (n *node) say(ctx context.Context, a *alloc) {
	if n.dirty == nil {
		n.dirty = map[string]nodeapi.AllocStatus{}
	}
	n.dirty[a.id] = a.status(time.Now())
	if !n.sending && !n.over {
		n.sending = true
		n.beside.Add(1)
		go n.report(ctx) // ends with nothing to say, or with ctx; end waits for it
	}
}

// status is the allocation in the API's terms.
func (a *alloc) status(now time.Time) nodeapi.AllocStatus {
	s := nodeapi.AllocStatus{
		ID: a.id, ClientStatus: api.AllocClientStatusRunning, ClientDescription: "Tasks are running",
		TaskStates: make(map[string]*api.TaskState, len(a.tasks)), Healthy: a.healthy, HealthyAt: a.healthyAt,
	}
	began := a.began.UnixNano()
	for _, name := range a.tasks {
		state := &api.TaskState{State: "running", StartedAt: a.began, Events: []*api.TaskEvent{
			{Type: api.TaskReceived, Time: began, DisplayMessage: "Task received by client", Details: map[string]string{}},
			{Type: api.TaskStarted, Time: began, DisplayMessage: "Task started by client", Details: map[string]string{}},
		}}
		if a.ended {
			state.State, state.FinishedAt, state.Failed = "dead", now, a.failed
			state.Events = append(state.Events, &api.TaskEvent{
				Type: api.TaskTerminated, Time: now.UnixNano(), DisplayMessage: "Simulated task ended", Details: map[string]string{},
			})
		}
		s.TaskStates[name] = state
	}
	switch {
	case a.ended && a.failed:
		s.ClientStatus, s.ClientDescription = api.AllocClientStatusFailed, "Failed tasks"
	case a.ended:
		s.ClientStatus, s.ClientDescription = api.AllocClientStatusComplete, "All tasks have completed"
	}
	return s
}

// lifeOf is how long a group's tasks run, and how they end: as long as the longest
// run_for, for ever when a task has none; with the first exit_code that is not 0.
func lifeOf(g *api.TaskGroup) (runFor time.Duration, code int) {
	for _, t := range g.Tasks {
		text, _ := t.Config["run_for"].(string)
		d, err := time.ParseDuration(text)
		if err != nil || d <= 0 {
			return 0, 0
		}
		runFor = max(runFor, d)
		if code == 0 {
			code = number(t.Config["exit_code"])
		}
	}
	return runFor, code
}

// number reads an integer as job files and JSON have them.
func number(v any) int {
	switch x := v.(type) {
	case float64:
		return int(x)
	case int:
		return x
	case string:
		n, _ := strconv.Atoi(x) // what is none is 0
		return n
	}
	return 0
}

// healthAfter is when somebody wants to hear that an allocation is healthy: a
// deployment, or a drain that counts the healthy ones of a service.
func healthAfter(job *api.Job, g *api.TaskGroup, deployed bool) (after time.Duration, asked bool) {
	after = 10 * time.Second
	check := ""
	take := func(min *time.Duration, mode *string) {
		if min != nil {
			after = *min
		}
		if mode != nil {
			check = *mode
		}
	}
	switch {
	case deployed:
		for _, u := range []*api.UpdateStrategy{job.Update, g.Update} {
			if u != nil {
				take(u.MinHealthyTime, u.HealthCheck)
			}
		}
	case job.Type != nil && *job.Type != api.JobTypeService:
		return 0, false
	default:
		for _, m := range []*api.MigrateStrategy{job.Migrate, g.Migrate} {
			if m != nil {
				take(m.MinHealthyTime, m.HealthCheck)
			}
		}
	}
	return after, check != "manual"
}

// refOf is the reference under which allocations name this version of the job.
func refOf(job *api.Job) nodeapi.JobRef {
	var ref nodeapi.JobRef
	if job.Namespace != nil {
		ref.Namespace = *job.Namespace
	}
	if job.ID != nil {
		ref.ID = *job.ID
	}
	if job.Version != nil {
		ref.Version = *job.Version
	}
	if job.CreateIndex != nil {
		ref.CreateIndex = *job.CreateIndex
	}
	return ref
}

func terminal(status string) bool {
	return status == api.AllocClientStatusComplete || status == api.AllocClientStatusFailed || status == api.AllocClientStatusLost
}
