package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/hashicorp/nomad/api"
)

func autopilotVerbs() entries {
	return entries{
		noun("operator autopilot", "Look after how servers are kept healthy"),
		{name: "operator autopilot get-config", make: autopilotGet},
		{name: "operator autopilot set-config", make: autopilotSet},
		{name: "operator autopilot health", make: autopilotHealth},
	}
}

// queryStale are query options that accept any server's answer, or none.
func queryStale(stale bool) *api.QueryOptions { return &api.QueryOptions{AllowStale: stale} }

func autopilotGet() verb {
	return page[api.AutopilotConfiguration]{
		short: "Show the settings", what: "autopilot configuration",
		read: func(_ *session, c *api.Client, _ string) (*api.AutopilotConfiguration, error) {
			cfg, _, err := c.Operator().AutopilotGetConfiguration(nil)
			return cfg, err
		},
		show: func(p *printer, x *api.AutopilotConfiguration) {
			p.pairs(
				[2]string{"CleanupDeadServers", fmt.Sprint(x.CleanupDeadServers)},
				[2]string{"LastContactThreshold", x.LastContactThreshold.String()},
				[2]string{"MaxTrailingLogs", fmt.Sprint(x.MaxTrailingLogs)},
				[2]string{"MinQuorum", fmt.Sprint(x.MinQuorum)},
				[2]string{"ServerStabilizationTime", x.ServerStabilizationTime.String()},
				[2]string{"EnableRedundancyZones", fmt.Sprint(x.EnableRedundancyZones)},
				[2]string{"DisableUpgradeMigration", fmt.Sprint(x.DisableUpgradeMigration)},
				[2]string{"EnableCustomUpgrades", fmt.Sprint(x.EnableCustomUpgrades)},
			)
		},
	}.verb()
}

func autopilotSet() verb {
	var edits []func(*api.AutopilotConfiguration)
	edit := func(name, arg, usage string, read func(text string) (func(*api.AutopilotConfiguration), error)) flagRow {
		return flagRow{name: name, arg: arg, usage: usage, value: func(text string) error {
			change, err := read(text)
			if err == nil {
				edits = append(edits, change)
			}
			return err
		}}
	}
	toggle := func(name, usage string, field func(*api.AutopilotConfiguration) *bool) flagRow {
		return edit(name, "BOOL", usage, func(text string) (func(*api.AutopilotConfiguration), error) {
			on, err := parseSwitch(text)
			return func(x *api.AutopilotConfiguration) { *field(x) = on }, err
		})
	}
	number := func(name, usage string, set func(*api.AutopilotConfiguration, uint64)) flagRow {
		return edit(name, "N", usage, func(text string) (func(*api.AutopilotConfiguration), error) {
			var n uint64
			err := flagRow{value: &n}.set(text)
			return func(x *api.AutopilotConfiguration) { set(x, n) }, err
		})
	}
	length := func(name, usage string, field func(*api.AutopilotConfiguration) *time.Duration) flagRow {
		return edit(name, "DURATION", usage, func(text string) (func(*api.AutopilotConfiguration), error) {
			var d time.Duration
			err := flagRow{value: &d}.set(text)
			return func(x *api.AutopilotConfiguration) { *field(x) = d }, err
		})
	}
	indexFlag, checkIndex := checkIndexFlag()
	indexFlag.usage = "Only if the settings' index is still this one."
	return verb{
		short: "Change the settings",
		long:  "Changes the settings that are given and leaves the others as they are.",
		flags: []flagRow{
			indexFlag,
			toggle("cleanup-dead-servers", "Remove a dead server once another has joined.", func(x *api.AutopilotConfiguration) *bool { return &x.CleanupDeadServers }),
			length("last-contact-threshold", "A server that has not heard the leader for this long is unhealthy.", func(x *api.AutopilotConfiguration) *time.Duration { return &x.LastContactThreshold }),
			number("max-trailing-logs", "A server that is this many entries behind is unhealthy.", func(x *api.AutopilotConfiguration, n uint64) { x.MaxTrailingLogs = n }),
			number("min-quorum", "Never remove dead servers below this many.", func(x *api.AutopilotConfiguration, n uint64) { x.MinQuorum = uint(n) }),
			length("server-stabilization-time", "A new server is healthy for this long before it votes.", func(x *api.AutopilotConfiguration) *time.Duration { return &x.ServerStabilizationTime }),
			toggle("enable-redundancy-zones", "Keep one voter in each zone.", func(x *api.AutopilotConfiguration) *bool { return &x.EnableRedundancyZones }),
			toggle("disable-upgrade-migration", "Do not move leadership to newer servers.", func(x *api.AutopilotConfiguration) *bool { return &x.DisableUpgradeMigration }),
			toggle("enable-custom-upgrades", "Use upgrade_version for upgrade migrations.", func(x *api.AutopilotConfiguration) *bool { return &x.EnableCustomUpgrades }),
		},
		run: func(s *session, args []string) error {
			index, given := checkIndex()
			if len(edits) == 0 {
				return usagef("give at least one setting to change")
			}
			c, err := s.client()
			if err != nil {
				return err
			}
			cfg, _, err := c.Operator().AutopilotGetConfiguration(nil)
			if err == nil && cfg == nil {
				err = errEmpty
			}
			if err != nil {
				return fmt.Errorf("read autopilot configuration: %w", err)
			}
			for _, change := range edits {
				change(cfg)
			}
			if given {
				cfg.ModifyIndex = index
			}
			done, _, err := c.Operator().AutopilotCASConfiguration(cfg, nil)
			if err != nil {
				return fmt.Errorf("change autopilot configuration: %w", err)
			}
			if !done {
				return errors.New("somebody else changed the settings first; look at them again")
			}
			s.printf("Configuration updated!\n")
			return nil
		},
	}
}

