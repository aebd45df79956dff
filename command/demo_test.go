package command

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/selfheal/selfheal/agent/config"
	"github.com/selfheal/selfheal/jobspec"
)

func TestDemoConfigurationsAreValid(t *testing.T) {
	dir := t.TempDir()
	agents, err := planCluster(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	ports := map[int]string{}
	servers := 0
	for _, a := range agents {
		path := filepath.Join(dir, a.name+".hcl")
		if err := os.WriteFile(path, []byte(a.config(agents)), 0o644); err != nil {
			t.Fatal(err)
		}
		cfg, warnings, err := config.Load(config.Source{Paths: []string{path}})
		if err != nil {
			t.Fatalf("%s: %v", a.name, err)
		}
		for _, w := range warnings {
			if strings.Contains(w, "dynamic_port") {
				t.Errorf("%s: %s", a.name, w)
			}
		}
		if cfg.Name != a.name || cfg.Server.Enabled == cfg.Client.Enabled || cfg.Server.Enabled != a.server {
			t.Errorf("%s: name %q, server %v, client %v", a.name, cfg.Name, cfg.Server.Enabled, cfg.Client.Enabled)
		}
		if a.server {
			servers++
		}
		taken := []int{a.http, a.rpc, a.serf}
		for i := range demoPorts {
			if a.taskPorts > 0 {
				taken = append(taken, a.taskPorts+i)
			}
		}
		for _, p := range taken {
			if other, twice := ports[p]; twice {
				t.Errorf("%s and %s share port %d", a.name, other, p)
			}
			ports[p] = a.name
		}
	}
	if servers != demoServers || len(agents) != demoServers+demoClients {
		t.Errorf("%d servers of %d agents", servers, len(agents))
	}
}

func TestDemoSaysThatAPortIsTaken(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, err = planCluster(t.TempDir(), ln.Addr().(*net.TCPAddr).Port)
	if err == nil || !strings.Contains(err.Error(), "is taken") || !strings.Contains(err.Error(), "-port 0") {
		t.Errorf("error %v", err)
	}
}

func TestDemoJobIsValid(t *testing.T) {
	job, diags := jobspec.Parse(jobspec.Input{Path: "web.nomad.hcl", Body: []byte(demoJob("/opt/self heal/${x}"))})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	jobspec.Canonicalize(job)
	if err := jobspec.Validate(job, jobspec.Limits{}).Err(); err != nil {
		t.Fatal(err)
	}
	task := job.TaskGroups[0].Tasks[0]
	if task.Config["command"] != "/opt/self heal/${x}" || task.Env["NODE_NAME"] != "${node.unique.name}" || *job.TaskGroups[0].Count != demoInstances {
		t.Errorf("config %v, env %v, count %d", task.Config, task.Env, *job.TaskGroups[0].Count)
	}
}

// Only what the demo started may be killed.
func TestBelongs(t *testing.T) {
	nul := func(s string) string { return strings.ReplaceAll(s, " ", "\x00") }
	for _, test := range []struct {
		command, environ string
		want             bool
	}{
		{"/bin/selfheal supervise /tmp/d/client-1/data/x", "", true},
		{"/bin/selfheal supervise /tmp/d2/client-1/data/x", "", false},
		{"/bin/selfheal demo-web", "NOMAD_ALLOC_DIR=/tmp/d/client-1/data/alloc/1/alloc", true},
		{"/bin/selfheal demo-web", "NOMAD_ALLOC_DIR=/var/lib/selfheal/alloc/1", false},
		{"tail -f /tmp/d/client-1/agent.log", "PWD=/tmp/d/client-1", false},
		{"bash", "OLDPWD=/tmp/d/client-1 PWD=/tmp/d", false},
		{"vi supervise /tmp/other", "", false},
		{"", "", false},
	} {
		if got := belongs("/tmp/d", nul(test.command), nul(test.environ)); got != test.want {
			t.Errorf("belongs(%q, %q) = %v", test.command, test.environ, got)
		}
	}
}

func TestKillHostLeavesStrangersAlone(t *testing.T) {
	a := &demoAgent{dir: t.TempDir()}
	start := func(env string) (*exec.Cmd, chan error) {
		cmd := exec.Command("sleep", "60")
		cmd.Env = append(os.Environ(), env)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- cmd.Wait() }()
		return cmd, done
	}
	_, taskDone := start("NOMAD_ALLOC_DIR=" + a.dir + "/data/alloc/1")
	stranger, strangerDone := start("NOMAD_ALLOC_DIR=" + a.dir + "-other/data")
	if n := a.killHost(); n != 1 {
		t.Errorf("killed %d processes, want 1", n)
	}
	if err := <-taskDone; err == nil {
		t.Error("the task was not killed")
	}
	select {
	case err := <-strangerDone:
		t.Errorf("the stranger ended: %v", err)
	default:
	}
	_ = stranger.Process.Kill()
	<-strangerDone
}

