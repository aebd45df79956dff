package consensus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

// Config of a server's part in the consensus.
type Config struct {
	// ID is the server's for ever; Addr is the host:port where others reach its Listener.
	ID, Addr string
	// DataDir holds the directory raft; "" keeps everything in memory.
	DataDir string
	FSM     FSM
	// Listener accepts raft's connections; it is closed by Shutdown.
	Listener net.Listener
	// Dial connects to another server's Addr.
	Dial   func(ctx context.Context, addr string) (net.Conn, error)
	Logger hclog.Logger

	// HeartbeatTimeout is how long a follower hears nothing before it gives the leader
	// up. It looks every one to two of them, at random, and a candidate is elected
	// only when a majority has given the leader up (pre-vote). The leader sends a
	// heartbeat every tenth to fifth of it. From a leader's death to an accepted write
	// it takes, with three servers in virtual time (200 rounds),
	//
	//	at least 1.1, half of the time 2.1, at most 3.5 times HeartbeatTimeout
	//
	// and two round trips and two fsyncs: 350 ms gives a median of 0.73 s. Lower is
	// faster and takes pauses of a busy machine (scheduling, fsync, GC) for deaths:
	// 350 ms is five to ten lost heartbeats, and ten times what a process waits for its
	// turn on a 2-core machine with 16 busy ones.
	HeartbeatTimeout time.Duration
	// ElectionTimeout is how long a candidate waits for votes before it tries again;
	// at least HeartbeatTimeout.
	ElectionTimeout time.Duration
	// LeaderLease is how long a leader goes on without hearing of a majority before
	// it steps down; at most HeartbeatTimeout, so that an isolated leader stops
	// before its successor begins.
	LeaderLease time.Duration
	// CommitTimeout is after how long without new entries followers are told what is
	// committed. More makes reads on followers older, less costs idle messages.
	CommitTimeout time.Duration
	// SnapshotInterval and SnapshotThreshold: at least every interval (to twice that)
	// the log is replaced by a snapshot, if it has grown by that many entries.
	SnapshotInterval  time.Duration
	SnapshotThreshold uint64
	// TrailingLogs are kept after a snapshot, for followers that are a little behind.
	TrailingLogs uint64
	// SegmentBytes is the size of a file of the log, allocated in advance. Less makes an
	// idle server smaller, more makes fewer file changes under load.
	SegmentBytes int

	// Stores replaces those that DataDir says; tests keep them over a simulated restart.
	Stores *Stores
}

// FSM is what the log is applied to.
type FSM struct {
	// Apply applies an entry; the result is returned by the Apply that proposed it.
	Apply func(index uint64, data []byte) any
	// Snapshot is a view of the present state that is written out while more is applied.
	Snapshot func() io.WriterTo
	// Restore replaces the state.
	Restore func(io.Reader) error
}

// Stores are where raft keeps what it must not forget.
type Stores struct {
	Log       raft.LogStore
	Stable    raft.StableStore
	Snapshots raft.SnapshotStore
}

// Default is a Config but for what only the caller knows: ID, Addr, DataDir, FSM,
// Listener, Dial and Logger.
func Default() Config {
	return Config{
		HeartbeatTimeout:  350 * time.Millisecond,
		ElectionTimeout:   350 * time.Millisecond,
		LeaderLease:       300 * time.Millisecond,
		CommitTimeout:     25 * time.Millisecond,
		SnapshotInterval:  2 * time.Minute,
		SnapshotThreshold: 8192,
		TrailingLogs:      10240,
		SegmentBytes:      8 << 20,
	}
}

// Validate says what is wrong with a Config.
func (c *Config) Validate() error {
	switch {
	case c.ID == "" || c.Addr == "":
		return errors.New("configure consensus: ID and Addr must be set")
	case c.FSM.Apply == nil || c.FSM.Snapshot == nil || c.FSM.Restore == nil:
		return errors.New("configure consensus: FSM must have all three functions")
	case c.Listener == nil || c.Dial == nil:
		return errors.New("configure consensus: Listener and Dial must be set")
	case c.SegmentBytes < 64<<10:
		return fmt.Errorf("configure consensus: segments of %d bytes are too small, choose at least 65536", c.SegmentBytes)
	}
	if err := raft.ValidateConfig(c.raft()); err != nil {
		return fmt.Errorf("configure consensus: %w", err)
	}
	return nil
}

// raft is the Config in raft's terms.
func (c *Config) raft() *raft.Config {
	r := raft.DefaultConfig()
	r.LocalID = raft.ServerID(c.ID)
	r.HeartbeatTimeout, r.ElectionTimeout, r.LeaderLeaseTimeout = c.HeartbeatTimeout, c.ElectionTimeout, c.LeaderLease
	r.CommitTimeout = c.CommitTimeout
	r.SnapshotInterval, r.SnapshotThreshold, r.TrailingLogs = c.SnapshotInterval, c.SnapshotThreshold, c.TrailingLogs
	r.BatchApplyCh = true // concurrent callers share one fsync: measured 4.8k -> 91k entries/s
	r.NoLegacyTelemetry = true
	r.ShutdownOnRemove = false // the agent decides what a removed server does
	r.Logger = c.Logger
	return r
}
