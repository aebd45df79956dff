package httpapi

import (
	"context"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
)

// pairOfServers is a leader and a follower that forwards to it.
func pairOfServers(t *testing.T) (leader, follower *agent) {
	leader, follower = newAgent(t), newAgent(t)
	follower.raft.set(false, true)
	follower.peers.setLeader(leader.rpcAddr())
	return leader, follower
}

func TestForwardToLeader(t *testing.T) {
	leader, follower := pairOfServers(t)
	resp := follower.register(webJob("web"))
	if resp.EvalID == "" || follower.raft.applied() != 0 || leader.raft.applied() != 1 {
		t.Fatalf("%+v, follower wrote %d, leader %d", resp, follower.raft.applied(), leader.raft.applied())
	}
	jobs, qm, err := follower.client().Jobs().List(nil)
	if err != nil || len(jobs) != 1 || qm.LastIndex == 0 || !qm.KnownLeader {
		t.Errorf("consistent read: %v %+v %v", jobs, qm, err)
	}
	jobs, _, err = follower.client().Jobs().List(&api.QueryOptions{AllowStale: true})
	if err != nil || len(jobs) != 0 {
		t.Errorf("a stale read was not answered by the follower: %v %v", jobs, err)
	}
	// Errors come back as they are.
	code, text, h := follower.call("GET", "/v1/job/nope", "")
	if code != 404 || text != "job not found" || h.Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("got %d %q %v", code, text, h)
	}
	code, text, _ = follower.call("PUT", "/v1/jobs", strings.Repeat("x", 2<<20))
	if code != 413 || text != "Request body is larger than 1048576 bytes" {
		t.Errorf("got %d %q", code, text)
	}
}

// What a client says of its connection, or pretends of the way of its request, changes nothing.
func TestForwardDropsWhatIsNotAboutTheRequest(t *testing.T) {
	_, follower := pairOfServers(t)
	for _, h := range []http.Header{
		{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}}, {"Te": {"gzip"}}, {headerHops: {"99"}}, {headerHops: {"-9"}},
	} {
		if code, text, _ := callURL(t, follower.http.URL, "GET", "/v1/jobs", "", h); code != 200 {
			t.Errorf("%v: %d %s", h, code, text)
		}
	}
	loop := http.Header{headerHops: {"99"}}
	if code, _, _ := callURL(t, follower.rpc.URL, "GET", "/v1/jobs", "", loop); code != 503 {
		t.Errorf("a request of an agent that went too far: %d", code)
	}
	var sent http.Header
	peer := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { sent = r.Header }))
	defer peer.Close()
	follower.peers.setLeader(strings.TrimPrefix(peer.URL, "http://"))
	callURL(t, follower.http.URL, "GET", "/v1/jobs", "", http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "X-Mine": {"1"}})
	if sent.Get("Upgrade") != "" || sent.Get("Connection") != "" || sent.Get("X-Mine") != "1" || sent.Get(headerHops) != "1" {
		t.Errorf("the leader was sent %v", sent)
	}
}

func TestNoLeader(t *testing.T) {
	ag := newAgent(t)
	ag.raft.set(false, false)
	start := time.Now()
	code, text, h := ag.call("PUT", "/v1/jobs", asJSON(t, &api.JobRegisterRequest{Job: webJob("web")}))
	if code != 500 || text != "No cluster leader" {
		t.Errorf("got %d %q %v", code, text, h)
	}
	if took := time.Since(start); took < 250*time.Millisecond {
		t.Errorf("gave up after %v", took)
	}
	if code, _, h := ag.call("GET", "/v1/jobs?stale", ""); code != 200 || h.Get("X-Nomad-KnownLeader") != "false" {
		t.Errorf("stale read without a leader: %d %v", code, h)
	}
	code, text, _ = ag.call("GET", "/v1/agent/health", "")
	if code != 500 || !strings.Contains(text, `"ok":false`) {
		t.Errorf("health without a leader: %d %s", code, text)
	}
}

func TestWriteWaitsForAnElection(t *testing.T) {
	leader, follower := pairOfServers(t)
	// The old leader is gone: nobody listens there.
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead := gone.Addr().String()
	gone.Close()
	follower.peers.setLeader(dead)
	time.AfterFunc(100*time.Millisecond, func() { follower.peers.setLeader(leader.rpcAddr()) })
	if resp := follower.register(webJob("web")); resp.EvalID == "" || leader.raft.applied() != 1 {
		t.Errorf("%+v", resp)
	}
}

