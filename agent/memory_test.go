package agent

import "testing"

func TestHeadroom(t *testing.T) {
	for _, tt := range []struct {
		live uint64
		want int
	}{
		{0, 100}, {8 << 20, 100}, {48 << 20, 100}, {64 << 20, 400}, {128 << 20, 400}, {256 << 20, 200}, {512 << 20, 100}, {8 << 30, 100},
	} {
		if got := headroom(tt.live); got != tt.want {
			t.Errorf("%d MiB live: %d %%, want %d", tt.live>>20, got, tt.want)
		}
	}
}
