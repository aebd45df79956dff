package jobspec

import (
	"strings"
	"unicode"

	"github.com/hashicorp/nomad/api"
)

// maxActionName bounds the name of an action in bytes.
const maxActionName = 128

// actions judges the commands that a task offers to run.
func (c checker) actions(t *api.Task) {
	seen := map[string]bool{}
	for i, a := range t.Actions {
		if a == nil {
			c.in("action %d", i+1).errorf("is null")
			continue
		}
		c := c.in("action %q", a.Name)
		switch {
		case a.Name == "" || len(a.Name) > maxActionName || strings.ContainsFunc(a.Name, unicode.IsSpace):
			c.errorf("the name must have 1 to %d characters and no space", maxActionName)
		case seen[a.Name]:
			c.errorf("there is another action of this name: choose one for each")
		}
		seen[a.Name] = true
		if a.Command == "" {
			c.errorf("command is missing")
		}
	}
}
