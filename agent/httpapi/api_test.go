package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/nodeapi"
	"github.com/selfheal/selfheal/agent/state"
)

// testRaft applies at once to a real store.
type testRaft struct {
	store *state.Store

	mu       sync.Mutex
	index    uint64
	leader   bool
	known    bool
	failWith []error // one a call, before anything is stored
	entries  [][]byte
}

func (f *testRaft) Apply(_ context.Context, data []byte) (any, uint64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.failWith) > 0 {
		err := f.failWith[0]
		f.failWith = f.failWith[1:]
		if err != nil {
			return nil, 0, err
		}
	}
	f.index++
	f.entries = append(f.entries, data)
	return f.store.Apply(f.index, data), f.index, nil
}

func (f *testRaft) set(leader, known bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.leader, f.known = leader, known
}

func (f *testRaft) IsLeader() bool             { f.mu.Lock(); defer f.mu.Unlock(); return f.leader }
func (f *testRaft) KnownLeader() bool          { f.mu.Lock(); defer f.mu.Unlock(); return f.known }
func (f *testRaft) LastContact() time.Duration { return 0 }
func (f *testRaft) applied() int               { f.mu.Lock(); defer f.mu.Unlock(); return len(f.entries) }

type testCluster struct{ left []string }

func (c *testCluster) Members() []*api.AgentMember {
	return []*api.AgentMember{{Name: "b.global", Addr: "10.0.0.2"}, {Name: "a.global", Addr: "10.0.0.1"}}
}
func (c *testCluster) Local() *api.AgentMember { return &api.AgentMember{Name: "a.global"} }
func (c *testCluster) Join(addrs []string) (int, error) {
	if addrs[0] == "nope" {
		return 0, fmt.Errorf("dial nope: no such host")
	}
	return len(addrs), nil
}
func (c *testCluster) ForceLeave(name string, _ bool) error {
	c.left = append(c.left, name)
	return nil
}

// testPeers are the cluster ports of a test's agents.
type testPeers struct {
	mu      sync.Mutex
	changed chan struct{} // closed when leader changes; nil while nobody listens
	leader  string
	servers map[string][]string
}

func (p *testPeers) Leader() string { p.mu.Lock(); defer p.mu.Unlock(); return p.leader }
func (p *testPeers) setLeader(addr string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.leader = addr
	if p.changed != nil {
		close(p.changed)
		p.changed = nil
	}
}
func (p *testPeers) Servers(region string) []string { return p.servers[region] }
func (p *testPeers) Server(id string) string {
	if id == "a.global" {
		return "self"
	}
	return ""
}
func (p *testPeers) Regions() []string { return []string{"global"} }

type testPlanner struct{ job *api.Job }

func (p *testPlanner) Plan(_ context.Context, _ *state.Snapshot, job *api.Job) (*api.JobPlanResponse, error) {
	p.job = job
	return &api.JobPlanResponse{
		Annotations: &api.PlanAnnotations{DesiredTGUpdates: map[string]*api.DesiredUpdates{"web": {Place: 2}}},
	}, nil
}

// agent is an agent under test with its two ports.
type agent struct {
	*API
	t       *testing.T
	store   *state.Store
	raft    *testRaft
	peers   *testPeers
	cluster *testCluster
	http    *httptest.Server
	rpc     *httptest.Server
}

func newAgent(t *testing.T, change ...func(*Config)) *agent {
	t.Helper()
	store, err := state.New(state.Config{})
	if err != nil {
		t.Fatal(err)
	}
	ag := &agent{t: t, store: store, cluster: &testCluster{}, peers: &testPeers{servers: map[string][]string{}}}
	ag.raft = &testRaft{store: store, index: 9, leader: true, known: true}
	cfg := Config{
		Logger: hclog.NewInterceptLogger(&hclog.LoggerOptions{Output: io.Discard, Level: hclog.Off}),
		Region: "global", Datacenter: "dc1", NodeName: "a", Self: "self", ForwardScheme: "http",
		State: store, Raft: ag.raft, Secrets: testSecrets{store}, Signer: testSigner{}, Cluster: ag.cluster, Peers: ag.peers, Planner: &testPlanner{},
		JWKS:   func() json.RawMessage { return json.RawMessage(`{"keys":[{"kid":"1"}]}`) },
		Limits: Limits{LeaderWait: 300 * time.Millisecond, MaxBody: 1 << 20},
	}
	for _, c := range change {
		c(&cfg)
	}
	if cfg.State == nil {
		cfg.Secrets, cfg.Signer = nil, nil
	}
	if ag.API, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	ag.http = httptest.NewServer(ag.Handler())
	ag.rpc = httptest.NewServer(ag.ClusterHandler())
	t.Cleanup(func() {
		ag.Close()
		ag.http.Close()
		ag.rpc.Close()
	})
	return ag
}

func (ag *agent) rpcAddr() string { return strings.TrimPrefix(ag.rpc.URL, "http://") }

// client is the Go client of the API, as tools use it.
func (ag *agent) client() *api.Client {
	ag.t.Helper()
	c, err := api.NewClient(&api.Config{Address: ag.http.URL})
	if err != nil {
		ag.t.Fatal(err)
	}
	ag.t.Cleanup(c.Close)
	return c
}

