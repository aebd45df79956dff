package httpapi

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
)

type testOperator struct {
	removed, transferred string
	healthy              bool
}

func (o *testOperator) Configuration(context.Context) (*api.RaftConfiguration, error) {
	return &api.RaftConfiguration{Index: 3, Servers: []*api.RaftServer{{ID: "s1", Address: "10.0.0.1:4647", Leader: true, Voter: true}}}, nil
}
func (o *testOperator) RemovePeer(_ context.Context, id string) error { o.removed = id; return nil }
func (o *testOperator) TransferLeadership(_ context.Context, id string) error {
	o.transferred = id
	return nil
}
func (o *testOperator) Health(context.Context) (*api.OperatorHealthReply, error) {
	return &api.OperatorHealthReply{Healthy: o.healthy}, nil
}

type testJanitor struct{ gcs int }

func (j *testJanitor) ForceGC(context.Context) error            { j.gcs++; return nil }
func (j *testJanitor) ReconcileSummaries(context.Context) error { return nil }

type testSnapshots struct{ restored string }

func (s *testSnapshots) Save(_ context.Context, w io.Writer) error {
	_, err := io.WriteString(w, "the state")
	return err
}

func (s *testSnapshots) Restore(_ context.Context, r io.Reader) error {
	b, err := io.ReadAll(r)
	s.restored = string(b)
	return err
}

func TestOperator(t *testing.T) {
	op, snaps := &testOperator{healthy: true}, &testSnapshots{}
	ag := newAgent(t, func(c *Config) { c.Operator, c.Snapshots = op, snaps })
	o := ag.client().Operator()
	conf, err := o.RaftGetConfiguration(nil)
	if err != nil || len(conf.Servers) != 1 || !conf.Servers[0].Leader {
		t.Errorf("%+v %v", conf, err)
	}
	err = o.RaftRemovePeerByID("nope", nil)
	if err == nil || !strings.Contains(err.Error(), `id "nope" was not found in the Raft configuration`) {
		t.Errorf("remove an unknown peer: %v", err)
	}
	if err := o.RaftRemovePeerByAddress("10.0.0.1:4647", nil); err != nil || op.removed != "s1" {
		t.Errorf("remove by address: %q %v", op.removed, err)
	}
	if err := o.RaftTransferLeadershipByID("s1", nil); err != nil || op.transferred != "s1" {
		t.Errorf("transfer: %q %v", op.transferred, err)
	}
	if h, _, err := o.AutopilotServerHealth(nil); err != nil || !h.Healthy {
		t.Errorf("health: %+v %v", h, err)
	}
	op.healthy = false
	if code, _, _ := ag.call("GET", "/v1/operator/autopilot/health", ""); code != 429 {
		t.Errorf("unhealthy: %d", code)
	}
	if c, _, err := o.AutopilotGetConfiguration(nil); err != nil || !c.CleanupDeadServers {
		t.Errorf("autopilot: %+v %v", c, err)
	}
	rc, err := o.Snapshot(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer rc.Close()
	if b, err := io.ReadAll(rc); err != nil || string(b) != "the state" {
		t.Errorf("snapshot: %q %v", b, err)
	}
	if _, err := o.SnapshotRestore(strings.NewReader("a state"), nil); err != nil || snaps.restored != "a state" {
		t.Errorf("restore: %q %v", snaps.restored, err)
	}
	if _, _, err := o.LicenseGet(nil); err == nil || !strings.Contains(err.Error(), "Nomad Enterprise only endpoint") {
		t.Errorf("license: %v", err)
	}
}

func TestAgentAndSystem(t *testing.T) {
	jan := &testJanitor{}
	reloaded := 0
	ag := newAgent(t, func(c *Config) {
		c.Janitor, c.EnablePprof = jan, true
		c.Reload = func() error { reloaded++; return nil }
		c.AgentSelf = func() *api.AgentSelf { return &api.AgentSelf{Member: api.AgentMember{Name: "a.global"}} }
		c.Prometheus = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "up 1\n") })
	})
	ag.peers.servers["global"] = []string{"10.0.0.2:4647", "10.0.0.1:4647"}
	c := ag.client()
	if m, err := c.Agent().Members(); err != nil || len(m.Members) != 2 || m.Members[0].Name != "a.global" || m.ServerRegion != "global" {
		t.Errorf("members %+v %v", m, err)
	}
	if name, err := c.Agent().NodeName(); err != nil || name != "a.global" {
		t.Errorf("self %q %v", name, err)
	}
	if s, err := c.Agent().Servers(); err != nil || len(s) != 2 || s[0] != "10.0.0.1:4647" {
		t.Errorf("servers %v %v", s, err)
	}
	if n, err := c.Agent().Join("x:1", "y:1"); err != nil || n != 2 {
		t.Errorf("join %d %v", n, err)
	}
	if _, err := c.Agent().Join("nope"); err == nil || !strings.Contains(err.Error(), "no such host") {
		t.Errorf("join: %v", err)
	}
	if err := c.Agent().ForceLeave("b.global"); err != nil || ag.cluster.left[0] != "b.global" {
		t.Errorf("force-leave %v %v", ag.cluster.left, err)
	}
	if h, err := c.Agent().Health(); err != nil || !h.Server.Ok || h.Client != nil {
		t.Errorf("health %+v %v", h, err)
	}
	if err := c.Agent().Reload(nil, nil); err != nil || reloaded != 1 {
		t.Errorf("reload %d %v", reloaded, err)
	}
	if err := c.System().GarbageCollect(); err != nil || jan.gcs != 1 {
		t.Errorf("gc %d %v", jan.gcs, err)
	}
	if r, err := c.Regions().List(); err != nil || len(r) != 1 {
		t.Errorf("regions %v %v", r, err)
	}
	if p, err := c.Status().Peers(); err != nil || len(p) != 2 {
		t.Errorf("peers %v %v", p, err)
	}
	for path, want := range map[string]string{
		"/v1/metrics?format=prometheus": "up 1\n",
		"/.well-known/jwks.json":        `{"keys":[{"kid":"1"}]}` + "\n",
	} {
		if code, body, _ := ag.call("GET", path, ""); code != 200 || body != want {
			t.Errorf("%s: %d %q", path, code, body)
		}
	}
	if b, err := c.Agent().Lookup("goroutine", api.PprofOptions{}, nil); err != nil || len(b) == 0 {
		t.Errorf("pprof %v", err)
	}
	if _, err := c.Agent().Lookup("invalid", api.PprofOptions{}, nil); err == nil || !strings.Contains(err.Error(), "Unexpected response code: 404") {
		t.Errorf("unknown profile: %v", err)
	}
	t.Setenv("SOME_TOKEN", "hush")
	if _, body, _ := ag.call("GET", "/v1/agent/host", ""); strings.Contains(body, "hush") || !strings.Contains(body, "SOME_TOKEN") {
		t.Errorf("host: %s", body)
	}
}

