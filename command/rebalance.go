package command

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/healapi"
)

// rebalanceFlags are the flags of rebalance.
type rebalanceFlags struct {
	set, threshold, goal, minGain, cooldown, settle string
	maxParallel                                     *int
	output                                          output
}

func rebalanceVerb() verb {
	var f rebalanceFlags
	return verb{
		short: "Show what would balance the cluster, and set whether it is done",
		long: `Shows how evenly nodes are used, the moves that are under way, and those that would be worth their restart: because a job's own spreads and affinities are met better, or, with the scheduler algorithm "spread", because the most used node is relieved. A move places the successor first and stops the old allocation when that is healthy.

-set on makes such moves from now on, propose only shows them (the default), off does neither. A job decides for itself with the Meta key "selfheal.rebalance", unless the cluster's mode is off.`,
		flags: append([]flagRow{
			{"set", "MODE", "Change the mode: on, propose or off.", &f.set, nil},
			{"threshold", "PERCENT", "Begin above this difference between the most and the least used node (default 20).", &f.threshold, nil},
			{"goal", "PERCENT", "End at this difference (default 10).", &f.goal, nil},
			{"min-gain", "PERCENT", "Make no move that is worth less (default 5).", &f.minGain, nil},
			{"max-parallel", "N", "Make at most this many moves at once (default 4).", f.setParallel, nil},
			{"cooldown", "DURATION", "Leave an allocation this long where it was placed (default 10m).", &f.cooldown, nil},
			{"settle", "DURATION", "Let a node be ready this long before work moves to it (default 1m).", &f.settle, nil},
		}, f.output.rows()...),
		run: func(s *session, args []string) error { return rebalance(s, &f) },
	}
}

func rebalance(s *session, f *rebalanceFlags) error {
	c, err := s.client()
	if err != nil {
		return err
	}
	update, err := f.update()
	if err != nil {
		return err
	}
	if update != (healapi.RebalanceUpdate{}) {
		var set healapi.RebalanceSet
		if _, err := c.Raw().Write("/v1/heal/rebalance", update, &set, nil); err != nil {
			return fmt.Errorf("set rebalancing: %w", err)
		}
		if f.output.wanted() {
			return f.output.print(s, set)
		}
		s.printf("Rebalancing: %s.\n", rebalanceText(set.Config))
		return nil
	}
	var r healapi.Rebalance
	if _, err := c.Raw().Query("/v1/heal/rebalance", &r, nil); err != nil {
		return fmt.Errorf("ask for balance: %w", err)
	}
	if f.output.wanted() {
		return f.output.print(s, r)
	}
	s.showRebalance(&r)
	return nil
}

// update is what the flags change.
func (f *rebalanceFlags) update() (out healapi.RebalanceUpdate, err error) {
	if f.set != "" {
		if !healapi.ValidMode(f.set) {
			return out, usagef("-set wants on, propose or off, not %q", f.set)
		}
		out.Mode = &f.set
	}
	for _, p := range []struct {
		flag, text string
		field      **float64
	}{{"threshold", f.threshold, &out.Threshold}, {"goal", f.goal, &out.Goal}, {"min-gain", f.minGain, &out.MinGain}} {
		if p.text == "" {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSuffix(p.text, "%"), 64)
		if err != nil {
			return out, usagef("-%s wants a number of percent such as 20, not %q", p.flag, p.text)
		}
		v /= 100
		*p.field = &v
	}
	for _, p := range []struct {
		flag, text string
		field      **time.Duration
	}{{"cooldown", f.cooldown, &out.Cooldown}, {"settle", f.settle, &out.Settle}} {
		if p.text == "" {
			continue
		}
		d, err := time.ParseDuration(p.text)
		if err != nil {
			return out, usagef("-%s wants a duration such as 10m, not %q", p.flag, p.text)
		}
		*p.field = &d
	}
	out.MaxParallel = f.maxParallel
	return out, nil
}

func (f *rebalanceFlags) setParallel(text string) error {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return errors.New("want a whole number above 0")
	}
	f.maxParallel = &n
	return nil
}

// rebalanceText is the settings in one line.
func rebalanceText(c healapi.RebalanceConfig) string {
	if c.Mode == healapi.ModeOff {
		return "off"
	}
	return fmt.Sprintf("%s; from %s of difference down to %s, at most %s at once, each worth %s; %s after a placement, %s after a node is ready",
		c.Mode, percent(c.Threshold), percent(c.Goal), plural(c.MaxParallel, "move"), percent(c.MinGain), brief(c.Cooldown), brief(c.Settle))
}

func percent(share float64) string {
	return strconv.FormatFloat(math.Round(share*1000)/10, 'f', -1, 64) + " %"
}

func (s *session) showRebalance(r *healapi.Rebalance) {
	s.printf("Rebalancing: %s.\n", rebalanceText(r.Config))
	if r.Config.Mode == healapi.ModeOff {
		return
	}
	if r.Algorithm != string(api.SchedulerAlgorithmSpread) {
		s.printf("The scheduler algorithm is %s, which fills nodes one after another: only the wishes of jobs count.\n", r.Algorithm)
	}
	if len(r.Skews) > 0 {
		s.section("Use")
		rows := []string{row("Datacenter", "Node Pool", "Most Used", "Least Used", "Difference")}
		for _, k := range r.Skews {
			rows = append(rows, row(k.Datacenter, k.NodePool,
				fmt.Sprintf("%s %.0f %%", k.MostUsedNode, 100*k.MostUsedShare), fmt.Sprintf("%s %.0f %%", k.LeastUsedNode, 100*k.LeastUsedShare),
				fmt.Sprintf("%.0f points", 100*(k.MostUsedShare-k.LeastUsedShare))))
		}
		s.table(rows)
	}
	s.showMoves("Moving", r.Moving)
	s.showMoves("Proposed", r.Proposed)
	if len(r.Moving)+len(r.Proposed) == 0 {
		s.printf("\nNo move is worth its restart.\n")
	}
}

func (s *session) showMoves(title string, moves []healapi.Move) {
	if len(moves) == 0 {
		return
	}
	s.section(title)
	rows := []string{row("Alloc ID", "Allocation", "From", "To", "Mode", "Why")}
	for _, m := range moves {
		rows = append(rows, row(shortID(m.AllocID, false), m.Name, m.FromNodeName, m.ToNodeName, m.Mode, m.Reason))
	}
	s.table(rows)
}
