package httpapi

import (
	"net/http"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/nodeapi"
)

type testLiveness struct {
	id      string
	restart bool
	grace   time.Duration
}

func (l *testLiveness) Goodbye(id string, restart bool, grace time.Duration) {
	l.id, l.restart, l.grace = id, restart, grace
}

// asNode calls a node route.
func (ag *agent) asNode(path string, header http.Header, body any) (int, string) {
	ag.t.Helper()
	code, text, _ := callURL(ag.t, ag.rpc.URL, "PUT", path, asJSON(ag.t, body), header)
	return code, text
}

func TestNodeProtocol(t *testing.T) {
	live := &testLiveness{}
	ag := newAgent(t, func(c *Config) { c.Liveness = live })
	ag.peers.servers["global"] = []string{"10.0.0.1:4647", "10.0.0.2:4647"}
	h := nodeHeader(nodeID, nodeKey)

	code, text := ag.asNode(nodeapi.PathAllocs, h, &nodeapi.AllocsRequest{NodeID: nodeID})
	if code != 404 || text != "node not found" {
		t.Fatalf("orders of an unknown node: %d %q", code, text)
	}
	reg := &nodeapi.RegisterRequest{SecretID: nodeKey, BootID: "b1", RPCAddr: "10.0.0.9:4647",
		Node: &api.Node{ID: nodeID, Name: "n1", Datacenter: "dc1"}}
	code, text = ag.asNode(nodeapi.PathRegister, h, reg)
	resp := decodeAs[nodeapi.RegisterResponse](t, text)
	if code != 200 || resp.Index == 0 || len(resp.Servers) != 2 {
		t.Fatalf("register: %d %s", code, text)
	}
	if n := ag.store.Snapshot().Node(nil, nodeID); n.NodePool != "default" || n.Status != "ready" || n.SecretID != nodeKey {
		t.Errorf("row %+v", n)
	}

	// Nothing yet: the first poll answers at once.
	code, text = ag.asNode(nodeapi.PathAllocs, h, &nodeapi.AllocsRequest{NodeID: nodeID})
	orders := decodeAs[nodeapi.AllocsResponse](t, text)
	if code != 200 || len(orders.Allocs) != 0 || orders.Index == 0 || len(orders.Servers) != 2 {
		t.Fatalf("first poll: %d %s", code, text)
	}

	// The next one waits for orders.
	type answer struct {
		code int
		text string
	}
	got := make(chan answer, 1)
	go func() {
		code, text := ag.asNode(nodeapi.PathAllocs, h, &nodeapi.AllocsRequest{NodeID: nodeID, Index: orders.Index, Wait: time.Minute})
		got <- answer{code, text}
	}()
	evalID := ag.register(webJob("web")).EvalID
	ids := ag.place(evalID, "web", 2, nodeID)
	res := <-got
	orders = decodeAs[nodeapi.AllocsResponse](t, res.text)
	if res.code != 200 || len(orders.Allocs) != 2 || len(orders.IDs) != 2 || len(orders.Jobs) != 1 || orders.Allocs[0].Job != nil {
		t.Fatalf("orders: %s", res.text)
	}
	ref := orders.Allocs[0].JobRef
	if ref.ID != "web" || ref.CreateIndex == 0 || orders.Allocs[0].AllocatedResources == nil {
		t.Errorf("order: %+v", orders.Allocs[0])
	}

	// A job that the node has is not sent again.
	_, text = ag.asNode(nodeapi.PathAllocs, h, &nodeapi.AllocsRequest{NodeID: nodeID, Jobs: []nodeapi.JobRef{ref}})
	if again := decodeAs[nodeapi.AllocsResponse](t, text); len(again.Allocs) != 2 || len(again.Jobs) != 0 {
		t.Errorf("with the job known: %s", text)
	}

	// The node's own reports are not orders: the poll goes on waiting.
	status := &nodeapi.StatusRequest{NodeID: nodeID, Allocs: []nodeapi.AllocStatus{{ID: ids[0], ClientStatus: "running"}}}
	if code, text = ag.asNode(nodeapi.PathStatus, h, status); code != 200 {
		t.Fatalf("status: %d %s", code, text)
	}
	if a, _, _ := ag.client().Allocations().Info(ids[0], nil); a.ClientStatus != "running" {
		t.Errorf("status %q", a.ClientStatus)
	}
	_, text = ag.asNode(nodeapi.PathAllocs, h, &nodeapi.AllocsRequest{NodeID: nodeID, Index: orders.Index, Wait: time.Millisecond})
	if again := decodeAs[nodeapi.AllocsResponse](t, text); len(again.Allocs) != 0 || len(again.IDs) != 2 || again.Index != orders.Index {
		t.Errorf("after its own report: %s", text)
	}

	if code, text = ag.asNode(nodeapi.PathGoodbye, h, &nodeapi.GoodbyeRequest{NodeID: nodeID, Restart: true, Grace: time.Second}); code != 200 {
		t.Fatalf("goodbye: %d %s", code, text)
	}
	if live.id != nodeID || !live.restart || live.grace != time.Second {
		t.Errorf("goodbye arrived as %+v", live)
	}
}

