package nodeapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/nomad/api"
)

// server answers the node routes with one handler, and counts its requests.
type server struct {
	*httptest.Server
	calls atomic.Int32
}

func newServer(t *testing.T, handle http.HandlerFunc) *server {
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.calls.Add(1)
		body, _ := io.ReadAll(r.Body) // only then the server notices a client that goes away
		r.Body = io.NopCloser(bytes.NewReader(body))
		handle(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *server) addr() string { return strings.TrimPrefix(s.URL, "http://") }

func answering(v any) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { json.NewEncoder(w).Encode(v) }
}

func refusing(code int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { http.Error(w, text, code) }
}

// silent holds a request until its client gives up.
func silent(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

func clientOf(servers ...*server) *Client {
	var addrs []string
	for _, s := range servers {
		addrs = append(addrs, s.addr())
	}
	return New(Config{Scheme: "http", Servers: addrs, NodeID: "n1", SecretID: "s1"})
}

func TestRegisterSendsWhoAndLearnsServers(t *testing.T) {
	var got RegisterRequest
	s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPut || r.URL.Path != PathRegister ||
			r.Header.Get(HeaderNode) != "n1" || r.Header.Get(HeaderSecret) != "s1" || r.Header.Get(HeaderVersion) != Version {
			t.Errorf("%s %s with headers %v", r.Method, r.URL, r.Header)
		}
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			t.Error(err)
		}
		answering(RegisterResponse{Index: 7, Servers: []string{"a:1", "b:2"}})(w, r)
	})
	c := clientOf(s)
	want := RegisterRequest{Node: &api.Node{ID: "n1", Meta: map[string]string{"a": "b"}}, SecretID: "s1", BootID: "boot"}
	resp, err := c.Register(t.Context(), want)
	if err != nil || resp.Index != 7 {
		t.Fatalf("%+v, %v", resp, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"a:1", "b:2"}, c.Servers()); diff != "" {
		t.Error(diff)
	}
}

func TestFailover(t *testing.T) {
	ok := answering(StatusResponse{Index: 3})
	tests := []struct {
		name  string
		first http.HandlerFunc
	}{
		{"no leader", refusing(500, "No cluster leader")},
		{"busy", refusing(429, "slow down")},
		{"lags behind", refusing(404, "node not found")},
		{"broken answer", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("{")) }},
		{"hangs up", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }},
		{"silent", silent},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			first, second := newServer(t, tt.first), newServer(t, ok)
			c := clientOf(first, second)
			resp, err := c.Status(t.Context(), StatusRequest{NodeID: "n1"})
			if err != nil || resp.Index != 3 {
				t.Fatalf("%+v, %v", resp, err)
			}
			if tt.name != "silent" && c.Servers()[0] != second.addr() {
				t.Errorf("the server that failed is still tried first")
			}
		})
	}
}

func TestRefusalsAreTyped(t *testing.T) {
	tests := []struct {
		code            int
		unknown, denied bool
		calls           int32 // to the second server
	}{
		{404, true, false, 1},
		{403, false, true, 1},
		{400, false, false, 0}, // the request itself is wrong: no other server would like it
		{413, false, false, 0},
	}
	for _, tt := range tests {
		first, second := newServer(t, refusing(tt.code, "no")), newServer(t, refusing(tt.code, "no"))
		_, err := clientOf(first, second).Status(t.Context(), StatusRequest{})
		var refused *Error
		if !errors.As(err, &refused) {
			t.Fatalf("%d: %v is no *Error", tt.code, err)
		}
		if refused.Unknown() != tt.unknown || refused.Denied() != tt.denied || second.calls.Load() != tt.calls {
			t.Errorf("%d: unknown %v denied %v, %d calls to the second server", tt.code, refused.Unknown(), refused.Denied(), second.calls.Load())
		}
	}
}

func TestDropMovesAPollToTheNextServer(t *testing.T) {
	began := make(chan struct{})
	dead := newServer(t, func(_ http.ResponseWriter, r *http.Request) {
		close(began)
		<-r.Context().Done()
	})
	alive := newServer(t, answering(AllocsResponse{Index: 9, IDs: []string{"x"}}))
	c := clientOf(dead, alive)
	go func() {
		<-began
		c.Drop(dead.addr())
	}()
	resp, err := c.Allocs(t.Context(), AllocsRequest{NodeID: "n1", Wait: time.Hour})
	if err != nil || resp.Index != 9 {
		t.Fatalf("%+v, %v", resp, err)
	}
}

func TestPollTellsOfAServerWithoutLeader(t *testing.T) {
	s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(HeaderKnownLeader, "false")
		answering(AllocsResponse{Index: 2})(w, r)
	})
	resp, err := clientOf(s).Allocs(t.Context(), AllocsRequest{})
	if err != nil || !resp.NoLeader {
		t.Errorf("%+v, %v", resp, err)
	}
}

func TestAllocSurvivesTheWire(t *testing.T) {
	want := AllocsResponse{Index: 2, Allocs: []*Alloc{{JobRef: JobRef{Namespace: "default", ID: "j", Version: 3, CreateIndex: 4}, Cores: []int{3, 5}, Rebooted: true}}}
	want.Allocs[0].ID = "a1"
	want.Allocs[0].AllocModifyIndex = 17
	got, err := clientOf(newServer(t, answering(want))).Allocs(t.Context(), AllocsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&want, got); diff != "" {
		t.Error(diff)
	}
}

func TestNothingBeginsAfterTheEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := newServer(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	if _, err := clientOf(s, s).Allocs(ctx, AllocsRequest{Wait: time.Hour}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want the context's", err)
	}
	if _, err := New(Config{}).Status(t.Context(), StatusRequest{}); err == nil {
		t.Error("no error without servers")
	}
}

func TestBackoffGrowsToItsLimit(t *testing.T) {
	var b Backoff
	for round := range 20 {
		limit := min(backoffBase<<min(round, 10), backoffMax)
		if wait := b.Next(); wait > limit || wait < limit/2 {
			t.Errorf("round %d: %v, want %v to %v", round, wait, limit/2, limit)
		}
	}
	b.Reset()
	if wait := b.Next(); wait > backoffBase {
		t.Errorf("after a reset: %v", wait)
	}
}
