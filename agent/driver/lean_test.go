package driver

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestProgramPages(t *testing.T) {
	const program = "00400000-00500000 r-xp 00000000 fe:00 1 /usr/bin/selfheal\n" +
		"00500000-00501000 r--p 00100000 fe:00 1 /usr/bin/selfheal\n" +
		"00501000-00502000 rw-p 00101000 fe:00 1 /usr/bin/selfheal\n" +
		"c000000000-c000400000 rw-p 00000000 00:00 0 \n" +
		"7ffd0000-7ffd2000 r-xp 00000000 00:00 0                          [vdso]\n"
	code, data := mapping{0x400000, 0x100000}, mapping{0x500000, 0x1000}
	for _, tc := range []struct {
		name, maps string
		want       []mapping
	}{
		{"a static program: code and constants", program, []mapping{code, data}},
		{"a dynamic one: code alone", program + "7f000000-7f001000 r--p 00000000 fe:00 2 /lib/ld.so\n", []mapping{code}},
		{"damaged lines", "zzz r-xp 0 0 0 /x\n00400000-00300000 r-xp 0 0 0 /x\nnonsense\n\n", nil},
	} {
		if d := cmp.Diff(tc.want, programPages(tc.maps), cmp.AllowUnexported(mapping{})); d != "" {
			t.Errorf("%s: %s", tc.name, d)
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
