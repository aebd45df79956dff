package httpapi

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/healapi"
)

// oracle answers what-if questions with what it was asked.
type oracle struct{ err error }

func (o oracle) DrainPlan(_ context.Context, id string) (*healapi.DrainPlan, error) {
	return &healapi.DrainPlan{NodeID: id, LastIndex: 5}, o.err
}

func (o oracle) Resilience(_ context.Context, pairs, brief bool, after *api.Job) (*healapi.Resilience, error) {
	out := &healapi.Resilience{AnyOne: pairs, AnyTwo: brief, LastIndex: 5}
	if after != nil {
		out.Single.Total = *after.TaskGroups[0].Count
	}
	return out, o.err
}

func (o oracle) Rebalance(context.Context) (*healapi.Rebalance, error) {
	return &healapi.Rebalance{Algorithm: "spread", LastIndex: 5}, o.err
}

func TestHealRoutes(t *testing.T) {
	ag := newAgent(t, func(c *Config) { c.Foresight = oracle{} })
	ag.addNode(nodeID)
	job := asJSON(t, healapi.ResilienceRequest{Job: webJob("web")})
	for _, tt := range []struct {
		method, path, body string
		code               int
		want               string // part of the answer
	}{
		{"GET", "/v1/node/" + nodeID + "/drain-plan", "", 200, `"NodeID":"` + nodeID + `"`},
		{"GET", "/v1/node/" + nodeKey + "/drain-plan", "", 404, "node not found"},
		{"PUT", "/v1/node/" + nodeID + "/drain-plan", "{}", 405, ""},
		{"GET", "/v1/heal/resilience", "", 200, `"AnyOne":false,"AnyTwo":false`},
		{"GET", "/v1/heal/resilience?pairs=true&brief", "", 200, `"AnyOne":true,"AnyTwo":true`},
		{"GET", "/v1/heal/resilience?pairs=two", "", 400, `Invalid value for "pairs"`},
		{"PUT", "/v1/heal/resilience", job, 200, `"Total":2`},
		{"PUT", "/v1/heal/resilience", "{}", 400, "Job must be specified"},
		{"PUT", "/v1/heal/resilience", `{"Job":{"ID":"web"}}`, 400, "group"},
		{"PUT", "/v1/heal/resilience", "", 400, "Request body is empty"},
		{"GET", "/v1/heal/rebalance", "", 200, `"Algorithm":"spread"`},
		{"PUT", "/v1/heal/rebalance", `{"Mode":"on","MaxParallel":2}`, 200, `"Mode":"on","Threshold":0.2,"Goal":0.1,"MinGain":0.05,"MaxParallel":2`},
		{"PUT", "/v1/heal/rebalance", `{"Mode":"yes"}`, 400, `Mode is "yes": use off, propose or on`},
		{"PUT", "/v1/heal/rebalance", `{"Goal":0.5}`, 400, "below Threshold"},
		{"PUT", "/v1/heal/rebalance", `{"Threshold":"high"}`, 400, "Threshold"},
	} {
		code, body, header := ag.call(tt.method, tt.path, tt.body)
		if code != tt.code || !strings.Contains(body, tt.want) {
			t.Errorf("%s %s: %d %s, want %d with %s", tt.method, tt.path, code, body, tt.code, tt.want)
		}
		if code == 200 && header.Get("X-Nomad-Index") == "" {
			t.Errorf("%s %s: no index", tt.method, tt.path)
		}
	}
	row := ag.store.Snapshot().Rebalancing(nil)
	if row.Config.Mode != "on" || row.Config.MaxParallel != 2 || row.Config.Cooldown != 10*time.Minute {
		t.Errorf("stored %+v", row.Config)
	}
}

// A leader that was deposed while it answered is no reason for the client to fail: the
// question goes to the next one. With no leader at all the error says so.
func TestQuestionsOfADeposedLeader(t *testing.T) {
	ag := newAgent(t, func(c *Config) {
		c.Foresight = oracle{err: fmt.Errorf("%w: it was deposed", ErrNotLeader)}
		c.Limits.LeaderWait = 10 * time.Millisecond
	})
	if code, body, _ := ag.call("GET", "/v1/heal/resilience", ""); code != 500 || body != errNoLeader.Text {
		t.Errorf("%d %s", code, body)
	}
	ag = newAgent(t)
	for _, path := range []string{"/v1/heal/resilience", "/v1/heal/rebalance"} {
		if code, body, _ := ag.call("GET", path, ""); code != 501 {
			t.Errorf("%s of an agent that cannot tell: %d %s", path, code, body)
		}
	}
}
