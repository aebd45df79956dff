package scheduler

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Devices are matched by name ("gpu", "nvidia/gpu" or "nvidia/gpu/1080ti") and by
// constraints over ${device.vendor}, ${device.type}, ${device.model} and
// ${device.attr.*}. A request is served from one group of equal devices; affinities say
// from which.

// deviceAsk is a DeviceAsk made ready to be asked often.
type deviceAsk struct {
	*DeviceAsk
	rules  []*compiled
	wishes []affinity // weights are shares of all weights of the group's asks
}

func compileDevices(asks []DeviceAsk) []deviceAsk {
	total := 0.0
	for i := range asks {
		for _, a := range asks[i].Affinities {
			total += math.Abs(float64(a.Weight))
		}
	}
	out := make([]deviceAsk, len(asks))
	for i := range asks {
		out[i].DeviceAsk = &asks[i]
		for _, con := range asks[i].Constraints {
			out[i].rules = append(out[i].rules, compileForDevice(con))
		}
		for _, a := range asks[i].Affinities {
			if a.Weight != 0 {
				con := compileForDevice(Constraint{a.LTarget, a.Operand, a.RTarget})
				out[i].wishes = append(out[i].wishes, affinity{con, float64(a.Weight) / total})
			}
		}
	}
	return out
}

// choice is a group of devices that may serve an ask.
type choice struct {
	device int     // position in Node.Devices
	score  float64 // what the ask's affinities say of it
}

// choices lists the groups of a node that may serve the ask if enough instances are
// free, the most liked first.
func (ask *deviceAsk) choices(n *Node) []choice {
	var out []choice
	for i := range n.Devices {
		d := &n.Devices[i]
		if len(d.IDs) < ask.Count || !ask.names(d) || slices.ContainsFunc(ask.rules, func(c *compiled) bool { return !c.matchWith(d.lookup) }) {
			continue
		}
		ch := choice{device: i}
		for _, w := range ask.wishes {
			if w.con.matchWith(d.lookup) {
				ch.score += w.weight
			}
		}
		out = append(out, ch)
	}
	slices.SortStableFunc(out, func(a, b choice) int { return cmp.Compare(b.score, a.score) })
	return out
}

func (ask *DeviceAsk) names(d *Device) bool {
	parts := strings.SplitN(ask.Name, "/", 3)
	switch len(parts) {
	case 1:
		return parts[0] == d.Type
	case 2:
		return parts[0] == d.Vendor && parts[1] == d.Type
	}
	return parts[0] == d.Vendor && parts[1] == d.Type && parts[2] == d.Name
}

func deviceNames(asks []DeviceAsk) string {
	names := make([]string, len(asks))
	for i, ask := range asks {
		names[i] = strconv.Itoa(ask.Count) + " " + ask.Name
		for _, con := range ask.Constraints {
			names[i] += " with " + con.text()
		}
	}
	return strings.Join(names, ", ")
}

func (d *Device) key() string { return d.Vendor + "/" + d.Type + "/" + d.Name }

// instance names one device of a node.
type instance struct{ vendor, kind, name, id string }

func (d *Device) instance(id string) instance { return instance{d.Vendor, d.Type, d.Name, id} }

func (g *DeviceGrant) instance(id string) instance { return instance{g.Vendor, g.Type, g.Name, id} }

func (d *Device) lookup(target string) (string, bool) {
	if !isReference(target) {
		return target, true
	}
	switch name := target[2 : len(target)-1]; name {
	case "device.vendor":
		return d.Vendor, true
	case "device.type":
		return d.Type, true
	case "device.model":
		return d.Name, true
	default:
		key, _ := strings.CutPrefix(name, "device.attr.")
		v, ok := d.Attributes[key]
		return v, ok
	}
}
