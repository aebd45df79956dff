package gossip

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// MaxMeta is the most that memberlist carries for a member, in bytes.
const MaxMeta = 512

// Meta is what a member tells the others about itself. Encoded it must fit in
// MaxMeta bytes; a usual one takes about 80.
type Meta struct {
	ID         string // node ID; a UUID takes 16 bytes instead of 36
	Name       string // node name, unique in its region by convention only
	Region     string
	Datacenter string
	Server     bool
	Client     bool
	HTTPPort   int
	RPCPort    int
	BootID     string // changes when the machine reboots: its tasks are gone
	Version    string // of the agent
	Expect     int    // servers: bootstrap_expect, 0 if not set
	Restarting bool   // it announced that it will be back in a moment

	// HTTPAddr and RPCAddr override the gossip address and the ports where the
	// agent advertises others: "host" or "host:port".
	HTTPAddr string
	RPCAddr  string
}

// metaVersion is the first byte on the wire. A later version may only append:
// an agent reads the fields it knows and ignores the rest.
const metaVersion = 1

const (
	flagServer = 1 << iota
	flagClient
	flagRestarting
	flagLeaving // it is about to leave for good; see Gossip.Leave
)

// rawUUID in place of a length announces the 16 bytes of a UUID.
const rawUUID = 0xff

// encode packs m:
//
//	version flags id boot name region datacenter version http-addr rpc-addr http-port rpc-port expect
//
// Strings carry their length in one byte, numbers are unsigned varints.
func (m Meta) encode(leaving bool) ([]byte, error) {
	var flags byte
	for bit, on := range map[byte]bool{
		flagServer: m.Server, flagClient: m.Client, flagRestarting: m.Restarting, flagLeaving: leaving,
	} {
		if on {
			flags |= bit
		}
	}
	b := append(make([]byte, 0, 128), metaVersion, flags)
	for _, id := range []string{m.ID, m.BootID} {
		if raw, ok := parseUUID(id); ok {
			b = append(append(b, rawUUID), raw...)
		} else {
			b = appendString(b, id)
		}
	}
	for _, s := range m.strings() {
		if len(*s) >= rawUUID {
			return nil, fmt.Errorf("gossip: encode meta: %.20q... has %d bytes, at most %d fit", *s, len(*s), rawUUID-1)
		}
		b = appendString(b, *s)
	}
	for _, n := range m.numbers() {
		if *n < 0 {
			return nil, fmt.Errorf("gossip: encode meta: %d is negative", *n)
		}
		b = binary.AppendUvarint(b, uint64(*n))
	}
	if len(b) > MaxMeta {
		return nil, fmt.Errorf("gossip: encode meta: %d bytes, at most %d fit: shorten the node's name, region, datacenter or advertise addresses", len(b), MaxMeta)
	}
	return b, nil
}

// strings and numbers are the fields in wire order, for both directions.
func (m *Meta) strings() []*string {
	return []*string{&m.Name, &m.Region, &m.Datacenter, &m.Version, &m.HTTPAddr, &m.RPCAddr}
}

func (m *Meta) numbers() []*int { return []*int{&m.HTTPPort, &m.RPCPort, &m.Expect} }

func appendString(b []byte, s string) []byte { return append(append(b, byte(len(s))), s...) }

// parseUUID returns the 16 bytes of a UUID in its canonical, lower-case form.
func parseUUID(s string) ([]byte, bool) {
	if len(s) != 36 || s != strings.ToLower(s) {
		return nil, false
	}
	raw, err := hex.DecodeString(s[0:8] + s[9:13] + s[14:18] + s[19:23] + s[24:])
	return raw, err == nil && formatUUID(raw) == s
}

func formatUUID(b []byte) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

var errMetaShort = errors.New("gossip: decode meta: truncated")

// decodeMeta is the inverse of encode.
func decodeMeta(b []byte) (m Meta, leaving bool, err error) {
	if len(b) < 2 {
		return m, false, errMetaShort
	}
	if b[0] < metaVersion {
		return m, false, fmt.Errorf("gossip: decode meta: version %d is unknown: is another program using this port?", b[0])
	}
	flags := b[1]
	m.Server, m.Client = flags&flagServer != 0, flags&flagClient != 0
	m.Restarting, leaving = flags&flagRestarting != 0, flags&flagLeaving != 0
	b = b[2:]
	for _, s := range append([]*string{&m.ID, &m.BootID}, m.strings()...) {
		if *s, b, err = cutString(b); err != nil {
			return Meta{}, false, err
		}
	}
	for _, n := range m.numbers() {
		v, k := binary.Uvarint(b)
		if k <= 0 || v > 1<<31-1 {
			return Meta{}, false, errMetaShort
		}
		*n, b = int(v), b[k:]
	}
	if m.ID == "" {
		return Meta{}, false, errors.New("gossip: decode meta: no node ID")
	}
	return m, leaving, nil
}

func cutString(b []byte) (s string, rest []byte, err error) {
	if len(b) == 0 {
		return "", nil, errMetaShort
	}
	n, b := int(b[0]), b[1:]
	if n == rawUUID {
		if len(b) < 16 {
			return "", nil, errMetaShort
		}
		return formatUUID(b[:16]), b[16:], nil
	}
	if len(b) < n {
		return "", nil, errMetaShort
	}
	return string(b[:n]), b[n:], nil
}
