package httpapi

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"strings"
)

// newID makes a random UUID (RFC 9562, version 4) for a row that a request creates.
func newID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	return uuid(b, 4)
}

// nameID derives a UUID (RFC 9562, version 8) from a name, the same every time.
func nameID(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return uuid([16]byte(sum[:16]), 8)
}

func uuid(b [16]byte, version byte) string {
	b[6] = b[6]&0x0f | version<<4
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
