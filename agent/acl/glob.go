package acl

import "strings"

// distance says how far a pattern is from a name: how many characters its stars stand
// for, or -1 when it does not match. A star stands for any characters, none too.
func distance(pattern, name string) int {
	if !strings.Contains(pattern, "*") {
		if pattern == name {
			return 0
		}
		return -1
	}
	parts := strings.Split(pattern, "*")
	first, last := parts[0], parts[len(parts)-1]
	literal := len(pattern) - strings.Count(pattern, "*")
	if len(name) < len(first)+len(last) || !strings.HasPrefix(name, first) || !strings.HasSuffix(name, last) {
		return -1
	}
	rest := name[len(first) : len(name)-len(last)]
	for _, part := range parts[1 : len(parts)-1] {
		at := strings.Index(rest, part)
		if at < 0 {
			return -1
		}
		rest = rest[at+len(part):]
	}
	return len(name) - literal
}

// set is the capabilities that a label grants.
type set map[string]bool

// labels are rules by their label: a name or a pattern.
type labels map[string]set

// add merges a rule into what is known of its label.
func (l labels) add(label string, capabilities []string) {
	s := l[label]
	if s == nil {
		s = set{}
		l[label] = s
	}
	for _, c := range capabilities {
		s[c] = true
	}
}

// find is the set of the most specific label that matches a name, nil if none does.
// Of patterns that are equally far one that denies goes first, then the order of
// their text, so that the answer is always the same.
func (l labels) find(name string) set {
	if s, exact := l[name]; exact {
		return s
	}
	best, at, far := set(nil), "", -1
	for label, s := range l {
		d := distance(label, name)
		if d < 0 {
			continue
		}
		closer := far < 0 || d < far
		if d == far {
			closer = s[Deny] && !best[Deny] || s[Deny] == best[Deny] && label < at
		}
		if closer {
			best, at, far = s, label, d
		}
	}
	return best
}

// allows reports whether a set grants a capability.
func (s set) allows(capability string) bool { return s[capability] && !s[Deny] }

// some reports whether a set grants anything.
func (s set) some() bool { return len(s) > 0 && !s[Deny] }
