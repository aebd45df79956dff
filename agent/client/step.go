package client

import (
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/driver"
)

// phase is where a task is on its way; finer than the API's pending, running, dead.
type phase string

const (
	phasePending  phase = "pending"  // its turn has not come
	phaseStarting phase = "starting" // journaled before the driver is asked, so that a start is never forgotten
	phaseRunning  phase = "running"
	phaseWaiting  phase = "waiting"  // for Next, to start again
	phaseDraining phase = "draining" // runs until Next (shutdown_delay), then is stopped
	phaseStopping phase = "stopping" // the driver stops it
	phaseDead     phase = "dead"
)

// goal is what follows once the present run is over.
type goal string

const (
	goalRun     goal = ""        // as the restart policy says
	goalStop    goal = "stop"    // nothing
	goalRestart goal = "restart" // the next run, at once
	goalAgain   goal = "again"   // as the restart policy says of a failure
)

// machine is all that is known of one task. It is a value: step makes a new one,
// and it is journaled before the action that step asks for is taken.
type machine struct {
	Phase    phase
	Goal     goal `json:",omitempty"`
	State    api.TaskState
	Window   restartWindow
	Next     time.Time `json:",omitzero"`
	LastExit time.Time `json:",omitzero"` // of the last exit that was dealt with: it counts once
}

// policy is what a task's specification says about its steps.
type policy struct {
	restart       restartPolicy
	onSuccess     bool // exit 0 is a reason to run again too
	killTimeout   time.Duration
	shutdownDelay time.Duration
	seed          func(attempt uint64) uint64
}

// eventKind says what happened to a task.
type eventKind int

const (
	evReceived  eventKind = iota // the node has the allocation
	evBegin                      // its turn has come
	evStarted                    // the driver runs it
	evAttached                   // the driver found it again, running
	evNotStart                   // the driver could not start it
	evExited                     // the run ended
	evGone                       // nothing is left of it, not even an exit
	evTimer                      // Next has come
	evKill                       // it is to end for good
	evRestart                    // it is to run anew
	evUnhealthy                  // its checks say that this run is no good
	evReset                      // it is to run anew from the beginning, even if it ended
	evSignal                     // it was sent a signal
	evStopError                  // the driver could not stop it
	evFail                       // it cannot be run at all
)

// event is one thing that happened to a task.
type event struct {
	kind   eventKind
	exit   driver.Exit
	err    error
	reason string // why it is killed or restarted, or which signal
	cause  string // type of the API event that explains a kill: api.TaskSiblingFailed, ...
	noWait bool   // evKill: without shutdown_delay
}

// action is what is to be done after a step: at most one thing.
type action int

const (
	actNone        action = iota
	actStart              // run it, for the first time or again
	actStop               // stop it
	actCancelStart        // give up a start in flight
	actDestroy            // it has ended for good: the driver may forget it
)

// stopRetry is the pause after a stop that the driver could not carry out.
const stopRetry = time.Second

// steps holds what each kind of event does.
var steps = map[eventKind]func(*machine, event, time.Time, policy) action{
	evReceived:  stepReceived,
	evBegin:     stepBegin,
	evStarted:   stepStarted,
	evAttached:  stepAttached,
	evNotStart:  stepNotStarted,
	evExited:    stepExited,
	evGone:      stepGone,
	evTimer:     stepTimer,
	evKill:      stepKill,
	evRestart:   stepRestart,
	evUnhealthy: stepUnhealthy,
	evReset:     stepReset,
	evSignal:    stepSignal,
	evStopError: stepStopError,
	evFail:      stepFail,
}

// step is the whole life of a task: what it was, what happened, and when, give
// what it is now and the one thing to do. It has no side effect; machines share no
// memory.
func (m machine) step(ev event, now time.Time, p policy) (machine, action) {
	next := m
	next.State.Events = append([]*api.TaskEvent(nil), m.State.Events...)
	act := steps[ev.kind](&next, ev, now, p)
	return next, act
}

func stepReceived(m *machine, _ event, now time.Time, _ policy) action {
	m.Phase = phasePending
	m.State.State = taskPending
	m.record(now, eventReceived())
	return actNone
}

