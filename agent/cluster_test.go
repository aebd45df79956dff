package agent

import (
	"testing"
	"time"
)

// A node dies in silence: its work runs elsewhere about a second later.
func TestSilentDeathIsHealed(t *testing.T) {
	bubble(t, 3, 5, func(s *sim) {
		s.run(service("web", 6), 6)
		victim := s.clients[s.rng.IntN(len(s.clients))]
		start := time.Now()
		victim.die()
		s.whole("web", 6, 10*time.Second)
		s.t.Logf("healed after %v", time.Since(start))
	})
}
