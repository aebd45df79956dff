package httpapi

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
)

// guardedExec is an agent with access control whose node has the allocation.
func guardedExec(t *testing.T, exec func(context.Context, string, ExecSession) (int, error)) *guarded {
	t.Helper()
	node := &testNode{id: nodeID}
	g := newGuarded(t, func(c *Config) { c.Node, c.Allocs, c.Exec = node, node, exec })
	node.alloc = g.alloc
	return g
}

const mayExecHere = `namespace "default" { capabilities = ["alloc-exec", "alloc-node-exec"] }`

// closedWith runs a session and returns the code that it was closed with.
func closedWith(t *testing.T, conn *websocket.Conn, hello string) websocket.StatusCode {
	t.Helper()
	var err error
	for _, m := range []string{hello, `{"stdin":{"close":true}}`} {
		if m != "" && err == nil {
			err = conn.Write(t.Context(), websocket.MessageText, []byte(m))
		}
	}
	for err = nil; err == nil; {
		_, _, err = conn.Read(t.Context())
	}
	return websocket.CloseStatus(err)
}

// TestExecAsksForItsRight: with the token in a header, before there is a websocket; with
// the token in the first message, behind it. Raw tasks ask for more than others.
func TestExecAsksForItsRight(t *testing.T) {
	g := guardedExec(t, cat)
	some, few := g.may(mayExecHere), g.may(`namespace "default" { capabilities = ["alloc-exec", "read-job"] }`)
	for name, tc := range map[string]struct {
		token string
		code  int
	}{
		"no token": {"", 403}, "an unknown one": {newID(), 403}, "one that may not on this driver": {few, 403}, "one that may": {some, 101},
	} {
		_, resp, err := websocket.Dial(t.Context(), g.http.URL+"/v1/client/allocation/"+g.alloc+`/exec?task=app&command=["x"]`,
			&websocket.DialOptions{HTTPHeader: http.Header{"X-Nomad-Token": {tc.token}}})
		if resp == nil || resp.StatusCode != tc.code {
			t.Errorf("%s in the header: %+v %v, want %d", name, resp, err, tc.code)
		}
		conn, err := dialExec(t, g.agent, g.alloc, "&ws_handshake=true", nil)
		if err != nil {
			t.Fatal(err)
		}
		want := websocket.StatusNormalClosure
		if tc.code == 403 {
			want = 4403
		}
		if code := closedWith(t, conn, `{"version":1,"auth_token":"`+tc.token+`"}`); code != want {
			t.Errorf("%s in the first message: closed with %d, want %d", name, code, want)
		}
	}
	for secret, want := range map[string]int{some: 400, few: 403, "": 403} { // 400: it is no websocket
		if code, text := g.as(secret, "GET", "/v1/job/web/action?action=x&task=app&allocID="+g.alloc, ""); code != want {
			t.Errorf("an action: %d %s, want %d", code, text, want)
		}
	}
}

// TestExecEndsWithItsToken: a session does not outlive the right to it.
func TestExecEndsWithItsToken(t *testing.T) {
	ended := make(chan struct{}, 1)
	g := guardedExec(t, func(ctx context.Context, _ string, s ExecSession) (int, error) {
		io.WriteString(s.Stdout, "on")
		<-ctx.Done()
		ended <- struct{}{}
		return 0, ctx.Err()
	})
	token := &api.ACLToken{Type: tokenManagement}
	conn, err := dialExec(t, g.agent, g.alloc, "", http.Header{"X-Nomad-Token": {g.secret(token)}})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := conn.Read(t.Context()); err != nil {
		t.Fatal(err)
	}
	g.apply(&state.DeleteACLTokens{AccessorIDs: []string{token.AccessorID}})
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Fatal("the session goes on after its token was deleted")
	}
	if _, _, err := conn.Read(t.Context()); websocket.CloseStatus(err) != 4403 || !strings.Contains(err.Error(), "Permission denied") {
		t.Errorf("closed with %v", err)
	}
}

// TestVolumesAskInTheirNamespace: what a body or an ID names counts, not what the
// request says.
func TestVolumesAskInTheirNamespace(t *testing.T) {
	g := newGuarded(t)
	g.apply(&state.UpsertHostVolume{Volume: &api.HostVolume{ID: "v1", Name: "data", Namespace: "prod", NodeID: nodeID}})
	g.apply(&state.UpsertCSIVolume{Volume: &api.CSIVolume{ID: "c1", Namespace: "prod", PluginID: "p"}})
	all := `namespace "default" { capabilities = ["csi-list-volume", "csi-read-volume", "csi-write-volume", "host-volume-read", "host-volume-create", "host-volume-register", "host-volume-delete"] }`
	secret := g.may(all)
	for _, tc := range []struct {
		method, path, body string
		code               int
		text               string
	}{
		{"GET", "/v1/volumes?type=host&namespace=*", "", 200, "[]\n"},
		{"GET", "/v1/volumes?type=csi&namespace=*", "", 200, "[]\n"},
		{"GET", "/v1/volume/host/v1?namespace=*", "", 404, "host volume not found"},
		{"GET", "/v1/volume/host/v1?namespace=prod", "", 403, "Permission denied"},
		{"DELETE", "/v1/volume/host/v1?namespace=*", "", 404, "host volume not found"},
		{"PUT", "/v1/volume/host/create", `{"Volume":{"Name":"x","Namespace":"prod"}}`, 403, "Permission denied"},
		{"PUT", "/v1/volume/csi/x", `{"Volumes":[{"ID":"x","PluginID":"p","Namespace":"prod"}]}`, 403, "Permission denied"},
		{"DELETE", "/v1/volume/csi/c1?namespace=*", "", 400, ""},
	} {
		if code, text := g.as(secret, tc.method, tc.path, tc.body); code != tc.code || tc.text != "" && text != tc.text {
			t.Errorf("%s %s: %d %q, want %d %q", tc.method, tc.path, code, text, tc.code, tc.text)
		}
	}
}