// call makes a raw request and returns its status, body and headers.
func (ag *agent) call(method, path, body string) (int, string, http.Header) {
	ag.t.Helper()
	return callURL(ag.t, ag.http.URL, method, path, body, nil)
}

func callURL(t *testing.T, base, method, path, body string, header http.Header) (int, string, http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range header {
		req.Header[k] = v
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b), resp.Header
}

// apply commits a command as the leader's loops do.
func (ag *agent) apply(cmd state.Command) any {
	ag.t.Helper()
	data, err := state.Encode(time.Unix(1700000000, 0), cmd)
	if err != nil {
		ag.t.Fatal(err)
	}
	res, _, err := ag.raft.Apply(context.Background(), data)
	if err != nil {
		ag.t.Fatal(err)
	}
	if refused, ok := res.(error); ok {
		ag.t.Fatalf("%T refused: %v", cmd, refused)
	}
	return res
}

const (
	nodeID  = "11111111-1111-4111-8111-111111111111"
	nodeKey = "22222222-2222-4222-8222-222222222222"
)

// addNode registers a ready node.
func (ag *agent) addNode(id string, change ...func(*state.Node)) {
	n := &state.Node{SecretID: nodeKey, BootID: "boot", RPCAddr: "10.0.0.9:4647", Node: api.Node{
		ID: id, Name: "node-" + id[:4], Datacenter: "dc1", NodePool: "default", HTTPAddr: "10.0.0.9:4646",
		Attributes: map[string]string{"kernel.name": "linux", "nomad.version": "2.0.0"},
		NodeResources: &api.NodeResources{
			Cpu: api.NodeCpuResources{CpuShares: 4000}, Memory: api.NodeMemoryResources{MemoryMB: 4096},
		},
		ReservedResources: &api.NodeReservedResources{},
	}}
	for _, c := range change {
		c(n)
	}
	ag.apply(&state.RegisterNode{Node: n})
}

// webJob is a small service job.
func webJob(id string) *api.Job {
	task := api.NewTask("app", "raw_exec").SetConfig("command", "/bin/sleep").
		Require(&api.Resources{CPU: new(100), MemoryMB: new(64)})
	return api.NewServiceJob(id, id, "global", 50).AddDatacenter("dc1").
		AddTaskGroup(api.NewTaskGroup("web", 2).AddTask(task))
}

// register registers a job through the API and returns the answer.
func (ag *agent) register(job *api.Job) *api.JobRegisterResponse {
	ag.t.Helper()
	resp, _, err := ag.client().Jobs().Register(job, nil)
	if err != nil {
		ag.t.Fatal(err)
	}
	return resp
}

// place commits a plan that puts n allocations of a job's group on a node.
func (ag *agent) place(evalID, jobID string, n int, node string) []string {
	ag.t.Helper()
	snap := ag.store.Snapshot()
	e := *snap.Eval(nil, evalID)
	e.Status = api.EvalStatusComplete
	plan := state.Plan{EvalID: evalID, Namespace: "default", JobID: jobID, Nodes: []string{node}, Evals: []*api.Evaluation{&e}}
	job := snap.Job(nil, "default", jobID)
	var ids []string
	for i := range n {
		plan.Placements = append(plan.Placements, state.Placement{
			Group: *job.TaskGroups[0].Name, Index: i, JobVersion: *job.Version, Metric: -1,
		})
		ids = append(ids, state.AllocID(evalID, i))
	}
	ag.apply(&state.ApplyPlans{Plans: []state.Plan{plan}})
	return ids
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func decodeAs[T any](t *testing.T, body string) T {
	t.Helper()
	var v T
	if err := json.NewDecoder(bytes.NewReader([]byte(body))).Decode(&v); err != nil {
		t.Fatalf("decode %q: %v", body, err)
	}
	return v
}

// nodeHeader are the headers of a node's requests.
func nodeHeader(id, secret string) http.Header {
	return http.Header{
		nodeapi.HeaderNode: {id}, nodeapi.HeaderSecret: {secret}, nodeapi.HeaderVersion: {nodeapi.Version},
	}
}

// newAPI makes an API without ports.
func newAPI(t *testing.T, store *state.Store, raft *testRaft) *API {
	t.Helper()
	a, err := New(Config{
		Logger: hclog.NewInterceptLogger(&hclog.LoggerOptions{Output: io.Discard, Level: hclog.Off}),
		Region: "global", Self: "self", State: store, Raft: raft, Secrets: testSecrets{store}, Signer: testSigner{},
		Cluster: &testCluster{}, Peers: &testPeers{servers: map[string][]string{}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// pending is a request under way.
type pending struct {
	rec  *httptest.ResponseRecorder
	over chan struct{}
}

// async starts a GET without a network.
func async(a *API, path string) *pending {
	p := &pending{httptest.NewRecorder(), make(chan struct{})}
	go func() {
		defer close(p.over)
		a.Handler().ServeHTTP(p.rec, httptest.NewRequest("GET", path, nil))
	}()
	return p
}

func (p *pending) done() bool {
	select {
	case <-p.over:
		return true
	default:
		return false
	}
}

func (p *pending) result() string {
	<-p.over
	return fmt.Sprint(p.rec.Code, " ", p.rec.Body)
}

func (p *testPeers) LeaderChanged() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.changed == nil {
		p.changed = make(chan struct{})
	}
	return p.changed
}
