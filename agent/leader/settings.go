package leader

import (
	"context"
	"fmt"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
)

// seedSettings gives a cluster whose scheduler nobody has configured the settings of the
// leader's agent configuration (default_scheduler_config). What an operator sets later
// stays: the settings are written only if there are none.
func (l *Leader) seedSettings(ctx context.Context) error {
	present := l.cfg.State.Snapshot().SchedulerConfig(nil)
	if l.cfg.Scheduler == nil || present.ModifyIndex > 0 || sameSettings(*present, *l.cfg.Scheduler) {
		return nil
	}
	if _, err := l.apply(ctx, &state.SetSchedulerConfig{Config: l.cfg.Scheduler, CAS: true}); err != nil {
		return fmt.Errorf("set the scheduler's first settings: %w", err)
	}
	return nil
}

func sameSettings(a, b api.SchedulerConfiguration) bool {
	a.CreateIndex, a.ModifyIndex, b.CreateIndex, b.ModifyIndex = 0, 0, 0, 0
	return a == b
}
