package httpapi

import (
	"iter"
	"net/http"
	"slices"
	"strings"

	"github.com/hashicorp/go-memdb"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/acl"
	"github.com/selfheal/selfheal/agent/state"
)

// Volumes of storage plugins (CSI) are objects that are registered, shown and
// forgotten. No plugin runs, so nothing can be asked of one.

// noPlugins answers what only a storage plugin could do.
func noPlugins(*API, *request) (any, error) {
	return nil, &Error{http.StatusNotImplemented, "this version runs no CSI plugins: create the volume with its provider's own tools and register it, or use a host volume"}
}

// volumesList is GET /v1/volumes (?type=csi, the default, or host).
func volumesList(a *API, r *request) (any, error) {
	switch kind := r.query.Get("type"); kind {
	case "", api.CSIVolumeTypeCSI:
		return csiVolumesList(a, r)
	case api.CSIVolumeTypeHost:
		return hostVolumesList(a, r)
	default:
		return nil, badRequest("unknown volume type %q: use csi or host", kind)
	}
}

// csiVolumesList is GET /v1/volumes?type=csi (?plugin_id, ?node_id). No volume is in
// use on a node, as none can be.
func csiVolumesList(a *API, r *request) (any, error) {
	plugin, node := r.query.Get("plugin_id"), r.query.Get("node_id")
	l := list[*api.CSIVolume, *api.CSIVolumeListStub]{
		at: func(v *api.CSIVolume) token { return byName(v.Namespace, v.ID) },
		keep: func(v *api.CSIVolume) bool {
			return node == "" && (plugin == "" || v.PluginID == plugin) && r.may(v.Namespace, acl.CSIListVolume)
		},
		filterOn: func(v *api.CSIVolume) any { return state.ShownCSIVolume(v) },
		show:     csiStub,
	}
	return readPage(a, r, l, func(s *state.Snapshot, ws memdb.WatchSet) (iter.Seq[*api.CSIVolume], uint64) {
		return s.CSIVolumes(ws, r.namespace, r.prefix), s.Index(state.TableCSIVolumes)
	})
}

func csiStub(v *api.CSIVolume) *api.CSIVolumeListStub {
	return &api.CSIVolumeListStub{
		ID: v.ID, Namespace: v.Namespace, Name: v.Name, ExternalID: v.ExternalID, Topologies: v.Topologies,
		AccessMode: v.AccessMode, AttachmentMode: v.AttachmentMode, PluginID: v.PluginID, Provider: v.Provider,
		CreateIndex: v.CreateIndex, ModifyIndex: v.ModifyIndex, CreateTime: v.CreateTime, ModifyTime: v.ModifyTime,
	}
}

// csiVolumeInfo is GET /v1/volume/csi/:id.
func csiVolumeInfo(a *API, r *request) (any, error) {
	ns, err := r.oneNamespace()
	if err != nil {
		return nil, err
	}
	return a.read(r, func(snap *state.Snapshot, ws memdb.WatchSet) (any, uint64, error) {
		v := snap.CSIVolume(ws, ns, r.vars["id"])
		if v == nil {
			return nil, snap.Index(state.TableCSIVolumes), notFound("volume not found")
		}
		shown := state.ShownCSIVolume(v)
		shown.Allocations = []*api.AllocationListStub{}
		return shown, v.ModifyIndex, nil
	})
}

// csiVolumeRegister is PUT /v1/volumes and PUT /v1/volume/csi/:id.
func csiVolumeRegister(a *API, r *request) (any, error) {
	var body api.CSIVolumeRegisterRequest
	if err := a.decode(r, &body); err != nil {
		return nil, err
	}
	if len(body.Volumes) == 0 {
		return nil, badRequest("Volumes is empty: send the volume to register")
	}
	registered := []*api.CSIVolume{}
	for _, v := range body.Volumes {
		if err := r.checkCSIVolume(v); err != nil {
			return nil, err
		}
	}
	for _, v := range body.Volumes {
		if _, err := apply[any](a, r, &state.UpsertCSIVolume{Volume: v}); err != nil {
			return nil, err
		}
		registered = append(registered, state.ShownCSIVolume(v))
	}
	return &api.CSIVolumeRegisterResponse{Volumes: registered}, nil
}