func TestDeposedLeaderHandsOn(t *testing.T) {
	leader, old := newAgent(t), newAgent(t)
	old.raft.failWith = []error{fmt.Errorf("apply: %w", ErrNotLeader)}
	time.AfterFunc(50*time.Millisecond, func() {
		old.raft.set(false, true)
		old.peers.setLeader(leader.rpcAddr())
	})
	old.raft.failWith = append(old.raft.failWith, old.raft.failWith[0], old.raft.failWith[0], old.raft.failWith[0], old.raft.failWith[0], old.raft.failWith[0])
	old.register(webJob("web"))
	if old.raft.applied()+leader.raft.applied() != 1 {
		t.Errorf("old wrote %d, new %d", old.raft.applied(), leader.raft.applied())
	}
}

func TestOutcomeUnknown(t *testing.T) {
	ag := newAgent(t)
	// With a token the write is tried again; without one it must not be.
	ag.raft.failWith = []error{ErrOutcomeUnknown}
	if _, _, err := ag.client().Jobs().Register(webJob("a"), &api.WriteOptions{IdempotencyToken: "t"}); err != nil || ag.raft.applied() != 1 {
		t.Errorf("with a token: %v, %d entries", err, ag.raft.applied())
	}
	ag.raft.failWith = []error{ErrOutcomeUnknown}
	_, _, err := ag.client().Jobs().Register(webJob("web"), nil)
	if err == nil || !strings.Contains(err.Error(), "it may have happened or not") || ag.raft.applied() != 1 {
		t.Errorf("got %v", err)
	}
}

// TestBrokenForwardIsRepeatedWithAToken: the leader takes the write and dies before
// it answers; the same write reaches the next leader with the same token.
func TestBrokenForwardIsRepeatedWithAToken(t *testing.T) {
	leader, follower := pairOfServers(t)
	var tokens []string
	var calls atomic.Int32
	dying := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tokens = append(tokens, r.URL.Query().Get("idempotency_token"))
		if calls.Add(1) == 1 {
			leader.ClusterHandler().ServeHTTP(httptest.NewRecorder(), r) // it happened
			panic(http.ErrAbortHandler)
		}
		leader.ClusterHandler().ServeHTTP(w, r)
	}))
	defer dying.Close()
	follower.peers.setLeader(strings.TrimPrefix(dying.URL, "http://"))
	follower.register(webJob("web"))
	if len(tokens) != 2 || tokens[0] == "" || tokens[0] != tokens[1] {
		t.Errorf("tokens %q", tokens)
	}
	evals, _, err := leader.client().Jobs().Evaluations("web", nil)
	if err != nil || len(evals) != 1 {
		t.Errorf("the job was registered %d times: %v", len(evals), err)
	}
	// Without a token a broken write is not repeated: it may have happened.
	calls.Store(0)
	leader.addNode(nodeID)
	code, text, _ := follower.call("PUT", "/v1/node/"+nodeID+"/drain", `{"DrainSpec":{"Deadline":0}}`)
	if code != 500 || !strings.Contains(text, "forward to") || calls.Load() != 1 {
		t.Errorf("got %d %q after %d calls", code, text, calls.Load())
	}
}

// TestBrokenAnswer: the leader loses its office in the middle of an answer. A small
// answer is asked for again; a large one ends so that the client can tell.
func TestBrokenAnswer(t *testing.T) {
	for _, tt := range []struct {
		name  string
		begun int // bytes that arrive before it breaks off
		whole bool
	}{{"small", 10, true}, {"large", 1<<20 + 10, false}} {
		t.Run(tt.name, func(t *testing.T) {
			leader, follower := pairOfServers(t)
			leader.register(webJob("web"))
			half := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = w.Write([]byte(strings.Repeat("[", tt.begun)))
				_ = http.NewResponseController(w).Flush()
				time.AfterFunc(20*time.Millisecond, func() { follower.peers.setLeader(leader.rpcAddr()) })
				<-r.Context().Done()
			}))
			defer half.Close()
			follower.peers.setLeader(strings.TrimPrefix(half.URL, "http://"))
			resp, err := http.Get(follower.http.URL + "/v1/jobs")
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			text, err := io.ReadAll(resp.Body)
			if tt.whole && (err != nil || !strings.Contains(string(text), `"web"`)) {
				t.Errorf("got %q, %v", text, err)
			}
			if !tt.whole && err == nil {
				t.Errorf("%d bytes looked like all of the answer", len(text))
			}
		})
	}
}

func TestForwardLoopEnds(t *testing.T) {
	a, b := newAgent(t), newAgent(t)
	for _, ag := range []*agent{a, b} {
		ag.raft.set(false, true)
	}
	a.peers.setLeader(b.rpcAddr())
	b.peers.setLeader(a.rpcAddr())
	code, text, _ := a.call("GET", "/v1/jobs", "")
	if code != 500 || text != "No cluster leader" {
		t.Errorf("got %d %q", code, text)
	}
}

