package command

import (
	"encoding/json"
	"fmt"
	"text/template"
)

// output is the pair of flags that every verb with data has.
type output struct {
	json     bool
	template string
}

func (o *output) rows() []flagRow {
	return []flagRow{
		{"json", "", "Print the data as JSON.", &o.json, nil},
		{"t", "TEMPLATE", "Print the data through this Go template.", &o.template, nil},
	}
}

// wanted reports whether the data itself is asked for.
func (o output) wanted() bool { return o.json || o.template != "" }

// print writes the data as the flags say.
func (o output) print(s *session, data any) error {
	if o.json && o.template != "" {
		return usagef("-json and -t are two answers to one question; give one")
	}
	if o.json {
		text, err := json.MarshalIndent(data, "", "    ")
		if err != nil {
			return fmt.Errorf("write json: %w", err)
		}
		s.printf("%s\n", text)
		return nil
	}
	t, err := template.New("-t").Parse(o.template)
	if err != nil {
		return usagef("read template: %v", err)
	}
	if err := t.Execute(s.out, data); err != nil {
		return fmt.Errorf("execute template: %w", err)
	}
	s.printf("\n")
	return nil
}
