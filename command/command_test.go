package command

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/nomad/api"
	"github.com/posener/complete"
	"pgregory.net/rapid"
)

// Every command explains itself, within 80 columns, and every flag can be set.
func TestEveryCommandIsUsable(t *testing.T) {
	known := catalogue()
	values := []string{"3", "1m", "true", "key=value", "2026-11-20T12:00:00Z"}
	for _, e := range known {
		v := e.make()
		if v.short == "" || strings.HasSuffix(v.short, ".") {
			t.Errorf("%s: short is %q: want a phrase without a full stop", e.name, v.short)
		}
		r := execute(t, "", "", append(strings.Fields(e.name), "-h")...)
		if r.code != 0 || !strings.HasPrefix(r.out, "Usage: selfheal "+e.name) {
			t.Errorf("%s -h: exit %d\n%s%s", e.name, r.code, r.out, r.err)
		}
		for _, line := range strings.Split(r.out, "\n") {
			if len(line) > helpWidth {
				t.Errorf("%s -h: a line of %d columns: %s", e.name, len(line), line)
			}
		}
		seen := map[string]bool{}
		rows := v.flags
		if !v.local {
			rows = append(rows, new(session).sharedFlags()...)
		}
		for _, f := range rows {
			if seen[f.name] {
				t.Errorf("%s: -%s stands twice in the table", e.name, f.name)
			}
			seen[f.name] = true
			if !strings.HasSuffix(f.usage, ".") || (f.arg == "") != f.isSwitch() && !v.verbatim {
				t.Errorf("%s: -%s: usage %q, arg %q, value %T", e.name, f.name, f.usage, f.arg, f.value)
			}
			if v.verbatim || f.isSwitch() {
				continue
			}
			ok := false
			if c, isChoice := f.value.(choice); isChoice {
				ok = f.set("nonsense") != nil && f.set(c.of[0]) == nil
			}
			for _, value := range values {
				ok = ok || f.set(value) == nil
			}
			if !ok {
				t.Errorf("%s: -%s takes none of %q", e.name, f.name, values)
			}
		}
	}
}

func TestFlagsStandAnywhere(t *testing.T) {
	var name string
	var on bool
	var list []string
	rows := []flagRow{{"name", "X", "", &name, nil}, {"on", "", "", &on, nil}, {"list", "X", "", &list, nil}}
	got, err := parseFlags(rows, []string{"a", "-name", "n", "-", "-on", "--list=1", "b", "-list", "2", "--", "-c", "-on=x"})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"a", "-", "b", "-c", "-on=x"}, got); d != "" {
		t.Errorf("arguments (-want +got):\n%s", d)
	}
	if name != "n" || !on || strings.Join(list, ",") != "1,2" {
		t.Errorf("name %q, on %v, list %q", name, on, list)
	}
}

// Every command of the table is reachable: what cli is asked is what we checked.
func TestUnknownWordsAreRefused(t *testing.T) {
	known := catalogue()
	for _, e := range known {
		if err := known.check(strings.Fields(e.name)); err != nil {
			t.Errorf("%s: %v", e.name, err)
		}
		if e.make().run == nil {
			if err := known.check(append(strings.Fields(e.name), "nonsense")); err == nil {
				t.Errorf("%s nonsense: want an error", e.name)
			}
		}
	}
}

func TestDistanceIsAMetric(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching(`[a-d]{0,6}`)
		a, b := word.Draw(t, "a"), word.Draw(t, "b")
		d := distance(a, b)
		if d != distance(b, a) || (d == 0) != (a == b) || d > max(len(a), len(b)) {
			t.Fatalf("distance(%q, %q) = %d", a, b, d)
		}
	})
}

