package agent

import (
	"testing"

	"github.com/hashicorp/nomad/api"
)

// Metadata of a node is changed and read through any agent, and jobs see it at once.
// Host volumes are made on the node that their constraints choose.
func TestNodesAreToldThroughAnyAgent(t *testing.T) {
	bubble(t, 3, 3, func(s *sim) {
		victim := s.clients[1]
		for _, a := range s.all() {
			_, err := s.apiOf(a).Nodes().Meta().Apply(&api.NodeMetaApplyRequest{NodeID: victim.id.ID, Meta: map[string]*string{"by": ptr(a.name)}}, nil)
			if err != nil {
				s.t.Fatalf("through %s: %v", a.name, err)
			}
			if got, err := s.apiOf(a).Nodes().Meta().Read(victim.id.ID, nil); err != nil || got.Meta["by"] != a.name {
				s.t.Errorf("read through %s: %+v %v", a.name, got, err)
			}
			if n, _, err := s.api().Nodes().Info(victim.id.ID, nil); err != nil || n.Meta["by"] != a.name {
				s.t.Errorf("the servers know %q, told by %s: %v", n.Meta["by"], a.name, err)
			}
		}
		last := s.all()[len(s.all())-1].name
		made, _, err := s.api().HostVolumes().Create(&api.HostVolumeCreateRequest{Volume: &api.HostVolume{
			Name: "data", Constraints: []*api.Constraint{api.NewConstraint("${meta.by}", "=", last)},
		}}, nil)
		if err != nil || made.Volume.NodeID != victim.id.ID || made.Volume.State != api.HostVolumeStateReady {
			s.t.Fatalf("%+v %v", made, err)
		}
		job := service("web", 1)
		job.TaskGroups[0].Volumes = map[string]*api.VolumeRequest{"v": {Name: "v", Type: "host", Source: "data"}}
		s.run(job, 1)
		list, _, err := s.api().Jobs().Allocations("web", false, nil)
		if err != nil || len(list) != 1 || list[0].NodeID != victim.id.ID {
			s.t.Errorf("the job that asks for the volume: %v %v", list, err)
		}
		if _, _, err := s.api().HostVolumes().Delete(&api.HostVolumeDeleteRequest{ID: made.Volume.ID}, nil); err == nil {
			s.t.Error("a volume in use was deleted")
		}
	})
}
