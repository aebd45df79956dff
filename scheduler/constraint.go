package scheduler

import (
	"cmp"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"

	version "github.com/hashicorp/go-version"
)

// The two constraints that are about other allocations and not about a node alone;
// distinct.go answers them.
const (
	distinctHosts    = "distinct_hosts"
	distinctProperty = "distinct_property"
)

// lookup resolves a target, a literal or ${...}, for something that has properties.
type lookup func(target string) (value string, ok bool)

// compiled is a constraint or affinity made ready to be asked often.
type compiled struct {
	source  Constraint
	test    operator
	unique  bool // names something that tells single nodes apart
	answers []verdict
}

// operator decides on the two resolved sides; lok and rok tell whether they exist.
type operator func(l, r string, lok, rok bool) bool

func compile(con Constraint) *compiled {
	c := &compiled{source: con, unique: isUnique(con.LTarget) || isUnique(con.RTarget)}
	build, ok := operators[con.Operand]
	if !ok {
		c.test = func(string, string, bool, bool) bool { return false }
		return c
	}
	literal := con.RTarget
	if isReference(con.RTarget) {
		literal = ""
	}
	c.test = build(literal)
	return c
}

// match asks for one node.
func (c *compiled) match(n *Node) bool {
	l, lok := resolve(n, c.source.LTarget)
	r, rok := resolve(n, c.source.RTarget)
	return c.test(l, r, lok, rok)
}

// matchWith asks for something else that has properties, such as a device.
func (c *compiled) matchWith(look lookup) bool {
	l, lok := look(c.source.LTarget)
	r, rok := look(c.source.RTarget)
	return c.test(l, r, lok, rok)
}

// text is the constraint as explanations name it: "${attr.kernel.name} = linux".
func (con Constraint) text() string {
	switch con.Operand {
	case distinctHosts:
		return distinctHosts
	case distinctProperty:
		return distinctProperty + ": " + con.LTarget
	}
	return strings.TrimSpace(con.LTarget + " " + con.Operand + " " + con.RTarget)
}

// operators makes the test of every operand; the argument is the right side when it is a
// literal, so that what is expensive to parse is parsed once.
var operators = map[string]func(literal string) operator{
	"":    fixed(equal),
	"=":   fixed(equal),
	"==":  fixed(equal),
	"is":  fixed(equal),
	"!=":  fixed(unequal),
	"not": fixed(unequal),
	"<":   ordered(func(order int) bool { return order < 0 }),
	"<=":  ordered(func(order int) bool { return order <= 0 }),
	">":   ordered(func(order int) bool { return order > 0 }),
	">=":  ordered(func(order int) bool { return order >= 0 }),
	"version": parsed(version.NewConstraint, func(c version.Constraints, l string) bool {
		v, err := version.NewVersion(l)
		return err == nil && c.Check(v)
	}),
	"semver": parsed(parseSemver, matchSemver),
	"regexp": parsed(compileRegexp, (*regexp.Regexp).MatchString),

	"set_contains":     fixed(both(containsAll)),
	"set_contains_all": fixed(both(containsAll)),
	"set_contains_any": fixed(both(containsAny)),
	"is_set":           fixed(func(_, _ string, lok, _ bool) bool { return lok }),
	"is_not_set":       fixed(func(_, _ string, lok, _ bool) bool { return !lok }),
}

func fixed(op operator) func(string) operator { return func(string) operator { return op } }

func equal(l, r string, lok, rok bool) bool { return lok && rok && l == r }

// unequal holds when a side is missing: a node without the attribute is not "linux".
func unequal(l, r string, lok, rok bool) bool { return !equal(l, r, lok, rok) }

func both(test func(l, r string) bool) operator {
	return func(l, r string, lok, rok bool) bool { return lok && rok && test(l, r) }
}

// ordered compares as integers, then as floats, then as text.
func ordered(holds func(order int) bool) func(string) operator {
	return fixed(both(func(l, r string) bool { return holds(compareValues(l, r)) }))
}

func compareValues(l, r string) int {
	if a, err := strconv.ParseInt(l, 10, 64); err == nil {
		if b, err := strconv.ParseInt(r, 10, 64); err == nil {
			return cmp.Compare(a, b)
		}
	}
	if a, err := strconv.ParseFloat(l, 64); err == nil {
		if b, err := strconv.ParseFloat(r, 64); err == nil {
			return cmp.Compare(a, b)
		}
	}
	return strings.Compare(l, r)
}

