package jobspec

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/hashicorp/go-version"
	"github.com/hashicorp/nomad/api"
)

// operator is what a comparison needs on both sides.
type operator struct {
	left, right bool                     // that side must not be empty
	check       func(right string) error // nil: anything goes
	nodes       bool                     // compares allocations, not attributes: constraints only
}

// operators are those of constraint and affinity.
var operators = map[string]operator{
	"=": {left: true}, "==": {left: true}, "is": {left: true},
	"!=": {left: true}, "not": {left: true},
	"<": {left: true, right: true}, "<=": {left: true, right: true},
	">": {left: true, right: true}, ">=": {left: true, right: true},

	api.ConstraintRegex:             {left: true, right: true, check: checkRegexp},
	api.ConstraintVersion:           {left: true, right: true, check: checkVersion},
	api.ConstraintSemver:            {left: true, right: true, check: checkVersion},
	api.ConstraintSetContains:       {left: true, right: true},
	api.ConstraintSetContainsAll:    {left: true, right: true},
	api.ConstraintSetContainsAny:    {left: true, right: true},
	api.ConstraintAttributeIsSet:    {left: true, check: checkEmpty},
	api.ConstraintAttributeIsNotSet: {left: true, check: checkEmpty},
	api.ConstraintDistinctHosts:     {check: checkFlag, nodes: true},
	api.ConstraintDistinctProperty:  {left: true, check: checkDistinct, nodes: true},
}

// maxRegexp bounds regular expressions, in bytes: a longer one is no rule about a node.
const maxRegexp = 4096

func checkRegexp(right string) error {
	if len(right) > maxRegexp {
		return fmt.Errorf("the expression has %d bytes; at most %d are allowed", len(right), maxRegexp)
	}
	_, err := regexp.Compile(right)
	return err
}

func checkVersion(right string) error {
	_, err := version.NewConstraint(right)
	return err
}

func checkEmpty(right string) error {
	if right != "" {
		return errors.New("takes no value")
	}
	return nil
}

func checkFlag(right string) error {
	if right == "" {
		return nil
	}
	if _, err := strconv.ParseBool(right); err != nil {
		return fmt.Errorf("value must be true or false (is %q)", right)
	}
	return nil
}

func checkDistinct(right string) error {
	if n, err := strconv.ParseUint(right, 10, 31); right != "" && (err != nil || n == 0) {
		return fmt.Errorf("value must be how many allocations may share the property, at least 1 (is %q)", right)
	}
	return nil
}

// constraints judges the three blocks that steer where allocations go.
func (c checker) constraints(constraints []*api.Constraint, affinities []*api.Affinity, spreads []*api.Spread) {
	for i, con := range constraints {
		if con != nil {
			c.in("constraint %d", i+1).comparison(con.LTarget, con.Operand, con.RTarget, true)
		}
	}
	for i, aff := range affinities {
		if aff == nil {
			continue
		}
		c := c.in("affinity %d", i+1)
		c.comparison(aff.LTarget, aff.Operand, aff.RTarget, false)
		if w := or(aff.Weight); w == 0 || w < -100 || w > 100 {
			c.errorf("weight must be between -100 and 100, and not 0 (is %d)", w)
		}
	}
	for i, s := range spreads {
		if s != nil {
			c.in("spread %d", i+1).spread(s)
		}
	}
}

// comparison judges attribute, operator and value.
func (c checker) comparison(left, op, right string, constraint bool) {
	rule, known := operators[op]
	if op == "" {
		rule, known = operators["="], true
	}
	switch {
	case !known:
		hint := didYouMean(op, keys(operators))
		c.errorf("%s", strings.TrimSuffix(fmt.Sprintf("operator %q does not exist; %s", op, hint), "; "))
		return
	case rule.nodes && !constraint:
		c.errorf("operator %s belongs into a constraint", op)
		return
	case rule.left && left == "":
		c.errorf("operator %s needs attribute", op)
	case rule.right && right == "":
		c.errorf("operator %s needs value", op)
	}
	if rule.check != nil && !atRuntime(right) {
		if err := rule.check(right); err != nil {
			c.errorf("operator %s: %s", op, lowerFirst(err.Error()))
		}
	}
}

// spread judges how allocations are spread over an attribute.
func (c checker) spread(s *api.Spread) {
	if s.Attribute == "" {
		c.errorf("attribute is missing")
	}
	if w := or(s.Weight); w < 1 || w > 100 {
		c.errorf("weight must be between 1 and 100 (is %d)", w)
	}
	sum := 0
	seen := map[string]bool{}
	for _, target := range s.SpreadTarget {
		if target == nil {
			continue
		}
		if seen[target.Value] {
			c.errorf("target %q exists twice", target.Value)
		}
		seen[target.Value] = true
		sum += int(target.Percent)
	}
	if sum > 100 {
		c.errorf("the percentages of all targets sum up to %d; at most 100", sum)
	}
}
