package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/selfheal/selfheal/agent/driver"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func testPolicy() policy {
	return policy{
		restart:   restartPolicy{Attempts: 1, Interval: time.Hour, Delay: 8 * time.Second},
		onSuccess: true, killTimeout: 5 * time.Second,
		seed: func(uint64) uint64 { return 0 },
	}
}

// TestStepScripts tells a task's life as "event -> phase action" lines.
func TestStepScripts(t *testing.T) {
	exit := func(at int, code int) event {
		return event{kind: evExited, exit: driver.Exit{Code: code, At: noon.Add(time.Duration(at) * time.Second)}}
	}
	recoverable := driverError(t)
	type line struct {
		at   int // seconds after noon
		ev   event
		want string
	}
	tests := []struct {
		name   string
		policy func(*policy)
		script []line
		failed bool
	}{
		{name: "runs, crashes, waits, runs, crashes, is dead", failed: true, script: []line{
			{0, event{kind: evReceived}, "pending none"},
			{0, event{kind: evBegin}, "starting start"},
			{1, event{kind: evStarted}, "running none"},
			{5, exit(5, 1), "waiting none"},
			{12, event{kind: evTimer}, "waiting none"},
			{13, event{kind: evTimer}, "starting start"},
			{13, event{kind: evStarted}, "running none"},
			{20, exit(20, 1), "dead destroy"},
			{21, event{kind: evKill}, "dead none"},
		}},
		{name: "exit 0 restarts a service too", script: []line{
			{0, event{kind: evBegin}, "starting start"},
			{0, event{kind: evStarted}, "running none"},
			{5, exit(5, 0), "waiting none"},
		}},
		{name: "exit 0 ends a batch task", policy: func(p *policy) { p.onSuccess = false }, script: []line{
			{0, event{kind: evBegin}, "starting start"},
			{0, event{kind: evStarted}, "running none"},
			{5, exit(5, 0), "dead destroy"},
		}},
		{name: "killed while it runs", script: []line{
			{0, event{kind: evBegin}, "starting start"},
			{0, event{kind: evStarted}, "running none"},
			{1, event{kind: evKill}, "stopping stop"},
			{1, event{kind: evKill}, "stopping none"},
			{2, exit(2, 130), "dead destroy"},
		}},
		{name: "killed before its turn", script: []line{
			{0, event{kind: evReceived}, "pending none"},
			{1, event{kind: evKill}, "dead destroy"},
			{2, event{kind: evBegin}, "dead none"},
		}},
		{name: "killed while it starts, which succeeds", script: []line{
			{0, event{kind: evBegin}, "starting start"},
			{1, event{kind: evKill}, "starting cancel"},
			{2, event{kind: evStarted}, "stopping stop"},
			{3, exit(3, 130), "dead destroy"},
		}},
		{name: "killed while it starts, which is given up", script: []line{
			{0, event{kind: evBegin}, "starting start"},
			{1, event{kind: evKill}, "starting cancel"},
			{2, event{kind: evNotStart, err: errors.New("cancelled")}, "dead destroy"},
		}},
		{name: "killed in its delay", script: []line{
			{0, event{kind: evBegin}, "starting start"},
			{0, event{kind: evStarted}, "running none"},
			{5, exit(5, 1), "waiting none"},
			{6, event{kind: evKill}, "dead destroy"},
			{99, event{kind: evTimer}, "dead none"},
		}},
		{name: "shutdown_delay", policy: func(p *policy) { p.shutdownDelay = 10 * time.Second }, script: []line{
			{0, event{kind: evBegin}, "starting start"},
			{0, event{kind: evStarted}, "running none"},
			{5, event{kind: evKill}, "draining none"},
			{14, event{kind: evTimer}, "draining none"},
			{15, event{kind: evTimer}, "stopping stop"},
			{16, exit(16, 130), "dead destroy"},
		}},
		{name: "shutdown_delay cut short", policy: func(p *policy) { p.shutdownDelay = 10 * time.Second }, script: []line{
			{0, event{kind: evBegin}, "starting start"},
			{0, event{kind: evStarted}, "running none"},
			{5, event{kind: evKill}, "draining none"},
			{6, event{kind: evKill, noWait: true}, "stopping stop"},
		}},
		{name: "a stop that fails is repeated", script: []line{
			{0, event{kind: evBegin}, "starting start"},
			{0, event{kind: evStarted}, "running none"},
			{5, event{kind: evKill}, "stopping stop"},
			{6, event{kind: evStopError}, "draining none"},
			{7, event{kind: evTimer}, "stopping stop"},
			{8, exit(8, 130), "dead destroy"},
		}},
		{name: "cannot start", failed: true, script: []line{
			{0, event{kind: evBegin}, "starting start"},
			{0, event{kind: evNotStart, err: errors.New("no such command")}, "dead destroy"},
		}},
		{name: "cannot start yet", failed: true, script: []line{
			{0, event{kind: evBegin}, "starting start"},
			{0, event{kind: evNotStart, err: recoverable}, "waiting none"},
			{8, event{kind: evTimer}, "starting start"},
			{8, event{kind: evNotStart, err: recoverable}, "dead destroy"},
		}},
		{name: "restart by request does not count", script: []line{
			{0, event{kind: evBegin}, "starting start"},
			{0, event{kind: evStarted}, "running none"},
			{1, event{kind: evRestart}, "stopping stop"},
			{2, exit(2, 130), "starting start"},
			{2, event{kind: evStarted}, "running none"},
			{3, event{kind: evRestart}, "stopping stop"},
			{4, exit(4, 130), "starting start"},
			{4, event{kind: evStarted}, "running none"},
			{5, exit(5, 1), "waiting none"}, // the policy still has its attempt
		}},
		{name: "killed while it restarts", script: []line{
			{0, event{kind: evBegin}, "starting start"},
			{0, event{kind: evStarted}, "running none"},
			{1, event{kind: evRestart}, "stopping stop"},
			{2, event{kind: evKill}, "stopping none"},
			{3, exit(3, 130), "dead destroy"},
		}},
		{name: "an exit found again counts once", script: []line{
			{0, event{kind: evBegin}, "starting start"},
			{0, event{kind: evStarted}, "running none"},
			{5, exit(5, 1), "waiting none"},
			{6, exit(5, 1), "waiting none"},
			{13, event{kind: evTimer}, "starting start"},
			{14, exit(5, 1), "starting start"}, // the agent ended before the start was made
			{15, event{kind: evStarted}, "running none"},
		}},
		{name: "gone with its machine: again at once, uncounted", script: []line{
			{0, event{kind: evBegin}, "starting start"},
			{0, event{kind: evStarted}, "running none"},
			{5, event{kind: evGone}, "starting start"},
			{5, event{kind: evStarted}, "running none"},
			{9, exit(9, 1), "waiting none"},
		}},
		{name: "gone, and never to be restarted", failed: true, policy: func(p *policy) { p.restart.Attempts = 0 }, script: []line{
			{0, event{kind: evBegin}, "starting start"},
			{0, event{kind: evStarted}, "running none"},
			{5, event{kind: evGone}, "dead destroy"},
		}},
		{name: "gone while it was being stopped", script: []line{
			{0, event{kind: evBegin}, "starting start"},
			{0, event{kind: evStarted}, "running none"},
			{1, event{kind: evKill}, "stopping stop"},
			{5, event{kind: evGone}, "dead destroy"},
		}},
		{name: "found again while it was being stopped", script: []line{
			{0, event{kind: evBegin}, "starting start"},
			{0, event{kind: evStarted}, "running none"},
			{1, event{kind: evKill}, "stopping stop"},
			{5, event{kind: evAttached}, "stopping stop"},
		}},
		{name: "ended, and reset", policy: func(p *policy) { p.onSuccess = false }, script: []line{
			{0, event{kind: evBegin}, "starting start"},
			{0, event{kind: evStarted}, "running none"},
			{5, exit(5, 0), "dead destroy"},
			{6, event{kind: evReset}, "pending none"},
			{6, event{kind: evBegin}, "starting start"},
		}},
	}
	names := map[action]string{actNone: "none", actStart: "start", actStop: "stop", actCancelStart: "cancel", actDestroy: "destroy"}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := testPolicy()
			if tt.policy != nil {
				tt.policy(&p)
			}
			m := machine{Phase: phasePending}
			for i, l := range tt.script {
				var act action
				m, act = m.step(l.ev, noon.Add(time.Duration(l.at)*time.Second), p)
				if got := fmt.Sprintf("%s %s", m.Phase, names[act]); got != l.want {
					t.Fatalf("line %d, second %d: %s, want %s", i, l.at, got, l.want)
				}
			}
			if m.State.Failed != tt.failed {
				t.Errorf("failed: %v, want %v", m.State.Failed, tt.failed)
			}
		})
	}
}

