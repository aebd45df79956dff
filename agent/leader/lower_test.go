package leader

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
	"github.com/selfheal/selfheal/scheduler"
)

func gpuNode(w *world) *state.Node {
	n := &state.Node{SecretID: "s", BootID: "b", Node: api.Node{
		ID: "11111111-0000-0000-0000-000000000001", Name: "n1", Datacenter: "dc1", NodePool: "default", Status: api.NodeStatusReady,
		Attributes: map[string]string{
			"unique.network.ip-address": "10.0.0.1", "unique.network.host.public": "1.2.3.4", "unique.numa.pci.0000:3b:00.0": "1",
			"numa.node.count": "2", "numa.node0.cores": "0-3", "numa.node1.cores": "4-7",
		},
		Drivers: map[string]*api.DriverInfo{"mock_driver": {Detected: true, Healthy: true}},
		HostNetworks: map[string]*api.HostNetworkInfo{
			"public": {Name: "public", CIDR: "1.2.3.0/24", ReservedPorts: "22,80-81"},
			"range":  {Name: "range", CIDR: "10.9.0.0/16"},
			"exact":  {Name: "exact", CIDR: "10.8.0.7/16"},
		},
		HostVolumes: map[string]*api.HostVolumeInfo{"data": {Path: "/data"}},
		NodeResources: &api.NodeResources{
			Cpu:    api.NodeCpuResources{CpuShares: 8000, TotalCpuCores: 8, ReservableCpuCores: []uint16{1, 2, 3, 4, 5, 6, 7}},
			Memory: api.NodeMemoryResources{MemoryMB: 8000}, Disk: api.NodeDiskResources{DiskMB: 100000},
			Devices: []*api.NodeDeviceResource{{
				Vendor: "nvidia", Type: "gpu", Name: "t4",
				Instances: []*api.NodeDevice{
					{ID: "a", Healthy: true, Locality: &api.NodeDeviceLocality{PciBusID: "0000:3b:00.0"}}, {ID: "b"}, {ID: "c", Healthy: true},
				},
				Attributes: map[string]*api.Attribute{"memory": {IntVal: new(int64(16)), Unit: "GiB"}},
			}},
		},
		ReservedResources: &api.NodeReservedResources{Cpu: api.NodeReservedCpuResources{CpuShares: 1000}},
	}}
	w.apply(&state.RegisterNode{Node: n})
	return n
}

func TestLowerNode(t *testing.T) {
	got := lowerNode(gpuNode(newWorld(t)), newWorld(t).now)
	want := scheduler.Node{
		Capacity: scheduler.Resources{CPU: 7000, Memory: 8000, Disk: 100000, Cores: 7},
		CoreIDs:  []int{1, 2, 3, 4, 5, 6, 7}, NUMA: [][]int{{0, 1, 2, 3}, {4, 5, 6, 7}},
		HostNetworks: map[string]string{"public": "1.2.3.4", "exact": "10.8.0.7"},
		ReservedOn:   map[string][]int{"public": {22, 80, 81}},
		Devices: []scheduler.Device{{
			Vendor: "nvidia", Type: "gpu", Name: "t4", IDs: []string{"a", "c"},
			Attributes: map[string]string{"memory": "16 GiB"}, NUMA: map[string]int{"a": 1},
		}},
	}
	for _, part := range []struct {
		name      string
		got, want any
	}{
		{"capacity", got.Capacity, want.Capacity}, {"cores", got.CoreIDs, want.CoreIDs}, {"NUMA", got.NUMA, want.NUMA},
		{"host networks", got.HostNetworks, want.HostNetworks}, {"reserved ports", got.ReservedOn, want.ReservedOn},
		{"devices", got.Devices, want.Devices},
	} {
		if diff := cmp.Diff(part.want, part.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", part.name, diff)
		}
	}
}

