package driver

import (
	"bufio"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The benchmarks run /bin/sleep, so that they measure us and not the start of
// a Go program. p50-ms is the median of the iterations.

func benchConfig(b *testing.B) TaskConfig {
	b.Helper()
	base := b.TempDir()
	cfg := TaskConfig{
		ID: "bench/web", Name: "web",
		Config:  map[string]any{"command": "/bin/sleep", "args": []any{"1000"}},
		TaskDir: base, AllocDir: base, LocalDir: base, LogDir: base,
		StateDir: filepath.Join(base, "state"),
	}
	return cfg
}

func benchStart(b *testing.B, d *RawExec, cfg TaskConfig) Task {
	b.Helper()
	task, err := d.Start(b.Context(), cfg)
	if err != nil {
		b.Fatal(err)
	}
	return task
}

func benchEnd(b *testing.B, task Task) {
	b.Helper()
	if err := task.Stop(b.Context(), "", 0); err != nil {
		b.Fatal(err)
	}
	if err := task.Destroy(); err != nil {
		b.Fatal(err)
	}
}

func reportMedian(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64(took[len(took)-1].Microseconds())/1000, "max-ms")
}

// BenchmarkStart is a supervisor and its task, until the task's program runs.
func BenchmarkStart(b *testing.B) {
	d := NewRawExec(RawExecConfig{})
	defer d.Close()
	cfg := benchConfig(b)
	var took []time.Duration
	for b.Loop() {
		begin := time.Now()
		task := benchStart(b, d, cfg)
		took = append(took, time.Since(begin))
		benchEnd(b, task)
	}
	reportMedian(b, took)
}

// BenchmarkRestart is Restart alone.
func BenchmarkRestart(b *testing.B) {
	benchAgain(b, func(task Task, cfg TaskConfig) (begin time.Time) {
		task.Signal("KILL")
		<-task.Wait()
		begin = time.Now()
		if err := task.Restart(b.Context(), cfg); err != nil {
			b.Fatal(err)
		}
		return begin
	})
}

// BenchmarkKilledToRunning is from the kill to the next process, with an agent
// that restarts at once.
func BenchmarkKilledToRunning(b *testing.B) {
	benchAgain(b, func(task Task, cfg TaskConfig) (begin time.Time) {
		begin = time.Now()
		if err := (procID{PID: task.PID(), Start: mustStart(b, task.PID())}).kill(); err != nil {
			b.Fatal(err)
		}
		<-task.Wait()
		if err := task.Restart(b.Context(), cfg); err != nil {
			b.Fatal(err)
		}
		return begin
	})
}

func benchAgain(b *testing.B, again func(Task, TaskConfig) time.Time) {
	d := NewRawExec(RawExecConfig{})
	defer d.Close()
	cfg := benchConfig(b)
	task := benchStart(b, d, cfg)
	var took []time.Duration
	for b.Loop() {
		begin := again(task, cfg)
		took = append(took, time.Since(begin))
	}
	benchEnd(b, task)
	reportMedian(b, took)
}

func mustStart(b *testing.B, pid int) uint64 {
	b.Helper()
	stat, err := readProc(pid)
	if err != nil {
		b.Fatal(err)
	}
	return stat.Start
}

// BenchmarkSupervisorMemory runs 20 tasks, restarts each 10 times and reports
// what a supervisor weighs afterwards. Set SELFHEAL_BINARY to measure the real
// program instead of the test binary.
func BenchmarkSupervisorMemory(b *testing.B) {
	const tasks, restarts = 20, 10
	d := NewRawExec(RawExecConfig{Binary: os.Getenv("SELFHEAL_BINARY")})
	defer d.Close()
	for b.Loop() {
		var supervisors []int
		for range tasks {
			cfg := benchConfig(b)
			task := benchStart(b, d, cfg)
			defer benchEnd(b, task)
			for range restarts {
				task.Signal("KILL")
				<-task.Wait()
				if err := task.Restart(b.Context(), cfg); err != nil {
					b.Fatal(err)
				}
			}
			supervisors = append(supervisors, task.(*rawTask).supervisor.PID)
		}
		time.Sleep(2 * releaseAfter) // a benchmark: until they gave back what starting took
		for _, field := range []string{"Rss", "Pss", "Anonymous"} {
			sum := 0
			for _, pid := range supervisors {
				sum += smapsKB(b, pid, field)
			}
			b.ReportMetric(float64(sum)/tasks/1024, strings.ToLower(field)+"-MiB")
		}
	}
}

func smapsKB(b *testing.B, pid int, field string) int {
	b.Helper()
	file, err := os.Open("/proc/" + strconv.Itoa(pid) + "/smaps_rollup")
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if words := strings.Fields(lines.Text()); words[0] == field+":" {
			n, _ := strconv.Atoi(words[1])
			return n
		}
	}
	b.Fatalf("no %s in smaps_rollup", field)
	return 0
}
