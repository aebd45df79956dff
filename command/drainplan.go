package command

import (
	"fmt"
	"net/url"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/healapi"
)

// drainPlan asks where everything on a node would go.
func drainPlan(c *api.Client, nodeID string) (*healapi.DrainPlan, error) {
	var p healapi.DrainPlan
	if _, err := c.Raw().Query("/v1/node/"+url.PathEscape(nodeID)+"/drain-plan", &p, nil); err != nil {
		return nil, err
	}
	return &p, nil
}

// showDrainPlan is node drain -plan.
func (s *session) showDrainPlan(c *api.Client, node *api.Node, o output) error {
	p, err := drainPlan(c, node.ID)
	if err != nil {
		return fmt.Errorf("plan the drain: %w", err)
	}
	if o.wanted() {
		err = o.print(s, p)
	} else {
		s.printf("%s\n", drainLine(p))
		if len(p.Moves) > 0 {
			s.printf("\n")
			s.table(drainRows(p))
		}
	}
	if err == nil && !p.Fits {
		return exitError{code: ExitUnplaced}
	}
	return err
}

// drainLine says in one line whether a drain fits.
func drainLine(p *healapi.DrainPlan) string {
	if p.Fits {
		return fmt.Sprintf("A drain of node %s fits: everything that has to run elsewhere finds a place.", p.NodeName)
	}
	return fmt.Sprintf("A drain of node %s does not fit: %s would find no place.", p.NodeName, plural(p.Nowhere, "allocation"))
}

// drainRows are the rows of a drain's table.
func drainRows(p *healapi.DrainPlan) []string {
	rows := []string{row("Alloc ID", "Allocation", "From", "To")}
	for _, m := range p.Moves {
		to := m.ToNodeName
		switch {
		case m.Ends && m.JobType == api.JobTypeBatch:
			to = "nowhere: may finish until the drain's deadline"
		case m.Ends:
			to = "nowhere: ends with the node"
		case m.ToNodeID == "":
			to = "nowhere: " + m.Hint
		}
		rows = append(rows, row(shortID(m.AllocID, false), m.Name, m.FromNodeName, to))
	}
	return rows
}

// warnDrain says before a drain starts that it does not fit, and asks whether to go on if
// somebody is there who was not asked yet. A server that cannot tell says nothing.
func (s *session) warnDrain(c *api.Client, node *api.Node, yes bool) error {
	p, err := drainPlan(c, node.ID)
	if err != nil || p.Fits {
		return nil
	}
	s.say("%s %s They stay until there is one, or the drain's deadline stops them:", s.paintErr(yellow, "Warning:"), drainLine(p))
	for _, m := range p.Moves {
		if m.ToNodeID == "" && !m.Ends {
			s.say("  %s  %s: %s", shortID(m.AllocID, false), m.Name, m.Hint)
		}
	}
	if yes || !s.interactive() {
		return nil
	}
	return s.confirm("Drain it anyway?")
}