func TestNodeIdentity(t *testing.T) {
	ag := newAgent(t)
	ag.addNode(nodeID)
	reg := func(id, secret string) *nodeapi.RegisterRequest {
		return &nodeapi.RegisterRequest{SecretID: secret, Node: &api.Node{ID: id, Name: "n", Datacenter: "dc1"}}
	}
	other := nodeHeader(nodeID, nodeKey)
	other.Set(nodeapi.HeaderVersion, "99")
	const denied = "Permission denied: the node's ID and secret do not match"
	before := ag.raft.applied()
	for _, c := range []struct {
		name, path string
		header     http.Header
		body       any
		code       int
		text       string
	}{
		{"wrong secret", nodeapi.PathAllocs, nodeHeader(nodeID, "x"), &nodeapi.AllocsRequest{NodeID: nodeID}, 403, denied},
		{"no secret", nodeapi.PathStatus, nodeHeader(nodeID, ""), &nodeapi.StatusRequest{NodeID: nodeID}, 403, denied},
		{"another node", nodeapi.PathStatus, nodeHeader("other", nodeKey), &nodeapi.StatusRequest{NodeID: nodeID}, 403, denied},
		{"no node", nodeapi.PathStatus, nodeHeader("", ""), &nodeapi.StatusRequest{}, 403, denied},
		{"unknown node", nodeapi.PathStatus, nodeHeader("x", "y"), &nodeapi.StatusRequest{NodeID: "x"}, 404, "node not found"},
		{"other protocol", nodeapi.PathStatus, other, &nodeapi.StatusRequest{NodeID: nodeID}, 400,
			`unknown node protocol "99": this server knows 1; upgrade the older side`},
		{"steal", nodeapi.PathRegister, nodeHeader(nodeID, "x"), reg(nodeID, "x"), 403, denied},
		{"header and body", nodeapi.PathRegister, nodeHeader(nodeID, nodeKey), reg(nodeID, "x"), 403, denied},
		{"no id", nodeapi.PathRegister, nodeHeader("", "x"), reg("", "x"), 400, "register node: the node's ID is missing"},
		{"no secret", nodeapi.PathRegister, nodeHeader("n2", ""), reg("n2", ""), 400, "register node: the node's secret is missing"},
		{"no datacenter", nodeapi.PathRegister, nodeHeader("n2", "s"), &nodeapi.RegisterRequest{SecretID: "s", Node: &api.Node{ID: "n2"}}, 400,
			"register node: datacenter and name must be set"},
		{"garbage", nodeapi.PathRegister, nodeHeader("n2", "s"), []int{1}, 400, "decode request body: line 1, column 1: the body must be an object, not array"},
	} {
		if code, text := ag.asNode(c.path, c.header, c.body); code != c.code || text != c.text {
			t.Errorf("%s: got %d %q, want %d %q", c.name, code, text, c.code, c.text)
		}
	}
	if ag.raft.applied() != before {
		t.Error("a refused request reached the log")
	}
}

func TestFollowerWaitsForAFreshNode(t *testing.T) {
	ag := newAgent(t)
	ag.raft.set(false, true)
	time.AfterFunc(50*time.Millisecond, func() { ag.addNode(nodeID) })
	code, text := ag.asNode(nodeapi.PathAllocs, nodeHeader(nodeID, nodeKey), &nodeapi.AllocsRequest{NodeID: nodeID})
	if code != 200 {
		t.Errorf("got %d %q", code, text)
	}
}

var _ Liveness = (*testLiveness)(nil)

type testLeases struct{ calls []string }

func (l *testLeases) Contact(id string) { l.calls = append(l.calls, id) }

// Every call of a node with a lease renews it; others renew nothing.
func TestCallsRenewALease(t *testing.T) {
	leases := &testLeases{}
	ag := newAgent(t, func(c *Config) { c.Leases = leases })
	h := nodeHeader(nodeID, nodeKey)
	reg := &nodeapi.RegisterRequest{SecretID: nodeKey, BootID: "b1", Lease: time.Second,
		Node: &api.Node{ID: nodeID, Name: "n1", Datacenter: "dc1"}}
	if code, text := ag.asNode(nodeapi.PathRegister, h, reg); code != 400 || text != "register node: a lease of 1s is too short: ask for 5s or more" {
		t.Errorf("%d %q", code, text)
	}
	reg.Lease = 0
	ag.asNode(nodeapi.PathRegister, h, reg)
	ag.asNode(nodeapi.PathStatus, h, &nodeapi.StatusRequest{NodeID: nodeID})
	if len(leases.calls) != 0 {
		t.Errorf("a node without a lease renewed it: %v", leases.calls)
	}
	reg.Lease = time.Minute
	if code, text := ag.asNode(nodeapi.PathRegister, h, reg); code != 200 {
		t.Fatalf("%d %q", code, text)
	}
	leases.calls = nil
	ag.asNode(nodeapi.PathStatus, h, &nodeapi.StatusRequest{NodeID: nodeID})
	ag.asNode(nodeapi.PathAllocs, h, &nodeapi.AllocsRequest{NodeID: nodeID}) // at its start and at its end
	ag.asNode(nodeapi.PathStatus, nodeHeader(nodeID, "wrong"), &nodeapi.StatusRequest{NodeID: nodeID})
	if len(leases.calls) != 3 {
		t.Errorf("%d renewals by a report and a poll, want 3", len(leases.calls))
	}
}
