package command

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/nomad/api"
)

// variables is a fake of the variables' routes: one lock, check indexes.
type variables struct {
	mu       sync.Mutex
	kept     map[string]*api.Variable
	index    uint64
	holder   string
	renewals int
	lose     bool // refuse renewals
}

func newVariables(t *testing.T) (*variables, *httptest.Server) {
	v := &variables{kept: map[string]*api.Variable{}, index: 10}
	server := httptest.NewServer(v)
	t.Cleanup(server.Close)
	return v, server
}

// ServeHTTP answers as the API does.
func (v *variables) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	defer v.mu.Unlock()
	path, q := strings.TrimPrefix(r.URL.Path, "/v1/var/"), r.URL.Query()
	now := v.kept[path]
	if r.Method == http.MethodGet {
		if now == nil {
			http.Error(w, "variable not found", http.StatusNotFound)
			return
		}
		_ = json.NewEncoder(w).Encode(now)
		return
	}
	var in api.Variable
	if r.Method == http.MethodPut {
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	have := uint64(0)
	if now != nil {
		have = now.ModifyIndex
	}
	switch {
	case q.Has("lock-acquire"):
		if v.holder != "" {
			http.Error(w, "the lock is held", http.StatusConflict)
			return
		}
		v.holder = "lock-1"
		in.Lock.ID = v.holder
	case q.Has("lock-renew"):
		if v.renewals++; v.lose || in.Lock == nil || in.Lock.ID != v.holder {
			http.Error(w, "the lock is another's", http.StatusConflict)
			return
		}
	case q.Has("lock-release"):
		v.holder, in.Lock = "", nil
	case q.Has("cas") && q.Get("cas") != fmt.Sprint(have):
		w.WriteHeader(http.StatusConflict)
		_ = json.NewEncoder(w).Encode(now)
		return
	case r.Method == http.MethodDelete:
		delete(v.kept, path)
		w.WriteHeader(http.StatusNoContent)
		return
	}
	v.index++
	in.ModifyIndex, in.CreateTime, in.ModifyTime = v.index, ago(time.Hour), ago(time.Minute)
	v.kept[path] = &in
	_ = json.NewEncoder(w).Encode(in)
}

