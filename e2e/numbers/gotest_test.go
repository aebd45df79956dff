//go:build e2e && linux

package numbers

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// goTest runs the measurement's command at the root of the module.
func goTest(r *run) (out string, failed bool) {
	r.Helper()
	cmd := exec.Command(r.command[0], r.command[1:]...)
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	text, err := cmd.CombinedOutput()
	return string(text), err != nil
}

// benchmark runs the measurement's command, a benchmark, and returns its lines'
// values of a metric such as "placements/s".
func benchmark(r *run, metrics ...string) map[string][]float64 {
	r.Helper()
	out, failed := goTest(r)
	if failed {
		r.Fatalf("%v:\n%s", r.command, out)
	}
	got := map[string][]float64{}
	for l := range strings.Lines(out) {
		if !strings.HasPrefix(l, "Benchmark") {
			continue
		}
		fields := strings.Fields(l)
		for i := 1; i < len(fields); i++ {
			if v, err := strconv.ParseFloat(fields[i-1], 64); err == nil {
				got[fields[i]] = append(got[fields[i]], v)
			}
		}
	}
	for _, m := range metrics {
		if len(got[m]) == 0 {
			r.Fatalf("%v reports no %s:\n%s", r.command, m, out)
		}
	}
	return got
}

func countLines(text, with string) (n int) {
	for l := range strings.Lines(text) {
		if strings.Contains(l, with) {
			n++
		}
	}
	return n
}

// place is a row of the pure scheduler.
func place(shape string, atLeast float64) measurement {
	return measurement{
		name: "place_" + shape, alone: func(*testing.T) cmdl {
			return cmdl{"go", "test", "-run", "^$", "-bench", "^BenchmarkPlace$/^" + shape + "$/^nodes=10000$", "-count=5", "-benchtime=3x", "./scheduler"}
		},
		lines: []line{{"rate", "placements, 10,000 nodes, one job of 10,000, pure scheduler: " + shape, PerSecond, Goal{P50: AtLeast(atLeast)}}},
		run: func(r *run) {
			r.sample("rate").Values = benchmark(r, "placements/s")["placements/s"]
		},
	}
}

// throughRaft is a row of what one server places, from the submission over HTTP to
// the state; of turns placements a second into the row's unit.
func throughRaft(name, what, load string, unit Unit, goal Goal, of func(perSecond float64) float64) measurement {
	return measurement{
		name: name, alone: func(*testing.T) cmdl {
			return cmdl{"go", "test", "-run", "^$", "-bench", "^BenchmarkPlaced$/^" + load + "$", "-count=3", "-benchtime=10x", "./agent"}
		},
		lines: []line{{"rate", what, unit, goal}},
		run: func(r *run) {
			for _, v := range benchmark(r, "placed/s")["placed/s"] {
				r.sample("rate").Values = append(r.sample("rate").Values, of(v))
			}
		},
	}
}

func applyCommand(*testing.T) cmdl {
	return cmdl{"go", "test", "-run", "^$", "-bench", "^BenchmarkApplyPlans$/^plan=10000$", "-count=3", "-benchtime=1x", "./agent/state"}
}

func measureApply(r *run) {
	got := benchmark(r, "allocs/s", "B/alloc")
	r.sample("rate").Values, r.sample("memory").Values = got["allocs/s"], got["B/alloc"]
}
