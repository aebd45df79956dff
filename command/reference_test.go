package command

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

const (
	referencePath  = "../website/docs/cli.md"
	referenceBegin = "<!-- made from the tables of the commands: go test ./command -run TestReference -update -->\n"
	referenceEnd   = "<!-- end -->\n"
)

// The reference in the documentation is what the tables of the commands say.
func TestReference(t *testing.T) {
	text, err := os.ReadFile(referencePath)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(text), referenceBegin)
	_, tail, closed := strings.Cut(rest, referenceEnd)
	if !ok || !closed {
		t.Fatalf("%s has no place for the reference", referencePath)
	}
	want := head + referenceBegin + reference(catalogue()) + referenceEnd + tail
	if *update {
		if err := os.WriteFile(referencePath, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(text) != want {
		t.Errorf("%s is not what the commands say (go test ./command -run TestReference -update writes it)", referencePath)
	}
}

// reference is a table of every verb, a section a noun.
func reference(all entries) string {
	var b strings.Builder
	nouns, rows := []string{}, map[string][]string{}
	for _, e := range all {
		v := e.make()
		if v.run == nil || e.hidden != "" {
			continue
		}
		noun, _, grouped := strings.Cut(e.name, " ")
		if !grouped {
			noun = "without a noun"
		}
		if rows[noun] == nil {
			nouns = append(nouns, noun)
		}
		rows[noun] = append(rows[noun], referenceRow(e.name, v))
	}
	for _, noun := range nouns {
		fmt.Fprintf(&b, "\n### %s\n\n| command | | flags |\n|---|---|---|\n%s", noun, strings.Join(rows[noun], ""))
	}
	var aliases []string
	for _, e := range all {
		if e.hidden != "" {
			aliases = append(aliases, fmt.Sprintf("`%s` (`%s`)", e.name, e.hidden))
		}
	}
	fmt.Fprintf(&b, "\nShorter names: %s.\n\n### Flags of every command that asks an agent\n\n", strings.Join(aliases, ", "))
	for _, f := range new(session).sharedFlags() {
		fmt.Fprintf(&b, "- `%s`: %s\n", flagText(f), f.usage)
	}
	b.WriteString("\n")
	return b.String()
}

func referenceRow(name string, v verb) string {
	var flags []string
	for _, f := range v.flags {
		flags = append(flags, "`"+flagText(f)+"`")
	}
	usage := strings.TrimSpace(name + " " + v.args)
	return fmt.Sprintf("| `%s` | %s | %s |\n", strings.ReplaceAll(usage, "|", "\\|"), v.short, strings.ReplaceAll(strings.Join(flags, " "), "|", "\\|"))
}

func flagText(f flagRow) string { return strings.TrimSpace("-" + f.name + " " + f.arg) }
