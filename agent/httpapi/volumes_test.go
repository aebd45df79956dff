package httpapi

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
)

func TestCSIVolumesAreStored(t *testing.T) {
	ag := newAgent(t)
	vols := ag.client().CSIVolumes()
	if list, qm, err := vols.List(nil); err != nil || len(list) != 0 || qm.LastIndex == 0 {
		t.Fatalf("an empty list: %v %+v %v", list, qm, err)
	}
	vol := &api.CSIVolume{
		ID: "disk", Name: "Disk", PluginID: "ebs", Secrets: api.CSISecrets{"key": "hush"},
		MountOptions:          &api.CSIMountOptions{FSType: "ext4", MountFlags: []string{"password=hush"}},
		RequestedCapabilities: []*api.CSIVolumeCapability{{AccessMode: api.CSIVolumeAccessModeSingleNodeWriter, AttachmentMode: api.CSIVolumeAttachmentModeFilesystem}},
	}
	if _, err := vols.Register(vol, nil); err != nil {
		t.Fatal(err)
	}
	info, _, err := vols.Info("disk", nil)
	if err != nil || info.ExternalID != "disk" || info.Namespace != "default" || info.CreateIndex == 0 {
		t.Fatalf("%+v %v", info, err)
	}
	_, text, _ := ag.call("GET", "/v1/volume/csi/disk", "")
	_, events, _ := ag.call("GET", "/v1/volumes?filter="+`Secrets.key+==+"hush"`, "")
	if strings.Contains(text, "hush") || events != "[]\n" {
		t.Errorf("a secret is shown or can be asked for: %s %s", text, events)
	}
	if stored := ag.store.Snapshot().CSIVolume(nil, "default", "disk"); stored.Secrets["key"] != "hush" {
		t.Errorf("the secret was not stored: %v", stored.Secrets)
	}
	if list, _, err := vols.List(&api.QueryOptions{Namespace: "*", Prefix: "di"}); err != nil || len(list) != 1 {
		t.Errorf("list %v %v", list, err)
	}
	if list, _, err := vols.List(&api.QueryOptions{Prefix: "x"}); err != nil || len(list) != 0 {
		t.Errorf("list of another prefix %v %v", list, err)
	}
	if found, _, err := ag.client().Search().PrefixSearch("di", "volumes", nil); err != nil || len(found.Matches["volumes"]) != 1 {
		t.Errorf("search: %+v %v", found, err)
	}
	for _, tt := range []struct{ method, path, body, want string }{
		{"PUT", "/v1/volume/csi/disk", `{"Volumes":[{"ID":"disk","PluginID":"gce"}]}`, "409 volume \"disk\" is registered with plugin"},
		{"PUT", "/v1/volume/csi/disk", `{"Volumes":[{"ID":"other","PluginID":"ebs"}]}`, "400 volume ID \"other\" does not match"},
		{"PUT", "/v1/volume/csi/disk", `{"Volumes":[{"ID":"disk"}]}`, "400 volume \"disk\" has no plugin_id"},
		{"PUT", "/v1/volumes", `{"Volumes":[null]}`, "400 Volumes has an entry that is null"},
		{"PUT", "/v1/volume/csi/d2", `{"Volumes":[{"ID":"d2","PluginID":"ebs","RequestedCapabilities":[{}]}]}`, "400 volume \"d2\": capability 1 needs"},
		{"PUT", "/v1/volume/csi/new/create", `{}`, "501 this version runs no CSI plugins"},
		{"DELETE", "/v1/volume/csi/disk/detach", ``, "400 name the node"},
		{"DELETE", "/v1/volume/csi/disk/detach?node=x", ``, "200 "},
		{"DELETE", "/v1/volume/csi/nope", ``, "404 volume not found"},
		{"GET", "/v1/volumes?type=tape", ``, "400 unknown volume type"},
		{"GET", "/v1/plugins", ``, "200 []"},
		{"GET", "/v1/plugin/csi/ebs", ``, "404 plugin not found"},
		{"GET", "/v1/volumes/claims", ``, "200 []"},
		{"DELETE", "/v1/volumes/claim/x", ``, "404 volume claim not found"},
	} {
		if code, text, _ := ag.call(tt.method, tt.path, tt.body); !strings.HasPrefix(fmt.Sprintf("%d %s", code, text), tt.want) {
			t.Errorf("%s %s: %d %s, want %s", tt.method, tt.path, code, text, tt.want)
		}
	}
	if err := vols.Deregister("disk", true, nil); err != nil {
		t.Fatal(err)
	}
	if _, _, err := vols.Info("disk", nil); err == nil || !strings.Contains(err.Error(), "404 (volume not found)") {
		t.Errorf("after it was deregistered: %v", err)
	}
}

// volumeNode is a node that makes host volumes, and registers with them.
type volumeNode struct {
	server *agent
	fails  error
	made   map[string]*api.HostVolume
}

func (n *volumeNode) CreateHostVolume(v *api.HostVolume) (*api.HostVolume, error) {
	if n.fails != nil {
		return nil, n.fails
	}
	made := *v
	made.HostPath = "/volumes/" + v.ID
	return n.RegisterHostVolume(&made)
}

func (n *volumeNode) RegisterHostVolume(v *api.HostVolume) (*api.HostVolume, error) {
	n.made[v.ID] = v
	n.server.addNode(nodeID, n.offer)
	return v, nil
}