func autopilotHealth() verb {
	var o output
	return verb{
		short: "Show how healthy the servers are",
		long:  "Shows how healthy the servers are and how many may fail. Exit code 1 when they are not healthy.",
		flags: o.rows(),
		run: func(s *session, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			h, _, err := c.Operator().AutopilotServerHealth(nil)
			var answer api.UnexpectedResponseError
			if isStatus(err, http.StatusTooManyRequests) && errors.As(err, &answer) { // the answer of servers that are not healthy
				h = new(api.OperatorHealthReply)
				err = json.Unmarshal([]byte(answer.Body()), h)
			}
			if err == nil && h == nil {
				err = errEmpty
			}
			if err != nil {
				return fmt.Errorf("read health of servers: %w", err)
			}
			if o.wanted() {
				err = o.print(s, h)
			} else {
				s.serverHealth(h)
			}
			if err == nil && !h.Healthy {
				err = exitError{code: 1}
			}
			return err
		},
	}
}

func (s *session) serverHealth(h *api.OperatorHealthReply) {
	s.pairs([2]string{"Healthy", fmt.Sprint(h.Healthy)}, [2]string{"FailureTolerance", fmt.Sprint(h.FailureTolerance)}, [2]string{"Leader", h.Leader})
	s.section("Servers")
	rows := []string{row("ID", "Name", "Address", "SerfStatus", "Version", "Leader", "Voter", "Healthy", "LastContact", "LastTerm", "LastIndex", "StableSince")}
	for _, v := range h.Servers {
		rows = append(rows, row(shortID(v.ID, false), v.Name, v.Address, v.SerfStatus, v.Version, fmt.Sprint(v.Leader), fmt.Sprint(v.Voter),
			fmt.Sprint(v.Healthy), v.LastContact.Round(time.Millisecond).String(), fmt.Sprint(v.LastTerm), fmt.Sprint(v.LastIndex), s.stamp(v.StableSince, false)))
	}
	s.table(rows)
}
