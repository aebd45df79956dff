package telemetry

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// Busy is how much of its time a loop works, as opposed to waits: the gauge
// {"loop", "busy"} with the label loop, from 0 to 1. A loop near 1 is the bottleneck of
// what passes through it.
type Busy struct {
	mu      sync.Mutex
	working int           // Begins without their end
	since   time.Time     // when working became positive, or the last reading
	spent   time.Duration // work since the last reading
	read    time.Time     // the last reading
}

// Loop returns the share of the loop of this name, such as "leader.evaluate"; the same one
// for the same name.
func (t *Telemetry) Loop(name string) *Busy {
	t.mu.Lock()
	defer t.mu.Unlock()
	b, ok := t.loops[name]
	if !ok {
		b = &Busy{read: time.Now()}
		t.loops[name] = b
	}
	return b
}

// Begin says that work begins; the function it returns says that it has ended. Work that
// overlaps counts once.
func (b *Busy) Begin() (end func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.working++; b.working == 1 {
		b.since = time.Now()
	}
	return sync.OnceFunc(b.end)
}

func (b *Busy) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.working--; b.working == 0 {
		b.spent += time.Since(b.since)
	}
}

// share is the part of the time since the last reading that was work. Work under way
// counts up to now.
func (b *Busy) share(now time.Time) float32 {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.working > 0 {
		b.spent += now.Sub(b.since)
		b.since = now
	}
	window := now.Sub(b.read)
	spent := b.spent
	b.spent, b.read = 0, now
	if window <= 0 {
		return 0
	}
	return float32(min(1, max(0, spent.Seconds()/window.Seconds())))
}

// emitLoops reads every loop once.
func (t *Telemetry) emitLoops(now time.Time) {
	t.mu.Lock()
	loops := maps.Clone(t.loops)
	t.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(loops)) {
		t.SetGauge([]string{"loop", "busy"}, loops[name].share(now), "loop", name)
	}
}
