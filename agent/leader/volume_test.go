package leader

import (
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
)

func TestPlaceVolume(t *testing.T) {
	store, err := state.New(state.Config{})
	if err != nil {
		t.Fatal(err)
	}
	index := uint64(1)
	apply := func(cmd state.Command) {
		t.Helper()
		data, err := state.Encode(time.Unix(1700000000, 0), cmd)
		if err != nil {
			t.Fatal(err)
		}
		index++
		if err, refused := store.Apply(index, data).(error); refused {
			t.Fatal(err)
		}
	}
	node := func(id, pool, rack string, volumes ...string) {
		n := &state.Node{SecretID: "s", Node: api.Node{ID: id, Name: id, Datacenter: "dc1", NodePool: pool, Meta: map[string]string{"rack": rack},
			NodeResources: &api.NodeResources{}, HostVolumes: map[string]*api.HostVolumeInfo{}}}
		for _, v := range volumes {
			n.HostVolumes[v] = &api.HostVolumeInfo{Path: "/" + v}
		}
		apply(&state.RegisterNode{Node: n})
	}
	node("a", "default", "1", "data")
	node("b", "default", "1")
	node("c", "default", "2")
	node("d", "ssd", "1")
	node("e", "default", "1")
	apply(&state.NodeEligibility{NodeID: "e", Eligibility: api.NodeSchedulingIneligible})
	apply(&state.UpsertHostVolume{Volume: &api.HostVolume{ID: "v", Name: "other", Namespace: "default", NodeID: "b"}})

	rack := func(n string) []*api.Constraint { return []*api.Constraint{api.NewConstraint("${meta.rack}", "=", n)} }
	for _, tc := range []struct {
		name   string
		volume api.HostVolume
		want   string // a node, or part of the error
	}{
		{"the one with the fewest volumes", api.HostVolume{Name: "data", NodePool: "default"}, "c"},
		{"by its constraints", api.HostVolume{Name: "data", NodePool: "default", Constraints: rack("1")}, "b"},
		{"in its pool", api.HostVolume{Name: "data", NodePool: "ssd"}, "d"},
		{"on the named node", api.HostVolume{Name: "data", NodeID: "b"}, "b"},
		{"the named node has one", api.HostVolume{Name: "data", NodeID: "a"}, "node a does not take the volume: is it ready, and in node pool \"all\"? (ruled out: 1 have a host volume \"data\" already)"},
		{"the named node is ineligible", api.HostVolume{Name: "data", NodeID: "e"}, "node e does not take the volume"},
		{"the named node is in another pool", api.HostVolume{Name: "data", NodeID: "b", NodePool: "ssd"}, "node b does not take the volume"},
		{"no node meets the constraints", api.HostVolume{Name: "data", NodePool: "default", Constraints: rack("9")}, "1 by ${meta.rack} = 9"},
	} {
		got, err := PlaceVolume(store.Snapshot(), &tc.volume, time.Unix(1700000100, 0))
		if err != nil {
			got = err.Error()
		}
		if len(tc.want) == 1 && got != tc.want || !strings.Contains(got, tc.want) {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
}
