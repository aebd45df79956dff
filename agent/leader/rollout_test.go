package leader

import (
	"fmt"
	"slices"
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
	of := func(promote bool, attempts int) *api.Job {
		return &api.Job{Type: ptr("service"), TaskGroups: []*api.TaskGroup{{
			Name: ptr("web"), Update: &api.UpdateStrategy{AutoPromote: &promote},
			ReschedulePolicy: &api.ReschedulePolicy{Attempts: &attempts, Interval: ptr(time.Hour)},
		}}}
	}
	job, manual, never := of(true, 1), of(false, 1), of(false, 0)
	gone := rolloutAlloc(0, "healthy", true, minute)
	gone.Client, gone.ModifyTime = api.AllocClientStatusLost, minute.Add(time.Hour).UnixNano()
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
		now    time.Time
		status string // of the command; "-" = no command, "promote" = a promotion
		text   string
		revert bool
	}{
		{"under way", api.DeploymentState{DesiredTotal: 3, ProgressDeadline: 10 * time.Minute}, job, healthy(2, false), minute, "-", "", false},
		{"all healthy", api.DeploymentState{DesiredTotal: 3, ProgressDeadline: 10 * time.Minute}, job, healthy(3, false), minute, "successful", "Deployment completed successfully", false},
		{"no progress for too long", api.DeploymentState{DesiredTotal: 3, ProgressDeadline: 10 * time.Minute}, job, healthy(2, false), minute.Add(10 * time.Minute), "failed", "Failed due to progress deadline", false},
		{"progress moves the deadline", api.DeploymentState{DesiredTotal: 3, ProgressDeadline: 10 * time.Minute, RequireProgressBy: minute.Add(10 * time.Minute)}, job, healthy(2, false), start.Add(10*time.Minute + time.Second), "-", "", false},
		{"nothing ever placed", api.DeploymentState{DesiredTotal: 3, ProgressDeadline: 10 * time.Minute}, job, nil, start.Add(10 * time.Minute), "failed", "Failed due to progress deadline", false},
		{"a canary that can never be placed", api.DeploymentState{DesiredTotal: 3, DesiredCanaries: 1, ProgressDeadline: 10 * time.Minute, AutoRevert: true}, job, nil, start.Add(10 * time.Minute), "failed", "Failed due to progress deadline", true},
		{"unhealthy without a deadline", api.DeploymentState{DesiredTotal: 1}, job, []*state.Alloc{rolloutAlloc(0, "unhealthy", false, minute)}, minute, "failed", "Failed due to unhealthy allocations", false},
		{"unhealthy with a deadline may be tried again", api.DeploymentState{DesiredTotal: 1, ProgressDeadline: time.Hour}, job, []*state.Alloc{rolloutAlloc(0, "unhealthy", false, minute)}, minute, "-", "", false},
		{"unhealthy and never to be rescheduled", api.DeploymentState{DesiredTotal: 1, ProgressDeadline: time.Hour}, never, []*state.Alloc{rolloutAlloc(0, "unhealthy", false, minute)}, minute, "failed", "Failed due to unhealthy allocations", false},
		{"a canary that was healthy for long is lost", api.DeploymentState{DesiredTotal: 3, DesiredCanaries: 1, ProgressDeadline: 10 * time.Minute}, manual, []*state.Alloc{gone}, minute.Add(time.Hour + time.Minute), "-", "", false},
		{"and nothing takes its place", api.DeploymentState{DesiredTotal: 3, DesiredCanaries: 1, ProgressDeadline: 10 * time.Minute}, manual, []*state.Alloc{gone}, minute.Add(time.Hour + 10*time.Minute), "failed", "Failed due to progress deadline", false},
		{"healthy canary promotes by itself", api.DeploymentState{DesiredTotal: 3, DesiredCanaries: 1, ProgressDeadline: time.Hour}, job, healthy(1, true), minute, "promote", "", false},
		{"healthy canary waits for a person", api.DeploymentState{DesiredTotal: 3, DesiredCanaries: 1, ProgressDeadline: 10 * time.Minute}, manual, healthy(1, true), minute.Add(time.Hour), "-", "", false},
		{"promoted and complete", api.DeploymentState{DesiredTotal: 1, DesiredCanaries: 1, Promoted: true, ProgressDeadline: time.Hour}, manual, healthy(1, true), minute, "successful", "Deployment completed successfully", false},
	} {
		d := &api.Deployment{ID: "d", Status: api.DeploymentStatusRunning, CreateTime: start.UnixNano(), TaskGroups: map[string]*api.DeploymentState{"web": &tc.group}}
		got := rolloutStep(d, tc.job, tc.allocs, tc.now)
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
		case cmd.Status != tc.status || cmd.Description != tc.text || cmd.AutoRevert != tc.revert:
			t.Errorf("%s: command %+v, want %s: %s (revert %v)", tc.name, *cmd, tc.status, tc.text, tc.revert)
		}
	}
}

// An unhealthy allocation that runs on is asked to move once.
func TestRolloutStepReschedulesTheUnhealthy(t *testing.T) {
	job := &api.Job{Type: ptr("service"), TaskGroups: []*api.TaskGroup{{Name: ptr("web"), ReschedulePolicy: &api.ReschedulePolicy{Unlimited: ptr(true)}}}}
	d := &api.Deployment{ID: "d", Status: api.DeploymentStatusRunning, CreateTime: 1e18, TaskGroups: map[string]*api.DeploymentState{"web": {DesiredTotal: 4, ProgressDeadline: time.Minute}}}
	asked, failed := rolloutAlloc(1, "unhealthy", false, time.Unix(1e9, 0)), rolloutAlloc(2, "unhealthy", false, time.Unix(1e9, 0))
	asked.Transition = &api.DesiredTransition{Reschedule: ptr(true)}
	failed.Client = api.AllocClientStatusFailed
	got := rolloutStep(d, job, []*state.Alloc{asked, failed, rolloutAlloc(0, "unhealthy", false, time.Unix(1e9, 0)), rolloutAlloc(3, "healthy", false, time.Unix(1e9, 0))}, time.Unix(1e9, 0))
	if got.cmd != nil || !slices.Equal(got.reschedule, []string{"alloc-0"}) {
		t.Errorf("command %+v, reschedule %v; want alloc-0 rescheduled and nothing else", got.cmd, got.reschedule)
	}
}

func TestRolloutStepOfAPausedDeploymentWaits(t *testing.T) {
	d := &api.Deployment{ID: "d", Status: api.DeploymentStatusPaused, TaskGroups: map[string]*api.DeploymentState{"web": {DesiredTotal: 1, ProgressDeadline: time.Minute}}}
	got := rolloutStep(d, nil, nil, time.Unix(1e6, 0))
	if got.cmd != nil || !got.deadline.IsZero() {
		t.Errorf("a paused deployment asks for %+v by %v; want nothing, ever", got.cmd, got.deadline)
	}
}
