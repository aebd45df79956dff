package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-memdb"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/acl"
	"github.com/selfheal/selfheal/agent/nodeapi"
	"github.com/selfheal/selfheal/agent/state"
)

// HostVolumes makes and forgets host volumes on this node.
type HostVolumes interface {
	CreateHostVolume(*api.HostVolume) (*api.HostVolume, error)
	RegisterHostVolume(*api.HostVolume) (*api.HostVolume, error)
	DeleteHostVolume(id string) error
}

// hostVolumeWait bounds what a node may take to make a volume.
const hostVolumeWait = 30 * time.Second

// hostVolumesList is GET /v1/volumes?type=host (?node_id, ?node_pool).
func hostVolumesList(a *API, r *request) (any, error) {
	node, pool := r.query.Get("node_id"), r.query.Get("node_pool")
	l := list[*api.HostVolume, *api.HostVolumeStub]{
		at: func(v *api.HostVolume) token { return byName(v.Namespace, v.ID) },
		keep: func(v *api.HostVolume) bool {
			return r.may(v.Namespace, acl.HostVolumeRead) && (node == "" || strings.HasPrefix(v.NodeID, node)) && (pool == "" || pool == api.NodePoolAll || v.NodePool == pool)
		},
		filterOn: func(v *api.HostVolume) any { return v },
		show: func(v *api.HostVolume) *api.HostVolumeStub {
			return &api.HostVolumeStub{
				Namespace: v.Namespace, ID: v.ID, Name: v.Name, PluginID: v.PluginID, NodePool: v.NodePool, NodeID: v.NodeID,
				CapacityBytes: v.CapacityBytes, State: v.State, CreateIndex: v.CreateIndex, CreateTime: v.CreateTime,
				ModifyIndex: v.ModifyIndex, ModifyTime: v.ModifyTime,
			}
		},
	}
	return readPage(a, r, l, func(s *state.Snapshot, ws memdb.WatchSet) (iter.Seq[*api.HostVolume], uint64) {
		seq := s.HostVolumes(ws, r.namespace, r.prefix)
		return func(yield func(*api.HostVolume) bool) {
			for v := range seq {
				if !yield(shownHostVolume(s, ws, v)) {
					return
				}
			}
		}, s.Index(state.TableHostVolumes)
	})
}

// shownHostVolume is unavailable where its node is not there.
func shownHostVolume(s *state.Snapshot, ws memdb.WatchSet, v *api.HostVolume) *api.HostVolume {
	n := s.Node(ws, v.NodeID)
	if n != nil && n.Status != api.NodeStatusDown {
		return v
	}
	shown := *v
	shown.State = api.HostVolumeStateUnavailable
	return &shown
}

// volumeHostInfo is GET /v1/volume/host/:id, with the allocations that use it.
func volumeHostInfo(a *API, r *request) (any, error) {
	return a.read(r, func(snap *state.Snapshot, ws memdb.WatchSet) (any, uint64, error) {
		v := snap.HostVolume(ws, r.namespace, r.vars["id"])
		if v == nil || !r.may(v.Namespace, acl.HostVolumeRead) {
			return nil, snap.Index(state.TableHostVolumes), notFound("host volume not found")
		}
		shown := *shownHostVolume(snap, ws, v)
		shown.Allocations = []*api.AllocationListStub{}
		for _, row := range volumeUsers(snap, v) {
			shown.Allocations = append(shown.Allocations, snap.API(row).Stub())
		}
		return &shown, max(v.ModifyIndex, snap.Index(state.TableHostVolumes)), nil
	})
}

// volumeUsers are the allocations on the volume's node that run with it.
func volumeUsers(snap *state.Snapshot, v *api.HostVolume) []*state.Alloc {
	var out []*state.Alloc
	for row := range snap.AllocsByNode(nil, v.NodeID) {
		if row.ClientTerminal() {
			continue
		}
		job := snap.JobVersion(nil, row.Namespace, row.JobID, row.JobVersion)
		if job == nil {
			continue
		}
		if g := lookupGroup(job, row.Group); g != nil {
			for _, ask := range g.Volumes {
				name, _, _ := strings.Cut(v.Name, "[") // one per allocation carries its index
				if ask != nil && ask.Type == api.CSIVolumeTypeHost && (ask.Source == v.Name || ask.PerAlloc && ask.Source == name) {
					out = append(out, row)
					break
				}
			}
		}
	}
	return out
}