func (n *volumeNode) DeleteHostVolume(id string) error {
	if n.fails != nil {
		return n.fails
	}
	delete(n.made, id)
	n.server.addNode(nodeID, n.offer)
	return nil
}

func (n *volumeNode) offer(node *state.Node) {
	node.HostVolumes = map[string]*api.HostVolumeInfo{}
	node.RPCAddr = n.server.rpcAddr()
	for id, v := range n.made {
		node.HostVolumes[v.Name] = &api.HostVolumeInfo{ID: id, Path: v.HostPath}
	}
}

func TestHostVolumesAreMadeOnTheirNode(t *testing.T) {
	node := &volumeNode{made: map[string]*api.HostVolume{}}
	server := newAgent(t, func(c *Config) {
		c.HostVolumes = node
		c.PlaceVolume = func(snap *state.Snapshot, v *api.HostVolume) (string, error) {
			if v.NodePool == "full" {
				return "", state.ErrConflict{Text: "no node"}
			}
			return nodeID, nil
		}
	})
	node.server = server
	server.addNode(nodeID, node.offer)
	vols := server.client().HostVolumes()

	made, _, err := vols.Create(&api.HostVolumeCreateRequest{Volume: &api.HostVolume{Name: "data"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	v := made.Volume
	if v.State != api.HostVolumeStateReady || v.NodeID != nodeID || v.NodePool != "default" || v.PluginID != "mkdir" || v.HostPath != "/volumes/"+v.ID {
		t.Errorf("made %+v", v)
	}
	_, _, err = vols.Create(&api.HostVolumeCreateRequest{Volume: &api.HostVolume{Name: "data"}}, nil)
	if err == nil || !strings.Contains(err.Error(), "409 (node "+nodeID+" has a host volume") {
		t.Errorf("a second one of that name: %v", err)
	}
	_, _, err = vols.Create(&api.HostVolumeCreateRequest{Volume: &api.HostVolume{Name: "data", NodePool: "full"}}, nil)
	if err == nil || !strings.Contains(err.Error(), "409 (no node)") {
		t.Errorf("nowhere to go: %v", err)
	}
	node.fails = &Error{400, "the disk is full"}
	_, _, err = vols.Create(&api.HostVolumeCreateRequest{Volume: &api.HostVolume{Name: "more"}}, nil)
	if list, _, _ := vols.List(nil, nil); err == nil || !strings.Contains(err.Error(), "400 (the disk is full)") || len(list) != 1 {
		t.Errorf("one that its node refused: %v, %d are listed", err, len(list))
	}
	if _, _, err := vols.Delete(&api.HostVolumeDeleteRequest{ID: v.ID}, nil); err == nil || !strings.Contains(err.Error(), "the disk is full") {
		t.Errorf("its node could not delete it: %v", err)
	}
	node.fails = nil

	job := webJob("web")
	job.TaskGroups[0].Volumes = map[string]*api.VolumeRequest{"v": {Name: "v", Type: "host", Source: "data"}}
	alloc := server.place(server.register(job).EvalID, "web", 1, nodeID)[0]
	if _, _, err := vols.Delete(&api.HostVolumeDeleteRequest{ID: v.ID}, nil); err == nil || !strings.Contains(err.Error(), "409 (host volume") {
		t.Errorf("delete while %s uses it: %v", alloc, err)
	}
	if info, _, err := vols.Get(v.ID, nil); err != nil || len(info.Allocations) != 1 || info.Allocations[0].ID != alloc {
		t.Errorf("its allocations: %+v %v", info, err)
	}
	server.apply(&state.NodeStatus{Updates: []state.NodeStatusUpdate{{NodeID: nodeID, Status: api.NodeStatusDown}}})
	if info, _, err := vols.Get(v.ID, nil); err != nil || info.State != api.HostVolumeStateUnavailable {
		t.Errorf("on a node that is down: %+v %v", info, err)
	}
	if list, _, err := vols.List(&api.HostVolumeListRequest{NodePool: "default", NodeID: nodeID[:8]}, nil); err != nil || len(list) != 1 {
		t.Errorf("list %v %v", list, err)
	}
	if list, _, err := vols.List(&api.HostVolumeListRequest{NodePool: "other"}, nil); err != nil || len(list) != 0 {
		t.Errorf("list of another pool %v %v", list, err)
	}
}

func TestHostVolumeEvents(t *testing.T) {
	ag := newAgent(t)
	ag.addNode(nodeID)
	ag.apply(&state.UpsertHostVolume{Volume: &api.HostVolume{ID: "v1", Name: "data", Namespace: "default", NodeID: nodeID}})
	ag.apply(&state.DeleteHostVolume{Namespace: "default", ID: "v1"})
	stream, err := ag.client().EventStream().Stream(t.Context(), map[api.Topic][]string{"HostVolume": {"v1"}}, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	var types []string
	for len(types) < 2 {
		select {
		case e := <-stream:
			for _, ev := range e.Events {
				types = append(types, ev.Type)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("only %v came", types)
		}
	}
	if _, text, _ := ag.call("GET", "/v1/event/stream?topic=CSIPlugin:x&topic=Nope", ""); !strings.Contains(text, "Invalid topic") {
		t.Errorf("an unknown topic: %s", text)
	}
	if got := strings.Join(types, " "); got != "HostVolumeRegistered HostVolumeDeleted" {
		t.Errorf("events %s", got)
	}
}