// driverError is a start's failure that may pass.
func driverError(t *testing.T) error {
	mock := driver.NewMock()
	defer mock.Close()
	_, err := mock.Start(t.Context(), driver.TaskConfig{
		ID: "x", Config: map[string]any{"start_error": "no space", "start_error_recoverable": true}, Logs: driver.LogConfig{Disabled: true},
	})
	if !driver.Recoverable(err) {
		t.Fatalf("%v is not recoverable", err)
	}
	return err
}

// TestStepProperties holds for any sequence of events: the machine asks for what
// its phase allows, keeps few events, changes nothing of the machine before, and
// comes whole out of the journal.
func TestStepProperties(t *testing.T) {
	allowed := map[action][]phase{
		actStart: {phaseStarting}, actStop: {phaseStopping}, actCancelStart: {phaseStarting}, actDestroy: {phaseDead},
	}
	rapid.Check(t, func(t *rapid.T) {
		p := testPolicy()
		p.restart.Attempts = rapid.IntRange(0, 5).Draw(t, "attempts")
		p.restart.Wait = rapid.Bool().Draw(t, "wait")
		p.onSuccess = rapid.Bool().Draw(t, "onSuccess")
		p.shutdownDelay = time.Duration(rapid.IntRange(0, 1).Draw(t, "delay")) * time.Second
		m := machine{Phase: phasePending}
		now := noon
		for range rapid.IntRange(1, 40).Draw(t, "events") {
			now = now.Add(time.Duration(rapid.IntRange(0, 10).Draw(t, "seconds")) * time.Second)
			ev := event{
				kind: eventKind(rapid.IntRange(0, int(evFail)).Draw(t, "kind")),
				exit: driver.Exit{Code: rapid.IntRange(0, 1).Draw(t, "code"), At: now}, err: errors.New("broken"),
			}
			before, _ := json.Marshal(m)
			next, act := m.step(ev, now, p)
			if after, _ := json.Marshal(m); string(before) != string(after) {
				t.Fatalf("step changed the machine before: %s, then %s", before, after)
			}
			if phases, ok := allowed[act]; ok && !slices.Contains(phases, next.Phase) {
				t.Fatalf("event %d asks for action %d in phase %s", ev.kind, act, next.Phase)
			}
			if len(next.State.Events) > maxEvents {
				t.Fatalf("%d events", len(next.State.Events))
			}
			if m.Phase == phaseDead && next.Phase != phaseDead && ev.kind != evReset && ev.kind != evReceived {
				t.Fatalf("event %d raises the dead", ev.kind)
			}
			if (next.Phase == phaseWaiting || next.Phase == phaseDraining) && next.Next.IsZero() {
				t.Fatalf("waits for ever in %s", next.Phase)
			}
			data, err := json.Marshal(next)
			var back machine
			if err != nil || json.Unmarshal(data, &back) != nil {
				t.Fatal("does not survive the journal")
			}
			if diff := cmp.Diff(next, back); diff != "" {
				t.Fatal(diff)
			}
			m = next
		}
	})
}