// volumeHostCreate is PUT /v1/volume/host/create: a node is chosen, makes the volume,
// and registers with it, which makes it ready.
func volumeHostCreate(a *API, r *request) (any, error) {
	var body api.HostVolumeCreateRequest
	if err := a.decode(r, &body); err != nil {
		return nil, err
	}
	v, err := a.hostVolume(r, body.Volume, acl.HostVolumeCreate)
	if err != nil {
		return nil, err
	}
	if v.HostPath != "" {
		return nil, badRequest("host_path is for registering: the node chooses where it makes the volume")
	}
	if v.PluginID == "" {
		v.PluginID = "mkdir"
	}
	stored, err := a.storeHostVolume(r, v, nodeapi.VolumeCreate)
	if err != nil {
		return nil, err
	}
	return &api.HostVolumeCreateResponse{Volume: stored}, nil
}

// volumeHostRegister is PUT /v1/volume/host/register: a directory that a node has
// already.
func volumeHostRegister(a *API, r *request) (any, error) {
	var body api.HostVolumeRegisterRequest
	if err := a.decode(r, &body); err != nil {
		return nil, err
	}
	v, err := a.hostVolume(r, body.Volume, acl.HostVolumeRegister)
	if err != nil {
		return nil, err
	}
	switch {
	case v.NodeID == "":
		return nil, badRequest("node_id is missing: the node that has the volume")
	case v.HostPath == "":
		return nil, badRequest("host_path is missing: where the node has the volume")
	}
	stored, err := a.storeHostVolume(r, v, nodeapi.VolumeRegister)
	if err != nil {
		return nil, err
	}
	return &api.HostVolumeRegisterResponse{Volume: stored}, nil
}

// hostVolume completes a volume of a request, or says what is wrong with it. The
// caller needs the capability in the volume's namespace.
func (a *API) hostVolume(r *request, v *api.HostVolume, capability string) (*api.HostVolume, error) {
	switch {
	case v == nil:
		return nil, badRequest("Volume is missing")
	case !validVolumeName(v.Name):
		return nil, badRequest("invalid volume name %q: use 1 to 128 letters, digits, -, _ and brackets", v.Name)
	case v.RequestedCapacityMaxBytes < 0 || v.RequestedCapacityMinBytes < 0 ||
		v.RequestedCapacityMaxBytes > 0 && v.RequestedCapacityMinBytes > v.RequestedCapacityMaxBytes:
		return nil, badRequest("capacity_min (%d) must be at least 0 and at most capacity_max (%d)", v.RequestedCapacityMinBytes, v.RequestedCapacityMaxBytes)
	case slices.Contains(v.Constraints, nil):
		return nil, badRequest("a constraint is null")
	}
	for i, c := range v.RequestedCapabilities {
		if c == nil || !slices.Contains(hostAccess, c.AccessMode) || !slices.Contains(hostAttachment, c.AttachmentMode) {
			return nil, badRequest("capability %d needs an access_mode of %v and an attachment_mode of %v", i+1, hostAccess, hostAttachment)
		}
	}
	out := *v
	if out.Namespace == "" {
		out.Namespace = r.namespace
	}
	if !r.may(out.Namespace, capability) {
		return nil, errDenied
	}
	if a.cfg.State.Snapshot().Namespace(nil, out.Namespace) == nil {
		return nil, badRequest("namespace %q does not exist", out.Namespace)
	}
	out.Allocations, out.State = nil, api.HostVolumeStatePending
	if out.ID == "" {
		out.ID = newID()
		return &out, nil
	}
	old := a.cfg.State.Snapshot().HostVolume(nil, out.Namespace, out.ID)
	if old == nil {
		return nil, notFound("host volume not found: leave the ID out to make a new one")
	}
	if out.NodeID == "" {
		out.NodeID = old.NodeID
	}
	return &out, nil
}

func validVolumeName(name string) bool {
	return validName(strings.NewReplacer("[", "-", "]", "-").Replace(name))
}

var (
	hostAccess = []api.HostVolumeAccessMode{
		api.HostVolumeAccessModeSingleNodeReader, api.HostVolumeAccessModeSingleNodeWriter,
		api.HostVolumeAccessModeSingleNodeSingleWriter, api.HostVolumeAccessModeSingleNodeMultiWriter,
	}
	hostAttachment = []api.HostVolumeAttachmentMode{api.HostVolumeAttachmentModeFilesystem, api.HostVolumeAttachmentModeBlockDevice}
)

