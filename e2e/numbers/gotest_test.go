//go:build e2e && linux

package numbers

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
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

// benchRow is a row that a metric of a benchmark fills; of turns the metric into the
// row's unit, nil where it is that already.
type benchRow struct {
	line
	metric string
	of     func(float64) float64
}

// bench is a measurement by a benchmark of ours.
func bench(name, pkg, which string, flags []string, rows ...benchRow) measurement {
	m := measurement{name: name, alone: func(*testing.T) cmdl {
		return append(append(cmdl{"go", "test", "-run", "^$", "-bench", which}, flags...), pkg)
	}}
	var metrics []string
	for _, row := range rows {
		m.lines, metrics = append(m.lines, row.line), append(metrics, row.metric)
	}
	m.run = func(r *run) {
		got := benchmark(r, metrics...)
		for _, row := range rows {
			for _, v := range got[row.metric] {
				if row.of != nil {
					v = row.of(v)
				}
				r.add(row.key, v)
			}
		}
	}
	return m
}

// place is a row of the pure scheduler: a job of as many allocations as there are nodes.
func place(shape string, nodes int, atLeast float64) measurement {
	name := strings.ReplaceAll(shape, "+", "_")
	which := fmt.Sprintf("^BenchmarkPlace$/^%s$/^nodes=%d$/^allocs=%d$", regexp.QuoteMeta(shape), nodes, nodes)
	what := fmt.Sprintf("placements, %d nodes, one job of %d, pure scheduler: %s", nodes, nodes, shape)
	return bench("place_"+name, "./scheduler", which, []string{"-count=5", "-benchtime=3x"},
		benchRow{line{"rate", what, PerSecond, Goal{P50: AtLeast(atLeast)}}, "placements/s", nil})
}
