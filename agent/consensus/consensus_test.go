package consensus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// bubble runs a test in virtual time.
func bubble(t *testing.T, name string, f func(t *testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

func TestAgreement(t *testing.T) {
	bubble(t, "three servers", func(t *testing.T) {
		c := newCluster(t, 3, nil)
		l := c.leader()
		c.apply(l, "a")
		c.apply(l, "b")
		if err := l.Barrier(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		for _, s := range c.servers {
			if got := s.fsm.entries(); !slices.Equal(got, []string{"a", "b"}) {
				t.Errorf("%s applied %v", s.id, got)
			}
			if id, addr := s.Leader(); id != l.id || addr != l.id+":4647" {
				t.Errorf("%s believes that %s at %s leads, not %s", s.id, id, addr, l.id)
			}
			if s == l {
				continue
			}
			_, _, err := s.Apply(t.Context(), []byte("c"))
			var notLeader ErrNotLeader
			if !errors.As(err, &notLeader) || notLeader.LeaderAddr != l.id+":4647" {
				t.Errorf("a follower's refusal: %v", err)
			}
			if d := s.LastContact(); d <= 0 || d > 100*time.Millisecond {
				t.Errorf("last contact %v ago", d)
			}
		}
		if err := l.Bootstrap([]Server{{ID: "x", Addr: "y", Voter: true}}); err == nil || !strings.Contains(err.Error(), "part of a cluster already") {
			t.Errorf("bootstrap of a cluster that exists: %v", err)
		}
	})
}

func TestFailover(t *testing.T) {
	bubble(t, "elects another leader within 1.5 s", func(t *testing.T) {
		c := newCluster(t, 3, nil)
		var worst time.Duration
		for i := range 10 {
			l := c.leader()
			c.apply(l, fmt.Sprint("before ", i))
			start := time.Now()
			c.kill(l)
			next := c.leader(l)
			c.apply(next, fmt.Sprint("after ", i))
			worst = max(worst, time.Since(start))
			c.start(l)
			if !l.HasState() {
				t.Error("a restarted server forgot everything")
			}
			time.Sleep(2 * time.Second)
			if got, want := l.fsm.entries(), next.fsm.entries(); !slices.Equal(got, want) {
				t.Errorf("%s restarted has %v, %s has %v", l.id, got, next.id, want)
			}
		}
		if worst > 1500*time.Millisecond {
			t.Errorf("the slowest of 10 took %v", worst)
		}
	})
	bubble(t, "an isolated leader steps down", func(t *testing.T) {
		c := newCluster(t, 3, nil)
		l := c.leader()
		c.net.isolate(l.id+":4647", true)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if _, _, err := l.Apply(ctx, []byte("lost")); !errors.Is(err, ErrLeadershipLost) {
			t.Errorf("an entry that nobody else has: %v", err)
		}
		next := c.leader(l)
		c.apply(next, "kept")
		c.net.isolate(l.id+":4647", false)
		time.Sleep(10 * time.Second)
		if got := l.fsm.entries(); !slices.Equal(got, []string{"kept"}) {
			t.Errorf("the former leader applied %v", got)
		}
	})
}

func TestTransferLeadership(t *testing.T) {
	bubble(t, "there and back", func(t *testing.T) {
		c := newCluster(t, 3, nil)
		l := c.leader()
		var mu sync.Mutex
		var seen []bool
		l.Subscribe(func(leads bool) {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, leads)
		})
		start := time.Now()
		if err := l.TransferLeadership(t.Context()); err != nil {
			t.Fatal(err)
		}
		next := c.leader(l)
		c.apply(next, "x")
		if d := time.Since(start); d > 300*time.Millisecond {
			t.Errorf("it took %v", d)
		}
		if err := next.TransferLeadershipTo(t.Context(), l.id, l.id+":4647"); err != nil {
			t.Fatal(err)
		}
		c.leader(next)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if !slices.Equal(seen, []bool{true, false, true}) {
			t.Errorf("the subscriber saw %v", seen)
		}
		if err := next.TransferLeadership(t.Context()); !errors.As(err, new(ErrNotLeader)) {
			t.Errorf("a follower gives away leadership: %v", err)
		}
	})
}

func TestMembers(t *testing.T) {
	bubble(t, "join and leave", func(t *testing.T) {
		c := newCluster(t, 1, nil)
		l := c.leader()
		c.apply(l, "a")
		for i := 1; i < 4; i++ {
			s := &server{id: fmt.Sprintf("server-%d", i), stores: memStores()}
			c.servers = append(c.servers, s)
			c.start(s)
			join := l.AddVoter
			if i == 3 {
				join = l.AddNonvoter
			}
			if err := join(t.Context(), s.id, s.id+":4647"); err != nil {
				t.Fatal(err)
			}
		}
		c.apply(l, "b")
		time.Sleep(time.Second)
		if got := c.servers[3].fsm.entries(); !slices.Equal(got, []string{"a", "b"}) {
			t.Errorf("the member without vote has %v", got)
		}
		if err := l.Remove(t.Context(), "server-1"); err != nil {
			t.Fatal(err)
		}
		members, index, err := c.servers[2].Configuration()
		if err != nil || index == 0 {
			t.Fatal(index, err)
		}
		want := []Server{{"server-0", "server-0:4647", true, true}, {"server-2", "server-2:4647", true, false}, {"server-3", "server-3:4647", false, false}}
		if !slices.Equal(members, want) {
			t.Errorf("members %v, want %v", members, want)
		}
	})
}

func TestSnapshots(t *testing.T) {
	small := func(c *Config) { c.SnapshotThreshold, c.TrailingLogs, c.SnapshotInterval = 10, 5, time.Second }
	bubble(t, "a follower that is far behind gets one", func(t *testing.T) {
		c := newCluster(t, 3, small)
		l := c.leader()
		behind := c.servers[0]
		if behind == l {
			behind = c.servers[1]
		}
		c.kill(behind)
		for i := range 50 {
			c.apply(l, fmt.Sprint(i))
		}
		time.Sleep(10 * time.Second)
		if n, _ := l.stores.Log.FirstIndex(); n < 20 {
			t.Fatalf("the log begins at %d: no snapshot was taken", n)
		}
		c.start(behind)
		time.Sleep(10 * time.Second)
		if got := behind.fsm.entries(); len(got) != 50 || got[49] != "49" {
			t.Errorf("it has %d entries", len(got))
		}
	})
	bubble(t, "backup and restore", func(t *testing.T) {
		c := newCluster(t, 3, nil)
		l := c.leader()
		c.apply(l, "a")
		var backup, again bytes.Buffer
		h, err := l.Save(&backup)
		if err != nil || h.Index == 0 || h.Size != 2 {
			t.Fatalf("backup %+v: %v", h, err)
		}
		if _, err := l.Save(&again); err != nil || !bytes.Equal(backup.Bytes(), again.Bytes()) {
			t.Errorf("a second backup of the same: %v", err)
		}
		c.apply(l, "b")
		for _, bad := range []string{"", "hello", backup.String()[:10]} {
			if _, err := l.RestoreFrom(strings.NewReader(bad)); err == nil {
				t.Errorf("%q was restored", bad)
			}
		}
		if _, err := l.RestoreFrom(&backup); err != nil {
			t.Fatal(err)
		}
		c.apply(l, "c")
		time.Sleep(5 * time.Second)
		for _, s := range c.servers {
			if got := s.fsm.entries(); !slices.Equal(got, []string{"a", "c"}) {
				t.Errorf("%s has %v", s.id, got)
			}
		}
	})
}

func TestApplyHonoursContext(t *testing.T) {
	bubble(t, "no majority", func(t *testing.T) {
		c := newCluster(t, 3, func(c *Config) { c.LeaderLease = c.HeartbeatTimeout })
		l := c.leader()
		for _, s := range c.servers {
			if s != l {
				c.kill(s)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		start := time.Now()
		if _, _, err := l.Apply(ctx, []byte("x")); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 100*time.Millisecond {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		c.kill(l)
	})
	bubble(t, "shut down", func(t *testing.T) {
		c := newCluster(t, 1, nil)
		l := c.leader()
		stopped := l.Consensus
		c.kill(l)
		if _, _, err := stopped.Apply(t.Context(), []byte("x")); !errors.Is(err, ErrShutdown) {
			t.Errorf("apply after shutdown: %v", err)
		}
		if err := stopped.Shutdown(t.Context()); err != nil {
			t.Errorf("a second shutdown: %v", err)
		}
	})
	bubble(t, "shut down under load", func(t *testing.T) {
		c := newCluster(t, 3, nil)
		l := c.leader()
		stopped := l.Consensus
		var calls sync.WaitGroup
		for range 300 { // more than raft queues; a request that is never answered would hang the bubble
			calls.Go(func() {
				for {
					_, _, err := stopped.Apply(t.Context(), []byte("x"))
					switch {
					case err == nil:
						continue
					case !errors.Is(err, ErrShutdown) && !errors.Is(err, ErrLeadershipLost) && !errors.As(err, new(ErrNotLeader)):
						t.Errorf("apply during shutdown: %v", err)
					}
					return
				}
			})
		}
		c.kill(l)
		calls.Wait()
	})
}
