package httpapi

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
)

// guarded is an agent with access control, and things to look at: job "web" with an
// allocation, an evaluation and a deployment in the namespace "default".
type guarded struct {
	*agent
	boss                      string // a management token's secret
	tokens                    int
	alloc, eval, deploy, scal string
}

func newGuarded(t *testing.T, change ...func(*Config)) *guarded {
	t.Helper()
	on := func(c *Config) { c.ACL = ACL{Enabled: true} }
	g := &guarded{agent: newAgent(t, append([]func(*Config){on}, change...)...)}
	g.boss = g.secret(&api.ACLToken{Type: tokenManagement})
	g.addNode(nodeID, func(n *state.Node) { n.RPCAddr = "127.0.0.1:1" }) // nobody listens
	for _, ns := range []string{"prod", "other"} {
		g.apply(&state.UpsertNamespace{Namespace: &api.Namespace{Name: ns}})
	}
	g.apply(&state.UpsertNodePool{Pool: &api.NodePool{Name: "gpu"}})
	job := webJob("web")
	job.TaskGroups[0].Scaling = &api.ScalingPolicy{Min: new(int64(1)), Max: new(int64(5))}
	g.eval = g.submit(job, "default")
	g.alloc = g.place(g.eval, "web", 1, nodeID)[0]
	g.apply(&state.ApplyPlans{Plans: []state.Plan{{
		EvalID: newID(), Namespace: "default", JobID: "web",
		Deployment: &state.NewDeployment{Groups: map[string]*api.DeploymentState{"web": {DesiredTotal: 1}}},
	}}})
	for d := range g.store.Snapshot().Deployments(nil, "default", "") {
		g.deploy = d.ID
	}
	g.scal = nameID("scaling-policy", "default", "web", "web")
	if g.deploy == "" || g.store.Snapshot().Alloc(nil, g.alloc) == nil {
		t.Fatalf("the things to look at are not there: deployment %q, alloc %v, eval %q", g.deploy, g.store.Snapshot().Alloc(nil, g.alloc), g.eval)
	}
	return g
}

// submit registers a job as a manager and returns its evaluation.
func (g *guarded) submit(job *api.Job, ns string) string {
	g.t.Helper()
	job.Namespace = &ns
	code, text := g.as(g.boss, "PUT", "/v1/jobs", asJSON(g.t, &api.JobRegisterRequest{Job: job}))
	var resp api.JobRegisterResponse
	if err := decodeJSON([]byte(text), &resp); code != 200 || err != nil {
		g.t.Fatalf("register: %d %s", code, text)
	}
	return resp.EvalID
}

// secret stores a token and gives its secret.
func (g *guarded) secret(t *api.ACLToken) string {
	g.t.Helper()
	if t.AccessorID == "" {
		t.AccessorID = newID()
	}
	t.SecretID = newID()
	g.apply(&state.UpsertACLTokens{Tokens: []*api.ACLToken{t}})
	return t.SecretID
}

// may stores a client token with these rules and gives its secret.
func (g *guarded) may(rules string) string {
	g.t.Helper()
	g.tokens++
	name := fmt.Sprintf("p%d", g.tokens)
	g.apply(&state.UpsertACLPolicies{Policies: []*api.ACLPolicy{{Name: name, Rules: rules}}})
	return g.secret(&api.ACLToken{Type: tokenClient, Policies: []string{name}})
}

// as makes a request with a token. Of a stream it takes the beginning.
func (g *guarded) as(secret, method, path, body string) (int, string) {
	g.t.Helper()
	return g.ask(g.http.URL, secret, method, path, body)
}

