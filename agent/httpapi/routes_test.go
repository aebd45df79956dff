package httpapi

import (
	"net/http"
	"strings"
	"testing"
)

// contract lists every route of the Nomad API with what this version makes of it:
// yes (answered), not yet, or enterprise.
const contract = `
GET /v1/jobs yes
PUT /v1/jobs yes
PUT /v1/jobs/parse yes
GET /v1/jobs/statuses yes
POST /v1/jobs/statuses yes
PUT /v1/validate/job yes
GET /v1/job/x yes
PUT /v1/job/x yes
DELETE /v1/job/x yes
GET /v1/job/x/allocations yes
GET /v1/job/x/evaluations yes
GET /v1/job/x/deployments yes
GET /v1/job/x/deployment yes
GET /v1/job/x/versions yes
GET /v1/job/x/summary yes
PUT /v1/job/x/plan yes
PUT /v1/job/x/evaluate yes
PUT /v1/job/x/revert yes
PUT /v1/job/x/stable yes
GET /v1/job/x/scale yes
PUT /v1/job/x/scale yes
GET /v1/job/x/services yes
GET /v1/job/x/submission yes
PUT /v1/job/x/periodic/force yes
PUT /v1/job/x/dispatch yes
PUT /v1/job/x/dispatch/payload yes
PUT /v1/job/x/versions/t/tag yes
DELETE /v1/job/x/versions/t/tag yes
GET /v1/job/x/actions yes
GET /v1/job/x/action yes
GET /v1/nodes yes
GET /v1/node/x yes
GET /v1/node/x/allocations yes
PUT /v1/node/x/drain yes
PUT /v1/node/x/eligibility yes
PUT /v1/node/x/evaluate yes
PUT /v1/node/x/purge yes
GET /v1/node/pools yes
PUT /v1/node/pools yes
GET /v1/node/pool/x yes
PUT /v1/node/pool/x yes
DELETE /v1/node/pool/x yes
GET /v1/node/pool/x/nodes yes
GET /v1/node/pool/x/jobs yes
GET /v1/allocations yes
GET /v1/allocation/x yes
PUT /v1/allocation/x/stop yes
GET /v1/allocation/x/services yes
GET /v1/allocation/x/checks yes
GET /v1/evaluations yes
DELETE /v1/evaluations yes
GET /v1/evaluations/count yes
GET /v1/evaluation/x yes
GET /v1/evaluation/x/allocations yes
GET /v1/deployments yes
GET /v1/deployment/x yes
GET /v1/deployment/allocations/x yes
PUT /v1/deployment/fail/x yes
PUT /v1/deployment/pause/x yes
PUT /v1/deployment/promote/x yes
PUT /v1/deployment/allocation-health/x yes
PUT /v1/deployment/unblock/x enterprise
GET /v1/client/fs/ls/x yes
GET /v1/client/fs/stat/x yes
GET /v1/client/fs/readat/x yes
GET /v1/client/fs/cat/x yes
GET /v1/client/fs/stream/x yes
GET /v1/client/fs/logs/x yes
GET /v1/client/allocation/x/stats yes
GET /v1/client/allocation/x/checks yes
GET /v1/client/allocation/x/exec yes
PUT /v1/client/allocation/x/restart yes
PUT /v1/client/allocation/x/signal yes
GET /v1/client/allocation/x/gc yes
GET /v1/client/allocation/x/snapshot yes
GET /v1/client/allocation/x/pause enterprise
PUT /v1/client/allocation/x/pause enterprise
GET /v1/client/stats yes
GET /v1/client/gc yes
GET /v1/client/metadata yes
POST /v1/client/metadata yes
GET /v1/client/identity yes
PUT /v1/client/identity/renew yes
GET /v1/agent/self yes
GET /v1/agent/members yes
GET /v1/agent/servers yes
PUT /v1/agent/servers yes
GET /v1/agent/health yes
PUT /v1/agent/join yes
PUT /v1/agent/force-leave yes
GET /v1/agent/monitor yes
GET /v1/agent/monitor/export yes
GET /v1/agent/host yes
GET /v1/agent/schedulers yes
GET /v1/agent/schedulers/config yes
PUT /v1/agent/schedulers/config yes
GET /v1/agent/keyring/list yes
PUT /v1/agent/keyring/install yes
PUT /v1/agent/keyring/use yes
PUT /v1/agent/keyring/remove yes
PUT /v1/agent/reload yes
GET /v1/agent/pprof/heap yes
GET /v1/status/leader yes
GET /v1/status/peers yes
GET /v1/regions yes
GET /v1/metrics yes
GET /v1/services yes
GET /v1/service/x yes
DELETE /v1/service/x/y yes
GET /v1/event/stream yes
PUT /v1/search yes
PUT /v1/search/fuzzy yes
PUT /v1/system/gc yes
PUT /v1/system/reconcile/summaries yes
GET /v1/operator/raft/configuration yes
DELETE /v1/operator/raft/peer yes
PUT /v1/operator/raft/transfer-leadership yes
GET /v1/operator/autopilot/configuration yes
PUT /v1/operator/autopilot/configuration yes
GET /v1/operator/autopilot/health yes
GET /v1/operator/scheduler/configuration yes
PUT /v1/operator/scheduler/configuration yes
GET /v1/operator/snapshot yes
PUT /v1/operator/snapshot yes
GET /v1/operator/keyring/keys yes
DELETE /v1/operator/keyring/key/x yes
PUT /v1/operator/keyring/rotate yes
GET /v1/operator/license yes
PUT /v1/operator/license enterprise
GET /v1/operator/utilization enterprise
POST /v1/operator/utilization enterprise
GET /v1/operator/upgrade-check/vault-workload-identity yes
GET /.well-known/jwks.json yes
GET /.well-known/openid-configuration yes
PUT /v1/acl/bootstrap yes
GET /v1/acl/policies yes
GET /v1/acl/policy/x yes
PUT /v1/acl/policy/x yes
DELETE /v1/acl/policy/x yes
GET /v1/acl/policy/self yes
GET /v1/acl/tokens yes
PUT /v1/acl/token yes
GET /v1/acl/token/x yes
PUT /v1/acl/token/x yes
DELETE /v1/acl/token/x yes
GET /v1/acl/token/self yes
PUT /v1/acl/token/onetime yes
PUT /v1/acl/token/onetime/exchange yes
GET /v1/acl/roles yes
PUT /v1/acl/role yes
GET /v1/acl/role/x yes
GET /v1/acl/role/name/x yes
GET /v1/acl/auth-methods yes
PUT /v1/acl/auth-method yes
GET /v1/acl/auth-method/x yes
GET /v1/acl/binding-rules yes
PUT /v1/acl/binding-rule yes
GET /v1/acl/binding-rule/x yes
PUT /v1/acl/oidc/auth-url yes
PUT /v1/acl/oidc/complete-auth yes
PUT /v1/acl/login yes
PUT /v1/acl/identity/client-introduction-token yes
GET /v1/vars yes
GET /v1/var/a/b/c yes
PUT /v1/var/a/b/c yes
DELETE /v1/var/a/b/c yes
GET /v1/namespaces yes
PUT /v1/namespace yes
GET /v1/namespace/x yes
PUT /v1/namespace/x yes
DELETE /v1/namespace/x yes
GET /v1/scaling/policies yes
GET /v1/scaling/policy/x yes
GET /v1/volumes yes
PUT /v1/volumes yes
GET /v1/volume/csi/x yes
PUT /v1/volume/csi/x yes
DELETE /v1/volume/csi/x yes
PUT /v1/volume/csi/x/create yes
DELETE /v1/volume/csi/x/detach yes
DELETE /v1/volume/csi/x/delete yes
GET /v1/volumes/external yes
GET /v1/volumes/snapshot yes
GET /v1/volume/host/x yes
DELETE /v1/volume/host/x yes
PUT /v1/volume/host/create yes
PUT /v1/volume/host/register yes
GET /v1/volumes/claims yes
DELETE /v1/volumes/claim/x yes
GET /v1/plugins yes
GET /v1/plugin/csi/x yes
GET /v1/sentinel/policies enterprise
GET /v1/sentinel/policy/x enterprise
GET /v1/quotas enterprise
GET /v1/quota-usages enterprise
PUT /v1/quota enterprise
GET /v1/quota/x enterprise
PUT /v1/recommendation enterprise
GET /v1/recommendation/x enterprise
GET /v1/recommendations enterprise
PUT /v1/recommendations/apply enterprise
`

