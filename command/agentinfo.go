package command

import "fmt"

func agentInfo() verb {
	var o output
	return verb{
		short: "Print what an agent says about itself",
		flags: o.rows(),
		run: func(s *session, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			me, err := c.Agent().Self()
			if err == nil && me == nil {
				err = errEmpty
			}
			if err != nil {
				return fmt.Errorf("ask agent who it is: %w", err)
			}
			if o.wanted() {
				return o.print(s, me)
			}
			for _, part := range keys(me.Stats) {
				s.printf("%s\n", s.paint(bold, part))
				for _, name := range keys(me.Stats[part]) {
					s.printf("  %s = %s\n", name, me.Stats[part][name])
				}
			}
			return nil
		},
	}
}
