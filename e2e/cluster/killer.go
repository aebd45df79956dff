//go:build linux

package cluster

import (
	"math/rand/v2"
	"time"
)

// Killer kills servers -9 at random moments and starts them again.
type Killer struct {
	c   *Cluster
	rng *rand.Rand
	// Kills counts the processes killed.
	Kills int
}

// NewKiller makes a killer whose choices follow from the seed.
func NewKiller(c *Cluster, seed uint64) *Killer {
	return &Killer{c: c, rng: rand.New(rand.NewPCG(seed, 0))}
}

// deaths are what a round can be, with how often of their sum.
var deaths = []struct {
	name  string
	often int
	do    func(*Killer)
}{
	{"a server", 5, func(k *Killer) { k.kill(k.any()) }},
	{"the leader", 3, func(k *Killer) { k.kill(k.c.Leader()) }},
	{"two servers, one after the other", 2, func(k *Killer) {
		first := k.rng.IntN(len(k.c.Servers))
		k.kill(k.c.Servers[first])
		k.wait(300)
		k.kill(k.c.Servers[(first+1)%len(k.c.Servers)])
	}},
	{"all servers", 1, func(k *Killer) { k.kill(k.c.Servers...) }},
}

// Round waits a moment, kills, and starts again what it killed. It does not wait
// for what it started, so that the next round may hit a server that comes up.
func (k *Killer) Round() string {
	total := 0
	for _, d := range deaths {
		total += d.often
	}
	k.wait(400)
	n := k.rng.IntN(total)
	for _, d := range deaths {
		if n -= d.often; n < 0 {
			d.do(k)
			return "the death of " + d.name
		}
	}
	return ""
}

func (k *Killer) any() *Agent { return k.c.Servers[k.rng.IntN(len(k.c.Servers))] }

func (k *Killer) kill(victims ...*Agent) {
	for _, v := range victims {
		v.Kill()
		k.Kills++
	}
	k.wait(400)
	for _, v := range victims {
		v.Start()
	}
}

// wait waits a random time, at most so many milliseconds.
func (k *Killer) wait(ms int) { time.Sleep(time.Duration(k.rng.IntN(ms)) * time.Millisecond) }
