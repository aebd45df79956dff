package leader

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
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
	three := []RaftServer{{"a", "a:4647", true}, {"b", "b:4647", true}, {"c", "c:4647", true}}
	joined := []RaftServer{{"c", "c:4647", false}}
	def, keep, quorum := state.DefaultAutopilot(), state.DefaultAutopilot(), state.DefaultAutopilot()
	keep.CleanupDeadServers, quorum.MinQuorum = false, 3
	for _, tc := range []struct {
		name    string
		servers []RaftServer
		members []Member
		add     []RaftServer
		remove  []string
		set     *api.AutopilotConfiguration
	}{
		{"all is well", three, []Member{server("a", true, long), server("b", true, long), server("c", true, long)}, nil, nil, def},
		{"a server joins", three[:2], []Member{server("a", true, long), server("b", true, long), server("c", true, now)}, joined, nil, def},
		{"a server that joined is stable", append(three[:2:2], joined...), []Member{server("a", true, long), server("b", true, long), server("c", true, long)}, three[2:], nil, def},
		{"a server that joined is not stable yet", append(three[:2:2], joined...), []Member{server("a", true, long), server("b", true, long), server("c", true, now.Add(-9*time.Second))}, nil, nil, def},
		{"a voter moved and is back just now", []RaftServer{{"a", "a:4647", true}, {"b", "old:4647", true}}, []Member{server("a", true, long), server("b", true, now)}, three[1:2], nil, def},
		{"a server failed long ago, below the least quorum", three, []Member{server("a", true, long), server("b", false, long), server("c", true, long)}, nil, nil, quorum},
		{"a client is no voter", three[:1], []Member{server("a", true, long), client}, nil, nil, def},
		{"a server moved to another address", []RaftServer{{"a", "old:4647", true}}, []Member{server("a", true, long)}, three[:1], nil, def},
		{"a server left", three, []Member{server("a", true, long), left, server("c", true, long)}, nil, []string{"b"}, def},
		{"a server failed just now", three, []Member{server("a", true, long), server("b", false, short), server("c", true, long)}, nil, nil, def},
		{"a server failed long ago", three, []Member{server("a", true, long), server("b", false, long), server("c", true, long)}, nil, []string{"b"}, def},
		{"a server failed long ago, and the dead are kept", three, []Member{server("a", true, long), server("b", false, long), server("c", true, long)}, nil, nil, keep},
		{"no majority is left to agree on it", three, []Member{server("a", true, long), server("b", false, long), server("c", false, long)}, nil, nil, def},
		{"gossip has not heard of it yet", three, []Member{server("a", true, long), server("b", true, long)}, nil, nil, def},
	} {
		add, remove, again := planVoters(tc.servers, tc.members, tc.set, now)
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
