package command

import (
	"fmt"
	"strings"

	"github.com/hashicorp/nomad/api"
)

func nodeMetaVerbs() entries {
	return entries{
		noun("node meta", "Read and change a node's metadata while it runs"),
		{name: "node meta apply", make: nodeMetaApply},
		{name: "node meta read", make: nodeMetaRead},
		{name: "node config", make: nodeConfig},
	}
}

// metaNode is the node that a verb about metadata means; "" is the agent's own.
func metaNode(c *api.Client, prefix string) (string, error) {
	if prefix == "" {
		return "", nil
	}
	return nodeID(c, prefix)
}

func nodeMetaApply() verb {
	var node string
	var unset []string
	return verb{
		args: "[KEY=VALUE...]", max: -1,
		short: "Change metadata of a node",
		long: `Sets metadata of a node without a restart; it wins over the configuration and is kept over restarts. KEY= sets an empty text, -unset takes a key away, a KEY of the configuration as well.

  selfheal node meta apply -node-id 3ee1 -unset old rack=r2`,
		flags: []flagRow{
			{"node-id", "ID", "This node; without it, the node of the agent that is asked.", &node, nil},
			{"unset", "KEYS", "Take these keys away, separated by commas; may be repeated.", &unset, nil},
		},
		run: func(s *session, args []string) error {
			values, err := keyValues("a key", args)
			if err != nil {
				return err
			}
			change := map[string]*string{}
			for k, v := range values {
				change[k] = &v
			}
			for _, list := range unset {
				for _, k := range strings.Split(list, ",") {
					if k = strings.TrimSpace(k); k != "" {
						change[k] = nil
					}
				}
			}
			if len(change) == 0 {
				return usagef("give at least one KEY=VALUE or -unset KEY")
			}
			c, err := s.client()
			if err != nil {
				return err
			}
			id, err := metaNode(c, node)
			if err != nil {
				return err
			}
			if _, err := c.Nodes().Meta().Apply(&api.NodeMetaApplyRequest{NodeID: id, Meta: change}, nil); err != nil {
				return fmt.Errorf("apply metadata: %w", err)
			}
			s.printf("Applied metadata: %s.\n", plural(len(change), "key"))
			return nil
		},
	}
}

func nodeMetaRead() verb {
	var node string
	var o output
	return verb{
		short: "Show the metadata of a node and where it comes from",
		flags: concat(o.rows(), []flagRow{{"node-id", "ID", "This node; without it, the node of the agent that is asked.", &node, nil}}),
		run: func(s *session, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			id, err := metaNode(c, node)
			if err != nil {
				return err
			}
			m, err := c.Nodes().Meta().Read(id, nil)
			if err == nil && m == nil {
				err = errEmpty
			}
			if err != nil {
				return fmt.Errorf("read metadata: %w", err)
			}
			if o.wanted() {
				return o.print(s, m)
			}
			dynamic := map[string]string{}
			for k, v := range m.Dynamic {
				if dynamic[k] = "<unset>"; v != nil {
					dynamic[k] = *v
				}
			}
			s.printf("%s\n", s.paint(bold, "All Meta"))
			s.pairs(mapPairs(m.Meta)...)
			s.section("Dynamic Meta")
			s.pairs(mapPairs(dynamic)...)
			s.section("Static Meta")
			s.pairs(mapPairs(m.Static)...)
			return nil
		},
	}
}

func nodeConfig() verb {
	var show bool
	var update []string
	return verb{
		args: "[HOST:PORT...]", max: -1,
		short: "Show or change the servers that a client uses",
		long: `Shows the servers that the agent that is asked knows, or replaces them until its next restart.

  selfheal node config -update-servers 10.0.0.1:4647 10.0.0.2:4647`,
		flags: []flagRow{
			{"servers", "", "Show the servers (default).", &show, nil},
			{"update-servers", "HOST:PORT", "Use this server from now on, and those that follow as arguments.", &update, nil},
		},
		run: func(s *session, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			if servers := append(update, args...); len(update) > 0 {
				if err := c.Agent().SetServers(servers); err != nil {
					return fmt.Errorf("set servers: %w", err)
				}
				s.printf("The client uses %s now.\n", strings.Join(servers, ", "))
				return nil
			}
			if len(args) > 0 {
				return usagef("servers to use stand behind -update-servers")
			}
			servers, err := c.Agent().Servers()
			if err != nil {
				return fmt.Errorf("list servers: %w", err)
			}
			for _, address := range servers {
				s.printf("%s\n", address)
			}
			return nil
		},
	}
}