func stepBegin(m *machine, _ event, now time.Time, _ policy) action {
	if m.Phase != phasePending {
		return actNone
	}
	m.record(now, eventSetup())
	m.Phase = phaseStarting
	return actStart
}

func stepStarted(m *machine, _ event, now time.Time, p policy) action {
	if m.Phase != phaseStarting {
		return actNone
	}
	m.State.State = taskRunning
	m.State.StartedAt = now
	m.record(now, eventStarted())
	if m.Goal != goalRun { // killed while it was being started
		m.Phase = phaseStopping
		return actStop
	}
	m.Phase = phaseRunning
	return actNone
}

func stepAttached(m *machine, ev event, now time.Time, p policy) action {
	switch m.Phase {
	case phaseStarting: // the agent ended between the start and its entry in the journal
		return stepStarted(m, ev, now, p)
	case phaseStopping:
		return actStop
	}
	return actNone
}

func stepNotStarted(m *machine, ev event, now time.Time, p policy) action {
	if m.Phase != phaseStarting {
		return actNone
	}
	if m.Goal == goalStop {
		return m.die(now, eventKilled(nil))
	}
	m.Goal = goalRun
	m.record(now, eventDriverFailure(ev.err))
	if !driver.Recoverable(ev.err) {
		m.State.Failed = true
		return m.die(now, eventNotRestarting("Error was unrecoverable", true))
	}
	return m.again(now, p, true)
}

func stepExited(m *machine, ev event, now time.Time, p policy) action {
	if m.Phase == phaseDead || m.Phase == phasePending {
		return actNone
	}
	if !ev.exit.At.IsZero() && ev.exit.At.Equal(m.LastExit) {
		// Found again after a restart of the agent: it has been counted.
		return m.ranOut(now)
	}
	m.LastExit = ev.exit.At
	m.record(now, eventTerminated(ev.exit))
	switch m.Goal {
	case goalStop:
		return m.die(now, eventKilled(ev.exit.Err))
	case goalRestart:
		m.Goal = goalRun
		m.restarting(now, 0, "User requested task to restart")
		m.Phase = phaseStarting
		return actStart
	case goalAgain:
		m.Goal = goalRun
		return m.again(now, p, true)
	}
	if ev.exit.Successful() && !p.onSuccess {
		return m.die(now, nil)
	}
	return m.again(now, p, !ev.exit.Successful())
}

// ranOut goes on where an exit already counted had led: to the next run or the end.
func (m *machine) ranOut(now time.Time) action {
	switch m.Phase {
	case phaseStarting:
		return actStart
	case phaseStopping, phaseDraining:
		return m.die(now, eventKilled(nil))
	case phaseRunning: // it was taken for running when it was found
		m.Phase = phaseStarting
		return actStart
	}
	return actNone
}

// again asks the restart policy about a run that ended or failed to begin.
func (m *machine) again(now time.Time, p policy, failed bool) action {
	window, verdict := p.restart.restart(m.Window, now, p.seed(m.State.Restarts))
	m.Window = window
	if !verdict.Restart {
		m.State.Failed = failed
		return m.die(now, eventNotRestarting(verdict.Reason, failed))
	}
	m.restarting(now, verdict.Delay, verdict.Reason)
	if verdict.Delay > 0 {
		m.Phase, m.Next = phaseWaiting, now.Add(verdict.Delay)
		return actNone
	}
	m.Phase = phaseStarting
	return actStart
}

// restarting counts a restart.
func (m *machine) restarting(now time.Time, delay time.Duration, reason string) {
	m.State.State = taskPending
	m.State.Restarts++
	m.State.LastRestart = now
	m.record(now, eventRestarting(delay, reason))
}