func TestVariables(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "cert")
	if err := os.WriteFile(file, []byte("PEM\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	spec := filepath.Join(dir, "spec.nv.hcl")
	if r := execute(t, "", "", "var", "init", spec); r.code != 0 {
		t.Fatal(r.err)
	}
	v, agent := newVariables(t)
	run := func(stdin, line string, want map[string]string) {
		t.Helper()
		r := execute(t, agent.URL, stdin, strings.Fields(line)...)
		if r.code != 0 {
			t.Fatalf("%s: %s", line, r.err)
		}
		if want != nil {
			if d := cmp.Diff(api.VariableItems(want), v.kept["nomad/jobs/example"].Items); d != "" {
				t.Errorf("%s (-want +got):\n%s", line, d)
			}
		}
	}
	run("secret", `var put nomad/jobs/example a=1 b=- c=@`+file+` d=\@x e=\-`, map[string]string{"a": "1", "b": "secret", "c": "PEM\n", "d": "@x", "e": "-"})
	run("", "var put @"+spec+" user=other", map[string]string{"user": "other", "password": "change me"})
	run(`{"Path":"elsewhere","Items":{"k":"v"}}`, "var put nomad/jobs/example - x=y", map[string]string{"k": "v", "x": "y"})
	run(exampleVariableHCL, "var put -in hcl - user=third", map[string]string{"user": "third", "password": "change me"})
	got := execute(t, agent.URL, "", "var", "get", "-item", "user", "nomad/jobs/example")
	if got.out != "third" {
		t.Errorf("item: %q %s", got.out, got.err)
	}
	for line, want := range map[string]string{
		"var put -check-index 3 nomad/jobs/example a=b":        "somebody changed it",
		"var put -check-index 0 nomad/jobs/example a=b":        "not 0: somebody changed it",
		"var put -force -check-index 3 nomad/jobs/example a=b": "contradict",
		"var put nomad/jobs/example":                           "at least one item",
		"var put":                                              "wants a PATH",
		"var put p a=- b=-":                                    "one item's value, not two",
		"var put p nonsense":                                   "wants KEY=VALUE",
		"var put p a{b=c":                                      "no name of an item",
		"var get none":                                         `no variable is kept at "none"`,
		"var get -item usr nomad/jobs/example":                 "did you mean user?",
		"var get -out xml nomad/jobs/example":                  "want table, json",
		"var get -out go-template nomad/jobs/example":          "wants -template",
		"var purge -check-index 1 nomad/jobs/example":          "is 14 now, not 1",
		"var lock -once nomad/jobs/example":                    "wants PATH COMMAND",
	} {
		if r := execute(t, agent.URL, "", strings.Fields(line)...); r.code != 1 || !strings.Contains(r.err, want) {
			t.Errorf("%s: exit %d: %s", line, r.code, r.err)
		}
	}
	hcl := execute(t, agent.URL, "", "var", "get", "-out", "hcl", "nomad/jobs/example").out
	run(hcl, "var put -in hcl - n=m", map[string]string{"user": "third", "password": "change me", "n": "m"})
	run("", "var purge nomad/jobs/example", nil)
	if len(v.kept) != 0 {
		t.Errorf("kept: %v", v.kept)
	}
}

func TestVariableLock(t *testing.T) {
	v, agent := newVariables(t)
	r := execute(t, agent.URL, "in", "var", "lock", "-verbose", "app/leader", "cat; echo $NOMAD_LOCK_PATH; exit 3")
	if r.code != 3 || r.out != "inapp/leader\n" || v.holder != "" {
		t.Errorf("exit %d, out %q, err %q, holder %q", r.code, r.out, r.err, v.holder)
	}
	v.holder = "another"
	if r := execute(t, agent.URL, "", "var", "lock", "-once", "app/leader", "true"); r.code != 1 || !strings.Contains(r.err, "another holds the lock") {
		t.Errorf("once: exit %d, err %q", r.code, r.err)
	}
	v.holder, v.lose = "", true
	begin := time.Now()
	r = execute(t, agent.URL, "", "var", "lock", "-ttl", "300ms", "app/leader", "echo begin; sleep 30")
	if r.code != 1 || r.out != "begin\n" || !strings.Contains(r.err, "was lost and the command stopped") || time.Since(begin) > 10*time.Second {
		t.Errorf("lost: exit %d, out %q, err %q after %v", r.code, r.out, r.err, time.Since(begin))
	}
	v.holder, v.lose, v.renewals = "", false, 0
	if r = execute(t, agent.URL, "", "var", "lock", "-ttl", "150ms", "app/leader", "sleep 0.6"); r.code != 0 || v.renewals < 2 {
		t.Errorf("renewed %d times, exit %d, err %q", v.renewals, r.code, r.err)
	}
}

func TestParseBytes(t *testing.T) {
	for text, want := range map[string]int64{"": 0, "4096": 4096, "10GiB": 10 << 30, "10 gib": 10 << 30, "1.5GB": 1.5e9, "1k": 1024, "500MB": 5e8, "7B": 7} {
		if got, err := parseBytes(text); err != nil || got != want {
			t.Errorf("%q: %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"x", "-1GB", "1/2GB", "GiB", "99999999PiB", "0x10"} {
		if got, err := parseBytes(text); err == nil {
			t.Errorf("%q: %d, want an error", text, got)
		}
	}
}

// What volume init writes is what volume create sends.
func TestVolumeFiles(t *testing.T) {
	for _, kind := range []string{"host", "csi"} {
		for _, ext := range []string{"hcl", "json"} {
			path := filepath.Join(t.TempDir(), "volume."+ext)
			args := []string{"volume", "init", "-type", kind, path}
			if ext == "json" {
				args = append(args, "-json")
			}
			if r := execute(t, "", "", args...); r.code != 0 {
				t.Fatal(r.err)
			}
			s := &session{lookup: func(string) (string, bool) { return "", false }}
			f, err := s.readVolume(path)
			if err != nil {
				t.Fatalf("%s %s: %v", kind, ext, err)
			}
			if f.PluginID == "" || len(f.Capabilities) != 1 || f.min == 0 || f.max != 2*f.min && f.max != 10*f.min || len(f.Parameters) != 1 {
				t.Errorf("%s %s: %+v", kind, ext, f)
			}
			if kind == "host" && ext == "hcl" && f.host().Constraints[0].LTarget != "${attr.kernel.name}" {
				t.Errorf("constraint %+v", f.host().Constraints[0])
			}
		}
	}
}