func (g *guarded) ask(base, secret, method, path, body string) (int, string) {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(g.t.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, base+path, strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	if secret != "" {
		req.Header.Set("X-Nomad-Token", secret)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		g.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == 200 && (strings.Contains(path, "/event/stream") || strings.Contains(path, "/monitor")) {
		return resp.StatusCode, ""
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		g.t.Fatalf("%s %s: %v", method, path, err)
	}
	return resp.StatusCode, string(text)
}

// whole grants everything that rules can grant in a namespace; star everything there is.
const whole = `namespace %q {
  policy       = "write"
  capabilities = ["alloc-node-exec", "csi-register-plugin", "csi-write-volume", "csi-mount-volume", "host-volume-write", "sentinel-override"]
  variables {
    path "*" { capabilities = ["read", "write", "destroy"] }
  }
}
`

var star = fmt.Sprintf(whole, "*") + `
node { policy = "write" }
agent { policy = "write" }
operator { policy = "write" }
quota { policy = "write" }
plugin { policy = "write" }
node_pool "*" { policy = "write" }
host_volume "*" { policy = "write" }
`

func ns(capability string) string {
	return fmt.Sprintf("namespace \"default\" { capabilities = [%q] }", capability)
}

func vars(capability string) string {
	return fmt.Sprintf(`namespace "default" { variables { path "x" { capabilities = [%q] } } }`, capability)
}

// least is, by right, the least rules that suffice; "" for a token with no rules at all
// that count, and management where no rules do.
var least = map[right]string{
	identified: `namespace "nowhere" { policy = "read" }`, valid: `namespace "nowhere" { policy = "read" }`, management: "management",
	listJobs: ns("list-jobs"), readJob: ns("read-job"), parseJob: ns("parse-job"), submitJob: ns("submit-job"), dispatchJob: ns("dispatch-job"),
	scaleJob: ns("scale-job"), readJobScaling: ns("read-job-scaling"), listScaling: ns("list-scaling-policies"), readScaling: ns("read-scaling-policy"),
	readLogs: ns("read-logs"), readFS: ns("read-fs"), allocLife: ns("alloc-lifecycle"), readService: ns("read-job"),
	allocExec: `namespace "default" { capabilities = ["alloc-exec", "alloc-node-exec"] }`,
	csiList:   ns("csi-list-volume"), csiRead: ns("csi-read-volume"), csiWrite: ns("csi-write-volume"), hostVolumeRead: ns("host-volume-read"),
	hostVolumeCreate: ns("host-volume-create"), hostVolumeRegister: ns("host-volume-register"), hostVolumeDelete: ns("host-volume-delete"),
	volumeList: ns("csi-list-volume"), volumeWrite: ns("csi-write-volume"),
	pluginList: `plugin { policy = "list" }`, pluginRead: `plugin { policy = "read" }`,
	nodeRead: `node { policy = "read" }`, nodeWrite: `node { policy = "write" }`, memberRead: `node { policy = "read" }`,
	agentRead: `agent { policy = "read" }`, agentWrite: `agent { policy = "write" }`,
	opRead: `operator { policy = "read" }`, opWrite: `operator { policy = "write" }`,
	poolList: `node_pool "gpu" { policy = "read" }`, poolRead: `node_pool "gpu" { policy = "read" }`,
	poolWrite: `node_pool "gpu" { capabilities = ["write"] }`, poolDrop: `node_pool "gpu" { capabilities = ["delete"] }`,
	poolNodesRead: "node_pool \"gpu\" { policy = \"read\" }\nnode { policy = \"read\" }",
	poolJobsRead:  "node_pool \"gpu\" { policy = \"read\" }\n" + ns("list-jobs"),
	namespaceList: ns("parse-job"), namespaceRead: ns("parse-job"), searchAny: ns("list-jobs"), eventRead: ns("read-job"),
	varList: vars("list"), varRead: vars("read"), varWrite: vars("write"), varDestroy: vars("destroy"),
}

// anywhere are the rights that a token of another namespace has too: its holder sees
// something, though not this.
var anywhere = map[right]bool{identified: true, valid: true, searchAny: true, namespaceList: true, nodeSelf: true, anyone: true}

// open are the routes that ask for no token, all of them: who is about to get one, and
// what machines ask before they have any.
var open = map[string]bool{
	"PUT /v1/acl/bootstrap": true, "PUT /v1/acl/token/onetime/exchange": true, "PUT /v1/acl/login": true, "GET /v1/acl/auth-methods": true,
	"PUT /v1/acl/oidc/auth-url": true, "PUT /v1/acl/oidc/complete-auth": true,
	"GET /v1/status/leader": true, "GET /v1/status/peers": true, "GET /v1/regions": true, "GET /v1/agent/health": true, "GET /v1/metrics": true,
	"GET /.well-known/jwks.json": true, "GET /.well-known/openid-configuration": true,
	"GET " + pathWho: true, // answers who the caller is, if that is somebody
}

// pathOf fills the variables of a row's path with things that exist.
func (g *guarded) pathOf(row *route) string {
	id := "web"
	for prefix, other := range map[string]string{
		"/v1/allocation/": g.alloc, "/v1/evaluation/": g.eval, "/v1/deployment/": g.deploy, "/v1/node/{id}": nodeID, "/v1/scaling/policy/": g.scal,
		"/v1/acl/": "no-such-id",
	} {
		if strings.HasPrefix(row.path, prefix) {
			id = other
		}
	}
	name := "default"
	if strings.HasPrefix(row.path, "/v1/node/pool/") {
		name = "gpu"
	}
	path := strings.NewReplacer("{id...}", id, "{id}", id, "{alloc}", g.alloc, "{name}", name, "{path...}", "x", "{profile}", "heap", "{tag}", "t").Replace(row.path)
	switch row.path {
	case "/v1/event/stream":
		path += "?topic=Job"
	case "/v1/client/stats", "/v1/client/gc":
		path += "?node_id=" + nodeID
	}
	return path
}

// bodyOf is a body that a row's handler gets far enough with.
func bodyOf(row *route) string {
	if row.path == "/v1/node/pools" {
		return `{"Name": "gpu"}`
	}
	if strings.HasPrefix(row.path, "/v1/search") {
		return `{"Context": "jobs", "Prefix": "w", "Text": "we"}`
	}
	return "{}"
}

// TestEveryRouteAsksForItsRight walks the whole table with no token, a wrong one, an
// expired one, one of another namespace, one that may everything but manage, and the
// least that suffices. A new route is in it by being in the table.
func TestEveryRouteAsksForItsRight(t *testing.T) {
	g := newGuarded(t)
	past := time.Now().Add(-time.Minute)
	expired := g.secret(&api.ACLToken{Type: tokenManagement, ExpirationTime: &past})
	foreign := g.may(fmt.Sprintf(whole, "other"))
	all := g.may(star)
	suffices := map[right]string{}
	for _, r := range slices.Sorted(maps.Keys(least)) {
		suffices[r] = g.boss
		if least[r] != "management" {
			suffices[r] = g.may(least[r])
		}
	}
	people := routes()
	for i, row := range append(people, nodeRoutes()...) {
		base := g.http.URL
		if i >= len(people) {
			base = g.rpc.URL
		}
		method := row.method
		if method == putOnly {
			method = http.MethodPut
		}
		t.Run(method+" "+row.path, func(t *testing.T) {
			if _, ruled := rules[row.right]; !ruled {
				t.Fatalf("the right %q has no rule: add one to rules, and the least that suffices to least", row.right)
			}
			path, body := g.pathOf(&row), bodyOf(&row)
			open := open[method+" "+row.path] || row.right == nodeSelf && i >= len(people)
			if (row.right == anyone || row.right == valid || row.right == nodeSelf) && !open {
				t.Errorf("the route asks for no token, and is not one of those that need not")
			}
			check := func(who, secret string, code int, text string) {
				t.Helper()
				gotCode, gotText := g.ask(base, secret, method, path, body)
				denied := gotCode == 403 && (gotText == errDenied.Text || gotText == errTokenUnknown.Text || gotText == errTokenExpired.Text)
				switch {
				case code == 403 && (gotCode != 403 || gotText != text):
					t.Errorf("%s: got %d %q, want 403 %q", who, gotCode, gotText, text)
				case code == 0 && denied:
					t.Errorf("%s: got %d %q", who, gotCode, gotText)
				}
			}
			if open {
				check("no token", "", 0, "")
			} else {
				check("no token", "", 403, "Permission denied")
			}
			if row.right != anyone && row.right != nodeSelf { // those ask for no token, and look at none
				check("a wrong token", newID(), 403, "ACL token not found")
				check("an expired token", expired, 403, "ACL token expired")
			}
			if !anywhere[row.right] {
				if row.right != memberRead || base == g.http.URL {
					check("a token of another namespace", foreign, 403, "Permission denied")
				}
			}
			if row.right == management {
				check("a client token with every right", all, 403, "Permission denied")
			}
			if row.right == anyone || row.right == nodeSelf {
				return
			}
			if suffices[row.right] == "" {
				t.Fatalf("the right %q is not in least", row.right)
			}
			ownOnly := strings.HasPrefix(row.path, "/v1/acl/") && strings.Contains(row.path, "{") && row.method == get
			if !ownOnly { // one's own tokens, policies and roles have a test of their own
				check("the least that suffices", suffices[row.right], 0, "")
			}
		})
	}
}

// TestEveryRouteThroughAClientAgent asks an agent that is no server: it answers itself,
// or sends the request on, and nobody gets past it.
func TestEveryRouteThroughAClientAgent(t *testing.T) {
	g := newGuarded(t)
	client := newAgent(t, func(c *Config) {
		c.State, c.Raft, c.Planner = nil, nil, nil
		c.ACL = ACL{Enabled: true}
		c.Owner = func(id string) (Owner, bool) {
			return Owner{Namespace: "default", Drivers: map[string]string{"app": "raw_exec"}}, id == g.alloc
		}
		node := &testNode{id: nodeID, alloc: g.alloc}
		c.Node, c.Allocs, c.Files = node, node, node
	})
	client.peers.servers = map[string][]string{"global": {g.rpcAddr()}}
	foreign := g.may(fmt.Sprintf(whole, "other"))
	for _, row := range routes() {
		if row.right == anyone {
			continue
		}
		method := row.method
		if method == putOnly {
			method = http.MethodPut
		}
		t.Run(method+" "+row.path, func(t *testing.T) {
			for who, secret := range map[string]string{"no token": "", "a wrong token": newID(), "a token of another namespace": foreign} {
				if who == "a token of another namespace" && anywhere[row.right] {
					continue
				}
				code, text := g.ask(client.http.URL, secret, method, g.pathOf(&row), bodyOf(&row))
				if code != 403 && !(row.right == valid && who == "no token") {
					t.Errorf("%s: %d %.200s", who, code, text)
				}
			}
		})
	}
}

// A right that no rule grants is one that nobody but managers has.
func TestUnknownRightIsDenied(t *testing.T) {
	r := &request{row: &route{right: "new"}}
	if rules[r.row.right].allows(nil, r) {
		t.Error("a right without a rule was granted")
	}
}