func TestDemoView(t *testing.T) {
	v := demoView{nodes: []demoNode{
		{name: "client-1", status: "ready", pid: 7, instances: []demoInstance{{0, "running", "20000"}, {4, "pending", "20001"}}},
		{name: "client-2", status: "down"},
	}}
	want := "NODE       STATUS       INSTANCES\n" +
		"client-1   ready        ● web[0]:20000 ○ web[4]:20001\n" +
		"client-2   down         no agent"
	if d := cmp.Diff(want, strings.Join(v.lines(false), "\n")); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if got, want := v.plain(), "client-1 ready [0 4(pending)]  client-2 down []"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for name, want := range map[string]int{"web.web[4]": 4, "web.web[12]": 12, "web": 0, "": 0, "[": 0, "a[]": 0} {
		if got := allocIndex(name); got != want {
			t.Errorf("allocIndex(%q) = %d, want %d", name, got, want)
		}
	}
}

func TestWebAddress(t *testing.T) {
	for _, test := range []struct{ port, ip, want string }{
		{"8080", "127.0.0.1", "127.0.0.1:8080"}, {"8080", "192.0.2.1", ":8080"}, {"8080", "", ":8080"}, {"", "127.0.0.1", ""},
	} {
		got := webAddress(func(name string) (string, bool) {
			return map[string]string{"NOMAD_PORT_http": test.port, "NOMAD_IP_http": test.ip}[name], true
		})
		if got != test.want {
			t.Errorf("port %q, ip %q: got %q, want %q", test.port, test.ip, got, test.want)
		}
	}
}

func TestWebServer(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	s := &session{out: &log, lookup: func(name string) (string, bool) {
		return map[string]string{"NOMAD_ALLOC_NAME": "web.web[3]<b>"}[name], true
	}}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- serveWeb(ctx, ln, newWebPage(s)) }()
	get := func(path, accept string) (int, string) {
		req, _ := http.NewRequest("GET", "http://"+ln.Addr().String()+path, nil)
		req.Header.Set("Accept", accept)
		resp, err := probeClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(body)
	}
	for _, test := range []struct {
		path, accept string
		code         int
		want         string
	}{
		{"/", "*/*", 200, "Name        web.web[3]<b>"},
		{"/", "text/html", 200, "web.web[3]&lt;b&gt;"},
		{"/health", "", 200, "ok"},
		{"/other", "", 404, "/health"},
	} {
		if code, body := get(test.path, test.accept); code != test.code || !strings.Contains(body, test.want) {
			t.Errorf("%s: %d %q, want %d and %q", test.path, code, body, test.code, test.want)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if n := strings.Count(log.String(), "\n"); n != 4 {
		t.Errorf("%d lines of log, want 4:\n%s", n, log.String())
	}
}

func TestUntil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		if err := until(t.Context(), "it is", nil, func() bool { n++; return n == 4 }); err != nil || n != 4 {
			t.Errorf("%d calls, %v", n, err)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(io.EOF)
		if err := until(ctx, "it is", nil, func() bool { return false }); err == nil || err.Error() != "wait until it is: EOF" {
			t.Errorf("error %v", err)
		}
	})
}
