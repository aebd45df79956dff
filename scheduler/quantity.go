package scheduler

import (
	"cmp"
	"strconv"
	"strings"
)

// Device attributes may be amounts with a unit, "16 GiB" or "1.4 GHz". Two amounts of
// one kind compare by what they are, also across units; amounts of different kinds never
// compare, so "8 GiB" is neither more nor less than "8 GHz".

// quantity is an amount in the base unit of its kind; the kind of a plain number is "".
type quantity struct {
	value float64
	kind  string
}

// units are those that public documentation of device attributes names: binary and
// decimal bytes, the same per second, hertz and watts.
var units = unitTable()

func unitTable() map[string]quantity {
	out := map[string]quantity{"B": {1, "B"}, "B/s": {1, "B/s"}}
	binary, decimal := 1.0, 1.0
	for _, prefix := range "KMGTPE" {
		binary, decimal = binary*1024, decimal*1000
		for _, suffix := range []string{"B", "B/s"} {
			out[string(prefix)+"i"+suffix] = quantity{binary, suffix}
			out[string(prefix)+suffix] = quantity{decimal, suffix}
		}
	}
	out["kB"], out["kB/s"] = out["KB"], out["KB/s"]
	for prefix, factor := range map[string]float64{"": 1, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9} {
		out[prefix+"Hz"] = quantity{factor, "Hz"}
		out[prefix+"W"] = quantity{factor, "W"}
	}
	out["mW"] = quantity{1e-3, "W"}
	return out
}

// parseQuantity reads a number that a unit may follow, with or without a space.
func parseQuantity(s string) (quantity, bool) {
	s = strings.TrimSpace(s)
	end := strings.LastIndexAny(s, "0123456789.") + 1
	value, err := strconv.ParseFloat(s[:end], 64)
	if err != nil {
		return quantity{}, false
	}
	name := strings.TrimSpace(s[end:])
	if name == "" {
		return quantity{value: value}, true
	}
	unit, known := units[name]
	return quantity{value * unit.value, unit.kind}, known
}

// compareDevices is the order of two device attributes; comparable is false when both
// are amounts, but of different kinds.
func compareDevices(l, r string) (order int, comparable bool) {
	a, aok := parseQuantity(l)
	b, bok := parseQuantity(r)
	if !aok || !bok {
		return compareValues(l, r), true
	}
	return cmp.Compare(a.value, b.value), a.kind == b.kind
}

// deviceOperators are the operators that mean something else for devices.
var deviceOperators = map[string]func(order int) bool{
	"=": isEqual, "==": isEqual, "is": isEqual, "": isEqual,
	"<": func(o int) bool { return o < 0 }, "<=": func(o int) bool { return o <= 0 },
	">": func(o int) bool { return o > 0 }, ">=": func(o int) bool { return o >= 0 },
}

func isEqual(order int) bool { return order == 0 }

// compileForDevice makes a constraint or affinity over ${device.*} ready.
func compileForDevice(con Constraint) *compiled {
	c := compile(con)
	if holds, ok := deviceOperators[con.Operand]; ok {
		c.test = both(func(l, r string) bool {
			order, comparable := compareDevices(l, r)
			return comparable && holds(order)
		})
	}
	if con.Operand == "!=" || con.Operand == "not" {
		c.test = func(l, r string, lok, rok bool) bool {
			order, comparable := compareDevices(l, r)
			return !lok || !rok || !comparable || order != 0
		}
	}
	return c
}
