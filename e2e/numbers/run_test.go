//go:build e2e && linux

package numbers

import (
	"debug/elf"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/selfheal/selfheal/e2e/cluster"
)

var (
	wanted = flag.Bool("numbers", false, "measure what is published (minutes)")
	rounds = flag.Int("rounds", 20, "how many rounds a measurement runs; those that take long run a part of it")
)

// line is one row of the table before it is measured.
type line struct {
	key, what string
	unit      Unit
	goal      Goal
}

// measurement fills one row or a few.
type measurement struct {
	name  string
	peer  bool                  // another binary can be measured, too
	needs func() string         // why it cannot run here; "" or nil: it can
	alone func(*testing.T) cmdl // the command that measures it, nil: this test alone
	lines []line
	run   func(*run)
}

// cmdl is a command line.
type cmdl []string

func (c cmdl) String() string {
	var out []string
	for _, arg := range c {
		if strings.ContainsAny(arg, "^ |") {
			arg = "'" + arg + "'"
		}
		out = append(out, arg)
	}
	return strings.Join(out, " ")
}

// run is one measurement of one program.
type run struct {
	*testing.T
	binary  string
	rounds  int
	command cmdl
	samples map[string]*Samples
}

func (r *run) add(key string, v float64) {
	s := r.sample(key)
	s.Values = append(s.Values, v)
}

// took adds the time since start.
func (r *run) took(key string, start time.Time) { r.add(key, ms(time.Since(start))) }

// count adds a sum over so many rounds.
func (r *run) count(key string, sum, rounds int) {
	r.add(key, float64(sum))
	r.sample(key).Rounds = rounds
}

// note says what is to know about a number, or why there is none.
func (r *run) note(key, format string, args ...any) {
	r.sample(key).Note = fmt.Sprintf(format, args...)
}

func (r *run) sample(key string) *Samples {
	if r.samples[key] == nil {
		r.samples[key] = &Samples{}
	}
	return r.samples[key]
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// TestNumbers measures and prints the table. Subtests are the measurements, below
// them "ours" and "peer".
func TestNumbers(t *testing.T) {
	if !*wanted {
		t.Skip("make bench runs it: -args -numbers")
	}
	ours, peer := cluster.Binary(t, ""), os.Getenv("PEER")
	if peer != "" {
		peer = cluster.Binary(t, peer)
	}
	begin, busy := time.Now(), loadAverage()
	var rows []Row
	for _, m := range measurements {
		var of, other map[string]*Samples
		var command cmdl
		why, ran := "", false
		t.Run(m.name, func(t *testing.T) {
			ran = true
			command = cmdl{"SELFHEAL=$PWD/bin/selfheal", "go", "test", "-tags", "e2e", "-count=1", "-v", "-run", "^TestNumbers$/^" + m.name + "$", "./e2e/numbers", "-args", "-numbers"}
			if m.alone != nil {
				command = m.alone(t)
			}
			if m.needs != nil {
				if why = m.needs(); why != "" {
					return
				}
			}
			of = measure(t, "ours", m, ours, command)
			if m.peer && peer != "" {
				other = measure(t, "peer", m, peer, command)
			}
		})
		if ran {
			rows = append(rows, m.rows(of, other, command, why)...)
		}
	}
	fmt.Printf("\n%s\nload average %s at the start, %s at the end, %v later; -rounds %d\nours: %s%s\n\n%s\n",
		machine(), busy, loadAverage(), time.Since(begin).Round(time.Second), *rounds, describe(ours), peerLine(peer), Render(rows))
}

// measure runs m against one program. What it had when it failed is kept.
func measure(t *testing.T, who string, m measurement, binary string, command cmdl) map[string]*Samples {
	r := &run{binary: binary, rounds: *rounds, command: command, samples: map[string]*Samples{}}
	made := t.Run(who, func(t *testing.T) {
		r.T = t
		m.run(r)
	})
	for _, l := range m.lines {
		if !made {
			r.note(l.key, "the measurement ended early: see above")
		}
	}
	return r.samples
}

func (m measurement) rows(ours, peer map[string]*Samples, command cmdl, why string) (out []Row) {
	for _, l := range m.lines {
		row := Row{What: l.what, Unit: l.unit, Goal: l.goal, Command: command.String(), Ours: Samples{Note: why}}
		if s := ours[l.key]; s != nil {
			row.Ours = *s
		}
		if s := peer[l.key]; s != nil {
			row.Peer = *s
		}
		out = append(out, row)
	}
	return out
}

func machine() string {
	cpu := "unknown processor"
	text, _ := os.ReadFile("/proc/cpuinfo")
	for l := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(l, ":"); ok && strings.TrimSpace(name) == "model name" {
			cpu = strings.TrimSpace(value)
			break
		}
	}
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return fmt.Sprintf("%d cores (%s), Linux %s, %s %s", runtime.NumCPU(), cpu, strings.TrimSpace(string(kernel)), runtime.Version(), runtime.GOARCH)
}

func loadAverage() string {
	text, _ := os.ReadFile("/proc/loadavg")
	one, _, _ := strings.Cut(string(text), " ")
	return one
}

func describe(binary string) string {
	out, _ := exec.Command(binary, "-version").Output()
	first, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return fmt.Sprintf("%s (%s)", binary, first)
}

func peerLine(peer string) string {
	if peer == "" {
		return "; no peer (PEER=/path/to/binary compares)"
	}
	return "; peer: " + describe(peer)
}

// stripped is a program's size in bytes without symbols and debug sections.
func stripped(r *run) float64 {
	info, err := os.Stat(r.binary)
	if err != nil {
		r.Fatal(err)
	}
	size := info.Size()
	f, err := elf.Open(r.binary)
	if err != nil {
		r.Fatal(err)
	}
	defer f.Close()
	for _, s := range f.Sections {
		if s.Type == elf.SHT_SYMTAB || s.Name == ".strtab" || strings.HasPrefix(s.Name, ".debug_") || strings.HasPrefix(s.Name, ".zdebug_") {
			size -= int64(s.FileSize)
		}
	}
	return float64(size)
}
