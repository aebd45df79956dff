package client

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/nomad/api"
	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/disk"
	"github.com/shirou/gopsutil/v4/host"
	"github.com/shirou/gopsutil/v4/mem"

	"github.com/selfheal/selfheal/agent/driver"
)

// statsLimit bounds one measurement.
const statsLimit = 5 * time.Second

// AllocStats measures the processes of an allocation, of one task only if one is
// named. Tasks that do not run are left out.
func (c *Client) AllocStats(id, task string) (*api.AllocResourceUsage, error) {
	running := map[string]driver.Task{}
	err := c.ask(id, func(a *alloc) error {
		tasks, err := a.choose(task)
		if err != nil {
			return err
		}
		for _, t := range tasks {
			if t.running != nil && (t.m.Phase == phaseRunning || t.m.Phase == phaseDraining || t.m.Phase == phaseStopping) {
				running[t.spec.Name] = t.running
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), statsLimit)
	defer cancel()
	mhz := c.coreMHz()
	usage := &api.AllocResourceUsage{
		ResourceUsage: emptyUsage(), Tasks: map[string]*api.TaskResourceUsage{}, Timestamp: time.Now().UnixNano(),
	}
	for name, t := range running {
		stats, err := t.Stats(ctx)
		if errors.Is(err, driver.ErrNotRunning) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("measure task %s: %w", name, err)
		}
		one := taskUsage(stats, mhz)
		usage.Tasks[name] = one
		add(usage.ResourceUsage, one.ResourceUsage)
	}
	return usage, nil
}

// coreMHz is the frequency of one core, which turns a share of it into the API's ticks.
func (c *Client) coreMHz() float64 {
	cpu := c.Node().NodeResources.Cpu
	return float64(cpu.CpuShares) / float64(max(cpu.TotalCpuCores, 1))
}

func taskUsage(s driver.Stats, mhz float64) *api.TaskResourceUsage {
	usage := emptyUsage()
	usage.MemoryStats.RSS = s.RSS
	usage.MemoryStats.Usage = s.RSS
	usage.CpuStats.Percent = s.Percent
	usage.CpuStats.TotalTicks = s.Percent / 100 * mhz
	if total := s.User + s.System; total > 0 {
		usage.CpuStats.UserMode = s.Percent * float64(s.User) / float64(total)
		usage.CpuStats.SystemMode = s.Percent * float64(s.System) / float64(total)
	}
	pids := map[string]*api.ResourceUsage{}
	for _, pid := range s.PIDs {
		pids[strconv.Itoa(pid)] = emptyUsage()
	}
	return &api.TaskResourceUsage{ResourceUsage: usage, Timestamp: s.At.UnixNano(), Pids: pids}
}

func emptyUsage() *api.ResourceUsage {
	return &api.ResourceUsage{
		MemoryStats: &api.MemoryStats{Measured: []string{"RSS", "Usage"}},
		CpuStats:    &api.CpuStats{Measured: []string{"System Mode", "User Mode", "Total Ticks", "Percent"}},
		DeviceStats: []*api.DeviceGroupStats{},
	}
}

func add(sum, one *api.ResourceUsage) {
	sum.MemoryStats.RSS += one.MemoryStats.RSS
	sum.MemoryStats.Usage += one.MemoryStats.Usage
	sum.CpuStats.Percent += one.CpuStats.Percent
	sum.CpuStats.TotalTicks += one.CpuStats.TotalTicks
	sum.CpuStats.UserMode += one.CpuStats.UserMode
	sum.CpuStats.SystemMode += one.CpuStats.SystemMode
}

// hostSampler remembers the last reading of the processors: their load is the
// difference of two.
type hostSampler struct {
	mu   sync.Mutex
	last map[string]cpu.TimesStat
}

// HostStats measures the machine. The load of its processors is since the call
// before, at the first since boot.
func (c *Client) HostStats() (*api.HostStats, error) {
	ctx, cancel := context.WithTimeout(context.Background(), statsLimit)
	defer cancel()
	memory, err := mem.VirtualMemoryWithContext(ctx)
	if err != nil {
		return nil, fmt.Errorf("measure memory: %w", err)
	}
	stats := &api.HostStats{
		Memory: &api.HostMemoryStats{Total: memory.Total, Available: memory.Available, Used: memory.Used, Free: memory.Free},
		CPU:    []*api.HostCPUStats{}, DiskStats: []*api.HostDiskStats{}, DeviceStats: []*api.DeviceGroupStats{},
	}
	if err := c.hostStats.processors(ctx, stats, c.coreMHz()); err != nil {
		return nil, fmt.Errorf("measure processors: %w", err)
	}
	parts, err := disk.PartitionsWithContext(ctx, false)
	if err != nil {
		return nil, fmt.Errorf("list disks: %w", err)
	}
	for _, part := range parts {
		if d := diskStats(ctx, part.Device, part.Mountpoint); d != nil {
			stats.DiskStats = append(stats.DiskStats, d)
		}
	}
	stats.AllocDirStats = diskStats(ctx, "", c.cfg.AllocDir)
	if stats.Uptime, err = host.UptimeWithContext(ctx); err != nil {
		return nil, fmt.Errorf("read uptime: %w", err)
	}
	return stats, nil
}

// processors fills in the load of each processor.
func (s *hostSampler) processors(ctx context.Context, stats *api.HostStats, mhz float64) error {
	times, err := cpu.TimesWithContext(ctx, true)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := map[string]cpu.TimesStat{}
	for _, t := range times {
		before := s.last[t.CPU]
		now[t.CPU] = t
		total := busy(t) + t.Idle + t.Iowait - busy(before) - before.Idle - before.Iowait
		if total <= 0 {
			total = 1
		}
		percent := func(d float64) float64 { return max(0, 100*d/total) }
		load := percent(busy(t) - busy(before))
		stats.CPU = append(stats.CPU, &api.HostCPUStats{
			CPU: t.CPU, User: percent(t.User + t.Nice - before.User - before.Nice),
			System: percent(t.System - before.System), Idle: max(0, 100-load),
		})
		stats.CPUTicksConsumed += load / 100 * mhz
	}
	s.last = now
	return nil
}

func busy(t cpu.TimesStat) float64 {
	return t.User + t.Nice + t.System + t.Irq + t.Softirq + t.Steal
}

// diskStats measures a file system; nil where that fails, as for one that is being
// unmounted.
func diskStats(ctx context.Context, device, path string) *api.HostDiskStats {
	usage, err := disk.UsageWithContext(ctx, path)
	if err != nil {
		return nil
	}
	return &api.HostDiskStats{
		Device: device, Mountpoint: path, Size: usage.Total, Used: usage.Used, Available: usage.Free,
		UsedPercent: usage.UsedPercent, InodesUsedPercent: usage.InodesUsedPercent,
	}
}
