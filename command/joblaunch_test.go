package command

import (
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
)

func TestLaunchTime(t *testing.T) {
	s := &session{now: func() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }}
	cron := func(change func(*api.PeriodicConfig)) *api.Job {
		p := &api.PeriodicConfig{Spec: ptr("30 13 * * *"), SpecType: ptr(api.PeriodicSpecCron)}
		change(p)
		return &api.Job{Periodic: p}
	}
	for _, tt := range []struct {
		name string
		job  *api.Job
		want string
	}{
		{"not periodic", &api.Job{}, ""},
		{"one time a day", cron(func(*api.PeriodicConfig) {}), "2026-11-23T13:30:00Z (1h30m from now)"},
		{"in its zone", cron(func(p *api.PeriodicConfig) { p.TimeZone = ptr("Europe/Berlin") }), "2026-11-23T12:30:00Z (30m from now)"},
		{"the earliest of several", cron(func(p *api.PeriodicConfig) { p.Spec, p.Specs = nil, []string{"0 15 * * *", "0 14 * * *"} }), "2026-11-23T14:00:00Z (2h from now)"},
		{"switched off", cron(func(p *api.PeriodicConfig) { p.Enabled = ptr(false) }), ""},
		{"no such zone", cron(func(p *api.PeriodicConfig) { p.TimeZone = ptr("Nowhere/Town") }), ""},
		{"never again", cron(func(p *api.PeriodicConfig) { p.Spec = ptr("0 0 30 2 *") }), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := s.launchTime(tt.job); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestOldNamesOfCommands(t *testing.T) {
	known := catalogue()
	for old, now := range map[string]string{
		"node-status": "node status", "alloc-status": "alloc status", "eval-status": "eval status", "node-drain": "node drain",
		"server-members": "server members", "fs": "alloc fs", "client-config": "node config", "keygen": "operator gossip keyring generate",
	} {
		if e, ok := known.named(old); !ok || e.hidden != now || e.make().run == nil {
			t.Errorf("%s is %+v, want an alias of %s", old, e.hidden, now)
		}
	}
}

func TestSnapshotKinds(t *testing.T) {
	for kind, want := range map[byte]string{1: "Index", 19: "PeriodicLaunch", 20: "Kind20", 30: "ACLPolicy", 52: "Variable", 61: "HostVolume", 80: "Rebalancing", 200: "Kind200"} {
		if got := snapshotKind(kind); got != want {
			t.Errorf("kind %d is %q, want %q", kind, got, want)
		}
	}
}
