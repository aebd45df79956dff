package scheduler

import (
	"cmp"
	"fmt"
	"slices"
)

// The range that dynamic ports come from on a node that names none, both inclusive.
const (
	defaultMinDynamicPort = 20000
	defaultMaxDynamicPort = 32000
)

// portSet holds the ports in use on a node, sorted by number. A port that two
// allocations hold (it happens: what runs, runs) is in it twice.
type portSet []portUse

type portUse struct {
	port   uint16
	shared bool   // its holder tolerates others
	ip     uint32 // Cluster.ips; 0 = every address
}

func (s *portSet) add(port int, ip uint32, shared bool) {
	if port <= 0 || port > 65535 {
		return
	}
	i := s.first(port)
	*s = slices.Insert(*s, i, portUse{uint16(port), shared, ip})
}

func (s *portSet) remove(port int, ip uint32, shared bool) {
	if port <= 0 || port > 65535 {
		return
	}
	use := portUse{uint16(port), shared, ip}
	for i := s.first(port); i < len(*s) && (*s)[i].port == use.port; i++ {
		if (*s)[i] == use {
			*s = slices.Delete(*s, i, i+1)
			return
		}
	}
}

// first returns the position of the first use of a port at or above port.
func (s portSet) first(port int) int {
	i, _ := slices.BinarySearchFunc(s, port, func(u portUse, p int) int { return cmp.Compare(int(u.port), p) })
	return i
}

// taken reports whether port on ip is in use; one that both sides share is not.
func (s portSet) taken(port int, ip uint32, shared bool) bool {
	for i := s.first(port); i < len(s) && int(s[i].port) == port; i++ {
		if (s[i].ip == ip || s[i].ip == 0 || ip == 0) && !(shared && s[i].shared) {
			return true
		}
	}
	return false
}

// portsFit returns -1 if the node could give the ports, the position of the static ask
// that collides, or len(asks) when the dynamic ports are used up. Host networks have
// been checked before.
func (c *Cluster) portsFit(ord int32, asks []PortAsk) int {
	s := &c.slots[ord]
	dynamic := 0
	for i := range asks {
		ask := &asks[i]
		if ask.Static == 0 {
			dynamic++
		} else if s.staticTaken(ask, c.ip(hostIP(s.node, ask.HostNetwork))) {
			return i
		}
	}
	if dynamic == 0 {
		return -1
	}
	low, high := dynamicRange(s.node)
	if dynamic > high-low+1 {
		return len(asks)
	}
	if len(s.ports)+len(s.reserved)+len(asks) <= high-low+1 {
		return -1
	}
	if _, ok := c.pickPorts(ord, asks, 0); !ok {
		return len(asks)
	}
	return -1
}

// reserveOn takes the ports that are kept back on single host networks. Who tolerates
// others on its port tolerates that, as it does with the ports kept back on every address.
func (c *Cluster) reserveOn(s *slot) {
	if s.node == nil {
		return
	}
	for alias, ports := range s.node.ReservedOn {
		for _, port := range ports {
			s.ports.add(port, c.ip(s.node.HostNetworks[alias]), true)
		}
	}
}

// portDimension names what portsFit found exhausted.
func portDimension(asks []PortAsk, i int) string {
	if i >= len(asks) {
		return "network: dynamic port selection failed"
	}
	return fmt.Sprintf("network: reserved port collision %s=%d", asks[i].Label, asks[i].Static)
}

func (s *slot) staticTaken(ask *PortAsk, ip uint32) bool {
	if ask.IgnoreCollision {
		return s.ports.taken(ask.Static, ip, true)
	}
	return s.isReserved(ask.Static) || s.ports.taken(ask.Static, ip, false)
}

func (s *slot) isReserved(port int) bool {
	_, found := slices.BinarySearch(s.reserved, port)
	return found
}

// pickPorts gives every ask a port. Dynamic ports start at a point of the range that
// seed decides, so that an allocation and its successor, or two jobs, rarely meet on a
// port whose last owner may still be closing it.
func (c *Cluster) pickPorts(ord int32, asks []PortAsk, seed uint64) ([]Port, bool) {
	if len(asks) == 0 {
		return nil, true
	}
	s := &c.slots[ord]
	low, high := dynamicRange(s.node)
	out := make([]Port, len(asks))
	for i, ask := range asks {
		out[i] = Port{Label: ask.Label, Value: ask.Static, To: ask.To,
			HostIP: hostIP(s.node, ask.HostNetwork), Shared: ask.IgnoreCollision && ask.Static != 0}
	}
	mine := siblings{ports: out}
	behind := -1 // the last one chosen, in the range
	for i := range asks {
		if asks[i].Static == 0 {
			seed = mix(seed + uint64(i) + 1)
			if mine.many() && behind >= 0 {
				seed = uint64(behind + 1) // so that a range that fills up is walked once
			}
			if out[i].Value = c.freePort(s, low, high, seed, &mine, out[i].HostIP); out[i].Value == 0 {
				return nil, false
			}
			behind = out[i].Value - low
			mine.took(out[i].Value)
		}
		if out[i].To == -1 {
			out[i].To = out[i].Value
		}
	}
	return out, true
}

// siblings are the ports of one allocation: a list while they are few, else a set too.
type siblings struct {
	ports []Port
	set   map[int]bool
}

// many reports whether looking through the list for each port would take long.
func (s *siblings) many() bool { return len(s.ports) > 16 }

func (s *siblings) have(port int) bool {
	if !s.many() {
		return slices.ContainsFunc(s.ports, func(p Port) bool { return p.Value == port })
	}
	if s.set == nil {
		s.set = map[int]bool{}
		for _, p := range s.ports {
			s.set[p.Value] = true
		}
	}
	return s.set[port]
}

func (s *siblings) took(port int) {
	if s.set != nil {
		s.set[port] = true
	}
}

// freePort walks the range once from a point that seed decides; 0 when all are taken.
func (c *Cluster) freePort(s *slot, low, high int, seed uint64, mine *siblings, addr string) int {
	size := high - low + 1
	if size <= 0 {
		return 0
	}
	ip := c.ip(addr)
	start := int(seed % uint64(size))
	for k := range size {
		port := low + (start+k)%size
		if !s.isReserved(port) && !s.ports.taken(port, ip, false) && !mine.have(port) {
			return port
		}
	}
	return 0
}

func dynamicRange(n *Node) (low, high int) {
	low, high = n.MinDynamicPort, n.MaxDynamicPort
	if low == 0 {
		low = defaultMinDynamicPort
	}
	if high == 0 {
		high = defaultMaxDynamicPort
	}
	return low, high
}

// hostIP returns the address that a host network has on the node.
func hostIP(n *Node, network string) string {
	if defaultNetwork(network) {
		return n.IP
	}
	return n.HostNetworks[network]
}

func defaultNetwork(name string) bool { return name == "" || name == "default" }