// parsed makes an operator whose right side is a small language. What does not parse
// matches nothing; the API refuses it before it gets here.
func parsed[T any](parse func(string) (T, error), match func(T, string) bool) func(string) operator {
	return func(literal string) operator {
		once, onceErr := parse(literal)
		return both(func(l, r string) bool {
			rule, err := once, onceErr
			if r != literal {
				rule, err = parse(r)
			}
			return err == nil && match(rule, l)
		})
	}
}

// maxRegexp bounds expressions, in bytes, also those that a node's meta holds.
const maxRegexp = 4096

func compileRegexp(s string) (*regexp.Regexp, error) {
	if len(s) > maxRegexp {
		return nil, errors.New("the expression is too long")
	}
	return regexp.Compile(s)
}

// semverRule is one comparison of a semver constraint.
type semverRule struct {
	op string
	v  *version.Version
}

// semverOps are tried in this order, longer ones before their prefixes.
var semverOps = []string{">=", "<=", "!=", "~>", "=", ">", "<"}

// parseSemver reads "op version, op version". Other than version, semver compares
// pre-releases by precedence, as SemVer 2.0 section 11 says.
func parseSemver(s string) ([]semverRule, error) {
	var rules []semverRule
	for part := range strings.SplitSeq(s, ",") {
		part = strings.TrimSpace(part)
		rule := semverRule{op: "="}
		for _, op := range semverOps {
			if strings.HasPrefix(part, op) {
				rule.op, part = op, part[len(op):]
				break
			}
		}
		var err error
		if rule.v, err = version.NewSemver(strings.TrimSpace(part)); err != nil {
			return nil, err
		}
		rules = append(rules, rule)
	}
	return rules, nil
}

func matchSemver(rules []semverRule, l string) bool {
	v, err := version.NewSemver(l)
	if err != nil {
		return false
	}
	return !slices.ContainsFunc(rules, func(r semverRule) bool { return !r.holds(v) })
}

func (r semverRule) holds(v *version.Version) bool {
	order := v.Compare(r.v)
	switch r.op {
	case ">=":
		return order >= 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	case "<":
		return order < 0
	case "!=":
		return order != 0
	case "~>":
		// The same major version, and not older.
		return order >= 0 && v.Segments()[0] == r.v.Segments()[0]
	}
	return order == 0
}

func containsAll(l, r string) bool {
	have := splitSet(l)
	return !slices.ContainsFunc(splitSet(r), func(want string) bool { return !slices.Contains(have, want) })
}

func containsAny(l, r string) bool {
	have := splitSet(l)
	return slices.ContainsFunc(splitSet(r), func(want string) bool { return slices.Contains(have, want) })
}

func splitSet(s string) []string {
	parts := strings.Split(s, ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}

func isReference(target string) bool {
	return strings.HasPrefix(target, "${") && strings.HasSuffix(target, "}")
}

// isUnique reports whether a target may differ between two nodes of a computed class.
func isUnique(target string) bool {
	return isReference(target) && strings.Contains(target, "unique.")
}

// resolve reads a target for a node: a literal stands for itself.
func resolve(n *Node, target string) (string, bool) {
	if !isReference(target) {
		return target, true
	}
	name := target[2 : len(target)-1]
	if field, ok := nodeFields[name]; ok {
		return field(n), true
	}
	if key, ok := strings.CutPrefix(name, "attr."); ok {
		v, found := n.Attributes[key]
		return v, found
	}
	if key, ok := strings.CutPrefix(name, "meta."); ok {
		v, found := n.Meta[key]
		return v, found
	}
	return "", false
}

// nodeFields are the ${node.*} that jobs may name.
var nodeFields = map[string]func(*Node) string{
	"node.unique.id":   func(n *Node) string { return n.ID },
	"node.unique.name": func(n *Node) string { return n.Name },
	"node.datacenter":  func(n *Node) string { return n.Datacenter },
	"node.class":       func(n *Node) string { return n.Class },
	"node.pool":        func(n *Node) string { return n.Pool },
}