// TestWhatAnAllocationHoldsComesBack commits a plan and reads it as a new leader would:
// cores, devices, ports and volumes must not be given out twice.
func TestWhatAnAllocationHoldsComesBack(t *testing.T) {
	w := newWorld(t)
	gpuNode(w)
	job := api.NewServiceJob("ml", "ml", "global", 50)
	task := api.NewTask("train", "mock_driver").Require(&api.Resources{
		Cores: new(2), MemoryMB: new(100), MemoryMaxMB: new(300), NUMA: &api.NUMAResource{Affinity: "require", Devices: []string{"gpu"}},
		Devices: []*api.RequestedDevice{{Name: "gpu", Count: new(uint64(1))}},
	})
	group := api.NewTaskGroup("g", 1).AddTask(task)
	group.Networks = []*api.NetworkResource{{DynamicPorts: []api.Port{{Label: "http", HostNetwork: "public"}}}}
	group.Volumes = map[string]*api.VolumeRequest{"d": {Type: "host", Source: "data", AccessMode: "single-node-single-writer"}}
	job.AddTaskGroup(group)
	job.Canonicalize()
	id := w.apply(&state.RegisterJob{Job: job}).(*state.JobResult).EvalID

	snap := w.store.Snapshot()
	cluster := scheduler.NewCluster()
	cluster.UpsertNode(lowerNode(snap.Node(nil, "11111111-0000-0000-0000-000000000001"), w.now))
	lowered := lowerJob(snap.Job(nil, "default", "ml"))
	decision := scheduler.Schedule(scheduler.Request{Cluster: cluster, Now: w.now, Job: lowered, Namespace: "default", JobID: "ml"})
	plan := raisePlan(&decision, snap.Eval(nil, id), lowered, "", cluster)
	w.apply(&state.ApplyPlans{Plans: []state.Plan{plan}})
	a := w.store.Snapshot().Alloc(nil, state.AllocID(id, 0))
	if a == nil {
		t.Fatalf("not placed: %+v", decision.Failed["g"])
	}
	again := lowerAlloc(a, lowered)
	if diff := cmp.Diff(decision.Placements[0].Ports, again.Ports); diff != "" {
		t.Errorf("ports: %s", diff)
	}
	if diff := cmp.Diff(decision.Placements[0].Devices, again.Devices); diff != "" {
		t.Errorf("devices: %s", diff)
	}
	if diff := cmp.Diff([]int{4, 5}, again.Cores); diff != "" {
		t.Errorf("cores: %s", diff)
	}
	if diff := cmp.Diff([]scheduler.VolumeHold{{Name: "data", SingleWriter: true}}, again.Volumes); diff != "" {
		t.Errorf("volumes: %s", diff)
	}
	got := a.Resources.Tasks["train"]
	if got.Cpu.CpuShares != 2000 || got.Memory.MemoryMaxMB != 0 || len(got.Devices) != 1 || a.Resources.Shared.Ports[0].HostIP != "1.2.3.4" {
		t.Errorf("granted %+v", got)
	}
}

// TestMemoryMaxNeedsOversubscription grants memory_max while the operator allows it.
func TestMemoryMaxNeedsOversubscription(t *testing.T) {
	for _, allowed := range []bool{false, true} {
		w := newWorld(t)
		gpuNode(w)
		w.apply(&state.SetSchedulerConfig{Config: &api.SchedulerConfiguration{MemoryOversubscriptionEnabled: allowed}})
		job := api.NewServiceJob("web", "web", "global", 50)
		job.AddTaskGroup(api.NewTaskGroup("g", 1).AddTask(api.NewTask("t", "mock_driver").Require(&api.Resources{MemoryMB: new(100), MemoryMaxMB: new(300)})))
		job.Canonicalize()
		id := w.apply(&state.RegisterJob{Job: job}).(*state.JobResult).EvalID
		w.apply(&state.ApplyPlans{Plans: []state.Plan{{
			EvalID: id, Namespace: "default", JobID: "web", Nodes: []string{"11111111-0000-0000-0000-000000000001"},
			Placements: []state.Placement{{Group: "g", Metric: -1}},
		}}})
		want := int64(0)
		if allowed {
			want = 300
		}
		if got := w.store.Snapshot().Alloc(nil, state.AllocID(id, 0)).Resources.Tasks["t"].Memory; got.MemoryMaxMB != want || got.MemoryMB != 100 {
			t.Errorf("oversubscription %v: %+v, want a maximum of %d", allowed, got, want)
		}
	}
}

// TestRegionIsALiteral: a job runs in its own region only, so ${node.region} is known.
func TestRegionIsALiteral(t *testing.T) {
	job := api.NewServiceJob("web", "web", "eu", 50)
	job.Constrain(api.NewConstraint("${node.region}", "=", "eu"))
	job.AddTaskGroup(api.NewTaskGroup("g", 1).AddTask(api.NewTask("t", "mock_driver")))
	job.Canonicalize()
	if got := lowerJob(job).Constraints[0]; got.LTarget != "eu" {
		t.Errorf("%+v", got)
	}
}
