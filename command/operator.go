package command

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/hashicorp/nomad/api"
)

func operatorVerbs() entries {
	return entries{
		noun("operator", "Look after the servers' consensus and settings"),
		noun("operator raft", "Look after the consensus of the servers"),
		{name: "operator raft list-peers", make: raftListPeers},
		{name: "operator raft remove-peer", make: raftRemovePeer},
		{name: "operator raft transfer-leadership", make: raftTransfer},
		noun("operator scheduler", "Read and change the scheduler's settings"),
		{name: "operator scheduler get-config", make: schedulerGet},
		{name: "operator scheduler set-config", make: schedulerSet},
		{name: "operator api", make: operatorAPI},
	}
}

func raftListPeers() verb {
	var o output
	var stale bool
	return verb{
		short: "List the servers that vote",
		flags: append(o.rows(), flagRow{"stale", "", "Accept the answer of a server that does not lead.", &stale, nil}),
		run: func(s *session, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			cfg, err := c.Operator().RaftGetConfiguration(queryStale(stale))
			if err != nil {
				return fmt.Errorf("read raft configuration: %w", err)
			}
			if o.wanted() {
				return o.print(s, cfg)
			}
			rows := []string{row("Node", "ID", "Address", "State", "Voter", "RaftProtocol")}
			for _, p := range present(cfg.Servers) {
				state := "follower"
				if p.Leader {
					state = "leader"
				}
				rows = append(rows, row(p.Node, p.ID, p.Address, state, strconv.FormatBool(p.Voter), p.RaftProtocol))
			}
			s.table(rows)
			return nil
		},
	}
}

// peerFlags name a server by its address or its ID.
type peerFlags struct{ address, id string }

func (p *peerFlags) rows() []flagRow {
	return []flagRow{
		{"peer-address", "HOST:PORT", "The server with this address.", &p.address, nil},
		{"peer-id", "ID", "The server with this ID.", &p.id, nil},
	}
}

func (p *peerFlags) check() error {
	if (p.address == "") == (p.id == "") {
		return usagef("give either -peer-address or -peer-id; selfheal operator raft list-peers shows both")
	}
	return nil
}

func raftRemovePeer() verb {
	return peerVerb("Remove a server that is gone for good", "remove peer", "Removed %s%s.\n",
		(*api.Operator).RaftRemovePeerByID, (*api.Operator).RaftRemovePeerByAddress)
}

func raftTransfer() verb {
	return peerVerb("Let another server lead", "transfer leadership", "Leadership is going to %s%s.\n",
		(*api.Operator).RaftTransferLeadershipByID, (*api.Operator).RaftTransferLeadershipByAddress)
}

// peerVerb is a verb about one server, which is named by its ID or its address.
func peerVerb(short, doing, done string, byID, byAddress func(*api.Operator, string, *api.WriteOptions) error) verb {
	var p peerFlags
	return verb{
		short: short,
		flags: p.rows(),
		run: func(s *session, args []string) error {
			c, err := s.client()
			if err == nil {
				err = p.check()
			}
			if err != nil {
				return err
			}
			if p.id != "" {
				err = byID(c.Operator(), p.id, nil)
			} else {
				err = byAddress(c.Operator(), p.address, nil)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", doing, err)
			}
			s.printf(done, p.id, p.address)
			return nil
		},
	}
}

func schedulerGet() verb {
	var o output
	return verb{
		short: "Show the scheduler's settings",
		flags: o.rows(),
		run: func(s *session, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			resp, _, err := c.Operator().SchedulerGetConfiguration(nil)
			if err == nil && (resp == nil || resp.SchedulerConfig == nil) {
				err = errEmpty
			}
			if err != nil {
				return fmt.Errorf("read scheduler configuration: %w", err)
			}
			if o.wanted() {
				return o.print(s, resp)
			}
			cfg := resp.SchedulerConfig
			s.pairs(
				[2]string{"Scheduler Algorithm", string(cfg.SchedulerAlgorithm)},
				[2]string{"Memory Oversubscription", fmt.Sprint(cfg.MemoryOversubscriptionEnabled)},
				[2]string{"Reject Job Registration", fmt.Sprint(cfg.RejectJobRegistration)},
				[2]string{"Pause Eval Broker", fmt.Sprint(cfg.PauseEvalBroker)},
				[2]string{"Preemption System Scheduler", fmt.Sprint(cfg.PreemptionConfig.SystemSchedulerEnabled)},
				[2]string{"Preemption Service Scheduler", fmt.Sprint(cfg.PreemptionConfig.ServiceSchedulerEnabled)},
				[2]string{"Preemption Batch Scheduler", fmt.Sprint(cfg.PreemptionConfig.BatchSchedulerEnabled)},
				[2]string{"Preemption SysBatch Scheduler", fmt.Sprint(cfg.PreemptionConfig.SysBatchSchedulerEnabled)},
				[2]string{"Modify Index", fmt.Sprint(cfg.ModifyIndex)},
			)
			return nil
		},
	}
}

