package command

import (
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
	"testing"
	"time"
)

// lists are the paths that answer with a list.
var lists = regexp.MustCompile(`^/v1/(jobs|nodes|allocations|evaluations|deployments|services|namespaces|vars|volumes|plugins|regions|node/pools|scaling/policies|acl/(policies|policy/self|tokens|roles|auth-methods|binding-rules)|operator/keyring/keys|agent/servers|status/peers|search/fuzzy|service/[^/]+)$|/(allocations|evaluations|deployments|services|jobs|nodes)$|^/v1/deployment/allocations/`)

// sparse answers are what a broken, a newer or a hostile agent may send.
var sparse = map[string]func(path string) string{
	"objects": func(string) string { return `{}` },
	"lists":   func(string) string { return `[]` },
	"nulls":   func(string) string { return `null` },
	"text":    func(string) string { return `"x"` },
	"nothing": func(string) string { return `` },
	"empty elements": func(path string) string {
		if lists.MatchString(path) {
			return `[{}, null]`
		}
		return `{}`
	},
	"only IDs": func(path string) string {
		thing := `{"ID":"` + sparseID + `","Name":"` + sparseID + `","KeyID":"` + sparseID + `","AccessorID":"` + sparseID + `"}`
		if lists.MatchString(path) {
			return `[` + thing + `]`
		}
		return thing
	},
	"null inside": func(path string) string {
		thing := `{"ID":"` + sparseID + `","Name":"` + sparseID + `","Status":"running","ClientStatus":"running","TaskGroups":[null],"Tasks":[null],
			"TaskStates":{"a":null},"Events":[null],"Summary":null,"Servers":[null],"Roles":[null],"Policies":null,"Config":null,"Members":[null],
			"FailedTGAllocs":{"a":null},"Volumes":[null],"Versions":[null,{}],"Diffs":[null],"Drivers":{"a":null},"Allocations":[null],
			"AllocatedResources":{"Tasks":{"a":null},"Shared":{"Networks":[null]}},"Metrics":{"ScoreMetaData":[null]},"Services":[null],"Job":{"TaskGroups":[null]},
			"Annotations":{"DesiredTGUpdates":{"a":null}},"Diff":{"TaskGroups":[null],"Fields":[null],"Objects":[null]},"CreatedEvals":[null],"Matches":null}`
		switch {
		case strings.HasSuffix(path, "/deployment"), strings.HasPrefix(path, "/v1/deployment/"):
			thing = `{"ID":"` + sparseID + `","TaskGroups":{"a":null},"Status":"successful"}`
		case strings.HasSuffix(path, "/scale"):
			thing = `{"TaskGroups":{"a":{"Events":null}}}`
		case strings.HasPrefix(path, "/v1/evaluation/"):
			thing = `{"ID":"` + sparseID + `","Status":"complete","FailedTGAllocs":{"a":null}}`
		case strings.HasSuffix(path, "/plan"):
			thing = `{"FailedTGAllocs":{"a":null},"Annotations":{"DesiredTGUpdates":{"a":null},"PreemptedAllocs":[null]},"Diff":{"Type":"Edited","TaskGroups":[null,{"Tasks":[null]}],"Fields":[null],"Objects":[null]},"CreatedEvals":[null]}`
		}
		if lists.MatchString(path) {
			return `[` + strings.NewReplacer(`"TaskGroups":[null],`, "", `"Services":[null],`, `"Services":[null,{}],`).Replace(thing) + `]`
		}
		return thing
	},
}

const sparseID = "11111111-0000-0000-0000-000000000000"

