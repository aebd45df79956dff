package leader

import (
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
)

func TestFirstSettings(t *testing.T) {
	store, err := state.New(state.Config{})
	if err != nil {
		t.Fatal(err)
	}
	log := &localLog{store: store}
	cfg := Default()
	cfg.Logger, cfg.State, cfg.Log = hclog.NewNullLogger(), store, log
	seed := func(c *api.SchedulerConfiguration) *api.SchedulerConfiguration {
		cfg.Scheduler = c
		if err := New(cfg).seedSettings(t.Context()); err != nil {
			t.Fatal(err)
		}
		return store.Snapshot().SchedulerConfig(nil)
	}
	builtIn := &api.SchedulerConfiguration{SchedulerAlgorithm: api.SchedulerAlgorithmBinpack, PreemptionConfig: api.PreemptionConfig{SystemSchedulerEnabled: true}}
	for _, same := range []*api.SchedulerConfiguration{nil, builtIn} {
		if seed(same); log.index != 0 {
			t.Errorf("%+v was written, which is what holds anyway", same)
		}
	}
	if got := seed(&api.SchedulerConfiguration{SchedulerAlgorithm: api.SchedulerAlgorithmSpread}); got.SchedulerAlgorithm != api.SchedulerAlgorithmSpread {
		t.Errorf("the first settings: %+v", got)
	}
	if got := seed(&api.SchedulerConfiguration{MemoryOversubscriptionEnabled: true}); got.SchedulerAlgorithm != api.SchedulerAlgorithmSpread || got.MemoryOversubscriptionEnabled {
		t.Errorf("settings that were there changed: %+v", got)
	}
}
