package scheduler

import (
	"slices"
	"strconv"
	"strings"
)

// Devices are matched by name ("gpu", "nvidia/gpu" or "nvidia/gpu/1080ti") and by
// constraints over ${device.vendor}, ${device.type}, ${device.model} and
// ${device.attr.*}. A request is served from one group of equal devices. Affinities
// for devices are not used.

// devicesExist reports whether a node has, free or not, what the asks need one by one.
func devicesExist(n *Node, asks []DeviceAsk) bool {
	return !slices.ContainsFunc(asks, func(ask DeviceAsk) bool {
		return !slices.ContainsFunc(n.Devices, func(d Device) bool { return ask.matches(&d) && len(d.IDs) >= ask.Count })
	})
}

func deviceNames(asks []DeviceAsk) string {
	names := make([]string, len(asks))
	for i, ask := range asks {
		names[i] = strconv.Itoa(ask.Count) + " " + ask.Name
	}
	return strings.Join(names, ", ")
}

// pickDevices gives every ask its instances, by "vendor/type/name"; false when there are
// not enough free ones.
func (s *slot) pickDevices(asks []DeviceAsk) (map[string][]string, bool) {
	if len(asks) == 0 {
		return nil, true
	}
	out := map[string][]string{}
	for _, ask := range asks {
		if !s.pickDevice(ask, out) {
			return nil, false
		}
	}
	return out, true
}

func (s *slot) pickDevice(ask DeviceAsk, out map[string][]string) bool {
	for i := range s.node.Devices {
		d := &s.node.Devices[i]
		if !ask.matches(d) {
			continue
		}
		key := d.key()
		var free []string
		for _, id := range d.IDs {
			if s.devices[key+"/"+id] == 0 && !slices.Contains(out[key], id) && len(free) < ask.Count {
				free = append(free, id)
			}
		}
		if len(free) == ask.Count {
			out[key] = append(out[key], free...)
			return true
		}
	}
	return false
}

func (d *Device) key() string { return d.Vendor + "/" + d.Type + "/" + d.Name }

func (ask *DeviceAsk) matches(d *Device) bool {
	parts := strings.SplitN(ask.Name, "/", 3)
	var named bool
	switch len(parts) {
	case 1:
		named = parts[0] == d.Type
	case 2:
		named = parts[0] == d.Vendor && parts[1] == d.Type
	default:
		named = parts[0] == d.Vendor && parts[1] == d.Type && parts[2] == d.Name
	}
	return named && !slices.ContainsFunc(ask.Constraints, func(con Constraint) bool {
		return !compile(con).matchWith(d.lookup)
	})
}

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
