// Package gossip knows who is alive. Every agent, server and client alike, is
// a member of one memberlist (SWIM with Lifeguard) and sees every other.
//
//	Network (UDP+TCP)                              Subscribe(func(Event))
//	     ^                                                 ^
//	     v                                                 | one goroutine, in order
//	transport <-> memberlist --- join, leave, update ---> roster ---> events
//	     ^            |  ^                                  ^
//	     |            v  |  user broadcasts                 | reap after 24 h
//	probe: ping,    force-leave ----------------------------+
//	indirect, TCP
//
// What comes in: packets of other members, and the agent's own Meta. What goes
// out: events (Joined, Updated, Failed, Left) in the order they were learned.
// An event is an accusation or a claim, never a verdict: the leader weighs it
// against other evidence.
//
// A member's name inside memberlist is its node ID. memberlist forgets a dead
// member after half a minute; the roster remembers it as failed, the agent goes on
// dialling it, and a partition that heals becomes one cluster again.
//
// # How fast a dead node is found
//
// Each of the n-1 others probes it once in a round of n-1 probes, so the first
// probe comes after (n-1)/n ProbeIntervals on average. It goes unanswered for
// one more, and then the suspect may clear itself:
//
//	ProbeInterval * ((n-1)/n + 1 + SuspicionMult * max(1, log10 n))
//
// That is 0.58 s for 7 members with the defaults of [Config], 0.9 s for 100,
// 1.5 s for 10,000; everyone else hears of it one or two GossipIntervals later.
package gossip
