package httpapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
)

// cat is a node's Exec: it sends its input back, each size as a line, and ends with
// the code that its command is.
func cat(ctx context.Context, _ string, s ExecSession) (int, error) {
	if s.Task == "gone" {
		return 0, notFound("unknown task name %q", s.Task)
	}
	fmt.Fprintf(s.Stderr, "%v tty %t\n", s.Command, s.TTY)
	input, err := io.ReadAll(s.Stdin) // a size may come behind it
	if err != nil {
		return 0, err
	}
	if s.TTY {
		size := <-s.Sizes
		fmt.Fprintf(s.Stdout, "%dx%d\n", size.Height, size.Width)
	}
	s.Stdout.Write(input)
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	return len(s.Command), nil
}

// execPair is a server without the allocation and a client agent that has it.
func execPair(t *testing.T, exec func(context.Context, string, ExecSession) (int, error)) (server *agent, alloc string) {
	t.Helper()
	server = newAgent(t)
	node := &testNode{id: nodeID}
	client := newAgent(t, func(c *Config) {
		c.State, c.Raft, c.Planner = nil, nil, nil
		c.Node, c.Allocs, c.Exec = node, node, exec
		c.Peers = &testPeers{servers: map[string][]string{"global": {server.rpcAddr()}}}
	})
	server.addNode(nodeID, func(n *state.Node) {
		n.RPCAddr = client.rpcAddr()
		n.HTTPAddr = strings.TrimPrefix(server.http.URL, "http://")
	})
	node.alloc = server.place(server.register(webJob("web")).EvalID, "web", 1, nodeID)[0]
	return server, node.alloc
}

func TestExecIsCarriedToTheNode(t *testing.T) {
	server, alloc := execPair(t, cat)
	input := bytes.Repeat([]byte{0, 1, 0xff, '\n'}, 1<<18) // 1 MiB that is no text
	for _, tty := range []bool{false, true} {
		var out, errs bytes.Buffer
		sizes := make(chan api.TerminalSize, 1)
		want := string(input)
		if tty {
			sizes <- api.TerminalSize{Height: 24, Width: 80}
			want = "24x80\n" + want
		}
		code, err := server.client().Allocations().Exec(t.Context(), &api.Allocation{ID: alloc, NodeID: nodeID}, "app", tty,
			[]string{"one", "two words"}, bytes.NewReader(input), &out, &errs, sizes, nil)
		if err != nil || code != 2 || out.String() != want || errs.String() != fmt.Sprintf("[one two words] tty %t\n", tty) {
			t.Errorf("tty %t: code %d, err %v, %d bytes, want %d; stderr %q", tty, code, err, out.Len(), len(want), &errs)
		}
	}
}

func TestExecRefusesInTheCloseFrame(t *testing.T) {
	server, alloc := execPair(t, cat)
	for _, tt := range []struct {
		alloc, task string
		command     []string
		want        string
	}{
		{nodeKey, "app", []string{"true"}, `Unknown allocation "` + nodeKey + `"`},
		{alloc, "gone", []string{"true"}, `unknown task name "gone"`},
		{alloc, "app", nil, `command "null" is not a JSON list of strings`},
	} {
		_, err := server.client().Allocations().Exec(t.Context(), &api.Allocation{ID: tt.alloc, NodeID: nodeID}, tt.task, false,
			tt.command, strings.NewReader(""), io.Discard, io.Discard, nil, nil)
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("exec %q in task %q of %s: %v, want %s", tt.command, tt.task, tt.alloc, err, tt.want)
		}
	}
	if code, text, _ := server.call("GET", "/v1/client/allocation/"+alloc+"/exec", ""); code != 400 || !strings.Contains(text, "websocket") {
		t.Errorf("without a websocket: %d %s", code, text)
	}
}

func dialExec(t *testing.T, ag *agent, alloc, more string, header http.Header) (*websocket.Conn, error) {
	t.Helper()
	conn, _, err := websocket.Dial(t.Context(), ag.http.URL+"/v1/client/allocation/"+alloc+`/exec?task=app&command=["x"]`+more, &websocket.DialOptions{HTTPHeader: header})
	if err == nil {
		t.Cleanup(func() { conn.CloseNow() })
	}
	return conn, err
}

func TestExecTakesTheTokenFromTheFirstMessage(t *testing.T) {
	server, alloc := execPair(t, cat)
	for _, tt := range []struct {
		hello string
		code  websocket.StatusCode
	}{
		{`{"version":1,"auth_token":"secret"}`, websocket.StatusNormalClosure},
		{`{"version":2}`, 4400},
		{`hello`, 4400},
	} {
		conn, err := dialExec(t, server, alloc, "&ws_handshake=true", nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range []string{tt.hello, `{"stdin":{"close":true}}`} {
			if err := conn.Write(t.Context(), websocket.MessageText, []byte(m)); err != nil {
				t.Fatal(err)
			}
		}
		for err == nil {
			_, _, err = conn.Read(t.Context())
		}
		if websocket.CloseStatus(err) != tt.code {
			t.Errorf("handshake %s: %v, want code %d", tt.hello, err, tt.code)
		}
	}
}

func TestExecIsNotForOtherOrigins(t *testing.T) {
	server, alloc := execPair(t, cat)
	if _, err := dialExec(t, server, alloc, "", http.Header{"Origin": {"https://evil.example"}}); err == nil {
		t.Error("a page of another origin opened a terminal")
	}
}

// TestExecEndsWithItsClient: the command is told when its client has gone, and when
// the client speaks nonsense.
func TestExecEndsWithItsClient(t *testing.T) {
	ended := make(chan error, 1)
	server, alloc := execPair(t, func(ctx context.Context, _ string, s ExecSession) (int, error) {
		io.WriteString(s.Stdout, "on")
		<-ctx.Done()
		ended <- context.Cause(ctx)
		return 0, ctx.Err()
	})
	for _, leave := range []func(*websocket.Conn) error{
		func(c *websocket.Conn) error { return c.CloseNow() },
		func(c *websocket.Conn) error { return c.Write(t.Context(), websocket.MessageText, []byte("nonsense")) },
	} {
		conn, err := dialExec(t, server, alloc, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := conn.Read(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := leave(conn); err != nil {
			t.Fatal(err)
		}
		if cause := <-ended; cause == nil || errors.Is(cause, context.Canceled) {
			t.Errorf("the command was not told why: %v", cause)
		}
	}
}
