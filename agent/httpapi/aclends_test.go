package httpapi

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
)

// What is held open ends when its caller's token or right to it does, at that moment,
// whatever else is going on.
func TestHeldRequestsEndWithTheRightToThem(t *testing.T) {
	const reader = `namespace "default" { policy = "read" }
node { policy = "read" }
`
	deleted := func(g *inTime, accessor string) { g.put(&state.DeleteACLTokens{AccessorIDs: []string{accessor}}) }
	policy := func(rules string) func(*inTime, string) {
		return func(g *inTime, _ string) {
			g.put(&state.UpsertACLPolicies{Policies: []*api.ACLPolicy{{Name: "reader", Rules: rules}}})
			g.put(&state.RegisterJob{Job: g.job(70)})
		}
	}
	for _, c := range []struct {
		name, path string
		life       time.Duration // 0: until it is deleted
		end        func(*inTime, string)
		want       string
	}{
		{"stream, deleted", "/v1/event/stream?topic=Node", 0, deleted, "200 {}\n"},
		{"stream, expired", "/v1/event/stream?topic=Node", time.Hour, nil, "200 {}\n"},
		{"stream, no policy", "/v1/event/stream?topic=Node", 0, policy(`agent { policy = "read" }`), "200 {}\n"},
		{"list, deleted", "/v1/nodes?index=1000&wait=5m", 0, deleted, "403 ACL token not found"},
		{"list, expired", "/v1/nodes?index=1000&wait=5m", 2 * time.Minute, nil, "403 ACL token expired"},
		{"object, deleted", "/v1/job/web?index=1000&wait=5m", 0, deleted, "403 ACL token not found"},
		{"object, no policy", "/v1/job/web?index=11&wait=5m", 0, policy(`node { policy = "read" }`), "403 Permission denied"},
		{"what is not there, deleted", "/v1/job/nope?index=1000&wait=5m", 0, deleted, "403 ACL token not found"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newInTime(t)
				g.put(&state.UpsertACLPolicies{Policies: []*api.ACLPolicy{{Name: "reader", Rules: reader}}})
				g.put(&state.RegisterJob{Job: g.job(50)})
				tok := &api.ACLToken{AccessorID: newID(), SecretID: newID(), Type: tokenClient, Policies: []string{"reader"}}
				if c.life > 0 {
					tok.ExpirationTime = new(time.Now().Add(c.life))
				}
				g.put(&state.UpsertACLTokens{Tokens: []*api.ACLToken{tok}})
				held := asyncAs(g.API, tok.SecretID, c.path)
				for range 3 { // other writes end nothing
					g.put(&state.UpsertNamespace{Namespace: &api.Namespace{Name: "other"}})
					synctest.Wait()
				}
				if held.done() {
					t.Fatalf("it did not wait: %s", held.result())
				}
				start := time.Now()
				if c.end != nil {
					c.end(g, tok.AccessorID)
					synctest.Wait()
				} else {
					time.Sleep(c.life)
					synctest.Wait()
				}
				if !held.done() {
					t.Error("it went on")
				}
				// A stream has a heartbeat every 30 s.
				got := held.result()
				if got = strings.TrimRight(got, "{}\n"); got != strings.TrimRight(c.want, "{}\n") || time.Since(start) > c.life {
					t.Errorf("after %v: %s, want %s", time.Since(start), got, c.want)
				}
				g.Close()
			})
		})
	}
}

// A right that ends while its stream begins is a right that ended.
func TestStreamOfATokenThatIsDeletedAsItBegins(t *testing.T) {
	for range 50 {
		synctest.Test(t, func(t *testing.T) {
			g := newInTime(t)
			tok := &api.ACLToken{AccessorID: newID(), SecretID: newID(), Type: tokenManagement}
			g.put(&state.UpsertACLTokens{Tokens: []*api.ACLToken{tok}})
			held := asyncAs(g.API, tok.SecretID, "/v1/event/stream?topic=Node")
			g.put(&state.DeleteACLTokens{AccessorIDs: []string{tok.AccessorID}})
			synctest.Wait()
			if !held.done() {
				t.Error("it went on")
			}
			g.Close()
		})
	}
}

// A server that passes on what a node streams does not wait until the node asks again.
func TestRelayedStreamEndsWithItsToken(t *testing.T) {
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte("{}"))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	defer node.Close()
	g := newGuarded(t)
	g.addNode(nodeID, func(n *state.Node) { n.RPCAddr = strings.TrimPrefix(node.URL, "http://") })
	tok := &api.ACLToken{Type: tokenManagement}
	req, err := http.NewRequestWithContext(t.Context(), "GET", g.http.URL+"/v1/client/fs/logs/"+g.alloc+"?task=app&type=stdout&follow=true", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Nomad-Token", g.secret(tok))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	g.apply(&state.DeleteACLTokens{AccessorIDs: []string{tok.AccessorID}})
	// It hangs here when nothing ends the stream.
	if got, err := io.ReadAll(resp.Body); err != nil || string(got) != "{}" || resp.StatusCode != 200 {
		t.Errorf("%d %s %v", resp.StatusCode, got, err)
	}
}

// inTime is an API with access control in virtual time, without a network.
type inTime struct {
	*API
	t    *testing.T
	raft *testRaft
}

func newInTime(t *testing.T) *inTime {
	t.Helper()
	a, raft := inBubble(t)
	a.cfg.ACL = ACL{Enabled: true}
	return &inTime{a, t, raft}
}

func (g *inTime) put(cmd state.Command) {
	g.t.Helper()
	data, err := state.Encode(time.Now(), cmd)
	if err != nil {
		g.t.Fatal(err)
	}
	if res, _, _ := g.raft.Apply(g.t.Context(), data); isError(res) {
		g.t.Fatal(res)
	}
}

// job is the job web with a priority.
func (g *inTime) job(priority int) *api.Job {
	j := webJob("web")
	j.Priority = &priority
	g.check(j)
	return j
}

// asyncAs is async with a token.
func asyncAs(a *API, secret, path string) *pending {
	p := &pending{httptest.NewRecorder(), make(chan struct{})}
	req := httptest.NewRequest("GET", path, nil)
	req.Header.Set("X-Nomad-Token", secret)
	go func() {
		defer close(p.over)
		a.Handler().ServeHTTP(p.rec, req)
	}()
	return p
}
