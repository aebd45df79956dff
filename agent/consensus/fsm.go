package consensus

import (
	"io"
	"sync/atomic"

	"github.com/hashicorp/raft"
)

// machine is the FSM as raft wants it; raft calls it from one goroutine.
type machine struct {
	fsm FSM
	// members is the index of the last entry that changed the members: raft does not
	// tell it otherwise.
	members *atomic.Uint64
}

var _ raft.BatchingFSM = machine{}

// Apply implements raft.FSM.
func (m machine) Apply(l *raft.Log) any {
	if l.Type == raft.LogConfiguration {
		m.members.Store(l.Index)
	}
	if l.Type != raft.LogCommand {
		return nil
	}
	return m.fsm.Apply(l.Index, l.Data)
}

// ApplyBatch implements raft.BatchingFSM.
func (m machine) ApplyBatch(logs []*raft.Log) []any {
	out := make([]any, len(logs))
	for i, l := range logs {
		out[i] = m.Apply(l)
	}
	return out
}

// Snapshot implements raft.FSM.
func (m machine) Snapshot() (raft.FSMSnapshot, error) { return view{m.fsm.Snapshot()}, nil }

// Restore implements raft.FSM.
func (m machine) Restore(r io.ReadCloser) error {
	defer r.Close()
	return m.fsm.Restore(r)
}

// view is a snapshot of the FSM that raft may write out.
type view struct{ io.WriterTo }

// Persist implements raft.FSMSnapshot.
func (v view) Persist(sink raft.SnapshotSink) error {
	if _, err := v.WriteTo(sink); err != nil {
		sink.Cancel() // nothing better to report than err
		return err
	}
	return sink.Close()
}

// Release implements raft.FSMSnapshot; the garbage collector does it.
func (view) Release() {}