func schedulerSet() verb {
	edits := map[*bool]string{} // what was given, by the field that it sets
	var cfg api.SchedulerConfiguration
	var algorithm string
	indexFlag, checkIndex := checkIndexFlag()
	indexFlag.usage = "Only if the settings' index is still this one."
	toggle := func(name, usage string, field *bool) flagRow {
		return flagRow{name: name, arg: "BOOL", usage: usage, value: func(text string) error {
			b, err := strconv.ParseBool(text)
			if err != nil {
				return errors.New("want true or false")
			}
			edits[field] = strconv.FormatBool(b)
			return nil
		}}
	}
	return verb{
		short: "Change the scheduler's settings",
		long:  "Changes the settings that are given and leaves the others as they are.",
		flags: []flagRow{
			indexFlag,
			{"scheduler-algorithm", "NAME", "binpack or spread.", oneOf(&algorithm, "binpack", "spread"), nil},
			toggle("memory-oversubscription", "Let tasks use memory_max.", &cfg.MemoryOversubscriptionEnabled),
			toggle("reject-job-registration", "Refuse new jobs.", &cfg.RejectJobRegistration),
			toggle("pause-eval-broker", "Place nothing for now.", &cfg.PauseEvalBroker),
			toggle("preempt-system-scheduler", "Let system jobs preempt.", &cfg.PreemptionConfig.SystemSchedulerEnabled),
			toggle("preempt-service-scheduler", "Let service jobs preempt.", &cfg.PreemptionConfig.ServiceSchedulerEnabled),
			toggle("preempt-batch-scheduler", "Let batch jobs preempt.", &cfg.PreemptionConfig.BatchSchedulerEnabled),
			toggle("preempt-sysbatch-scheduler", "Let sysbatch jobs preempt.", &cfg.PreemptionConfig.SysBatchSchedulerEnabled),
		},
		run: func(s *session, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			now, _, err := c.Operator().SchedulerGetConfiguration(nil)
			if err == nil && (now == nil || now.SchedulerConfig == nil) {
				err = errEmpty
			}
			if err != nil {
				return fmt.Errorf("read scheduler configuration: %w", err)
			}
			cfg = *now.SchedulerConfig
			for field, text := range edits {
				*field = text == "true"
			}
			if algorithm != "" {
				cfg.SchedulerAlgorithm = api.SchedulerAlgorithm(algorithm)
			}
			index, given := checkIndex()
			var resp *api.SchedulerSetConfigurationResponse
			if given {
				cfg.ModifyIndex = index
				resp, _, err = c.Operator().SchedulerCASConfiguration(&cfg, nil)
			} else {
				resp, _, err = c.Operator().SchedulerSetConfiguration(&cfg, nil)
			}
			if err != nil {
				return fmt.Errorf("change scheduler configuration: %w", err)
			}
			if given && (resp == nil || !resp.Updated) {
				return errors.New("somebody else changed the settings first; look at them again")
			}
			s.printf("Scheduler configuration updated!\n")
			return nil
		},
	}
}

func operatorAPI() verb {
	var method, filter string
	var headers []string
	var loud, dry bool
	return verb{
		args: "PATH [BODY]", min: 1, max: 2,
		short: "Send a request of your own to the API",
		long:  `Sends a request with the address, token and certificates of the other commands. BODY, or standard input for "-", makes it a PUT.`,
		flags: []flagRow{
			{"X", "METHOD", "The method (default GET, with a body PUT).", &method, nil},
			{"H", "HEADER", "One more header, as in \"Accept: text/plain\"; may be repeated.", &headers, nil},
			{"filter", "EXPRESSION", "Only what matches.", &filter, nil},
			{"dryrun", "", "Print the request as a curl command and do not send it.", &dry, nil},
			{"verbose", "", "Show the answer's status and headers on standard error.", &loud, nil},
		},
		run: func(s *session, args []string) error {
			var body io.Reader
			if len(args) == 2 {
				body = strings.NewReader(args[1])
				if args[1] == "-" {
					body = s.in
				}
			}
			if method == "" {
				method = http.MethodGet
				if body != nil {
					method = http.MethodPut
				}
			}
			return s.request(rawRequest{strings.ToUpper(method), args[0], filter, headers, body}, loud, dry)
		},
	}
}
