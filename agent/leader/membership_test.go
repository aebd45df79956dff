package leader

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPlanVoters(t *testing.T) {
	now := time.Unix(10_000, 0)
	long, short := now.Add(-2*deadServer), now.Add(-deadServer/2)
	server := func(id string, alive bool, since time.Time) Member {
		return Member{ID: id, Addr: id + ":4647", Server: true, Alive: alive, Since: since}
	}
	left := server("b", false, now)
	left.Left = true
	client := server("n", true, long)
	client.Server = false
	three := []RaftServer{{"a", "a:4647"}, {"b", "b:4647"}, {"c", "c:4647"}}
	for _, tc := range []struct {
		name    string
		servers []RaftServer
		members []Member
		add     []RaftServer
		remove  []string
		keep    bool
	}{
		{"all is well", three, []Member{server("a", true, long), server("b", true, long), server("c", true, long)}, nil, nil, false},
		{"a server joins", three[:2], []Member{server("a", true, long), server("b", true, long), server("c", true, now)}, three[2:], nil, false},
		{"a client is no voter", three[:1], []Member{server("a", true, long), client}, nil, nil, false},
		{"a server moved to another address", []RaftServer{{"a", "old:4647"}}, []Member{server("a", true, long)}, three[:1], nil, false},
		{"a server left", three, []Member{server("a", true, long), left, server("c", true, long)}, nil, []string{"b"}, false},
		{"a server failed just now", three, []Member{server("a", true, long), server("b", false, short), server("c", true, long)}, nil, nil, false},
		{"a server failed long ago", three, []Member{server("a", true, long), server("b", false, long), server("c", true, long)}, nil, []string{"b"}, false},
		{"a server failed long ago, and the dead are kept", three, []Member{server("a", true, long), server("b", false, long), server("c", true, long)}, nil, nil, true},
		{"no majority is left to agree on it", three, []Member{server("a", true, long), server("b", false, long), server("c", false, long)}, nil, nil, false},
		{"gossip has not heard of it yet", three, []Member{server("a", true, long), server("b", true, long)}, nil, nil, false},
	} {
		add, remove, again := planVoters(tc.servers, tc.members, tc.keep, now)
		if d := cmp.Diff(tc.add, add); d != "" {
			t.Errorf("%s: add: %s", tc.name, d)
		}
		if d := cmp.Diff(tc.remove, remove); d != "" {
			t.Errorf("%s: remove: %s", tc.name, d)
		}
		if again <= 0 || again > time.Minute {
			t.Errorf("%s: look again after %v", tc.name, again)
		}
	}
}