func TestRestartPolicy(t *testing.T) {
	p := restartPolicy{Attempts: 2, Interval: time.Minute, Delay: 8 * time.Second}
	wait := p
	wait.Wait = true
	type ask struct {
		at   int
		want string
	}
	tests := []struct {
		name   string
		policy restartPolicy
		seed   uint64
		asks   []ask
	}{
		{"fail", p, 0, []ask{{0, "8s"}, {10, "8s"}, {20, "no"}, {21, "no"}}},
		{"a new interval begins", p, 0, []ask{{0, "8s"}, {10, "8s"}, {61, "8s"}, {70, "8s"}, {80, "no"}}},
		{"delay waits for the interval to end", wait, 0, []ask{{0, "8s"}, {10, "8s"}, {20, "40s"}, {61, "8s"}}},
		{"delay is at least the delay", wait, 0, []ask{{0, "8s"}, {10, "8s"}, {59, "8s"}}},
		{"jitter is at most a quarter", p, 999, []ask{{0, "9.998s"}}},
		{"no attempts", restartPolicy{Interval: time.Minute}, 0, []ask{{0, "no"}}},
	}
	for _, tt := range tests {
		var w restartWindow
		for _, a := range tt.asks {
			var v restartVerdict
			w, v = tt.policy.restart(w, noon.Add(time.Duration(a.at)*time.Second), tt.seed)
			got := "no"
			if v.Restart {
				got = v.Delay.String()
			}
			if got != a.want {
				t.Errorf("%s, second %d: %s, want %s", tt.name, a.at, got, a.want)
			}
		}
	}
}
