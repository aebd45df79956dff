package command

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
	"github.com/hashicorp/nomad/api"
)

// execAgent is a fake agent whose task echoes its input in upper case, writes one
// line to standard error and exits with 7 when the input ends.
func execAgent(t *testing.T) *httptest.Server {
	t.Helper()
	answers := cluster()
	fake := newFakeAgent(t, answers)
	mux := http.NewServeMux()
	mux.HandleFunc("/", fake.serve)
	mux.HandleFunc("GET /v1/client/allocation/{id}/exec", func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.CloseNow()
		q := r.URL.Query()
		var command []string
		if err := json.Unmarshal([]byte(q.Get("command")), &command); err != nil || q.Get("task") != "server" {
			t.Errorf("asked for %s: %v", r.URL, err)
		}
		out := func(text string) *api.ExecStreamingOutput {
			return &api.ExecStreamingOutput{Stdout: &api.ExecStreamingIOOperation{Data: []byte(text)}}
		}
		_ = wsjson.Write(r.Context(), conn, out(strings.Join(command, "|")+"\n"))
		_ = wsjson.Write(r.Context(), conn, &api.ExecStreamingOutput{Stderr: &api.ExecStreamingIOOperation{Data: []byte("tty=" + q.Get("tty") + "\n")}})
		for {
			var in api.ExecStreamingInput
			if err := wsjson.Read(r.Context(), conn, &in); err != nil {
				return
			}
			if in.Stdin != nil && in.Stdin.Close {
				break
			}
			if in.Stdin != nil {
				_ = wsjson.Write(r.Context(), conn, out(strings.ToUpper(string(in.Stdin.Data))))
			}
		}
		_ = wsjson.Write(r.Context(), conn, &api.ExecStreamingOutput{Exited: true, Result: &api.ExecStreamingExitResult{ExitCode: 7}})
		_ = wsjson.Read(r.Context(), conn, new(any))
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	// The client dials the node first: it is the same fake.
	node := answers["GET /v1/node/"+nodeA].(*api.Node)
	node.HTTPAddr = strings.TrimPrefix(server.URL, "http://")
	return server
}

func TestExec(t *testing.T) {
	agent := execAgent(t)
	for _, line := range []string{"alloc exec 1111 sh -c -json", "exec -job web sh -c -json", "exec -task server -t=false 1111 sh -c -json"} {
		r := execute(t, agent.URL, "hello\n", strings.Fields(line)...)
		if r.code != 7 || r.out != "sh|-c|-json\nHELLO\n" || r.err != "tty=false\n" {
			t.Errorf("%s: exit %d, out %q, err %q", line, r.code, r.out, r.err)
		}
	}
	if r := execute(t, agent.URL, "hello\n", "exec", "-i=false", "-t", "1111", "sh"); r.code != 7 || r.out != "sh\n" || r.err != "tty=true\n" {
		t.Errorf("without input: exit %d, out %q, err %q", r.code, r.out, r.err)
	}
	if r := execute(t, agent.URL, "", "exec", "-task", "sevrer", "1111", "sh"); r.code != 1 || !strings.Contains(r.err, "did you mean server?") {
		t.Errorf("wrong task: exit %d, err %q", r.code, r.err)
	}
}

func TestEscapeReader(t *testing.T) {
	tests := []struct {
		name, in, want string
		left           bool
	}{
		{"plain", "ls -l\n", "ls -l\n", false},
		{"at the start", "~.ls", "", true},
		{"after a new line", "ls\r~.more", "ls\r", true},
		{"in a line", "a~.b\n", "a~.b\n", false},
		{"twice", "~~.\n", "~.\n", false},
		{"another character", "\n~x\n", "\n~x\n", false},
		{"at the end", "\n~", "\n~", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, size := range []int{2, 3, 64} {
				left := false
				e := &escapeReader{r: strings.NewReader(test.in), escape: '~', left: func() { left = true }, fresh: true}
				var got strings.Builder
				buf := make([]byte, size)
				for {
					n, err := e.Read(buf)
					got.Write(buf[:n])
					if errors.Is(err, io.EOF) {
						break
					}
					if err != nil {
						t.Fatal(err)
					}
				}
				if got.String() != test.want || left != test.left {
					t.Errorf("with %d bytes: got %q, left %v", size, got.String(), left)
				}
			}
		})
	}
}

// A log that breaks off goes on where it did, without a line lost or twice.
func TestLogsOfAJobSurviveABreak(t *testing.T) {
	answers := cluster()
	answers["GET /v1/job/web/allocations"] = turns{
		[]*api.AllocationListStub{webAlloc().Stub()},
		[]*api.AllocationListStub{func() *api.AllocationListStub { a := webAlloc().Stub(); a.ClientStatus = "complete"; return a }()},
	}
	fake := newFakeAgent(t, answers)
	asked, healed := 0, make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/job/web/allocations" && r.URL.Query().Get("index") != "" {
			<-healed // it ends only after the log went on
		}
		fake.serve(w, r)
	})
	mux.HandleFunc("GET /v1/client/fs/logs/{id}", func(w http.ResponseWriter, r *http.Request) {
		frame := func(text string) {
			_ = json.NewEncoder(w).Encode(&api.StreamFrame{Data: []byte(text), File: "f"})
			w.(http.Flusher).Flush()
		}
		if asked++; asked == 1 {
			frame("one\ntwo\nth")
			panic(http.ErrAbortHandler)
		}
		if r.URL.Query().Get("origin") != "end" {
			t.Errorf("asked again with %s", r.URL.RawQuery)
		}
		frame("one\ntwo\nthree\n")
		frame("four\n")
		close(healed)
	})
	agent := httptest.NewServer(mux)
	defer agent.Close()
	answers["GET /v1/node/"+nodeA].(*api.Node).HTTPAddr = strings.TrimPrefix(agent.URL, "http://")
	r := execute(t, agent.URL, "", "alloc", "logs", "-f", "-job", "web")
	want := "[11111111 web server] one\n[11111111 web server] two\n[11111111 web server] three\n[11111111 web server] four\n"
	if r.out != want || r.code != 0 || !strings.Contains(r.err, "trying again") {
		t.Errorf("exit %d, out %q, err %q", r.code, r.out, r.err)
	}
}

// An agent that accepts a request and never answers is given up, a blocking query
// only after its own time.
func TestSilence(t *testing.T) {
	stop := make(chan struct{})
	agent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-stop:
		case <-r.Context().Done():
		}
	}))
	defer agent.Close()
	defer close(stop)
	s := &session{lookup: func(string) (string, bool) { return "", false }, patience: 50 * time.Millisecond}
	s.flags.address = agent.URL
	c, err := s.client()
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = c.Jobs().List(nil)
	if err == nil || !strings.Contains(s.explain(err), "accepted the request but has not answered for 50ms; is it overloaded") {
		t.Errorf("got %v", err)
	}
	p := &patient{answer: time.Second}
	for url, want := range map[string]time.Duration{
		"http://a/v1/jobs":                     time.Second,
		"http://a/v1/jobs?index=0&wait=1h":     time.Second,
		"http://a/v1/jobs?index=7&wait=32s":    35 * time.Second,
		"http://a/v1/jobs?index=7":             blockPatience + blockPatience/16 + time.Second,
		"http://a/v1/agent/pprof/x?seconds=30": 31 * time.Second,
		"http://a/v1/event/stream":             75 * time.Second,
	} {
		r, _ := http.NewRequestWithContext(context.Background(), "GET", url, nil)
		if got := p.allowed(r); got != want {
			t.Errorf("%s: %v, want %v", url, got, want)
		}
	}
}
