//go:build e2e && linux

package numbers

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
	place("plain", 10_000, 100_000),
	place("spread", 10_000, 30_000),
	place("affinity", 10_000, 30_000),
	place("spread+targets+affinity", 10_000, 30_000),
	place("distinct_hosts", 5_000, 30_000),
	bench("small_job", "./scheduler", "^BenchmarkSmallJob$", []string{"-benchtime=50x"},
		benchRow{line{"took", "an evaluation of 10 allocations on 10,000 busy nodes, over all shapes", Milliseconds, Goal{P50: AtMost(1)}}, "ns/op", func(v float64) float64 { return v / 1e6 }}),
	bench("apply", "./agent/state", "^BenchmarkApplyPlans$/^plan=10000$", []string{"-count=3", "-benchtime=1x"},
		benchRow{line{"rate", "placements into the state, 10,000 a plan, without raft", PerSecond, Goal{}}, "allocs/s", nil}),
	bench("through_raft", "./agent", "^BenchmarkPlaced$/^nodes=5000$/^jobs=1$/^count=10000$", []string{"-count=3", "-benchtime=10x"},
		benchRow{line{"rate", "one job of 10,000 on 5,000 nodes that are rows, over HTTP and raft to state, one server", PerSecond, Goal{P50: AtLeast(25_000)}}, "placed/s", nil}),
	bench("simulated", "./agent", "^BenchmarkRunning$/^nodes=5000$/^jobs=10$/^count=10000$", []string{"-count=3", "-benchtime=1x"},
		benchRow{line{"placed", "100,000 in 10 jobs on 5,000 simulated nodes that poll and report, in the state", PerSecond, Goal{P50: AtLeast(25_000)}}, "placed/s", nil},
		benchRow{line{"running", "the same, reported running", PerSecond, Goal{}}, "running/s", nil}),
	bench("submit_5000", "./agent", "^BenchmarkPlaced$/^nodes=5000$/^jobs=1$/^count=1$", []string{"-count=3", "-benchtime=10x"},
		benchRow{line{"took", "one-instance job on 5,000 nodes: submit -> in the state", Milliseconds, Goal{P50: AtMost(4)}}, "placed/s", func(v float64) float64 { return 1000 / v }}),
	bench("two_million", "./agent", "^BenchmarkMillions$/^nodes=10000$/^allocs=2000000$", []string{"-benchtime=1x"},
		benchRow{line{"took", "two million allocations on 10,000 nodes that are rows, over HTTP and raft to state", Milliseconds, Goal{P50: AtMost(120_000)}}, "s", func(v float64) float64 { return v * 1000 }},
		benchRow{line{"memory", "live memory of each, the state's and the scheduler's", Bytes, Goal{P50: AtMost(1024)}}, "B/alloc", nil}),
	bench("lists", "./agent", "^BenchmarkListJobs$", []string{"-benchtime=5x"},
		benchRow{line{"p99", "GET /v1/jobs of 1,000 jobs by 100 clients at once: p99", Milliseconds, Goal{}}, "p99-ms", nil}),
	bench("idle_queries", "./agent", "^BenchmarkIdleQueries$", []string{"-benchtime=1x"},
		benchRow{line{"memory", "an idle blocking query, of some 10,000", Bytes, Goal{P50: AtMost(60 << 10)}}, "KiB/query", func(v float64) float64 { return v * 1024 }}),
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
