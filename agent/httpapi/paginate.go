package httpapi

import (
	"cmp"
	"iter"
	"slices"
	"strconv"
	"strings"
)

// position tokens: next_token names the first row of the next page.

// token orders rows in a list and names one: by number first (a create index;
// 0 in lists that are ordered by name), then by name.
type token struct {
	number uint64
	name   string
}

func (t token) compare(o token) int {
	return cmp.Or(cmp.Compare(t.number, o.number), strings.Compare(t.name, o.name))
}

func (t token) String() string {
	if t.number == 0 {
		return t.name
	}
	return strconv.FormatUint(t.number, 10) + "." + t.name
}

// byName and byIndex make the tokens of the two kinds of list.
func byName(parts ...string) token          { return token{name: strings.Join(parts, ".")} }
func byIndex(index uint64, id string) token { return token{number: index, name: id} }

// parseToken reads next_token as the list's tokens are written.
func parseToken(s string, numbered bool) (token, error) {
	if !numbered {
		return token{name: s}, nil
	}
	number, id, ok := strings.Cut(s, ".")
	n, err := strconv.ParseUint(number, 10, 64)
	if !ok || err != nil {
		return token{}, badRequest("Invalid next_token %q: use the value of X-Nomad-NextToken as it is", s)
	}
	return token{number: n, name: id}, nil
}

// list is one list endpoint: how its rows are ordered, filtered and shown.
type list[Row, Item any] struct {
	// at gives a row's place. numbered says that places begin with an index.
	at       func(Row) token
	numbered bool
	// filterOn gives what ?filter= looks at; nil: what show gives.
	filterOn func(Row) any
	// keep drops rows before the filter sees them; nil keeps all.
	keep func(Row) bool
	show func(Row) Item
	// whole says that the index of the rows is that of everything that show shows: then
	// equal indexes mean equal lists.
	whole bool
}

// page collects one page of rows: filtered, in order (or reverse), from next_token
// on, at most per_page. next is the token of the page that follows, "" none.
func (l list[Row, Item]) page(r *request, rows iter.Seq[Row]) (items []Item, next string, err error) {
	match, err := newFilter(r.filter)
	if err != nil {
		return nil, "", err
	}
	var from *token
	if r.nextToken != "" {
		t, err := parseToken(r.nextToken, l.numbered)
		if err != nil {
			return nil, "", err
		}
		from = &t
	}
	type placed struct {
		at  token
		row Row
	}
	sign := 1
	if r.reverse {
		sign = -1
	}
	var all []placed
	for row := range rows {
		if l.keep != nil && !l.keep(row) {
			continue
		}
		at := l.at(row)
		if from != nil && sign*at.compare(*from) < 0 {
			continue
		}
		all = append(all, placed{at, row})
	}
	slices.SortFunc(all, func(a, b placed) int { return sign * a.at.compare(b.at) })

	items = []Item{}
	for _, p := range all {
		ok, err := match(l.subject(p.row))
		if err != nil {
			return nil, "", err
		}
		if !ok {
			continue
		}
		if r.perPage > 0 && len(items) == r.perPage {
			return items, p.at.String(), nil
		}
		items = append(items, l.show(p.row))
	}
	return items, "", nil
}

func (l list[Row, Item]) subject(row Row) any {
	if l.filterOn != nil {
		return l.filterOn(row)
	}
	return l.show(row)
}
