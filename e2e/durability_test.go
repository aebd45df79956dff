//go:build linux

package e2e

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/selfheal/selfheal/e2e/cluster"
)

var (
	rounds = flag.Int("durability.rounds", 0, "how many rounds of kill -9 the durability test runs; 0: 15 with $SELFHEAL, else 5")
	seed   = flag.Uint64("durability.seed", uint64(time.Now().UnixNano()), "what the durability test's choices follow from")
)

// Servers are killed -9 at random moments, one, two, all of them; whatever was
// acknowledged is there in the end, on every server, once and as it was written.
//
// Part of `make test`, where it builds the program. In full:
//
//	SELFHEAL=$PWD/bin/selfheal go test -count=1 -timeout 2h -run AcknowledgedWrites -v ./e2e -durability.rounds 1000
func TestAcknowledgedWritesSurvive(t *testing.T) {
	if testing.Short() {
		t.Skip("real processes")
	}
	binary, n := os.Getenv("SELFHEAL"), *rounds
	if n == 0 {
		n = 15
		if binary == "" {
			n = 5
		}
	}
	if binary == "" {
		binary = build(t)
	}
	c := cluster.New(t, cluster.Options{Servers: 3, Binary: binary})
	start := time.Now()
	ledger, wrong := cluster.Torture(t, c, n, *seed)
	t.Logf("%d rounds in %v: %d of %d registrations of %d jobs acknowledged (-durability.seed %d)",
		n, time.Since(start).Round(time.Millisecond), ledger.Acknowledged(), ledger.Attempts(), ledger.Jobs(), *seed)
	for i, w := range wrong {
		if i == 20 {
			t.Errorf("and %d more", len(wrong)-i)
			break
		}
		t.Error(w)
	}
}

// build makes the program, for a run that was not given one.
func build(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "selfheal")
	cmd := exec.Command("go", "build", "-o", path, "..")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the program: %v: %s", err, out)
	}
	return path
}
