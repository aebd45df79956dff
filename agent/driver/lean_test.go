package driver

import (
	"os"
	"testing"
)

func TestProgramPagesAreReadOnlyFilesAlone(t *testing.T) {
	for line, want := range map[string]uintptr{
		"00400000-00500000 r-xp 00000000 fe:00 1 /usr/bin/selfheal\n":               0x100000,
		"00500000-00501000 r--p 00100000 fe:00 1 /usr/bin/selfheal\n":               0x1000,
		"00501000-00502000 rw-p 00101000 fe:00 1 /usr/bin/selfheal\n":               0, // its changes would be lost
		"c000000000-c000400000 rw-p 00000000 00:00 0 \n":                            0,
		"7ffd0000-7ffd2000 r-xp 00000000 00:00 0                          [vdso]\n": 0,
		"00400000-00300000 r-xp 00000000 fe:00 1 /usr/bin/selfheal\n":               0,
		"nonsense\n": 0,
		"":           0,
	} {
		if _, size, ok := programPages(line); ok != (want != 0) || ok && size != want {
			t.Errorf("%q: %#x, %v; want %#x", line, size, ok, want)
		}
	}
}

// After shrinking, the process goes on: what it still needs comes back.
func TestShrinkHarmsNothing(t *testing.T) {
	shrink()
	if _, err := os.Stat("/proc/self/maps"); err != nil {
		t.Fatal(err)
	}
}
