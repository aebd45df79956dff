package httpapi

import (
	"testing"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
)

// TestRejectedRegistrations sheds load: with RejectJobRegistration only management tokens
// bring new work.
func TestRejectedRegistrations(t *testing.T) {
	g := newGuarded(t)
	g.apply(&state.UpsertACLPolicies{Policies: []*api.ACLPolicy{{Name: "writer", Rules: `namespace "default" { policy = "write" }`}}})
	writer := g.secret(&api.ACLToken{Type: "client", Policies: []string{"writer"}})
	body := asJSON(t, &api.JobRegisterRequest{Job: webJob("more")})
	scale := asJSON(t, &api.ScalingRequest{Target: map[string]string{"Job": "web", "Group": "web"}, Count: new(int64(2))})
	for _, rejects := range []bool{false, true} {
		g.apply(&state.SetSchedulerConfig{Config: &api.SchedulerConfiguration{RejectJobRegistration: rejects}})
		for _, tt := range []struct{ name, token, path, body string }{
			{"register", writer, "/v1/jobs", body}, {"scale", writer, "/v1/job/web/scale", scale},
			{"register as a manager", g.boss, "/v1/jobs", body}, {"scale as a manager", g.boss, "/v1/job/web/scale", scale},
		} {
			want := 200
			if rejects && tt.token == writer {
				want = 403
			}
			if code, text := g.as(tt.token, "PUT", tt.path, tt.body); code != want {
				t.Errorf("rejects %v, %s: %d %s, want %d", rejects, tt.name, code, text, want)
			}
		}
	}
}
