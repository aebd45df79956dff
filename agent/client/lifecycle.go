package client

import (
	"github.com/hashicorp/nomad/api"
)

// role is a task's place in the order of its group.
type role struct {
	hook    string // api.TaskLifecycleHook..., "" for a main task
	sidecar bool
	leader  bool
}

func (r role) main() bool     { return r.hook == "" }
func (r role) poststop() bool { return r.hook == api.TaskLifecycleHookPoststop }

// ephemeral tasks run to their end once, and a success is their end.
func (r role) ephemeral() bool { return !r.main() && !r.sidecar }

// roleOf reads a task's lifecycle block.
func roleOf(spec *api.Task) role {
	r := role{leader: spec.Leader}
	if spec.Lifecycle != nil {
		r.hook = spec.Lifecycle.Hook
		r.sidecar = spec.Lifecycle.Sidecar
	}
	return r
}

// member is what the order of a group needs to know of a task.
type member struct {
	role    role
	phase   phase
	failed  bool
	started bool // ran at least once
	stopped bool // a kill is under way or done
}

// move is one thing to do for a group: begin a task, or kill it.
type move struct {
	task   int // index among the members
	begin  bool
	cause  string // of a kill: type of the API event that explains it
	reason string
}

const (
	reasonSibling  = "Task's sibling failed"
	reasonLeader   = "Leader Task in Group dead"
	reasonMainDead = "The group's main tasks have ended"
)

// moves says what is to happen next in a group, given all its tasks:
//
//	prestart  ->  main  ->  poststart          begin
//	leader    ->  main, ephemeral  ->  sidecars  ->  poststop begins    stop
//
// A prestart task without sidecar must have succeeded, one with sidecar must have
// started, before the main tasks begin. When one of the tasks fails, or the leader
// ends, or all main tasks have ended, the rest is stopped. Poststop tasks begin
// when everything else is over, and are stopped by nobody but destruction.
func moves(group []member, stopping bool, reason string) []move {
	if cause, why := verdictOn(group); cause != "" || why != "" {
		return append(stopMoves(group, cause, why), poststopMoves(group)...)
	}
	if stopping {
		return append(stopMoves(group, "", reason), poststopMoves(group)...)
	}
	return beginMoves(group)
}

// verdictOn tells whether the tasks themselves end the group, and why.
func verdictOn(group []member) (cause, reason string) {
	mains, dead := 0, 0
	for _, m := range group {
		if m.phase == phaseDead && !m.role.poststop() {
			switch {
			case m.failed:
				return api.TaskSiblingFailed, reasonSibling
			case m.role.leader:
				return api.TaskLeaderDead, reasonLeader
			}
		}
		if m.role.main() {
			mains++
			if m.phase == phaseDead {
				dead++
			}
		}
	}
	if mains > 0 && mains == dead {
		return "", reasonMainDead
	}
	return "", ""
}

// beginMoves lets every task begin whose turn has come.
func beginMoves(group []member) []move {
	mainMay, postMay := true, true
	for _, m := range group {
		switch m.role.hook {
		case api.TaskLifecycleHookPrestart:
			done := m.phase == phaseDead && !m.failed
			if m.role.sidecar {
				done = m.started
			}
			mainMay = mainMay && done
		case "":
			postMay = postMay && m.started
		}
	}
	var out []move
	for i, m := range group {
		if m.phase != phasePending {
			continue
		}
		may := map[string]bool{
			api.TaskLifecycleHookPrestart:  true,
			"":                             mainMay,
			api.TaskLifecycleHookPoststart: mainMay && postMay,
		}
		if may[m.role.hook] {
			out = append(out, move{task: i, begin: true})
		}
	}
	return out
}

// stopMoves kills in order: leaders, then what is no sidecar, then the sidecars;
// each rank when the one before is dead.
func stopMoves(group []member, cause, reason string) []move {
	ranks := []func(role) bool{
		func(r role) bool { return r.leader },
		func(r role) bool { return !r.leader && !r.sidecar },
		func(r role) bool { return !r.leader && r.sidecar },
	}
	for _, in := range ranks {
		var out []move
		alive := false
		for i, m := range group {
			if m.role.poststop() || m.phase == phaseDead || !in(m.role) {
				continue
			}
			alive = true
			if !m.stopped {
				out = append(out, move{task: i, cause: cause, reason: reason})
			}
		}
		if alive {
			return out
		}
	}
	return nil
}

// poststopMoves lets poststop tasks begin once everything else is dead.
func poststopMoves(group []member) []move {
	var out []move
	for i, m := range group {
		switch {
		case !m.role.poststop() && m.phase != phaseDead:
			return nil
		case m.role.poststop() && m.phase == phasePending:
			out = append(out, move{task: i, begin: true})
		}
	}
	return out
}

// clientStatus is the API's status of an allocation whose tasks these are, with
// its description. It is terminal only when every task is dead: what is terminal
// holds no resources any more, and its replacement may use them.
func clientStatus(group []member) (status, description string) {
	counts := map[phase]int{}
	failed := false
	for _, m := range group {
		switch m.phase {
		case phaseDead:
			counts[phaseDead]++
			failed = failed || m.failed
		case phaseRunning, phaseDraining, phaseStopping:
			counts[phaseRunning]++
		}
	}
	switch {
	case counts[phaseDead] == len(group) && failed:
		return api.AllocClientStatusFailed, "Failed tasks"
	case counts[phaseDead] == len(group):
		return api.AllocClientStatusComplete, "All tasks have completed"
	case counts[phaseRunning] > 0:
		return api.AllocClientStatusRunning, "Tasks are running"
	}
	return api.AllocClientStatusPending, "No tasks have started"
}