// extra are arguments without which a verb looks at nothing.
var extra = map[string][]string{
	"job action": {"-job", sparseID}, "job tag apply": {"-name", "x"}, "job tag unset": {"-name", "x"},
	"node eligibility": {"-enable", sparseID}, "node drain": {"-enable", "-yes", sparseID}, "node status": {sparseID}, "job status": {sparseID}, "alloc status": {sparseID},
	"job scale": {sparseID, "3"}, "job revert": {sparseID, "0"}, "eval delete": {sparseID}, "status": {sparseID}, "volume status": {sparseID}, "plugin status": {sparseID},
	"acl role create": {"-name", "x", "-policy", "p"}, "acl binding-rule create": {"-auth-method", "m", "-bind-type", "management"}, "acl binding-rule update": {"-bind-type", "management", sparseID},
	"acl auth-method create": {"-name", "m", "-type", "JWT", "-max-token-ttl", "1h", "-token-locality", "local", "-config", "testdata/sparse/object.json"},
	"acl policy apply":       {"p", "testdata/jobs/web.nomad.hcl"}, "operator raft remove-peer": {"-peer-id", "x"}, "operator raft transfer-leadership": {"-peer-id", "x"},
	"operator gossip keyring install": {"eA=="}, "operator gossip keyring use": {"eA=="}, "operator gossip keyring remove": {"eA=="},
	"operator scheduler set-config": {"-scheduler-algorithm", "spread"}, "operator autopilot set-config": {"-min-quorum", "3"},
	"job run": {"testdata/jobs/web.nomad.hcl"}, "job plan": {"testdata/jobs/web.nomad.hcl"}, "job validate": {"testdata/jobs/web.nomad.hcl"},
	"node meta apply": {"a=b"}, "var put": {"p", "a=b"}, "var lock": {"-once", "p", "true"}, "operator debug": {"-duration", "1s", "-interval", "1s", "-output", "DIR"},
	"operator snapshot save": {"DIR/x.snap"}, "login": {"-method", sparseID, "-login-token", "x"}, "node pool apply": {"testdata/sparse/pool.hcl"},
	"volume create": {"testdata/sparse/volume.hcl"}, "volume register": {"testdata/sparse/volume.hcl"}, "ui": {"-show-url", sparseID}, "node config": {},
	"alloc exec": {sparseID, "true"}, "namespace apply": {"x"},
}

// Whatever an agent answers, no verb panics, and none hangs or spins.
func TestSparseAnswers(t *testing.T) {
	for name, answer := range sparse {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			agent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("X-Nomad-Index", "7")
				io.WriteString(w, answer(r.URL.Path))
			}))
			defer agent.Close()
			for _, e := range catalogue() {
				v := e.make()
				if v.local || v.run == nil || e.hidden != "" {
					continue
				}
				for _, args := range sparseLines(t, e.name, v) {
					done := make(chan struct{})
					go func() {
						defer close(done)
						defer func() {
							if p, stack := recover(), string(debug.Stack()); p != nil && !clientPanic.MatchString(stack) {
								t.Errorf("%s: panic: %v\n%s", strings.Join(args, " "), p, stack)
							}
						}()
						execute(t, agent.URL, "", args...)
					}()
					select {
					case <-done:
					case <-time.After(10 * time.Second):
						t.Errorf("%s: hangs", strings.Join(args, " "))
					}
				}
			}
		})
	}
}

// clientPanic is the stack of a panic of the API's client itself, which decodes
// some of its types without looking; verb.guarded is for those.
var clientPanic = regexp.MustCompile(`panic\(.*\n.*\n(?:runtime\..*\n.*\n)*github\.com/hashicorp/nomad/api\.`)

// sparseLines are command lines of a verb: with arguments, and without where it
// can, as text and as JSON.
func sparseLines(t *testing.T, name string, v verb) [][]string {
	words := strings.Fields(name)
	full, ok := extra[name]
	if !ok {
		for range max(v.min, min(v.max, 1)) {
			full = append(full, sparseID)
		}
	}
	var filled []string
	for _, arg := range full {
		filled = append(filled, strings.ReplaceAll(arg, "DIR", filepath.ToSlash(t.TempDir())))
	}
	out := [][]string{append(words[:len(words):len(words)], filled...)}
	if v.commands {
		return out
	}
	if v.min == 0 && len(full) > 0 && name != "operator debug" {
		out = append(out, words)
	}
	for _, flag := range []string{"json", "verbose", "stats", "monitor", "evals", "p", "hcl", "full", "self", "allocs", "detailed", "f"} {
		if hasFlag(v.flags, flag) && name != "operator debug" {
			out = append(out, append(out[0][:len(out[0]):len(out[0])], "-"+flag))
		}
	}
	return out
}