// checkCSIVolume completes a volume that is to be registered, or says what is wrong.
func (r *request) checkCSIVolume(v *api.CSIVolume) error {
	id := r.vars["id"]
	switch {
	case v == nil:
		return badRequest("Volumes has an entry that is null")
	case v.ID == "":
		return badRequest("the volume has no ID")
	case id != "" && v.ID != id:
		return badRequest("volume ID %q does not match %q of the path", v.ID, id)
	case strings.ContainsAny(v.ID, "\x00") || strings.ContainsAny(v.Namespace, "\x00"):
		return badRequest("the volume's ID or namespace has a zero byte")
	case v.PluginID == "":
		return badRequest("volume %q has no plugin_id", v.ID)
	}
	if v.Namespace == "" {
		v.Namespace = r.namespace
	}
	if v.Namespace == state.AllNamespaces {
		return badRequest("volume %q: name one namespace", v.ID)
	}
	if !r.may(v.Namespace, acl.CSIWriteVolume) {
		return errDenied
	}
	if v.ExternalID == "" {
		v.ExternalID = v.ID
	}
	for i, c := range v.RequestedCapabilities {
		if c == nil || !slices.Contains(csiAccess, c.AccessMode) || !slices.Contains(csiAttachment, c.AttachmentMode) {
			return badRequest("volume %q: capability %d needs an access_mode of %v and an attachment_mode of %v", v.ID, i+1, csiAccess, csiAttachment)
		}
	}
	// What plugins and claims would say is not for the caller to say.
	v.ReadAllocs, v.WriteAllocs, v.Allocations, v.Schedulable = nil, nil, nil, false
	v.ControllersHealthy, v.ControllersExpected, v.NodesHealthy, v.NodesExpected = 0, 0, 0, 0
	return nil
}

// Facts of the CSI specification.
var (
	csiAccess = []api.CSIVolumeAccessMode{
		api.CSIVolumeAccessModeSingleNodeReader, api.CSIVolumeAccessModeSingleNodeWriter, api.CSIVolumeAccessModeMultiNodeReader,
		api.CSIVolumeAccessModeMultiNodeSingleWriter, api.CSIVolumeAccessModeMultiNodeMultiWriter,
	}
	csiAttachment = []api.CSIVolumeAttachmentMode{api.CSIVolumeAttachmentModeFilesystem, api.CSIVolumeAttachmentModeBlockDevice}
)

// csiVolumeDeregister is DELETE /v1/volume/csi/:id (?force): the volume itself stays
// with its provider.
func csiVolumeDeregister(a *API, r *request) (any, error) {
	ns, err := r.oneNamespace()
	if err != nil {
		return nil, err
	}
	if _, err := r.flag("force", true); err != nil { // no volume is ever in use
		return nil, err
	}
	_, err = apply[any](a, r, &state.DeregisterCSIVolume{Namespace: ns, ID: r.vars["id"]})
	return nil, err
}

// csiVolumeDetach is DELETE /v1/volume/csi/:id/detach (?node): no node holds it.
func csiVolumeDetach(a *API, r *request) (any, error) {
	ns, err := r.oneNamespace()
	if err != nil {
		return nil, err
	}
	node := r.query.Get("node")
	snap := a.cfg.State.Snapshot()
	switch {
	case node == "":
		return nil, badRequest("name the node to detach from: set ?node=")
	case snap.CSIVolume(nil, ns, r.vars["id"]) == nil:
		return nil, notFound("volume not found")
	}
	r.index = snap.Index(state.TableCSIVolumes)
	return nil, nil
}

// pluginsList is GET /v1/plugins (?type=csi): none runs.
func pluginsList(a *API, r *request) (any, error) {
	if kind := r.query.Get("type"); kind != "" && kind != api.CSIVolumeTypeCSI {
		return nil, badRequest("unknown plugin type %q: use csi", kind)
	}
	return a.read(r, func(*state.Snapshot, memdb.WatchSet) (any, uint64, error) {
		return []*api.CSIPluginListStub{}, 1, nil
	})
}

// pluginInfo is GET /v1/plugin/csi/:id.
func pluginInfo(*API, *request) (any, error) { return nil, notFound("plugin not found") }

// claimsList is GET /v1/volumes/claims: sticky claims of host volumes are not kept.
func claimsList(a *API, r *request) (any, error) {
	return a.read(r, func(*state.Snapshot, memdb.WatchSet) (any, uint64, error) {
		return []*api.TaskGroupHostVolumeClaim{}, 1, nil
	})
}

// claimDelete is DELETE /v1/volumes/claim/:id.
func claimDelete(*API, *request) (any, error) { return nil, notFound("volume claim not found") }
