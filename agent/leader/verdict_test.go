package leader

import (
	"strconv"
	"testing"
	"time"
)

func TestJudge(t *testing.T) {
	for _, tc := range []struct {
		name string
		s    Sighting
		want Verdict
	}{
		{"nobody hears anything", Sighting{Own: Silent, Witnesses: []Evidence{Silent, Silent}}, HostDead},
		{"alone and silent", Sighting{Own: Silent}, HostDead},
		{"it answers us", Sighting{Own: Answered, Witnesses: []Evidence{Silent}}, Alive},
		{"it answers someone else", Sighting{Own: Silent, Witnesses: []Evidence{Silent, Answered}}, Partitioned},
		{"its kernel refuses us", Sighting{Own: Refused}, AgentDead},
		{"its kernel refuses a witness", Sighting{Own: Silent, Witnesses: []Evidence{Refused}}, AgentDead},
		{"its kernel takes the dial, nobody speaks", Sighting{Own: Frozen, Witnesses: []Evidence{Silent}}, AgentFrozen},
		{"a refusal outweighs a frozen dial", Sighting{Own: Frozen, Witnesses: []Evidence{Refused}}, AgentDead},
		{"no evidence at all is silence", Sighting{}, HostDead},
	} {
		if got := judge(tc.s); got != tc.want {
			t.Errorf("%s: judged %q, want %q", tc.name, got, tc.want)
		}
	}
}

func TestDecideBearsEachVerdictForItsGrace(t *testing.T) {
	g := Graces{AgentDead: time.Second, AgentFrozen: 10 * time.Second, Restarting: time.Minute}
	start := time.Unix(1000, 0)
	for _, tc := range []struct {
		name    string
		v       Verdict
		after   time.Duration
		restart time.Duration
		down    bool
	}{
		{"a dead host at once", HostDead, 0, 0, true},
		{"a dead agent is borne", AgentDead, 900 * time.Millisecond, 0, false},
		{"until its grace is over", AgentDead, time.Second, 0, true},
		{"a frozen agent for seconds", AgentFrozen, 9 * time.Second, 0, false},
		{"and not for ever", AgentFrozen, 10 * time.Second, 0, true},
		{"a restart that was announced", AgentDead, 20 * time.Second, 30 * time.Second, false},
		{"for as long as it asked", AgentDead, 30 * time.Second, 30 * time.Second, true},
		{"but not longer than allowed", AgentDead, time.Minute, time.Hour, true},
		{"the living never", Alive, time.Hour, 0, false},
		{"nor whom others still see", Partitioned, time.Hour, 0, false},
	} {
		down, again := g.decide(tc.v, start, start.Add(tc.after), tc.restart)
		if down != tc.down {
			t.Errorf("%s: down is %v, want %v", tc.name, down, tc.down)
		}
		if !down && (again <= 0 || again > recheck) {
			t.Errorf("%s: look again after %v, want within %v", tc.name, again, recheck)
		}
	}
}

func TestBrakeLetsSmallFailuresThrough(t *testing.T) {
	b := Brake{Share: 0.34, Window: 30 * time.Second, Pace: 5 * time.Second}
	now := time.Unix(1000, 0)
	for i, node := range []string{"a", "b"} {
		if ok, _ := b.Allow(node, now, 4); !ok {
			t.Fatalf("node %d of 4 was held back; two may always fail at once", i+1)
		}
	}
	ok, wait := b.Allow("c", now.Add(time.Second), 4)
	if ok || wait != 4*time.Second {
		t.Fatalf("third of four within a second: %v, wait %v; want held back for 4 s", ok, wait)
	}
	if !b.Holding(now.Add(time.Second), 4) {
		t.Error("the brake should hold")
	}
	if ok, _ := b.Allow("c", now.Add(5*time.Second), 4); !ok {
		t.Error("one node a pace should go through while the brake holds")
	}
	if ok, _ := b.Allow("d", now.Add(time.Minute), 4); !ok || b.Holding(now.Add(time.Minute), 4) {
		t.Error("after the window the brake should be released")
	}
}

func TestBrakeForgetsNodesThatAreBack(t *testing.T) {
	b := Brake{Share: 0.34, Window: 30 * time.Second, Pace: 5 * time.Second}
	now := time.Unix(1000, 0)
	for i := range 20 {
		now = now.Add(time.Second)
		if ok, wait := b.Allow("a", now, 4); !ok {
			t.Fatalf("death %d of a node that was back each time: held back for %v", i+1, wait)
		}
		b.Back("a")
	}
	b.Allow("a", now, 4)
	b.Allow("b", now, 4)
	if ok, _ := b.Allow("c", now, 4); ok {
		t.Error("the third of four that are down together was not held back")
	}
}

func TestBrakeScalesWithTheCluster(t *testing.T) {
	b := Brake{Share: 0.25, Window: time.Minute, Pace: time.Second}
	now, through := time.Unix(1000, 0), 0
	for i := range 100 {
		if ok, _ := b.Allow(strconv.Itoa(i), now, 100); ok {
			through++
		}
	}
	if through != 25 {
		t.Errorf("%d of 100 nodes went down at once, want 25", through)
	}
}
