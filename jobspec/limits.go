package jobspec

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// What expressions of one file may cost. A server parses files too, where a line of
// text must not make a gigabyte.
const (
	maxRounds = 200_000 // of all for expressions together
	maxText   = 8 << 20 // bytes that one call may make of smaller text
	maxWidth  = 10_000  // of one verb of format(), and of indent()
)

// countedFor is a for expression that counts its rounds, and those of all others,
// against maxRounds: three of them inside one another make a billion of a thousand.
type countedFor struct {
	*hclsyntax.ForExpr
	rounds *int // of the whole file
}

// Value evaluates the collection once, to count it before the rounds begin.
func (e countedFor) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	at := e.SrcRange
	tooMany := hcl.Diagnostics{{Severity: hcl.DiagError, Summary: fmt.Sprintf("for expressions run more than %d rounds", maxRounds), Subject: &at}}
	if *e.rounds > maxRounds {
		return cty.DynamicVal, tooMany
	}
	list, diags := e.CollExpr.Value(ctx)
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	if bare, _ := list.Unmark(); bare.IsKnown() && !bare.IsNull() && bare.CanIterateElements() {
		*e.rounds += bare.LengthInt()
	}
	if *e.rounds > maxRounds {
		return cty.DynamicVal, tooMany
	}
	counted := *e.ForExpr
	counted.CollExpr = &hclsyntax.LiteralValueExpr{Val: list, SrcRange: e.CollExpr.Range()}
	return counted.Value(ctx)
}

// textLength is the length of a known string, 0 for anything else.
func textLength(val cty.Value) int {
	if !val.IsKnown() || val.IsNull() || val.Type() != cty.String {
		return 0
	}
	return len(val.AsString())
}

// checkGrowth refuses text that would be larger than maxText.
func checkGrowth(bytes int) error {
	if bytes > maxText {
		return fmt.Errorf("the result has more than %d bytes", maxText)
	}
	return nil
}

// checkReplace bounds replace() and regex_replace(): every byte may become the
// replacement, and in the second every reference in it the whole text.
func checkReplace(args []cty.Value) error {
	if len(args) != 3 {
		return nil
	}
	text, pattern, by := textLength(args[0]), max(1, textLength(args[1])), textLength(args[2])
	return checkGrowth(text + (text/pattern+1)*by)
}

func checkRegexReplace(args []cty.Value) error {
	if len(args) != 3 || !args[2].IsKnown() || args[2].Type() != cty.String || args[2].IsNull() {
		return nil
	}
	text, by := textLength(args[0]), args[2].AsString()
	return checkGrowth(text + (text+1)*len(by) + text*strings.Count(by, "$"))
}

// checkJoin bounds join(separator, list...).
func checkJoin(args []cty.Value) error {
	size := 0
	for _, list := range args[min(1, len(args)):] {
		if !list.IsWhollyKnown() || list.IsNull() || !list.CanIterateElements() {
			continue
		}
		for it := list.ElementIterator(); it.Next(); {
			_, item := it.Element()
			size += textLength(args[0]) + textLength(item)
		}
	}
	return checkGrowth(size)
}

// wideVerb finds the widths of the verbs of format().
var wideVerb = regexp.MustCompile(`%[^a-zA-Z%]*?(\d{5,})`)

func checkFormat(args []cty.Value) error {
	if len(args) == 0 || textLength(args[0]) == 0 {
		return nil
	}
	for _, verb := range wideVerb.FindAllStringSubmatch(args[0].AsString(), -1) {
		if width, err := strconv.Atoi(verb[1]); err != nil || width > maxWidth {
			return fmt.Errorf("a width may be at most %d", maxWidth)
		}
	}
	size, verbs := 0, strings.Count(args[0].AsString(), "%")
	for _, arg := range args[1:] {
		size = max(size, valueSize(arg))
	}
	return checkGrowth(textLength(args[0]) + verbs*size)
}

func checkIndent(args []cty.Value) error {
	if len(args) != 2 || !args[0].IsKnown() || args[0].IsNull() || args[0].Type() != cty.Number || textLength(args[1]) == 0 {
		return nil
	}
	spaces, _ := args[0].AsBigFloat().Int64()
	if spaces > maxWidth {
		return fmt.Errorf("at most %d spaces are allowed", maxWidth)
	}
	return checkGrowth(textLength(args[1]) + int(max(0, spaces))*strings.Count(args[1].AsString(), "\n"))
}
