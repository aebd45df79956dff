package agent

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// How much garbage may gather before it is collected. A server that thousands of nodes
// poll has a small heap and many stacks, all of which every collection walks: with Go's
// default of as much garbage as there is live heap, half of its time went there. A small
// agent keeps the default, because an idle one is to stay small; a very large heap has it
// too, because its headroom is large anyway.
const (
	smallHeap   = 48 << 20  // bytes of live heap up to which the default is right
	maxHeadroom = 512 << 20 // bytes of garbage beyond which more would help little
	usual, most = 100, 400  // per cent of the live heap
)

// TuneMemory keeps the collector's pace fitting to the live heap, from now to the
// process's end. It looks after each collection, and costs nothing between them.
func TuneMemory() {
	debug.SetGCPercent(headroom(liveHeap()))
	sentinel := new([16]byte)
	runtime.SetFinalizer(sentinel, func(*[16]byte) { TuneMemory() })
}

// headroom is the percentage for a live heap of that many bytes.
func headroom(live uint64) int {
	if live <= smallHeap {
		return usual
	}
	return int(min(max(maxHeadroom*100/live, usual), most))
}

func liveHeap() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return sample[0].Value.Uint64()
}
