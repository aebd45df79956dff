package command

import (
	"fmt"
	"net"
	"slices"
	"sort"
	"strings"

	"github.com/hashicorp/nomad/api"
)

func serverVerbs() entries {
	return entries{
		noun("server", "Look at the servers, join them, remove one"),
		{name: "server members", make: serverMembers},
		{name: "server join", make: serverJoin},
		{name: "server force-leave", make: serverForceLeave},
	}
}

func serverMembers() verb {
	var o output
	var verbose, detailed bool
	return verb{
		short: "List the servers and who leads",
		flags: concat(o.rows(), []flagRow{
			{"verbose", "", "Show the tags of each as well.", &verbose, nil},
			{"detailed", "", "The older name of -verbose.", &detailed, nil},
		}),
		run: func(s *session, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			members, err := c.Agent().Members()
			if err == nil && members == nil {
				err = errEmpty
			}
			if err != nil {
				return fmt.Errorf("list members: %w", err)
			}
			members.Members = present(members.Members)
			if o.wanted() {
				return o.print(s, members)
			}
			all := members.Members
			sort.Slice(all, func(i, j int) bool { return all[i].Name < all[j].Name })
			leaders, err := leaders(c, all)
			s.table(memberRows(all, leaders, verbose || detailed))
			if err != nil {
				return fmt.Errorf("ask who leads: %w", err)
			}
			return nil
		},
	}
}

// leaders are the RPC addresses of the leaders, by region.
func leaders(c *api.Client, members []*api.AgentMember) (map[string]string, error) {
	out := map[string]string{}
	var first error
	for _, m := range members {
		region := m.Tags["region"]
		if _, ok := out[region]; ok {
			continue
		}
		addr, err := c.Status().RegionLeader(region)
		if err != nil && first == nil {
			first = err
		}
		out[region] = addr
	}
	return out, first
}

// isLeader reports whether a member leads its region.
func isLeader(m *api.AgentMember, leaders map[string]string) bool {
	leader := leaders[m.Tags["region"]]
	return leader != "" && (leader == m.Tags["rpc_addr"] || leader == net.JoinHostPort(m.Addr, m.Tags["port"]) ||
		leader == net.JoinHostPort(m.Tags["rpc_addr"], m.Tags["port"]))
}

func memberRows(all []*api.AgentMember, leaders map[string]string, verbose bool) []string {
	head := []string{"Name", "Address", "Port", "Status", "Leader", "Raft Version", "Build", "Datacenter", "Region"}
	if verbose {
		head = append(slices.Insert(head, 5, "Protocol"), "Tags")
	}
	rows := []string{row(head...)}
	for _, m := range all {
		cells := []string{m.Name, m.Addr, fmt.Sprint(m.Port), m.Status, fmt.Sprint(isLeader(m, leaders)), m.Tags["raft_vsn"], m.Tags["build"], m.Tags["dc"], m.Tags["region"]}
		if verbose {
			var tags []string
			for _, k := range keys(m.Tags) {
				tags = append(tags, k+"="+m.Tags[k])
			}
			cells = append(slices.Insert(cells, 5, fmt.Sprint(m.ProtocolCur)), strings.Join(tags, ","))
		}
		rows = append(rows, row(cells...))
	}
	return rows
}

func serverJoin() verb {
	return verb{
		args: "ADDRESS...", min: 1, max: -1,
		short: "Join this agent to others",
		long:  "Tells the agent that is asked to join the cluster that the agents at these gossip addresses (host:4648) belong to.",
		run: func(s *session, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			n, err := c.Agent().Join(args...)
			if err != nil {
				return fmt.Errorf("join: %w", err)
			}
			s.printf("Joined %s.\n", plural(n, "server"))
			return nil
		},
	}
}

func serverForceLeave() verb {
	var prune bool
	return verb{
		args: "NAME", min: 1, max: 1,
		short: "Take a failed agent out of the list of members",
		flags: []flagRow{{"prune", "", "Forget it at once instead of listing it as left.", &prune, nil}},
		run: func(s *session, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			if err := c.Agent().ForceLeaveWithOptions(args[0], api.ForceLeaveOpts{Prune: prune}); err != nil {
				return fmt.Errorf("force leave: %w", err)
			}
			return nil
		},
	}
}