// stepGone is not the task's fault: its machine restarted, or somebody killed it
// together with its agent. So it runs again at once and uncounted, unless its
// policy allows no restart at all.
func stepGone(m *machine, _ event, now time.Time, p policy) action {
	switch m.Phase {
	case phaseDead, phasePending, phaseWaiting:
		return actNone
	case phaseStarting:
		return actStart
	}
	m.record(now, eventVanished())
	switch {
	case m.Goal == goalStop:
		return m.die(now, eventKilled(nil))
	case p.restart.Attempts == 0 && !p.restart.Wait && m.Goal == goalRun:
		m.State.Failed = true
		return m.die(now, eventNotRestarting("Policy allows no restarts", true))
	}
	m.Goal = goalRun
	m.restarting(now, 0, "Task was gone when the agent came back")
	m.Phase = phaseStarting
	return actStart
}

func stepTimer(m *machine, _ event, now time.Time, _ policy) action {
	if m.Next.IsZero() || now.Before(m.Next) {
		return actNone
	}
	switch m.Phase {
	case phaseWaiting:
		m.Phase, m.Next = phaseStarting, time.Time{}
		return actStart
	case phaseDraining:
		m.Phase, m.Next = phaseStopping, time.Time{}
		return actStop
	}
	return actNone
}

func stepKill(m *machine, ev event, now time.Time, p policy) action {
	if m.Phase == phaseDraining && m.Goal == goalStop && ev.noWait {
		m.Phase, m.Next = phaseStopping, time.Time{}
		return actStop
	}
	if m.Phase == phaseDead || m.Goal == goalStop {
		return actNone
	}
	if ev.cause != "" {
		m.record(now, &api.TaskEvent{Type: ev.cause, DisplayMessage: ev.reason})
	}
	m.record(now, eventKilling(p.killTimeout, ev.reason))
	m.Goal = goalStop
	switch m.Phase {
	case phasePending, phaseWaiting:
		return m.die(now, eventKilled(nil))
	case phaseStarting:
		return actCancelStart
	case phaseRunning:
		if p.shutdownDelay > 0 && !ev.noWait {
			m.Phase, m.Next = phaseDraining, now.Add(p.shutdownDelay)
			return actNone
		}
		m.Phase = phaseStopping
		return actStop
	}
	return actNone
}

func stepRestart(m *machine, ev event, now time.Time, _ policy) action {
	switch m.Phase {
	case phaseRunning:
		m.record(now, eventRestartSignal(ev.reason))
		m.Goal = goalRestart
		m.Phase = phaseStopping
		return actStop
	case phaseWaiting:
		m.record(now, eventRestartSignal(ev.reason))
		m.Phase, m.Next = phaseStarting, time.Time{}
		return actStart
	}
	return actNone
}

// stepUnhealthy ends a run that its checks condemn. It counts as a failed one.
func stepUnhealthy(m *machine, ev event, now time.Time, _ policy) action {
	if m.Phase != phaseRunning {
		return actNone
	}
	m.record(now, eventRestartSignal(ev.reason))
	m.Goal = goalAgain
	m.Phase = phaseStopping
	return actStop
}

func stepReset(m *machine, ev event, now time.Time, p policy) action {
	if m.Phase != phaseDead {
		return stepRestart(m, ev, now, p)
	}
	m.record(now, eventRestartSignal(ev.reason))
	m.Phase, m.Goal, m.Next, m.Window = phasePending, goalRun, time.Time{}, restartWindow{}
	m.State.State, m.State.Failed, m.State.FinishedAt = taskPending, false, time.Time{}
	m.State.Restarts++
	m.State.LastRestart = now
	return actNone
}

func stepSignal(m *machine, ev event, now time.Time, _ policy) action {
	m.record(now, eventSignaling(ev.reason))
	return actNone
}

func stepStopError(m *machine, _ event, now time.Time, _ policy) action {
	if m.Phase == phaseStopping {
		m.Phase, m.Next = phaseDraining, now.Add(stopRetry)
	}
	return actNone
}

func stepFail(m *machine, ev event, now time.Time, _ policy) action {
	if m.Phase == phaseDead {
		return actNone
	}
	m.State.Failed = true
	return m.die(now, eventSetupFailure(ev.err))
}

// die ends a task for good.
func (m *machine) die(now time.Time, last *api.TaskEvent) action {
	if last != nil {
		m.record(now, last)
	}
	m.Phase, m.Next = phaseDead, time.Time{}
	m.State.State = taskDead
	m.State.FinishedAt = now
	return actDestroy
}