func TestConnLimit(t *testing.T) {
	ag := newAgent(t, func(c *Config) { c.Limits.MaxConnsPerClient = 2 })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for range 2 {
		req, _ := http.NewRequestWithContext(ctx, "GET", ag.http.URL+"/v1/event/stream", nil)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
	}
	code, text, _ := ag.call("GET", "/v1/jobs", "")
	if code != 429 || !strings.Contains(text, "http_max_conns_per_client") {
		t.Errorf("got %d %q", code, text)
	}
}

func TestSlowBody(t *testing.T) {
	ag := newAgent(t, func(c *Config) { c.Limits.BodyWait = 30 * time.Millisecond })
	slow, w := io.Pipe()
	defer w.Close()
	req, err := http.NewRequestWithContext(t.Context(), "PUT", ag.http.URL+"/v1/jobs", slow)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = w.Write([]byte("{")) }()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != 408 || string(text) != "Request body did not arrive within 30ms" {
		t.Errorf("got %d %q", resp.StatusCode, text)
	}
}

func TestPanicIsA500(t *testing.T) {
	ag := newAgent(t, func(c *Config) { c.AgentSelf = func() *api.AgentSelf { panic("broken") } })
	code, text, _ := ag.call("GET", "/v1/agent/self", "")
	if code != 500 || text != "internal error: the agent's log has the details" {
		t.Errorf("got %d %q", code, text)
	}
	if code, _, _ := ag.call("GET", "/v1/jobs", ""); code != 200 {
		t.Errorf("afterwards: %d", code)
	}
}
