package httpapi

import (
	"net/http"
	"net/url"
	"strings"
)

// A router finds the row of the route table for a method and an escaped path.
//
// It matches segment by segment on the escaped path, so that an ID may hold an
// escaped slash. A job's ID may even hold bare slashes ("{id...}"): the rows with
// the most literal segments win, so "/v1/job/a/b/plan" is the plan of job "a/b",
// and "/v1/job/a%2Fplan" is the job "a/plan".
type router struct {
	// byNoun holds the patterns by their second segment ("jobs", "job", ...).
	byNoun map[string][]*pattern
}

// pattern is one path with what may be done to it.
type pattern struct {
	segments []segment
	literals int
	methods  map[string]*route
}

// segment is a literal, or names a variable; wide matches one or more segments.
type segment struct {
	literal, variable string
	wide              bool
}

// newRouter compiles the table. Two rows of the same method and path are a
// broken invariant.
func newRouter(table []route) *router {
	rt := &router{byNoun: map[string][]*pattern{}}
	byPath := map[string]*pattern{}
	for i := range table {
		row := &table[i]
		p := byPath[row.path]
		if p == nil {
			p = compile(row.path)
			byPath[row.path] = p
			noun := p.segments[min(1, len(p.segments)-1)].literal
			rt.byNoun[noun] = append(rt.byNoun[noun], p)
		}
		for _, m := range row.methods() {
			if p.methods[m] != nil {
				panic("httpapi: two routes for " + m + " " + row.path)
			}
			p.methods[m] = row
		}
	}
	return rt
}

func compile(path string) *pattern {
	p := &pattern{methods: map[string]*route{}}
	for s := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		name, isVar := strings.CutPrefix(s, "{")
		if !isVar {
			p.segments = append(p.segments, segment{literal: s})
			p.literals++
			continue
		}
		name, wide := strings.CutSuffix(strings.TrimSuffix(name, "}"), "...")
		p.segments = append(p.segments, segment{variable: name, wide: wide})
	}
	return p
}

// methods lists what a row answers: PUT and POST are interchangeable, unless the
// row says otherwise, and HEAD goes where GET goes.
func (r *route) methods() []string {
	switch r.method {
	case http.MethodGet:
		return []string{http.MethodGet, http.MethodHead}
	case http.MethodPut:
		return []string{http.MethodPut, http.MethodPost}
	case putOnly:
		return []string{http.MethodPut}
	}
	return []string{r.method}
}

// find returns the row for a request and the values of its path's variables. The
// row is nil with known true when the path exists but not for this method.
func (rt *router) find(method, escapedPath string) (row *route, vars map[string]string, known bool) {
	got := strings.Split(strings.TrimPrefix(escapedPath, "/"), "/")
	noun := got[min(1, len(got)-1)]
	var best *pattern
	for _, p := range rt.byNoun[noun] {
		if best != nil && p.literals <= best.literals {
			continue
		}
		if v, ok := p.match(got); ok {
			best, vars = p, v
		}
	}
	if best == nil {
		return nil, nil, false
	}
	return best.methods[method], vars, true
}

// match compares the segments; there is at most one wide variable in a pattern.
func (p *pattern) match(got []string) (map[string]string, bool) {
	extra := len(got) - len(p.segments)
	if extra < 0 {
		return nil, false
	}
	vars := map[string]string{}
	i := 0
	for _, s := range p.segments {
		n := 1
		if s.wide {
			n += extra
			extra = 0
		}
		if i+n > len(got) {
			return nil, false
		}
		part := strings.Join(got[i:i+n], "/")
		i += n
		if s.variable == "" {
			if part != s.literal {
				return nil, false
			}
			continue
		}
		value, err := url.PathUnescape(part)
		if err != nil || value == "" {
			return nil, false
		}
		vars[s.variable] = value
	}
	return vars, i == len(got)
}
