package client

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"

	"github.com/hashicorp/nomad/api"
	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/host"
	"github.com/shirou/gopsutil/v4/mem"
	"golang.org/x/sys/unix"
)

// Facts are what a machine is found to be, before the configuration has its say.
type Facts struct {
	Attributes map[string]string
	BootID     string // new with every boot
	CPUMHz     int64  // of all cores together
	Cores      int
	CoreIDs    []uint16 // that this process may use; none: tasks cannot pin cores
	MemoryMB   int64    // MiB
	DiskMB     int64    // MiB free where allocations live
	Device, IP string
}

// FingerprintConfig says what to look at.
type FingerprintConfig struct {
	AllocDir  string // whose file system is the storage
	Interface string // network interface to use; "" is the one of the default route
	Address   string // IP to advertise; "" is the interface's
}

const bootIDFile = "/proc/sys/kernel/random/boot_id"

// probes fill in one aspect of the facts each. An aspect that cannot be read stays
// empty: a node without it is better than none.
var probes = []func(context.Context, FingerprintConfig, *Facts) error{
	probeBoot, probeHost, probeCPU, probeTopology, probeMemory, probeDisk, probeNetwork,
}

// Fingerprint looks at the machine; it takes a few milliseconds. The error joins
// those of aspects that could not be read; the facts are usable all the same.
func Fingerprint(ctx context.Context, cfg FingerprintConfig) (Facts, error) {
	facts := Facts{Attributes: map[string]string{}}
	var errs []string
	for _, probe := range probes {
		if err := probe(ctx, cfg, &facts); err != nil {
			errs = append(errs, err.Error())
		}
	}
	if len(errs) > 0 {
		return facts, fmt.Errorf("fingerprint: %s", strings.Join(errs, "; "))
	}
	return facts, nil
}

func probeBoot(_ context.Context, _ FingerprintConfig, f *Facts) error {
	data, err := os.ReadFile(bootIDFile)
	f.BootID = strings.TrimSpace(string(data))
	return err
}

func probeHost(ctx context.Context, _ FingerprintConfig, f *Facts) error {
	name, err := os.Hostname()
	if err != nil {
		return err
	}
	f.Attributes["unique.hostname"] = name
	f.Attributes["kernel.name"] = runtime.GOOS
	f.Attributes["os.signals"] = osSignals
	if version, err := host.KernelVersionWithContext(ctx); err == nil {
		f.Attributes["kernel.version"] = version
	}
	if arch, err := host.KernelArch(); err == nil {
		f.Attributes["kernel.arch"] = arch
	}
	if platform, _, version, err := host.PlatformInformationWithContext(ctx); err == nil {
		f.Attributes["os.name"] = cmp.Or(platform, runtime.GOOS)
		f.Attributes["os.version"] = version
	}
	f.Attributes["os.cgroups.version"] = "1"
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		f.Attributes["os.cgroups.version"] = "2"
	}
	return nil
}

// osSignals are the signals that a job may send here.
const osSignals = "SIGABRT,SIGALRM,SIGBUS,SIGCHLD,SIGCONT,SIGFPE,SIGHUP,SIGILL,SIGINT,SIGIO,SIGIOT,SIGKILL,SIGPIPE," +
	"SIGPROF,SIGQUIT,SIGSEGV,SIGSTOP,SIGSYS,SIGTERM,SIGTRAP,SIGTSTP,SIGTTIN,SIGTTOU,SIGURG,SIGUSR1,SIGUSR2,SIGWINCH,SIGXCPU,SIGXFSZ"

// fallbackMHz is taken for a core whose frequency no file tells, as in many virtual
// machines: small enough to promise nothing that is not there.
const fallbackMHz = 1000

func probeCPU(ctx context.Context, _ FingerprintConfig, f *Facts) error {
	f.Attributes["cpu.arch"] = runtime.GOARCH
	f.Attributes["arch"] = runtime.GOARCH
	f.Cores = runtime.NumCPU()
	mhz := fallbackMHz
	infos, err := cpu.InfoWithContext(ctx)
	if err == nil && len(infos) > 0 {
		f.Attributes["cpu.modelname"] = infos[0].ModelName
		if infos[0].Mhz >= 1 {
			mhz = int(infos[0].Mhz)
		}
	}
	f.CPUMHz = int64(mhz) * int64(f.Cores)
	f.Attributes["cpu.numcores"] = strconv.Itoa(f.Cores)
	f.Attributes["cpu.frequency"] = strconv.Itoa(mhz)
	f.Attributes["cpu.totalcompute"] = strconv.FormatInt(f.CPUMHz, 10)
	f.Attributes["cpu.usablecompute"] = f.Attributes["cpu.totalcompute"]
	return err
}

