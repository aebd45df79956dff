package httpapi

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// crowd has n nodes wait for orders and counts those that got theirs.
func crowd(ctx context.Context, p *pace, n int) *atomic.Int64 {
	var served atomic.Int64
	for i := range n {
		go func() {
			p.wait(ctx, fmt.Sprint(i))
			if ctx.Err() == nil {
				served.Add(1)
			}
		}()
	}
	synctest.Wait()
	return &served
}

// At rest a window's worth of nodes goes at once, and the next as soon as others come back.
func TestPaceIsAWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		p := newPace(func() bool { return false })
		served := crowd(ctx, p, ordersOut+100)
		if got := served.Load(); got != ordersOut {
			t.Fatalf("%d nodes at once", got)
		}
		var first []string
		for node := range p.out {
			if first = append(first, node); len(first) == 30 {
				break
			}
		}
		for _, node := range first {
			p.back(node)
		}
		time.Sleep(paceTick)
		synctest.Wait()
		if got := served.Load(); got != ordersOut+30 {
			t.Errorf("%d after 30 came back", got)
		}
		time.Sleep(ordersLost + 2*paceTick) // nobody else does: they are given up
		synctest.Wait()
		if got := served.Load(); got != ordersOut+100 {
			t.Errorf("%d in the end", got)
		}
	})
}

// While there is something to decide most nodes wait, but none for ever; and when all is
// decided they go.
func TestPaceLetsDecisionsGoFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var deciding atomic.Bool
		deciding.Store(true)
		p := newPace(deciding.Load)
		back := func(n int) { // all that are out come back
			p.mu.Lock()
			clear(p.out)
			p.mu.Unlock()
		}
		served := crowd(ctx, p, 5000)
		if got := served.Load(); got != ordersAtOnce {
			t.Fatalf("%d nodes at once", got)
		}
		back(ordersAtOnce)
		time.Sleep(time.Second)
		synctest.Wait()
		trickle := int64(ordersPerCPU * runtime.GOMAXPROCS(0))
		if got := served.Load() - ordersAtOnce; got < min(trickle, ordersOut)*8/10 || got > trickle*12/10 {
			t.Errorf("%d in a second of deciding, want about %d", got, trickle)
		}
		deciding.Store(false)
		for range 100 {
			back(ordersOut)
			time.Sleep(paceTick)
			synctest.Wait()
		}
		if got := served.Load(); got != 5000 {
			t.Errorf("%d of 5000 when all was decided", got)
		}
	})
}

func TestPaceHoldsNobodyForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		p := newPace(func() bool { return true })
		served := crowd(ctx, p, ordersAtOnce+ordersOut)
		time.Sleep(ordersHeld + ordersLost + 2*paceTick)
		synctest.Wait()
		if got := served.Load(); got != ordersAtOnce+ordersOut {
			t.Errorf("%d nodes after %v", got, ordersHeld)
		}
	})
}