func TestClientOnlyAgent(t *testing.T) {
	server := newAgent(t)
	server.register(webJob("web"))
	clientOnly := newAgent(t, func(c *Config) {
		c.State, c.Raft, c.Planner = nil, nil, nil
		c.Peers = &testPeers{servers: map[string][]string{"global": {"127.0.0.1:1", server.rpcAddr()}}}
	})
	jobs, qm, err := clientOnly.client().Jobs().List(&api.QueryOptions{AllowStale: true})
	if err != nil || len(jobs) != 1 || !qm.KnownLeader {
		t.Errorf("%v %+v %v", jobs, qm, err)
	}
	if resp := clientOnly.register(webJob("two")); resp.EvalID == "" {
		t.Error("no evaluation")
	}
	leader, err := clientOnly.client().Status().Leader()
	if err != nil || leader != "" {
		t.Errorf("%q %v", leader, err)
	}
}

func TestRegionForward(t *testing.T) {
	mars, earth := newAgent(t, func(c *Config) { c.Region = "mars" }), newAgent(t)
	earth.peers.servers["mars"] = []string{mars.rpcAddr()}
	job := webJob("web")
	job.Region = new("mars")
	if _, _, err := earth.client().Jobs().Register(job, &api.WriteOptions{Region: "mars"}); err != nil {
		t.Fatal(err)
	}
	if mars.raft.applied() != 1 || earth.raft.applied() != 0 {
		t.Error("the job went to the wrong region")
	}
}

// testNode is a client with one allocation.
type testNode struct {
	id, alloc string
	restarted []string
	frames    func(ctx context.Context, yield func(*api.StreamFrame, error) bool)
}

func (n *testNode) NodeID() string                     { return n.id }
func (n *testNode) HostStats() (*api.HostStats, error) { return &api.HostStats{Uptime: 7}, nil }
func (n *testNode) GC() error                          { return nil }
func (n *testNode) HasAlloc(id string) bool            { return id == n.alloc }
func (n *testNode) AllocStats(string, string) (*api.AllocResourceUsage, error) {
	return &api.AllocResourceUsage{Timestamp: 5}, nil
}
func (n *testNode) RestartAlloc(_, task string, _ bool) error {
	if task == "nope" {
		return &Error{404, `unknown task "nope"`}
	}
	n.restarted = append(n.restarted, task)
	return nil
}
func (n *testNode) SignalAlloc(_, _, _ string) error { return nil }
func (n *testNode) GCAlloc(string) error             { return nil }
func (n *testNode) List(string, string) ([]*api.AllocFileInfo, error) {
	return []*api.AllocFileInfo{{Name: "alloc", IsDir: true}}, nil
}
func (n *testNode) Stat(_, path string) (*api.AllocFileInfo, error) {
	return nil, &Error{404, path + ": no such file"}
}
func (n *testNode) ReadAt(_, _ string, offset, _ int64) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader("hello world"[offset:])), nil
}
func (n *testNode) Stream(ctx context.Context, _, _, _ string, _ int64, _ bool) iter.Seq2[*api.StreamFrame, error] {
	return func(yield func(*api.StreamFrame, error) bool) { n.frames(ctx, yield) }
}
func (n *testNode) Logs(ctx context.Context, _, task, _, _ string, _ int64, _ bool) iter.Seq2[*api.StreamFrame, error] {
	return func(yield func(*api.StreamFrame, error) bool) {
		if task == "nope" {
			yield(nil, &Error{404, `unknown task "nope"`})
			return
		}
		n.frames(ctx, yield)
	}
}

// clusterWithNode is a server that has one allocation on another agent.
func clusterWithNode(t *testing.T) (server *agent, node *testNode, alloc *api.Allocation) {
	server = newAgent(t)
	node = &testNode{id: nodeID}
	far := newAgent(t, func(c *Config) {
		c.State, c.Raft, c.Planner = nil, nil, nil
		c.Node, c.Allocs, c.Files = node, node, node
	})
	server.addNode(nodeID, func(n *state.Node) { n.RPCAddr, n.HTTPAddr = far.rpcAddr(), "" })
	node.alloc = server.place(server.register(webJob("web")).EvalID, "web", 1, nodeID)[0]
	return server, node, &api.Allocation{ID: node.alloc, NodeID: nodeID}
}

