package client

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestMoves reads each row as a group: "role:phase[!]", where ! is a failure, and
// what is to happen next: "+i" begins task i, "-i" kills it.
func TestMoves(t *testing.T) {
	roles := map[string]role{
		"main": {}, "leader": {leader: true},
		"init": {hook: "prestart"}, "sidecar": {hook: "prestart", sidecar: true},
		"post": {hook: "poststart"}, "postside": {hook: "poststart", sidecar: true}, "stop": {hook: "poststop"},
	}
	tests := []struct {
		group    string
		stopping bool
		want     string
	}{
		{"main:pending", false, "+0"},
		{"main:running", false, ""},
		{"main:waiting", false, ""},
		{"init:pending sidecar:pending main:pending post:pending stop:pending", false, "+0 +1"},
		{"init:running sidecar:running main:pending", false, ""},
		{"init:dead sidecar:starting main:pending", false, ""},
		{"init:dead sidecar:running main:pending post:pending", false, "+2"},
		{"init:dead sidecar:running main:starting post:pending", false, ""},
		{"init:dead sidecar:running main:running post:pending", false, "+3"},
		{"init:dead main:running main:pending post:pending", false, "+2"},
		{"init:dead! main:pending sidecar:running", false, "-1"}, // mains first, then sidecars
		{"init:dead! main:dead sidecar:running", false, "-2"},
		{"main:dead! main:running", false, "-1"},
		{"main:dead main:running", false, ""}, // one of two batch tasks is done
		{"main:dead main:dead sidecar:running stop:pending", false, "-2"},
		{"main:dead sidecar:dead stop:pending", false, "+2"},
		{"main:dead stop:running", false, ""},
		{"leader:dead main:running sidecar:running", false, "-1"},
		{"leader:running main:running sidecar:running", true, "-0"},
		{"leader:dead main:running sidecar:running postside:running", true, "-1"},
		{"leader:dead main:dead sidecar:running postside:running", true, "-2 -3"},
		{"leader:dead main:dead sidecar:dead stop:pending", true, "+3"},
		{"main:stopping sidecar:running", true, ""}, // its kill is under way
		{"main:pending stop:pending", true, "-0"},
		{"main:running post:dead! stop:pending", false, "-0"},
	}
	for _, tt := range tests {
		var group []member
		for _, word := range strings.Fields(tt.group) {
			name, state, _ := strings.Cut(word, ":")
			state, failed := strings.CutSuffix(state, "!")
			ph := phase(state)
			group = append(group, member{
				role: roles[name], phase: ph, failed: failed, stopped: ph == phaseStopping,
				started: ph != phasePending && ph != phaseStarting,
			})
		}
		var got []string
		for _, mv := range moves(group, tt.stopping, "test") {
			sign := "-"
			if mv.begin {
				sign = "+"
			}
			got = append(got, fmt.Sprintf("%s%d", sign, mv.task))
		}
		if diff := cmp.Diff(tt.want, strings.Join(got, " ")); diff != "" {
			t.Errorf("%s (stopping %v): %s", tt.group, tt.stopping, diff)
		}
	}
}

func TestClientStatus(t *testing.T) {
	tests := []struct {
		phases string // ! is a failure
		want   string
	}{
		{"pending", "pending"},
		{"starting", "pending"},
		{"waiting", "pending"},
		{"running", "running"},
		{"running pending", "running"},
		{"dead pending", "pending"},
		{"dead running", "running"},
		{"stopping", "running"},
		{"dead", "complete"},
		{"dead dead!", "failed"},
		{"dead! running", "running"}, // it still holds its resources
	}
	for _, tt := range tests {
		var group []member
		for _, word := range strings.Fields(tt.phases) {
			state, failed := strings.CutSuffix(word, "!")
			group = append(group, member{phase: phase(state), failed: failed})
		}
		if got, _ := clientStatus(group); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.phases, got, tt.want)
		}
	}
}
