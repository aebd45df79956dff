package httpapi

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"os"

	"github.com/hashicorp/go-memdb"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
)

// raftConfiguration is GET /v1/operator/raft/configuration.
func raftConfiguration(a *API, r *request) (any, error) {
	op, err := a.operator()
	if err != nil {
		return nil, err
	}
	return op.Configuration(r.Context())
}

// raftPeer finds the raft server of ?id or ?address.
func (a *API) raftPeer(r *request, op RaftOperator) (string, error) {
	id, addr := r.query.Get("id"), r.query.Get("address")
	if (id == "") == (addr == "") {
		return "", badRequest("must specify either ?id with the server's ID or ?address with IP:port")
	}
	conf, err := op.Configuration(r.Context())
	if err != nil {
		return "", err
	}
	for _, s := range conf.Servers {
		if s.ID == id && id != "" || s.Address == addr && addr != "" {
			return s.ID, nil
		}
	}
	if id != "" {
		return "", badRequest("id %q was not found in the Raft configuration", id)
	}
	return "", badRequest("address %q was not found in the Raft configuration", addr)
}

// raftRemovePeer is DELETE /v1/operator/raft/peer (?id or ?address).
func raftRemovePeer(a *API, r *request) (any, error) {
	op, err := a.operator()
	if err != nil {
		return nil, err
	}
	id, err := a.raftPeer(r, op)
	if err != nil {
		return nil, err
	}
	return nil, op.RemovePeer(r.Context(), id)
}

// raftTransfer is PUT /v1/operator/raft/transfer-leadership (?id or ?address).
func raftTransfer(a *API, r *request) (any, error) {
	op, err := a.operator()
	if err != nil {
		return nil, err
	}
	id, err := a.raftPeer(r, op)
	if err != nil {
		return nil, err
	}
	if err := op.TransferLeadership(r.Context(), id); err != nil {
		return nil, err
	}
	return struct{}{}, nil
}

// schedulerConfig is GET /v1/operator/scheduler/configuration.
func schedulerConfig(a *API, r *request) (any, error) {
	return a.read(r, func(snap *state.Snapshot, ws memdb.WatchSet) (any, uint64, error) {
		conf := snap.SchedulerConfig(ws)
		index := snap.Index(state.TableScheduler)
		return &api.SchedulerConfigurationResponse{SchedulerConfig: conf, QueryMeta: api.QueryMeta{LastIndex: index}}, index, nil
	})
}

// schedulerSetConfig is PUT /v1/operator/scheduler/configuration (?cas).
func schedulerSetConfig(a *API, r *request) (any, error) {
	var conf api.SchedulerConfiguration
	if err := a.decode(r, &conf); err != nil {
		return nil, err
	}
	switch conf.SchedulerAlgorithm {
	case "":
		conf.SchedulerAlgorithm = api.SchedulerAlgorithmBinpack
	case api.SchedulerAlgorithmBinpack, api.SchedulerAlgorithmSpread:
	default:
		return nil, badRequest("invalid scheduler algorithm %q: use binpack or spread", conf.SchedulerAlgorithm)
	}
	cas, index, err := r.parseCAS()
	if err != nil {
		return nil, err
	}
	updated, err := apply[bool](a, r, &state.SetSchedulerConfig{Config: &conf, CAS: cas, Index: index})
	if err != nil {
		return nil, err
	}
	return &api.SchedulerSetConfigurationResponse{Updated: updated, WriteMeta: api.WriteMeta{LastIndex: r.index}}, nil
}

// snapshotSave is GET /v1/operator/snapshot: the whole state, with its digest.
func snapshotSave(a *API, r *request) (any, error) {
	if a.cfg.Snapshots == nil {
		return nil, notYet("saving a snapshot")
	}
	// The digest goes into the header, so the snapshot is written to a file first.
	f, err := os.CreateTemp("", "selfheal-snapshot-*")
	if err != nil {
		return nil, fmt.Errorf("save snapshot: %w", err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	sum := sha256.New()
	if err := a.cfg.Snapshots.Save(r.Context(), io.MultiWriter(f, sum)); err != nil {
		return nil, fmt.Errorf("save snapshot: %w", err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("save snapshot: %w", err)
	}
	r.index = a.cfg.State.Snapshot().LastIndex()
	a.setMeta(r)
	r.w.Header().Set("Digest", "sha-256="+base64.StdEncoding.EncodeToString(sum.Sum(nil)))
	out := newStream(r, "application/x-gzip", frameWrite)
	defer out.close()
	io.Copy(writer{out}, f) // a client that goes away ends it
	return streamed{}, nil
}

// writer makes a stream an io.Writer.
type writer struct{ s *stream }

func (w writer) Write(b []byte) (int, error) { return len(b), w.s.write(b) }

// snapshotRestore is PUT /v1/operator/snapshot: the state becomes that of the body.
func snapshotRestore(a *API, r *request) (any, error) {
	if a.cfg.Snapshots == nil {
		return nil, notYet("restoring a snapshot")
	}
	if err := a.cfg.Snapshots.Restore(r.Context(), r.Body); err != nil {
		return nil, fmt.Errorf("restore snapshot: %w", err)
	}
	r.index = a.cfg.State.Snapshot().LastIndex()
	return nil, nil
}