func TestContract(t *testing.T) {
	rt := newRouter(routes())
	for line := range strings.Lines(contract) {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		row, _, _ := rt.find(f[0], f[1])
		if row == nil {
			t.Errorf("%s %s has no row", f[0], f[1])
			continue
		}
		got := "yes"
		if row.where == here && (row.right == anyone || row.right == identified) {
			r := &request{Request: &http.Request{}, row: row}
			if _, err := safely(row, r); err != nil {
				switch code, text := answer(err); {
				case code == 501 && text == errEnterprise.Text:
					got = "enterprise"
				case code == 501 && strings.HasSuffix(text, ": not supported by this version yet"):
					got = "later"
				}
			}
		}
		if got != f[2] {
			t.Errorf("%s %s is %q, want %q", f[0], f[1], got, f[2])
		}
	}
}

// safely runs a handler that may need more than the test gives it.
func safely(row *route, r *request) (out any, err error) {
	defer func() { _ = recover() }()
	return row.do(&API{}, r)
}

func TestFind(t *testing.T) {
	rt := newRouter(append(routes(), nodeRoutes()...))
	for _, c := range []struct {
		method, path, pattern, id string
		known                     bool
	}{
		{"GET", "/v1/job/a/b/plan", "", "a/b", true}, // plan is PUT
		{"PUT", "/v1/job/a/b/plan", "/v1/job/{id...}/plan", "a/b", true},
		{"PUT", "/v1/job/a%2Fb/plan", "/v1/job/{id...}/plan", "a/b", true},
		{"PUT", "/v1/job/a%2Fplan", "/v1/job/{id...}", "a/plan", true},
		{"GET", "/v1/job/plan", "/v1/job/{id...}", "plan", true},
		{"PUT", "/v1/job/x/periodic/force", "/v1/job/{id...}/periodic/force", "x", true},
		{"POST", "/v1/job/x/evaluate", "/v1/job/{id...}/evaluate", "x", true},
		{"GET", "/v1/node/pools", "/v1/node/pools", "", true},
		{"GET", "/v1/node/pools/", "", "", false},
		{"GET", "/v1/job/", "", "", false},
		{"GET", "/v1/scaling/policy/", "", "", false},
		{"HEAD", "/v1/jobs", "/v1/jobs", "", true},
		{"PATCH", "/v1/jobs", "", "", true},
		{"POST", "/v1/system/gc", "", "", true}, // PUT only
		{"GET", "/v1/node/%zz", "", "", false},
		{"GET", "/", "", "", false},
		{"GET", "", "", "", false},
		{"PUT", "/v1/internal/node/register", "/v1/internal/node/register", "", true},
	} {
		row, vars, known := rt.find(c.method, c.path)
		pattern := ""
		if row != nil {
			pattern = row.path
		}
		if pattern != c.pattern || known != c.known || row != nil && vars["id"] != c.id {
			t.Errorf("%s %s: %q %q %v, want %q %q %v", c.method, c.path, pattern, vars["id"], known, c.pattern, c.id, c.known)
		}
	}
}