func TestNearest(t *testing.T) {
	words := []string{"job", "node", "status", "stop", "start"}
	for name, want := range map[string]string{"jbo": "job", "nod": "node", "stauts": "status", "stp": "stop", "xyzzy": "", "statu": "status", "s": ""} {
		if got, _ := nearest(name, words); got != want {
			t.Errorf("nearest(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestBrief(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 999 * time.Millisecond: "0s", 61 * time.Second: "1m1s", time.Hour: "1h", time.Hour + time.Second: "1h",
		26 * time.Hour: "1d2h", 400 * 24 * time.Hour: "400d",
	} {
		if got := brief(d); got != want {
			t.Errorf("brief(%v) = %q, want %q", d, got, want)
		}
	}
}

// What is sent is what the flags say.
func TestRequests(t *testing.T) {
	tests := []struct {
		line   string // command line
		method string // and path of the request that is looked at
		want   map[string]any
	}{
		{"run -detach -check-index 0 testdata/jobs/web.nomad.hcl", "PUT /v1/jobs", map[string]any{"EnforceIndex": true}},
		{"run -detach -check-index 12 testdata/jobs/web.nomad.hcl", "PUT /v1/jobs", map[string]any{"EnforceIndex": true, "JobModifyIndex": 12.0}},
		{"job run -detach -preserve-counts -eval-priority 70 testdata/jobs/web.nomad.hcl", "PUT /v1/jobs", map[string]any{"PreserveCounts": true, "EvalPriority": 70.0}},
		{"node drain -enable -force -ignore-system -detach client-1", "PUT /v1/node/" + nodeA + "/drain", map[string]any{"DrainSpec": map[string]any{"Deadline": -1.0, "IgnoreSystemJobs": true}}},
		{"node drain -disable client-1", "PUT /v1/node/" + nodeA + "/drain", map[string]any{"DrainSpec": nil, "MarkEligible": true}},
		{"node drain -disable -keep-ineligible client-1", "PUT /v1/node/" + nodeA + "/drain", map[string]any{"MarkEligible": false}},
		{"node eligibility -enable client-1", "PUT /v1/node/" + nodeA + "/eligibility", map[string]any{"Eligibility": "eligible"}},
	}
	for _, test := range tests {
		t.Run(test.line, func(t *testing.T) {
			agent := newFakeAgent(t, cluster())
			if r := execute(t, agent.URL, "", strings.Fields(test.line)...); r.code != 0 {
				t.Fatalf("exit %d: %s", r.code, r.err)
			}
			sent := agent.request(test.method)
			_, body, _ := strings.Cut(strings.TrimPrefix(sent, test.method), " ")
			var got map[string]any
			if err := json.Unmarshal([]byte(body), &got); err != nil {
				t.Fatalf("%v in %q", err, sent)
			}
			for k, v := range test.want {
				if d := cmp.Diff(v, got[k]); d != "" {
					t.Errorf("%s (-want +got):\n%s", k, d)
				}
			}
		})
	}
}

func TestJobFileFromStandardInput(t *testing.T) {
	text, err := os.ReadFile("testdata/jobs/web.nomad.hcl")
	if err != nil {
		t.Fatal(err)
	}
	r := execute(t, "", string(text), "job", "run", "-output", "-var", "count=9", "-")
	var got struct{ Job api.Job }
	if err := json.Unmarshal([]byte(r.out), &got); err != nil || r.code != 0 {
		t.Fatalf("exit %d, %v: %s", r.code, err, r.err)
	}
	if *got.Job.TaskGroups[0].Count != 9 {
		t.Errorf("count is %d, want 9", *got.Job.TaskGroups[0].Count)
	}
}

func TestNobodyAnswers(t *testing.T) {
	agent := newFakeAgent(t, nil)
	agent.Close()
	for _, line := range []string{"job status", "node status -self", "server members", "operator api /v1/jobs"} {
		r := execute(t, agent.URL, "", strings.Fields(line)...)
		if r.code != 1 || !strings.Contains(r.err, "no agent answers at "+agent.URL) {
			t.Errorf("%s: exit %d: %s", line, r.code, r.err)
		}
	}
	r := execute(t, agent.URL, "", "job", "validate", "testdata/jobs/web.nomad.hcl")
	if r.code != 0 || !strings.Contains(r.err, "valid here") {
		t.Errorf("validate: exit %d: %s", r.code, r.err)
	}
}

// SELFHEAL_x wins over NOMAD_x, and a flag over both.
func TestEnvironment(t *testing.T) {
	env := map[string]string{"NOMAD_NAMESPACE": "n", "NOMAD_ADDR": "https://nomad:1", "SELFHEAL_ADDR": "selfheal:2/"}
	s := &session{lookup: func(name string) (string, bool) { v, ok := env[name]; return v, ok }}
	if s.address() != "http://selfheal:2" || s.namespace() != "n" {
		t.Errorf("address %q, namespace %q", s.address(), s.namespace())
	}
	s.flags.address, s.flags.namespace = "https://flag:3", "f"
	if s.address() != "https://flag:3" || s.namespace() != "f" {
		t.Errorf("address %q, namespace %q", s.address(), s.namespace())
	}
	env["NOMAD_SKIP_VERIFY"] = "perhaps"
	if _, err := s.client(); err == nil || !strings.Contains(err.Error(), "perhaps") {
		t.Errorf("error %v", err)
	}
}

func TestInitLeavesAFileAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.nomad.hcl")
	if r := execute(t, "", "", "init", "-short", path); r.code != 0 {
		t.Fatal(r.err)
	}
	if r := execute(t, "", "", "init", path); r.code != 1 || !strings.Contains(r.err, "exists") {
		t.Errorf("exit %d: %s", r.code, r.err)
	}
	if r := execute(t, "", "", "fmt", "-check", path); r.code != 0 {
		t.Errorf("the example is not laid out: %s%s", r.out, r.err)
	}
	if err := os.WriteFile(path, []byte("job \"a\" {\ngroup \"b\" {\n}\n}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if r := execute(t, "", "", "fmt", "-check", path); r.code != 1 || strings.TrimSpace(r.out) != path {
		t.Errorf("exit %d: %q %s", r.code, r.out, r.err)
	}
}

func TestVersionAndOverview(t *testing.T) {
	if r := execute(t, "", "", "-version"); r.code != 0 || !strings.HasPrefix(r.out, "Selfheal v"+Version) {
		t.Errorf("exit %d: %s", r.code, r.out)
	}
	if r := execute(t, "", ""); r.code != ExitNoCommand || !strings.Contains(r.err, "Common commands:") {
		t.Errorf("exit %d: %s", r.code, r.err)
	}
	for _, line := range strings.Split(overview(catalogue()), "\n") {
		if len(line) > helpWidth {
			t.Errorf("a line of %d columns: %s", len(line), line)
		}
	}
}

// The shell asks for completions through the environment, without arguments, and
// reads the process's own standard output.
func TestCompletion(t *testing.T) {
	for line, want := range map[string]string{
		"selfheal job sto":         "stop",
		"selfheal node drain -det": "-detach",
		"selfheal agent -boot":     "-bootstrap-expect",
		"selfheal job status -add": "-address",
	} {
		t.Setenv("COMP_LINE", line)
		file, err := os.Create(filepath.Join(t.TempDir(), "out"))
		if err != nil {
			t.Fatal(err)
		}
		stdout := os.Stdout
		os.Stdout = file
		code := run(nil, &session{out: io.Discard, err: io.Discard, lookup: os.LookupEnv})
		os.Stdout = stdout
		got, err := os.ReadFile(file.Name())
		if err != nil || code != 0 || strings.TrimSpace(string(got)) != want {
			t.Errorf("%q completes to %q (exit %d, %v), want %q", line, got, code, err, want)
		}
	}
}

// IDs are completed by the agent; one that is away completes nothing.
func TestCompletionOfIDs(t *testing.T) {
	agent := newFakeAgent(t, cluster())
	s := &session{lookup: func(string) (string, bool) { return "", false }}
	s.flags.address = agent.URL
	predict := s.predictIDs("ALLOC COMMAND...")
	if predict == nil || s.predictIDs("FILE") != nil || s.predictIDs("[JOB]") == nil || s.predictIDs("JOB...") == nil {
		t.Fatal("the wrong arguments are IDs")
	}
	if got := predict.Predict(complete.Args{Last: "11"}); len(got) != 1 || got[0] != alloc0 {
		t.Errorf("completes to %q", got)
	}
	agent.Close()
	if got := predict.Predict(complete.Args{Last: "11"}); len(got) != 0 {
		t.Errorf("nobody answers: completes to %q", got)
	}
}

func TestLastLines(t *testing.T) {
	var b strings.Builder
	w := &lastLines{w: &b, keep: 2}
	for _, part := range []string{"on", "e\ntwo\nthr", "ee\n"} {
		if _, err := w.Write([]byte(part)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.flush(); err != nil {
		t.Fatal(err)
	}
	w.Write([]byte("four\n"))
	if b.String() != "two\nthree\nfour\n" {
		t.Errorf("got %q", b.String())
	}
}

func TestLogFileRotates(t *testing.T) {
	dir := t.TempDir()
	l, err := openLog(logFileConfig{path: dir + "/", maxBytes: 20, keep: 2})
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if _, err := l.Write([]byte("twelve bytes")); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	old, _ := filepath.Glob(filepath.Join(dir, "selfheal-*.log"))
	now, err := os.ReadFile(filepath.Join(dir, "selfheal.log"))
	if len(old) != 2 || err != nil || string(now) != "twelve bytes" {
		t.Errorf("%d old files, %q, %v", len(old), now, err)
	}
}