func TestForwardToNode(t *testing.T) {
	server, node, alloc := clusterWithNode(t)
	c := server.client()
	if s, err := c.Nodes().Stats(nodeID, nil); err != nil || s.Uptime != 7 {
		t.Errorf("host stats %+v %v", s, err)
	}
	if s, err := c.Allocations().Stats(alloc, nil); err != nil || s.Timestamp != 5 {
		t.Errorf("stats %+v %v", s, err)
	}
	if err := c.Allocations().Restart(alloc, "app", nil); err != nil || len(node.restarted) != 1 {
		t.Errorf("restart %v %v", node.restarted, err)
	}
	if err := c.Allocations().Restart(alloc, "nope", nil); err == nil || !strings.Contains(err.Error(), `404 (unknown task "nope")`) {
		t.Errorf("restart of an unknown task: %v", err)
	}
	if err := c.Allocations().Signal(alloc, nil, "app", "SIGHUP"); err != nil {
		t.Error(err)
	}
	if files, _, err := c.AllocFS().List(alloc, "/", nil); err != nil || files[0].Name != "alloc" {
		t.Errorf("ls %v %v", files, err)
	}
	rc, err := c.AllocFS().ReadAt(alloc, "f", 6, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer rc.Close()
	if b, _ := io.ReadAll(rc); string(b) != "world" {
		t.Errorf("read %q", b)
	}
	server.apply(&state.NodeStatus{Updates: []state.NodeStatusUpdate{{NodeID: nodeID, Status: "down"}}})
	code, text, _ := server.call("GET", "/v1/client/stats?node_id="+nodeID, "")
	if code != 500 || text != "node "+nodeID+" is down and cannot be asked" {
		t.Errorf("stats of a dead node: %d %q", code, text)
	}
}

func TestLogsStreamThroughAServer(t *testing.T) {
	server, node, alloc := clusterWithNode(t)
	more := make(chan string)
	node.frames = func(ctx context.Context, yield func(*api.StreamFrame, error) bool) {
		for {
			select {
			case s, ok := <-more:
				if !ok || !yield(&api.StreamFrame{File: "app.stdout.0", Data: []byte(s)}, nil) {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}
	cancel := make(chan struct{})
	defer close(cancel)
	frames, errs := server.client().AllocFS().Logs(alloc, true, "app", "stdout", "start", 0, cancel, nil)
	for _, line := range []string{"one\n", "two\n", strings.Repeat("x", 100<<10)} {
		more <- line // each frame arrives before the next is written: nothing waits for a full buffer
		got := ""
		for len(got) < len(line) {
			select {
			case f := <-frames:
				got += string(f.Data)
				if len(f.Data) > 64<<10 {
					t.Errorf("a frame of %d bytes", len(f.Data))
				}
			case err := <-errs:
				t.Fatal(err)
			case <-time.After(5 * time.Second):
				t.Fatal("a frame did not arrive")
			}
		}
		if got != line {
			t.Errorf("got %.20q, want %.20q", got, line)
		}
	}
	close(more)
	if _, open := <-frames; open {
		t.Error("a frame after the end")
	}
	for path, want := range map[string]string{
		"?type=stdout":                      "400 must provide task name: set ?task=",
		"?task=app":                         `400 log type must be "stdout" or "stderr": set ?type=`,
		"?task=app&type=x":                  `400 log type must be "stdout" or "stderr": set ?type=`,
		"?task=app&type=stdout&origin=x":    `400 origin must be start or end (is "x")`,
		"?task=app&type=stdout&offset=-1":   "400 offset must be 0 or more: with origin=end it counts backwards",
		"?task=app&type=stdout&follow=what": `400 Invalid value for "follow": "what" is not a boolean`,
		"?task=nope&type=stdout":            `404 unknown task "nope"`,
	} {
		code, text, _ := server.call("GET", "/v1/client/fs/logs/"+alloc.ID+path, "")
		if got := fmt.Sprint(code, " ", text); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
}

func TestPeerIdentity(t *testing.T) {
	ag := newAgent(t, func(c *Config) {
		c.Peer = func(r *http.Request) (string, error) {
			if r.Header.Get("Cert") == "" {
				return "", fmt.Errorf("no certificate")
			}
			return "server", nil
		}
	})
	code, text, _ := callURL(t, ag.rpc.URL, "GET", "/v1/jobs", "", nil)
	if code != 403 || text != "Permission denied: no certificate\n" {
		t.Errorf("got %d %q", code, text)
	}
	if code, _, _ = callURL(t, ag.rpc.URL, "GET", "/v1/jobs", "", http.Header{"Cert": {"x"}}); code != 200 {
		t.Errorf("with a certificate: %d", code)
	}
	if code, _, _ = ag.call("GET", "/v1/jobs", ""); code != 200 {
		t.Errorf("on the people's port: %d", code)
	}
}
