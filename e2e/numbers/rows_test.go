//go:build e2e && linux

package numbers

import "testing"

// measurements are the rows of the table, in the order of the table of goals in the
// design. Goals are for two cores.
var measurements = []measurement{
	{name: "silent_death", peer: true, needs: namespaces, run: measureSilentDeath, lines: []line{
		{"healed", "silent host death -> replacements running (3 servers, 4 nodes, job of 6)", Milliseconds, Goal{AtMost(1200), AtMost(2500)}},
		{"started", "replacement decided -> its task started", Milliseconds, Goal{P50: AtMost(50)}},
		{"shown", "replacement decided -> running in the API", Milliseconds, Goal{}},
	}},
	{name: "killed_agent", peer: true, needs: namespaces, run: measureKilledAgent, lines: []line{
		{"healed", "agent and its tasks killed, host alive -> replacements running", Milliseconds, Goal{P50: AtMost(2500)}},
	}},
	{name: "death_with_leader", peer: true, needs: namespaces, run: measureDeathWithLeader, lines: []line{
		{"healed", "silent death, and the leader's host dies with it -> replacements running", Milliseconds, Goal{P50: AtMost(2500)}},
	}},
	{name: "frozen_agent", peer: true, run: measureFrozen, lines: []line{
		{"false", "false node deaths: an agent stopped for 2 s", Count, Goal{P50: AtMost(0)}},
	}},
	{name: "starved", peer: true, run: measureStarved, lines: []line{
		{"false", "false node deaths: 16 busy processes for 60 s", Count, Goal{P50: AtMost(0)}},
	}},
	{name: "packet_loss", alone: lossCommand, run: measureLoss, lines: []line{
		{"false", "false node deaths: 10 % packet loss (virtual time, in short: 24 h and 50 nodes are published)", Count, Goal{P50: AtMost(0)}},
	}},
	{name: "killed_task", peer: true, run: measureKilledTask, lines: []line{
		{"process", "killed task -> its process again (restart delay 0)", Milliseconds, Goal{P50: AtMost(15)}},
		{"shown", "killed task -> running again in the API", Milliseconds, Goal{P50: AtMost(100)}},
	}},
	{name: "killed_leader", peer: true, run: measureKilledLeader, lines: []line{
		{"write", "leader killed -> a write accepted", Milliseconds, Goal{P50: AtMost(1000)}},
	}},
	{name: "leader_power_loss", peer: true, needs: namespaces, run: measureLeaderPowerLoss, lines: []line{
		{"write", "leader's host loses power -> a write accepted", Milliseconds, Goal{P50: AtMost(2000)}},
	}},
	place("plain", 100_000),
	place("spread", 30_000),
	place("affinity", 30_000),
	{name: "apply", alone: applyCommand, run: measureApply, lines: []line{
		{"rate", "placements into the state, 10,000 a plan, without raft", PerSecond, Goal{}},
		{"memory", "memory of an allocation, indexes included", Bytes, Goal{P50: AtMost(1024)}},
	}},
	throughRaft("through_raft", "one job of 10,000 on 5,000 nodes, over HTTP and raft to state, one server", "nodes=5000$/^jobs=1$/^count=10000", PerSecond, Goal{P50: AtLeast(25_000)}, func(perSecond float64) float64 { return perSecond }),
	throughRaft("submit_5000", "one-instance job on 5,000 nodes: submit -> in the state", "nodes=5000$/^jobs=1$/^count=1", Milliseconds, Goal{P50: AtMost(4)}, func(perSecond float64) float64 { return 1000 / perSecond }),
	later("two_million", "two million allocations on 10,000 simulated nodes", Milliseconds, Goal{P50: AtMost(120_000)}, "not measured yet"),
	{name: "submit", peer: true, run: measureSubmit(1), lines: []line{
		{"placed", "one-instance job on 4 nodes, 1 server: submit -> placed, seen in the API", Milliseconds, Goal{P50: AtMost(4)}},
		{"running", "the same: submit -> its process runs", Milliseconds, Goal{}},
	}},
	{name: "submit_replicated", peer: true, run: measureSubmit(3), lines: []line{
		{"placed", "one-instance job on 4 nodes, 3 servers: submit -> placed, seen in the API", Milliseconds, Goal{}},
		{"running", "the same: submit -> its process runs", Milliseconds, Goal{}},
	}},
	{name: "rolling_update", peer: true, run: measureRollingUpdate, lines: []line{
		{"done", "rolling update, 6 by 2 after 1 canary, min_healthy_time 1 s", Milliseconds, Goal{P50: AtMost(4800)}},
	}},
	{name: "dev_start", peer: true, run: measureDevStart, lines: []line{
		{"running", "agent -dev started -> first task of a submitted job running", Milliseconds, Goal{P50: AtMost(1000)}},
	}},
	{name: "idle_agent", peer: true, run: measureIdle, lines: []line{
		{"rss", "idle agent, server and client in one, after 30 s: RSS", MiB, Goal{P50: AtMost(60)}},
		{"anonymous", "the same: anonymous memory", MB, Goal{P50: AtMost(20)}},
		{"binary", "the program, stripped", MiB, Goal{P50: AtMost(60)}},
	}},
	{name: "supervisor", peer: true, run: measureSupervisor, lines: []line{
		{"pss", "memory of a supervisor, a task (10 tasks): PSS", MiB, Goal{P50: AtMost(6)}},
		{"anonymous", "the same: anonymous memory", MB, Goal{P50: AtMost(4)}},
	}},
	{name: "durability", peer: true, run: measureDurability, lines: []line{
		{"lost", "acknowledged writes lost, altered or doubled in rounds of kill -9 (in short: 1,000 are published)", Count, Goal{P50: AtMost(0)}},
	}},
	{name: "update_under_load", peer: true, run: measureUpdateUnderLoad, lines: []line{
		{"failed", "failed requests during a rolling update under HTTP load", Count, Goal{P50: AtMost(0)}},
	}},
}

// later is a row whose measurement cannot be made yet, and says why.
func later(name, what string, unit Unit, goal Goal, why string) measurement {
	return measurement{name: name, needs: func() string { return why }, lines: []line{{"", what, unit, goal}}, alone: func(*testing.T) cmdl { return cmdl{"-"} }}
}
