package command

import (
	"fmt"
	"strings"
)

// helpWidth is the width that help and tables are written for.
const helpWidth = 80

// helpText is what -h prints for a command: all of it made from its row.
func helpText(name string, v verb, all entries) string {
	var b strings.Builder
	usage := "selfheal " + name
	if v.run != nil {
		usage += " [flags]"
	}
	fmt.Fprintf(&b, "Usage: %s\n\n", strings.TrimSpace(usage+" "+v.args))
	text := v.long
	if text == "" {
		text = v.short + "."
	}
	b.WriteString(wrap(text, "  ", helpWidth))
	if v.run == nil {
		b.WriteString("\nVerbs:\n\n")
		b.WriteString(listVerbs(all, name))
	}
	if len(v.flags) > 0 {
		b.WriteString("\nFlags:\n\n")
		b.WriteString(listFlags(v.flags))
	}
	if v.run != nil && !v.local {
		b.WriteString("\nFlags of every command that asks an agent:\n\n")
		b.WriteString(listFlags(new(session).sharedFlags()))
	}
	return b.String()
}

// listFlags is one flag a paragraph.
func listFlags(rows []flagRow) string {
	var b strings.Builder
	for _, r := range rows {
		head := "  -" + r.name
		if r.arg != "" {
			head += " " + r.arg
		}
		const column = 26
		body := wrap(r.usage, strings.Repeat(" ", column), helpWidth)
		if len(head) < column-1 {
			body = head + body[len(head):]
		} else {
			body = head + "\n" + body
		}
		b.WriteString(body)
	}
	return b.String()
}

// listVerbs is one verb of a noun a line.
func listVerbs(all entries, name string) string {
	var rows [][2]string
	for _, e := range all {
		if rest, ok := strings.CutPrefix(e.name, name+" "); ok {
			rows = append(rows, [2]string{rest, e.make().short})
		}
	}
	return listPairs(rows)
}

func listPairs(rows [][2]string) string {
	width := 0
	for _, r := range rows {
		width = max(width, len(r[0]))
	}
	var b strings.Builder
	for _, r := range rows {
		fmt.Fprintf(&b, "  %-*s  %s\n", width, r[0], r[1])
	}
	return b.String()
}

// overview is the help of the program: what one types most, then every noun.
func overview(all entries) string {
	var common, nouns [][2]string
	for _, e := range all {
		switch {
		case e.old:
		case e.hidden != "" || e.name == "status" || e.name == "version" || e.name == "agent" || e.name == "demo" || e.name == "top":
			common = append(common, [2]string{e.name, e.make().short})
		case !strings.Contains(e.name, " "):
			nouns = append(nouns, [2]string{e.name, e.make().short})
		}
	}
	return "Usage: selfheal <command> [flags] [arguments]\n\n" +
		"  selfheal demo shows what this is for; selfheal agent -dev is a cluster of one.\n\n" +
		"Common commands:\n\n" + listPairs(common) +
		"\nOther commands:\n\n" + listPairs(nouns) +
		"\nEvery command and noun explains itself with -h. The address of an agent comes\n" +
		"from -address, SELFHEAL_ADDR or NOMAD_ADDR (default " + defaultAddress + ").\n"
}
