package client

import (
	"fmt"
	"strconv"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/driver"
)

// The API's states of a task.
const (
	taskPending = "pending"
	taskRunning = "running"
	taskDead    = "dead"
)

// maxEvents is how many events of a task are kept, as its users know it.
const maxEvents = 10

// record appends an event, and drops the oldest beyond maxEvents.
func (m *machine) record(now time.Time, ev *api.TaskEvent) {
	ev.Time = now.UnixNano()
	if ev.Details == nil {
		ev.Details = map[string]string{}
	}
	m.State.Events = append(m.State.Events, ev)
	if extra := len(m.State.Events) - maxEvents; extra > 0 {
		m.State.Events = m.State.Events[extra:]
	}
}

func eventReceived() *api.TaskEvent {
	return &api.TaskEvent{Type: api.TaskReceived, DisplayMessage: "Task received by client"}
}

func eventSetup() *api.TaskEvent {
	const text = "Building Task Directory"
	return &api.TaskEvent{Type: api.TaskSetup, Message: text, DisplayMessage: text, Details: map[string]string{"message": text}}
}

func eventSetupFailure(err error) *api.TaskEvent {
	return &api.TaskEvent{
		Type: api.TaskSetupFailure, SetupError: err.Error(), DisplayMessage: err.Error(), FailsTask: true,
		Details: map[string]string{"setup_error": err.Error(), "fails_task": "true"},
	}
}

func eventStarted() *api.TaskEvent {
	return &api.TaskEvent{Type: api.TaskStarted, DisplayMessage: "Task started by client"}
}

func eventDriverFailure(err error) *api.TaskEvent {
	return &api.TaskEvent{
		Type: api.TaskDriverFailure, DriverError: err.Error(), DisplayMessage: err.Error(),
		Details: map[string]string{"driver_error": err.Error()},
	}
}

func eventTerminated(exit driver.Exit) *api.TaskEvent {
	text := fmt.Sprintf("Exit Code: %d", exit.Code)
	details := map[string]string{
		"exit_code":  strconv.Itoa(exit.Code),
		"signal":     strconv.Itoa(exit.Signal),
		"oom_killed": strconv.FormatBool(exit.OOM),
	}
	if exit.Signal != 0 {
		text += fmt.Sprintf(", Signal: %d", exit.Signal)
	}
	message := ""
	switch {
	case exit.OOM:
		message = "OOM Killed"
	case exit.Err != nil:
		message = exit.Err.Error()
	}
	if message != "" {
		text += fmt.Sprintf(", Exit Message: %q", message)
		details["exit_message"] = message
	}
	return &api.TaskEvent{
		Type: api.TaskTerminated, ExitCode: exit.Code, Signal: exit.Signal,
		Message: message, DisplayMessage: text, Details: details,
	}
}

func eventVanished() *api.TaskEvent {
	const text = "The task was gone when the agent came back; how it ended is unknown"
	return &api.TaskEvent{
		Type: api.TaskTerminated, Message: text, DisplayMessage: text,
		Details: map[string]string{"exit_message": text},
	}
}

func eventRestarting(delay time.Duration, reason string) *api.TaskEvent {
	return &api.TaskEvent{
		Type: api.TaskRestarting, StartDelay: int64(delay), RestartReason: reason,
		DisplayMessage: fmt.Sprintf("Task restarting in %v", delay),
		Details:        map[string]string{"start_delay": strconv.FormatInt(int64(delay), 10), "restart_reason": reason},
	}
}

func eventNotRestarting(reason string, fails bool) *api.TaskEvent {
	return &api.TaskEvent{
		Type: api.TaskNotRestarting, RestartReason: reason, DisplayMessage: reason, FailsTask: fails,
		Details: map[string]string{"restart_reason": reason, "fails_task": strconv.FormatBool(fails)},
	}
}

func eventKilling(timeout time.Duration, reason string) *api.TaskEvent {
	return &api.TaskEvent{
		Type: api.TaskKilling, KillTimeout: timeout, KillReason: reason,
		DisplayMessage: fmt.Sprintf("Sent interrupt. Waiting %v before force killing", timeout),
		Details:        map[string]string{"kill_timeout": timeout.String(), "kill_reason": reason},
	}
}

func eventKilled(err error) *api.TaskEvent {
	ev := &api.TaskEvent{Type: api.TaskKilled, DisplayMessage: "Task successfully killed"}
	if err != nil {
		ev.KillError, ev.DisplayMessage = err.Error(), err.Error()
		ev.Details = map[string]string{"kill_error": err.Error()}
	}
	return ev
}

func eventRestartSignal(reason string) *api.TaskEvent {
	return &api.TaskEvent{
		Type: api.TaskRestartSignal, RestartReason: reason, DisplayMessage: reason,
		Details: map[string]string{"restart_reason": reason},
	}
}

func eventSignaling(signal string) *api.TaskEvent {
	return &api.TaskEvent{
		Type: api.TaskSignaling, TaskSignal: signal, TaskSignalReason: "User requested a signal",
		DisplayMessage: fmt.Sprintf("Task being sent signal %s", signal),
		Details:        map[string]string{"signal": signal, "signal_reason": "User requested a signal"},
	}
}