// storeHostVolume stores the volume, has its node make it, and takes a new one back
// when the node could not.
func (a *API) storeHostVolume(r *request, v *api.HostVolume, op string) (*api.HostVolume, error) {
	snap := a.cfg.State.Snapshot()
	known := snap.HostVolume(nil, v.Namespace, v.ID) != nil
	if !known {
		node, err := a.cfg.PlaceVolume(snap, v)
		if err != nil {
			return nil, err
		}
		v.NodeID = node
	}
	if _, err := apply[any](a, r, &state.UpsertHostVolume{Volume: v}); err != nil {
		return nil, err
	}
	made, err := a.askVolume(r.Context(), v.NodeID, nodeapi.VolumeRequest{Op: op, Volume: v})
	if err != nil {
		// A node that may have made it will register with it, and the volume is there.
		var refused *Error
		if !known && (errors.As(err, &refused) || neverSent(err)) {
			if _, undo := apply[any](a, r, &state.DeleteHostVolume{Namespace: v.Namespace, ID: v.ID}); undo != nil {
				a.log.Warn("a host volume that was not made stays in the state", "volume", v.ID, "err", undo)
			}
		}
		return nil, err
	}
	if _, err := apply[any](a, r, &state.UpsertHostVolume{Volume: made}); err != nil {
		return nil, err
	}
	return a.cfg.State.Snapshot().HostVolume(nil, v.Namespace, v.ID), nil
}

// volumeHostDelete is DELETE /v1/volume/host/:id (?force forgets it even where its
// node cannot be asked).
func volumeHostDelete(a *API, r *request) (any, error) {
	force, err := r.flag("force", true)
	if err != nil {
		return nil, err
	}
	snap := a.cfg.State.Snapshot()
	v := snap.HostVolume(nil, r.namespace, r.vars["id"])
	if v == nil || !r.may(v.Namespace, acl.HostVolumeDelete) {
		return nil, notFound("host volume not found")
	}
	if users := volumeUsers(snap, v); len(users) > 0 {
		return nil, &Error{http.StatusConflict, fmt.Sprintf("host volume %q is in use by allocation %s: stop it first", v.ID, users[0].ID)}
	}
	if _, err := a.askVolume(r.Context(), v.NodeID, nodeapi.VolumeRequest{Op: nodeapi.VolumeDelete, Volume: v}); err != nil {
		if code, _ := answer(err); code == http.StatusConflict { // its node knows better
			return nil, err
		}
		if !force {
			return nil, fmt.Errorf("delete host volume on its node: %w; with force it is only forgotten", err)
		}
		a.log.Warn("a host volume is forgotten and not deleted", "volume", v.ID, "node", v.NodeID, "err", err)
	}
	_, err = apply[any](a, r, &state.DeleteHostVolume{Namespace: v.Namespace, ID: v.ID})
	return nil, err
}

// askVolume has a node do something with a volume.
func (a *API) askVolume(ctx context.Context, nodeID string, req nodeapi.VolumeRequest) (*api.HostVolume, error) {
	addr, err := a.nodeAddr(nodeID, "")
	switch {
	case err != nil:
		return nil, err
	case addr == "":
		return a.doVolume(req)
	}
	body, err := json.Marshal(req)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, hostVolumeWait)
	defer cancel()
	call, err := http.NewRequestWithContext(ctx, http.MethodPut, a.cfg.ForwardScheme+"://"+addr+nodeapi.PathVolume, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	resp, err := a.cfg.Forward.Do(call)
	if err != nil {
		return nil, fmt.Errorf("ask node %s: %w", nodeID, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, a.cfg.Limits.MaxBody))
	switch {
	case err != nil:
		return nil, fmt.Errorf("ask node %s: %w", nodeID, err)
	case resp.StatusCode != http.StatusOK:
		return nil, &Error{resp.StatusCode, string(text)}
	}
	made := &api.HostVolume{}
	if err := json.Unmarshal(text, made); err != nil {
		return nil, fmt.Errorf("ask node %s: %w", nodeID, err)
	}
	return made, nil
}

// nodeVolume is PUT /v1/internal/node/volume: a server's word to the node.
func nodeVolume(a *API, r *request) (any, error) {
	var req nodeapi.VolumeRequest
	if err := a.decode(r, &req); err != nil {
		return nil, err
	}
	if req.Volume == nil {
		return nil, badRequest("Volume is missing")
	}
	return a.doVolume(req)
}

func (a *API) doVolume(req nodeapi.VolumeRequest) (*api.HostVolume, error) {
	if a.cfg.HostVolumes == nil {
		return nil, errNotClient
	}
	switch req.Op {
	case nodeapi.VolumeCreate:
		return a.cfg.HostVolumes.CreateHostVolume(req.Volume)
	case nodeapi.VolumeRegister:
		return a.cfg.HostVolumes.RegisterHostVolume(req.Volume)
	case nodeapi.VolumeDelete:
		return req.Volume, a.cfg.HostVolumes.DeleteHostVolume(req.Volume.ID)
	}
	return nil, badRequest("unknown operation %q", req.Op)
}
