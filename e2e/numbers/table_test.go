package numbers

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRender(t *testing.T) {
	got := Render([]Row{
		{What: "healed", Unit: Milliseconds, Goal: Goal{P50: AtMost(1200), Worst: AtMost(2500)}, Command: "go test a",
			Ours: Samples{Values: []float64{900, 1100, 2600}}, Peer: Samples{Values: []float64{25800}}},
		{What: "placed", Unit: PerSecond, Goal: Goal{P50: AtLeast(100_000)}, Command: "go test b",
			Ours: Samples{Values: []float64{250_000, 200_000}, Note: "in short"}, Peer: Samples{Values: []float64{3200}}},
		{What: "lost", Unit: Count, Goal: Goal{P50: AtMost(0)}, Command: "go test c", Ours: Samples{Values: []float64{0}, Rounds: 20}},
		{What: "idle", Unit: MiB, Goal: Goal{P50: AtMost(60)}, Command: "go test d", Ours: Samples{Note: "needs root"}},
		{What: "start", Unit: Milliseconds, Command: "go test e", Ours: Samples{Values: []float64{12.34}}},
	})
	want := `what    n   p50         max             to reach                          verdict  peer p50   peer max      ratio  command
healed  3   1,100 ms    2,600 ms        p50 <= 1,200 ms, max <= 2,500 ms  SHORT    25,800 ms  25,800 ms     23.5x  go test a
placed  2   250,000 /s  min 200,000 /s  p50 >= 100,000 /s                 ok       3,200 /s   min 3,200 /s  78.1x  go test b
    in short
lost    20  0           -               <= 0                              ok       -          -             -      go test c
idle    -   -           -               p50 <= 60 MiB                     -        -          -             -      go test d
    needs root
start   1   12.3 ms     12.3 ms         -                                 -        -          -             -      go test e
`
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("the table is wrong (-want +got):\n%s", d)
	}
}

func TestVerdict(t *testing.T) {
	for _, tt := range []struct {
		name   string
		goal   Goal
		values []float64
		want   string
	}{
		{"nothing measured", Goal{P50: AtMost(1)}, nil, "-"},
		{"nothing demanded", Goal{}, []float64{1}, "-"},
		{"on the line", Goal{P50: AtMost(1)}, []float64{1}, "ok"},
		{"median too high", Goal{P50: AtMost(1)}, []float64{1, 2, 3}, "SHORT"},
		{"only the worst too high", Goal{P50: AtMost(1), Worst: AtMost(2)}, []float64{1, 1, 3}, "SHORT"},
		{"a rate too low", Goal{P50: AtLeast(10)}, []float64{9}, "SHORT"},
		{"a rate high enough", Goal{P50: AtLeast(10)}, []float64{9, 10, 11}, "ok"},
		{"none allowed, none seen", Goal{P50: AtMost(0)}, []float64{0}, "ok"},
		{"none allowed, one seen", Goal{P50: AtMost(0)}, []float64{1}, "SHORT"},
	} {
		r := Row{Goal: tt.goal, Ours: Samples{Values: tt.values}}
		if got := r.Verdict(); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}