func TestMethodAndPathErrors(t *testing.T) {
	ag := newAgent(t)
	for _, c := range []struct {
		method, path string
		code         int
		text         string
	}{
		{"DELETE", "/v1/jobs", 405, "Invalid method"},
		{"PUT", "/v1/nodes", 405, "Invalid method"},
		{"GET", "/v1/system/gc", 405, "Invalid method"},
		{"POST", "/v1/system/gc", 405, "Invalid method"},
		{"GET", "/v1/nope", 404, ""},
		{"GET", "/", 404, ""},
		{"PUT", "/v1/internal/node/register", 404, ""}, // not on the people's port
		{"GET", "/v1/acl/tokens", 400, "ACL support disabled"},
		{"GET", "/v1/quotas", 501, "Nomad Enterprise only endpoint"},
		{"GET", "/v1/jobs?index=-1", 400, "Invalid index"},
		{"GET", "/v1/jobs?index=1&wait=soon", 400, "Invalid wait time"},
		{"GET", "/v1/jobs?per_page=many", 400, `Invalid per_page: "many" is not a number from 0 to 2147483647`},
		{"GET", "/v1/jobs?stale=maybe", 400, `Invalid value for "stale": "maybe" is not a boolean`},
		{"GET", "/v1/jobs?%zz", 400, `Invalid query string: invalid URL escape "%zz"`},
		{"GET", "/v1/jobs?region=mars", 400, `No path to region "mars"; known are global`},
		{"PUT", "/v1/node/pools", 400, "Request body is empty"},
		{"GET", "/v1/allocations?next_token=x", 400, `Invalid next_token "x": use the value of X-Nomad-NextToken as it is`},
		{"GET", "/v1/operator/license", 204, ""},
		{"GET", "/v1/agent/health?type=x", 400, `unknown type "x": use client or server`},
		{"PUT", "/v1/agent/join", 400, "missing address to join: set ?address=host:port, once or more"},
		{"PUT", "/v1/agent/force-leave", 400, "missing node to force leave: set ?node="},
		{"GET", "/v1/agent/pprof/heap", 404, "profiles are switched off: set enable_debug = true"},
		{"GET", "/v1/agent/monitor?server_id=unknown.global", 500, "unknown Nomad server unknown.global"},
		{"GET", "/v1/agent/monitor?log_level=loud", 400, "Unknown log level: loud"},
		{"GET", "/v1/client/stats", 501, "this agent does not run a client"},
		{"GET", "/v1/client/fs/logs/x", 404, `Unknown allocation "x"`},
		{"GET", "/v1/event/stream?topic=Evaluation:::*", 400, `Invalid key value pair for topic: "Evaluation:::*" is not of the form Topic or Topic:key`},
		{"GET", "/v1/service/x?choose=2", 400, `Invalid value for "choose": "2" is not of the form N|key`},
		{"GET", "/v1/event/stream?topic=Jobs", 400, `Invalid topic "Jobs": use one of ` + strings.Join(topicsKnown, ", ")},
		{"GET", "/v1/job/x/submission?version=new", 400, `Invalid value for "version": "new" is not a version number`},
		{"PUT", "/v1/search", 400, "Request body is empty"},
	} {
		code, text, _ := ag.call(c.method, c.path, "")
		if code != c.code || text != c.text {
			t.Errorf("%s %s: got %d %q, want %d %q", c.method, c.path, code, text, c.code, c.text)
		}
	}
}
