package leader

import "time"

// Evidence is what one attempt to reach a node's agent found.
type Evidence string

// The kinds of evidence.
const (
	Answered Evidence = "answered" // the agent spoke
	Refused  Evidence = "refused"  // the host's kernel said that nobody listens
	Frozen   Evidence = "frozen"   // the kernel took the connection, nobody spoke
	Silent   Evidence = "silent"   // nothing came back at all
)

// Sighting is all the evidence about a node that one round of probes gathered.
type Sighting struct {
	Own       Evidence   // what this server found
	Witnesses []Evidence // what other agents found, those that answered in time
}

// Verdict is what the evidence says of a node.
type Verdict string

// The verdicts. Rebooted is not among them: a node says so itself when it
// registers with another boot ID.
const (
	Alive       Verdict = "alive"
	HostDead    Verdict = "host dead"
	AgentDead   Verdict = "agent dead, host alive"
	AgentFrozen Verdict = "agent frozen"
	Partitioned Verdict = "partitioned"
)

// judge weighs a sighting. One answer outweighs any silence, and what a kernel
// says (refused, or taken and then nothing) outweighs what nobody says, because
// packets get lost but are not invented.
func judge(s Sighting) Verdict {
	all := append([]Evidence{s.Own}, s.Witnesses...)
	switch {
	case s.Own == Answered:
		return Alive
	case has(all, Answered):
		return Partitioned
	case has(all, Refused):
		return AgentDead
	case has(all, Frozen):
		return AgentFrozen
	default:
		return HostDead
	}
}

func has(all []Evidence, want Evidence) bool {
	for _, e := range all {
		if e == want {
			return true
		}
	}
	return false
}

// Graces say how long each verdict is borne, counted from the accusation, before
// the node is declared down.
type Graces struct {
	// AgentDead is time for a crashed agent to be started again, during which its
	// tasks go on under their supervisors. Longer: fewer needless moves when agents
	// crash. Shorter: faster replacement when the tasks died with the agent.
	AgentDead time.Duration
	// AgentFrozen is time for an agent that is starved or stopped to come back.
	AgentFrozen time.Duration
	// Restarting is borne by a node that said it would be back, whatever is seen of it
	// except a dead host. The node may ask for less or more, up to this.
	Restarting time.Duration
}

// decide says whether a node with this verdict is to be declared down now; if
// not, when to look again. since is the time of the accusation; restart is the
// grace that the node asked for when it said goodbye, 0 for none.
func (g Graces) decide(v Verdict, since, now time.Time, restart time.Duration) (down bool, again time.Duration) {
	var grace time.Duration
	switch v {
	case Alive, Partitioned:
		return false, recheck
	case AgentDead:
		grace = g.AgentDead
	case AgentFrozen:
		grace = g.AgentFrozen
	}
	if restart > 0 {
		grace = max(grace, min(restart, g.Restarting))
	}
	left := since.Add(grace).Sub(now)
	if left <= 0 {
		return true, 0
	}
	return false, min(left, recheck)
}

// recheck is the pause between two rounds of probes of an accused node.
const recheck = 500 * time.Millisecond
