package client

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/nomad/api"
	"golang.org/x/sys/unix"
)

// probeTopology finds the cores that this process may use, and the NUMA nodes that
// the kernel groups them into. A machine without NUMA has one.
func probeTopology(_ context.Context, _ FingerprintConfig, f *Facts) error {
	var usable unix.CPUSet
	if err := unix.SchedGetaffinity(0, &usable); err != nil {
		return fmt.Errorf("cores of this process: %w", err)
	}
	for core := range len(usable) * 64 {
		if usable.IsSet(core) {
			f.CoreIDs = append(f.CoreIDs, uint16(core))
		}
	}
	files, err := filepath.Glob("/sys/devices/system/node/node[0-9]*/cpulist")
	if err != nil {
		return err
	}
	lists := map[int]string{}
	for _, file := range files {
		n, err := strconv.Atoi(strings.TrimPrefix(filepath.Base(filepath.Dir(file)), "node"))
		if err != nil {
			continue
		}
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		lists[n] = strings.TrimSpace(string(data))
	}
	f.Attributes["numa.node.count"] = strconv.Itoa(len(lists))
	for n, list := range lists {
		f.Attributes["numa.node"+strconv.Itoa(n)+".cores"] = list
	}
	return nil
}

// reservable are the cores that jobs may pin: those of the machine but for the ones
// kept back.
func reservable(cores []uint16, reserved []int) []uint16 {
	return slices.DeleteFunc(slices.Clone(cores), func(core uint16) bool { return slices.Contains(reserved, int(core)) })
}

// attrHostNetwork + a host network's name is the attribute with the node's address in it.
const attrHostNetwork = "unique.network.host."

// resolveHostNetworks finds this machine's address in every host network. One without an
// address is not offered: a port on it could not be bound.
func resolveHostNetworks(networks map[string]*api.HostNetworkInfo, attributes map[string]string) (offered map[string]*api.HostNetworkInfo, missing []string) {
	offered = map[string]*api.HostNetworkInfo{}
	for name, network := range networks {
		ip, err := addressIn(network)
		if err != nil {
			missing = append(missing, fmt.Sprintf("host_network %q: %v", name, err))
			continue
		}
		offered[name] = network
		attributes[attrHostNetwork+name] = ip
	}
	slices.Sort(missing)
	return offered, missing
}

// addressIn is the first address that the interface and the range of a host network allow.
func addressIn(network *api.HostNetworkInfo) (string, error) {
	if network.CIDR == "" {
		return addressOf(network.Interface)
	}
	_, within, err := net.ParseCIDR(network.CIDR)
	if err != nil {
		return "", fmt.Errorf("cidr %q: %w", network.CIDR, err)
	}
	interfaces, err := net.Interfaces()
	if err != nil {
		return "", err
	}
	for _, iface := range interfaces {
		if network.Interface != "" && iface.Name != network.Interface {
			continue
		}
		addresses, _ := iface.Addrs() // an interface that just went has none
		for _, address := range addresses {
			if own, ok := address.(*net.IPNet); ok && within.Contains(own.IP) {
				return own.IP.String(), nil
			}
		}
	}
	return "", fmt.Errorf("no interface has an address in %s", network.CIDR)
}

// coresOf are the cores that the scheduler gave a task: it hands them out in the order
// of the tasks that ask for some.
func coresOf(group *api.TaskGroup, task string, cores []int) []int {
	for _, t := range group.Tasks {
		n := 0
		if t.Resources != nil && t.Resources.Cores != nil {
			n = min(*t.Resources.Cores, len(cores))
		}
		if t.Name == task {
			return cores[:n]
		}
		cores = cores[n:]
	}
	return nil
}

// cpuset writes cores as the kernel and NOMAD_CPU_CORES do: "0-2,5".
func cpuset(cores []int) string {
	var parts []string
	for i := 0; i < len(cores); {
		last := i
		for last+1 < len(cores) && cores[last+1] == cores[last]+1 {
			last++
		}
		part := strconv.Itoa(cores[i])
		if last > i {
			part += "-" + strconv.Itoa(cores[last])
		}
		parts = append(parts, part)
		i = last + 1
	}
	return strings.Join(parts, ",")
}
