package leader

import (
	"fmt"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
)

func ptr[T any](v T) *T { return &v }

// alloc of a deployment: health is "", "healthy" or "unhealthy".
func rolloutAlloc(n int, health string, canary bool, at time.Time) *state.Alloc {
	a := &state.Alloc{
		ID: fmt.Sprintf("alloc-%d", n), Group: "web", Index: n, Desired: api.AllocDesiredStatusRun, Client: api.AllocClientStatusRunning,
		DeploymentID: "d", DeploymentStatus: &api.AllocDeploymentStatus{Canary: canary, Timestamp: at},
	}
	if health != "" {
		a.DeploymentStatus.Healthy = ptr(health == "healthy")
	}
	return a
}

func TestRolloutStep(t *testing.T) {
	start := time.Unix(100_000, 0)
	minute := start.Add(time.Minute)
	job := &api.Job{TaskGroups: []*api.TaskGroup{{Name: ptr("web"), Update: &api.UpdateStrategy{AutoPromote: ptr(true)}}}}
	manual := &api.Job{TaskGroups: []*api.TaskGroup{{Name: ptr("web"), Update: &api.UpdateStrategy{}}}}
	healthy := func(n int, canary bool) (out []*state.Alloc) {
		for i := range n {
			out = append(out, rolloutAlloc(i, "healthy", canary, minute))
		}
		return out
	}
	for _, tc := range []struct {
		name   string
		group  api.DeploymentState
		job    *api.Job
		allocs []*state.Alloc
		stable *uint64
		now    time.Time
		status string // of the command; "-" = no command, "promote" = a promotion
		text   string
		revert bool
	}{
		{"under way", api.DeploymentState{DesiredTotal: 3, ProgressDeadline: 10 * time.Minute}, job, healthy(2, false), nil, minute, "-", "", false},
		{"all healthy", api.DeploymentState{DesiredTotal: 3, ProgressDeadline: 10 * time.Minute}, job, healthy(3, false), nil, minute, "successful", "Deployment completed successfully", false},
		{"no progress for too long", api.DeploymentState{DesiredTotal: 3, ProgressDeadline: 10 * time.Minute}, job, healthy(2, false), nil, minute.Add(10 * time.Minute), "failed", "Failed due to progress deadline", false},
		{"progress moves the deadline", api.DeploymentState{DesiredTotal: 3, ProgressDeadline: 10 * time.Minute}, job, healthy(2, false), nil, start.Add(10*time.Minute + time.Second), "-", "", false},
		{"nothing ever placed", api.DeploymentState{DesiredTotal: 3, ProgressDeadline: 10 * time.Minute}, job, nil, nil, start.Add(10 * time.Minute), "failed", "Failed due to progress deadline", false},
		{"a canary that can never be placed", api.DeploymentState{DesiredTotal: 3, DesiredCanaries: 1, ProgressDeadline: 10 * time.Minute, AutoRevert: true}, job, nil, ptr(uint64(4)), start.Add(10 * time.Minute), "failed", "Failed due to progress deadline - rolling back to job version 4", true},
		{"nothing to go back to", api.DeploymentState{DesiredTotal: 3, ProgressDeadline: time.Minute, AutoRevert: true}, job, nil, nil, start.Add(time.Hour), "failed", "Failed due to progress deadline - no stable job version to auto revert to", false},
		{"unhealthy without a deadline", api.DeploymentState{DesiredTotal: 1}, job, []*state.Alloc{rolloutAlloc(0, "unhealthy", false, minute)}, nil, minute, "failed", "Failed due to unhealthy allocations", false},
		{"unhealthy with a deadline may be tried again", api.DeploymentState{DesiredTotal: 1, ProgressDeadline: time.Hour}, job, []*state.Alloc{rolloutAlloc(0, "unhealthy", false, minute)}, nil, minute, "-", "", false},
		{"healthy canary promotes by itself", api.DeploymentState{DesiredTotal: 3, DesiredCanaries: 1, ProgressDeadline: time.Hour}, job, healthy(1, true), nil, minute, "promote", "", false},
		{"healthy canary waits for a person", api.DeploymentState{DesiredTotal: 3, DesiredCanaries: 1, ProgressDeadline: 10 * time.Minute}, manual, healthy(1, true), nil, minute.Add(time.Hour), "-", "", false},
		{"promoted and complete", api.DeploymentState{DesiredTotal: 1, DesiredCanaries: 1, Promoted: true, ProgressDeadline: time.Hour}, manual, healthy(1, true), nil, minute, "successful", "Deployment completed successfully", false},
	} {
		d := &api.Deployment{ID: "d", Status: api.DeploymentStatusRunning, CreateTime: start.UnixNano(), TaskGroups: map[string]*api.DeploymentState{"web": &tc.group}}
		got := rolloutStep(d, tc.job, tc.allocs, tc.stable, tc.now)
		switch cmd := got.cmd; {
		case tc.status == "-":
			if cmd != nil {
				t.Errorf("%s: command %+v, want none", tc.name, *cmd)
			}
		case cmd == nil:
			t.Errorf("%s: no command, want %s", tc.name, tc.status)
		case tc.status == "promote":
			if !cmd.PromoteAll || !cmd.Evaluate || cmd.Status != "" {
				t.Errorf("%s: command %+v, want a promotion and an evaluation", tc.name, *cmd)
			}
		case cmd.Status != tc.status || cmd.Description != tc.text || (cmd.Revert != nil) != tc.revert:
			t.Errorf("%s: command %+v, want %s: %s (revert %v)", tc.name, *cmd, tc.status, tc.text, tc.revert)
		}
	}
}

func TestRolloutStepOfAPausedDeploymentWaits(t *testing.T) {
	d := &api.Deployment{ID: "d", Status: api.DeploymentStatusPaused, TaskGroups: map[string]*api.DeploymentState{"web": {DesiredTotal: 1, ProgressDeadline: time.Minute}}}
	got := rolloutStep(d, nil, nil, nil, time.Unix(1e6, 0))
	if got.cmd != nil || !got.deadline.IsZero() {
		t.Errorf("a paused deployment asks for %+v by %v; want nothing, ever", got.cmd, got.deadline)
	}
}