func probeMemory(ctx context.Context, _ FingerprintConfig, f *Facts) error {
	memory, err := mem.VirtualMemoryWithContext(ctx)
	if err != nil {
		return err
	}
	f.MemoryMB = int64(memory.Total >> 20)
	f.Attributes["memory.totalbytes"] = strconv.FormatUint(memory.Total, 10)
	return nil
}

func probeDisk(_ context.Context, cfg FingerprintConfig, f *Facts) error {
	var fs unix.Statfs_t
	if err := unix.Statfs(cfg.AllocDir, &fs); err != nil {
		return fmt.Errorf("%s: %w", cfg.AllocDir, err)
	}
	total, free := fs.Blocks*uint64(fs.Bsize), fs.Bavail*uint64(fs.Bsize)
	f.DiskMB = int64(free >> 20)
	f.Attributes["unique.storage.volume"] = cfg.AllocDir
	f.Attributes["unique.storage.bytestotal"] = strconv.FormatUint(total, 10)
	f.Attributes["unique.storage.bytesfree"] = strconv.FormatUint(free, 10)
	return nil
}

func probeNetwork(_ context.Context, cfg FingerprintConfig, f *Facts) error {
	f.Device, f.IP = cfg.Interface, cfg.Address
	if f.Device == "" && f.IP == "" {
		f.Device = defaultInterface()
	}
	if f.Device == "" {
		f.Device = interfaceOf(f.IP)
	}
	if f.IP == "" {
		ip, err := addressOf(f.Device)
		if err != nil {
			return err
		}
		f.IP = ip
	}
	f.Attributes["unique.network.ip-address"] = f.IP
	return nil
}

// defaultInterface is the interface of the default route, the loopback without one.
func defaultInterface() string {
	data, err := os.ReadFile("/proc/net/route")
	if err == nil {
		for line := range strings.Lines(string(data)) {
			fields := strings.Fields(line)
			if len(fields) > 7 && fields[1] == "00000000" && fields[7] == "00000000" {
				return fields[0]
			}
		}
	}
	return "lo"
}

func interfaceOf(ip string) string {
	all, err := net.Interfaces()
	if err != nil {
		return ""
	}
	for _, iface := range all {
		addrs, _ := iface.Addrs()
		for _, addr := range addrs {
			if network, ok := addr.(*net.IPNet); ok && network.IP.String() == ip {
				return iface.Name
			}
		}
	}
	return ""
}

// addressOf is an interface's first global address, IPv4 before IPv6.
func addressOf(device string) (string, error) {
	iface, err := net.InterfaceByName(device)
	if err != nil {
		return "", fmt.Errorf("interface %q: %w", device, err)
	}
	addrs, err := iface.Addrs()
	if err != nil {
		return "", fmt.Errorf("interface %q: %w", device, err)
	}
	six := ""
	for _, addr := range addrs {
		network, ok := addr.(*net.IPNet)
		if !ok || network.IP.IsLinkLocalUnicast() {
			continue
		}
		if network.IP.To4() != nil {
			return network.IP.String(), nil
		}
		six = cmp.Or(six, network.IP.String())
	}
	if six == "" {
		return "", fmt.Errorf("interface %q has no usable address", device)
	}
	return six, nil
}

// changed tells whether the difference matters enough to register again. Free disk
// space changes all the time: a tenth of it matters.
func changed(before, after *api.Node) bool {
	ignore := map[string]bool{"unique.storage.bytesfree": true}
	strip := func(m map[string]string) map[string]string {
		m = maps.Clone(m)
		maps.DeleteFunc(m, func(k, _ string) bool { return ignore[k] })
		return m
	}
	if !maps.Equal(strip(before.Attributes), strip(after.Attributes)) || !maps.Equal(before.Meta, after.Meta) {
		return true
	}
	for name, info := range after.Drivers {
		old := before.Drivers[name]
		if old == nil || old.Healthy != info.Healthy || old.Detected != info.Detected {
			return true
		}
	}
	diskBefore, diskAfter := before.NodeResources.Disk.DiskMB, after.NodeResources.Disk.DiskMB
	apart := max(diskBefore, diskAfter) - min(diskBefore, diskAfter)
	return before.NodeResources.Memory != after.NodeResources.Memory || apart > diskBefore/10
}
