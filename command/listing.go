package command

import (
	"errors"
	"fmt"
	"slices"

	"github.com/hashicorp/nomad/api"
)

// column is one column of a table: its heading and a thing's cell in it.
type column[T any] struct {
	head string
	cell func(p *printer, x *T) string
}

// printer is a session with what a verb was told about printing.
type printer struct {
	*session
	verbose bool
}

// listing is a verb that lists what the API has of a kind.
type listing[T any] struct {
	short, long string
	what        string // "policies", for errors
	none        string // printed for an empty list
	flags       []flagRow
	columns     []column[T]
	table       func(p *printer, all []*T) error // instead of columns
	// read asks the agent. q has the namespace, the filter and the page.
	read func(s *session, c *api.Client, q *api.QueryOptions, args []string) ([]*T, *api.QueryMeta, error)

	args     string
	min, max int
}

func (l listing[T]) verb() verb {
	var o output
	var verbose bool
	var filter, page string
	var perPage int
	return verb{
		args: l.args, min: l.min, max: l.max, short: l.short, long: l.long,
		flags: concat(l.flags, o.rows(), []flagRow{
			{"filter", "EXPRESSION", "Only those that match.", &filter, nil},
			{"per-page", "N", "At most this many.", &perPage, nil},
			{"page-token", "TOKEN", "Begin here, as the page before said.", &page, nil},
			{"verbose", "", "Show whole IDs and times.", &verbose, nil},
		}),
		run: func(s *session, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			q := &api.QueryOptions{Namespace: s.namespace(), Filter: filter, PerPage: int32(perPage), NextToken: page, Params: map[string]string{}}
			all, meta, err := l.read(s, c, q, args)
			if err != nil {
				return fmt.Errorf("list %s: %w", l.what, err)
			}
			all = present(all)
			if o.wanted() {
				return o.print(s, all)
			}
			if len(all) == 0 {
				s.printf("%s\n", l.none)
				return nil
			}
			if p := (&printer{s, verbose}); l.table != nil {
				err = l.table(p, all)
			} else {
				columnTable(p, l.columns, all)
			}
			if meta != nil && meta.NextToken != "" {
				s.nextPage(meta.NextToken)
			}
			return err
		},
	}
}

// nextPage says that a list goes on, and with which flag.
func (s *session) nextPage(token string) {
	s.say("Results have been paginated. For the next page the same command with -page-token %s", token)
}

// present leaves out what is not there: JSON may hold a null anywhere.
func present[T any](all []*T) []*T {
	return slices.DeleteFunc(all, func(x *T) bool { return x == nil })
}

// columnTable prints things as a table.
func columnTable[T any](p *printer, columns []column[T], all []*T) {
	cells := make([]string, len(columns))
	for i, c := range columns {
		cells[i] = c.head
	}
	rows := []string{row(cells...)}
	for _, x := range all {
		for i, c := range columns {
			cells[i] = c.cell(p, x)
		}
		rows = append(rows, row(cells...))
	}
	p.table(rows)
}

// errEmpty is an answer without what was asked for.
var errEmpty = errors.New("the answer is empty")

// page is a verb that shows one thing.
type page[T any] struct {
	short, long string
	what        string // "policy", for errors
	list        string // the command that lists them, for one that is not there
	flags       []flagRow
	args        string // "" for a page that needs no name
	read        func(s *session, c *api.Client, name string) (*T, error)
	show        func(p *printer, x *T)
}

func (g page[T]) verb() verb {
	var o output
	var verbose bool
	count := 1
	if g.args == "" {
		count = 0
	}
	return verb{
		args: g.args, min: count, max: count, short: g.short, long: g.long,
		flags: concat(g.flags, o.rows(), []flagRow{{"verbose", "", "Show whole IDs and times.", &verbose, nil}}),
		run: func(s *session, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			name := ""
			if count == 1 {
				name = args[0]
			}
			x, err := g.read(s, c, name)
			if err == nil && x == nil && g.list == "" {
				err = errEmpty
			}
			if err == nil && x == nil || isStatus(err, 404) && g.list != "" {
				return fmt.Errorf("no %s is called %q (%s lists them)", g.what, name, g.list)
			}
			if err != nil {
				return fmt.Errorf("read %s: %w", g.what, err)
			}
			if o.wanted() {
				return o.print(s, x)
			}
			g.show(&printer{s, verbose}, x)
			return nil
		},
	}
}

// deletion is a verb that deletes things by their names.
func deletion(args, short, what string, do func(s *session, c *api.Client, name string) error, flags ...flagRow) verb {
	return verb{
		args: args, min: 1, max: -1, short: short, flags: flags,
		run: func(s *session, names []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			for _, name := range names {
				if err := do(s, c, name); err != nil {
					return fmt.Errorf("delete %s %q: %w", what, name, err)
				}
				s.printf("Successfully deleted %s %q!\n", what, name)
			}
			return nil
		},
	}
}

// result prints what a change made: as data if asked for, else as its page.
func result[T any](s *session, o output, x *T, show func(p *printer, x *T)) error {
	if o.wanted() {
		return o.print(s, x)
	}
	if x != nil {
		show(&printer{s, true}, x)
	}
	return nil
}
