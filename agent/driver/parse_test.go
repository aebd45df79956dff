package driver

import (
	"encoding/json"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseSignal(t *testing.T) {
	tests := map[string]syscall.Signal{
		"SIGHUP": 1, "hup": 1, " Sigusr1 ": 10, "15": 15, "64": 64,
		"": 0, "0": 0, "65": 0, "-9": 0, "SIGSIGHUP": 0, "TERMINATE": 0,
	}
	for name, want := range tests {
		got, err := ParseSignal(name)
		if got != want || (err == nil) != (want != 0) {
			t.Errorf("ParseSignal(%q) = %d, %v, want %d", name, got, err, want)
		}
	}
}

func TestConfigValues(t *testing.T) {
	var got struct {
		S string
		L []string
		B bool
		I int
		D time.Duration
	}
	keys := schema{
		"s": stringKey(&got.S), "l": stringsKey(&got.L), "b": boolKey(&got.B), "i": intKey(&got.I), "d": durationKey(&got.D),
	}
	tests := []struct {
		key   string
		value any
		want  string // part of the error; "" is none
	}{
		{"s", "text", ""},
		{"s", 3, "want a string, got the number 3"},
		{"s", nil, "want a string, got null"},
		{"l", []any{"a", "b"}, ""},
		{"l", []any{"a", true}, "element 1 is the boolean true"},
		{"l", "a", `want a list of strings, got the string "a"`},
		{"b", true, ""},
		{"b", "true", "want true or false"},
		{"i", float64(7), ""},
		{"i", json.Number("7"), ""},
		{"i", 7.5, "want a whole number"},
		{"i", 1e300, "want a whole number"},
		{"d", "90s", ""},
		{"d", int64(time.Second), ""},
		{"d", "-1s", "at least 0"},
		{"d", "soon", "want a duration"},
		{"d", map[string]any{}, "got a block"},
		{"q", 1, `unknown key "q"; did you mean`},
		{"quite-else", 1, "the keys are b, d, i, l, s"},
	}
	for _, test := range tests {
		err := keys.decode("x", map[string]any{test.key: test.value})
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s = %v: got %v, want %q", test.key, test.value, err, test.want)
		}
	}
	if got.S != "text" || !cmp.Equal(got.L, []string{"a", "b"}) || !got.B || got.I != 7 || got.D != time.Second {
		t.Errorf("stored %+v", got)
	}
}

func TestFindCommandOrder(t *testing.T) {
	cfg := newConfig(t)
	cfg.Env["PATH"] = cfg.AllocDir + "/bin"
	dirs := []string{cfg.AllocDir + "/bin", cfg.AllocDir, cfg.LocalDir, cfg.TaskDir} // the last is the best
	if err := os.Mkdir(dirs[0], 0o755); err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		if err := os.WriteFile(dir+"/tool", nil, 0o755); err != nil {
			t.Fatal(err)
		}
		if got, err := findCommand("tool", cfg); got != dir+"/tool" || err != nil {
			t.Errorf("got %s, %v, want the one in %s", got, err, dir)
		}
	}
	if got, err := findCommand("local/tool", cfg); got != cfg.LocalDir+"/tool" || err != nil {
		t.Errorf("local/tool: %s, %v", got, err)
	}
	if _, err := findCommand("bin/tool", TaskConfig{TaskDir: cfg.TaskDir, Env: cfg.Env}); err == nil || strings.Contains(err.Error(), "/usr") {
		t.Errorf("a path with a slash was looked for in PATH: %v", err)
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("1 (a) b) S 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25"))
	f.Add([]byte(")"))
	f.Add([]byte("1 (x)  S"))
	f.Fuzz(func(t *testing.T, line []byte) {
		stat, err := parseStat(1, line)
		if err == nil && stat.PID != 1 {
			t.Errorf("%q: %+v", line, stat)
		}
	})
}

func TestParseStat(t *testing.T) {
	line := "77 (a) b) R 2 3 4 5 -1 7 8 9 10 11 14 15 16 17 18 19 1 21 22 23 24 25"
	got, err := parseStat(77, []byte(line))
	want := procStat{
		procID: procID{PID: 77, Start: 22}, Parent: 2, Session: 4, State: 'R', Threads: 1,
		User: 14, System: 15, ChildUser: 16, ChildSystem: 17, RSS: 24,
	}
	if err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

func TestKmsg(t *testing.T) {
	line := "6,1234,5000000,-;Memory cgroup out of memory: Killed process 42 (web) total-vm:1kB\n SUBSYSTEM=x\n"
	at, text, ok := parseKmsg([]byte(line))
	if !ok || at != 5*time.Second {
		t.Fatalf("got %v, %v", at, ok)
	}
	for pid, want := range map[int]bool{42: true, 4: false, 2: false} {
		if got := namesOOMVictim(text, pid); got != want {
			t.Errorf("victim %d: %v, want %v", pid, got, want)
		}
	}
	for _, bad := range []string{"", "no semicolon", "1,2;short", "1,2,x,-;text"} {
		if _, _, ok := parseKmsg([]byte(bad)); ok {
			t.Errorf("%q was understood", bad)
		}
	}
}

func TestOrphansSparesOthers(t *testing.T) {
	proc := func(pid, session int, start uint64) procStat {
		return procStat{procID: procID{PID: pid, Start: start}, Session: session, State: 'S', Threads: 1}
	}
	rec := record{Main: procID{PID: 1_000_000_100, Start: 50}}
	main := rec.Main.PID
	tests := []struct {
		name  string
		procs []procStat
		want  int
	}{
		{"main and child", []procStat{proc(main, main, 50), proc(main+1, main, 60)}, 2},
		{"child of a dead main", []procStat{proc(main+1, main, 60)}, 1},
		{"another has the PID", []procStat{proc(main, main, 70), proc(main+1, main, 80)}, 0},
		{"older than the task", []procStat{proc(main+1, main, 40)}, 0},
		{"another session", []procStat{proc(main+1, main+1, 60)}, 0},
	}
	for _, test := range tests {
		if got := orphans(test.procs, rec); len(got) != test.want {
			t.Errorf("%s: %v, want %d", test.name, got, test.want)
		}
	}
}

func TestMeasureCountsWhatHasEnded(t *testing.T) {
	proc := func(pid, parent int, user, childUser uint64) procStat {
		return procStat{procID: procID{PID: pid, Start: 1}, Parent: parent, State: 'S', User: user, ChildUser: childUser, RSS: 1}
	}
	procs := []procStat{
		proc(10, 1, 1000, 7), // the supervisor: its own use does not count
		proc(12, 11, 20, 0), proc(11, 10, 100, 3),
		proc(99, 1, 5000, 5000),
	}
	got := measure(procs, procID{PID: 10, Start: 1})
	if got.User != 130*tick || got.RSS != 2*uint64(os.Getpagesize()) || !cmp.Equal(got.PIDs, []int{11, 12}) {
		t.Errorf("got %+v", got)
	}
}
