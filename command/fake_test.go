package command

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
)

// fakeAgent answers with the shapes of the API and remembers what it was sent.
type fakeAgent struct {
	*httptest.Server
	answers map[string]any // by "GET /v1/jobs"

	mu   sync.Mutex
	sent []string
}

// turns are the answers to one request after the other; the last one stays.
type turns []any

// refusal is an answer that is not 200.
type refusal struct {
	code int
	text string
}

func newFakeAgent(t *testing.T, answers map[string]any) *fakeAgent {
	f := &fakeAgent{answers: answers}
	f.Server = httptest.NewServer(http.HandlerFunc(f.serve))
	t.Cleanup(f.Close)
	return f
}

func (f *fakeAgent) serve(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	f.sent = append(f.sent, r.Method+" "+r.URL.RequestURI()+" "+string(body))
	key := r.Method + " " + r.URL.Path
	answer, ok := f.answers[key]
	if q, isTurns := answer.(turns); isTurns {
		answer = q[0]
		if len(q) > 1 {
			f.answers[key] = q[1:]
		}
	}
	w.Header().Set("X-Nomad-Index", "7")
	switch a := answer.(type) {
	case refusal:
		http.Error(w, a.text, a.code)
	case nil:
		if !ok {
			http.Error(w, "no answer for "+key, http.StatusNotFound)
		}
	case string:
		io.WriteString(w, a)
	default:
		json.NewEncoder(w).Encode(prefixed(a, r.URL.Query().Get("prefix")))
	}
}

// prefixed filters a list by the beginning of IDs, as lists of the API do.
func prefixed(list any, prefix string) any {
	switch l := list.(type) {
	case []*api.JobListStub:
		return keep(l, func(j *api.JobListStub) string { return j.ID }, prefix)
	case []*api.NodeListStub:
		return keep(l, func(n *api.NodeListStub) string { return n.ID }, prefix)
	case []*api.AllocationListStub:
		return keep(l, func(a *api.AllocationListStub) string { return a.ID }, prefix)
	case []*api.Evaluation:
		return keep(l, func(e *api.Evaluation) string { return e.ID }, prefix)
	case []*api.Deployment:
		return keep(l, func(d *api.Deployment) string { return d.ID }, prefix)
	}
	return list
}

func keep[T any](list []T, id func(T) string, prefix string) []T {
	out := []T{}
	for _, x := range list {
		if strings.HasPrefix(id(x), prefix) {
			out = append(out, x)
		}
	}
	return out
}

// request returns what was sent to a path, or "".
func (f *fakeAgent) request(prefix string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.sent {
		if strings.HasPrefix(s, prefix) {
			return s
		}
	}
	return ""
}

// outcome is what one run of the program printed and returned.
type outcome struct {
	out, err string
	code     int
}

// at is the time that every test runs at.
var at = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// execute runs a command line against an agent, with nobody at the keyboard.
func execute(t *testing.T, address, stdin string, args ...string) outcome {
	t.Helper()
	var out, errs strings.Builder
	s := &session{
		in: strings.NewReader(stdin), out: &out, err: &errs,
		lookup: func(name string) (string, bool) {
			if name == "SELFHEAL_ADDR" {
				return address, true
			}
			return "", false
		},
		now: func() time.Time { return at }, strict: true,
	}
	code := run(args, s)
	return outcome{out.String(), errs.String(), code}
}

// golden compares a text with a file, or with -update writes it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (go test -update writes it)", err)
	}
	if got != string(want) {
		t.Errorf("%s differs; go test -update accepts this:\n%s", path, got)
	}
}
