package jobspec

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// literal is a value as an HCL expression.
func literal(v reflect.Value) string {
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		if v.IsNil() {
			return "null"
		}
		v = v.Elem()
	}
	if !v.IsValid() {
		return "null"
	}
	if v.Type() == durationType {
		return strconv.Quote(shortDuration(time.Duration(v.Int())))
	}
	if n, ok := v.Interface().(json.Number); ok {
		return n.String()
	}
	switch {
	case v.Kind() == reflect.String:
		return text(v.String())
	case v.Kind() == reflect.Bool:
		return strconv.FormatBool(v.Bool())
	case v.CanInt():
		return strconv.FormatInt(v.Int(), 10)
	case v.CanUint():
		return strconv.FormatUint(v.Uint(), 10)
	case v.CanFloat():
		return float(v.Float())
	case v.Kind() == reflect.Slice:
		return listLiteral(v)
	case v.Kind() == reflect.Map:
		return mapLiteral(v)
	}
	panic("jobspec: no way to write a value of " + v.Type().String())
}

// shortDuration is "5m" for what the standard library spells "5m0s".
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func float(f float64) string {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return "null" // JSON has neither, so no job holds one
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}

func listLiteral(v reflect.Value) string {
	items := make([]string, v.Len())
	width := 0
	for i := range items {
		items[i] = literal(v.Index(i))
		width += len(items[i])
	}
	const maxLine = 80
	if width > maxLine || strings.Contains(strings.Join(items, ""), "\n") {
		for i := range items {
			items[i] += endOfItem(items[i])
		}
		return "[\n" + strings.Join(items, "") + "]"
	}
	return "[" + strings.Join(items, ", ") + "]"
}

// endOfItem ends an item of a list on a line of its own. A heredoc ends its line itself.
func endOfItem(item string) string {
	if strings.HasPrefix(item, "<<") {
		return "\n,\n"
	}
	return ",\n"
}

func mapLiteral(v reflect.Value) string {
	if v.Len() == 0 {
		return "{}"
	}
	var b strings.Builder
	b.WriteString("{\n")
	for _, key := range keys(stringKeys(v)) {
		name := key
		if !hclsyntax.ValidIdentifier(key) || keyword[key] {
			name = quoted(key)
		}
		value := literal(v.MapIndex(reflect.ValueOf(key)))
		fmt.Fprintf(&b, "%s = %s\n", name, value)
	}
	b.WriteString("}")
	return b.String()
}

// keyword are the identifiers that would be more than a name as the key of an object.
var keyword = map[string]bool{"for": true, "null": true, "true": true, "false": true}

// text is a string as an expression: a heredoc where it is lines, else quoted.
func text(s string) string {
	const marker = "EOT"
	if strings.Count(s, "\n") < 2 || !strings.HasSuffix(s, "\n") || strings.ContainsFunc(s, oddInHeredoc) {
		return quoted(s)
	}
	for line := range strings.Lines(s) {
		if strings.TrimSpace(line) == marker {
			return quoted(s)
		}
	}
	return "<<" + marker + "\n" + escapeTemplate(s) + marker
}

// oddInHeredoc are the characters that a heredoc has no escape for.
func oddInHeredoc(r rune) bool {
	return r != '\n' && r != '\t' && !unicode.IsPrint(r)
}

func quoted(s string) string {
	return `"` + escapeTemplate(escapeQuoted(s)) + `"`
}

// quotedLabel is a label, in which nothing is interpolated.
func quotedLabel(s string) string {
	return `"` + strings.NewReplacer("${", "$${", "%{", "%%{").Replace(escapeQuoted(s)) + `"`
}

func escapeQuoted(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	return b.String()
}

// template is what begins an interpolation or a directive, and keptRuntime one that
// reads back as its own text, because only the node knows the name.
var (
	template    = regexp.MustCompile(`\$+\{|%+\{`)
	keptRuntime = regexp.MustCompile(`^\$\{(?:(?:attr|device|meta|node|secret)(?:\.[A-Za-z_][A-Za-z0-9_-]*)+|NOMAD_[A-Za-z0-9_]+)\}`)
)

// escapeTemplate doubles the sign before a brace, except for names of the node.
func escapeTemplate(s string) string {
	var b strings.Builder
	for {
		at := template.FindStringIndex(s)
		if at == nil {
			return b.String() + s
		}
		b.WriteString(s[:at[0]])
		if sign := s[at[0]:at[1]]; keptRuntime.MatchString(s[at[0]:]) {
			b.WriteString(sign)
		} else {
			b.WriteString(sign[:len(sign)-1] + sign[:1] + "{")
		}
		s = s[at[1]:]
	}
}

// settingLiteral is the text of a setting: bare where it is a number or a boolean
// that is read back letter by letter.
func settingLiteral(s string) string {
	n, err := strconv.ParseFloat(s, 64)
	if s == "true" || s == "false" || err == nil && math.Abs(n) < 1e15 && strconv.FormatFloat(n, 'f', -1, 64) == s && s != "-0" {
		return s
	}
	return text(s)
}
