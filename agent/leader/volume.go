package leader

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
	"github.com/selfheal/selfheal/scheduler"
)

// PlaceVolume chooses the node for a host volume: one that jobs could be placed on
// too, in the volume's pool, that meets its constraints and has no volume of its
// name; of these one with the fewest volumes. With a node named it says whether that
// one will do. It asks the scheduler, so that volumes and tasks mean the same by a
// constraint.
func PlaceVolume(snap *state.Snapshot, v *api.HostVolume, now time.Time) (nodeID string, err error) {
	byCount := map[int][]*state.Node{}
	taken := 0
	for n := range snap.Nodes(nil) {
		if v.NodeID != "" && n.ID != v.NodeID {
			continue
		}
		if _, has := n.HostVolumes[v.Name]; has {
			taken++
			continue
		}
		count := 0
		for range snap.HostVolumesByNode(nil, n.ID) {
			count++
		}
		byCount[count] = append(byCount[count], n)
	}
	var why []string
	for _, count := range slices.Sorted(maps.Keys(byCount)) {
		cluster := scheduler.NewCluster()
		for _, n := range byCount[count] {
			cluster.UpsertNode(lowerNode(n, now))
		}
		job := volumeJob(v)
		plan := scheduler.Schedule(scheduler.Request{
			Cluster: cluster, Now: now, Job: lowerJob(job), Namespace: *job.Namespace, JobID: *job.ID,
			Versions: func(uint64) *scheduler.Job { return nil }, Trigger: "job-register",
		})
		if len(plan.Placements) == 1 {
			return plan.Placements[0].NodeID, nil
		}
		for _, metric := range raiseFailed(plan.Failed) {
			for reason, n := range metric.ConstraintFiltered {
				why = append(why, fmt.Sprintf("%d by %s", n, reason))
			}
		}
	}
	if taken > 0 {
		why = append(why, fmt.Sprintf("%d have a host volume %q already", taken, v.Name))
	}
	slices.Sort(why)
	where := fmt.Sprintf("no ready node of node pool %q takes the volume", cmp.Or(v.NodePool, "all"))
	if v.NodeID != "" {
		where = fmt.Sprintf("node %s does not take the volume: is it ready, and in node pool %q?", v.NodeID, cmp.Or(v.NodePool, "all"))
	}
	if len(why) > 0 {
		where += " (ruled out: " + strings.Join(why, ", ") + ")"
	}
	return "", state.ErrConflict{Text: where}
}

// volumeJob is a job that asks for what a volume asks for, and nothing else.
func volumeJob(v *api.HostVolume) *api.Job {
	job := api.NewBatchJob("volume "+v.Name, "volume", "", api.JobDefaultPriority)
	job.Namespace, job.NodePool = new(api.DefaultNamespace), new(cmp.Or(v.NodePool, api.NodePoolAll))
	job.Datacenters, job.Constraints = []string{"*"}, v.Constraints
	job.AddTaskGroup(api.NewTaskGroup("volume", 1)) // no task: it asks for no driver
	job.Version, job.CreateIndex = new(uint64(0)), new(uint64(0))
	return job
}
