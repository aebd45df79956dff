package jobspec

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// What expressions of one file may cost. A server parses files too, where a line of
// text must not make a gigabyte.
const (
	maxCost  = 64 << 20 // units for the whole file: a byte of text, an element; see the costs below
	maxText  = 8 << 20  // bytes that one call may make of smaller text
	maxWidth = 10_000   // of one verb of format(), and of indent()

	evaluationCost = 512 // of an attribute, each time that it is evaluated
	roundCost      = 256 // of a round of a for expression, and four for each byte of its body
)

// budget is what the evaluation of one file may still cost.
type budget struct{ left int }

func newBudget() *budget { return &budget{left: maxCost} }

// spend takes units; false means that nothing is left. A nil budget is endless.
func (b *budget) spend(units int) bool {
	if b == nil {
		return true
	}
	if b.left >= 0 {
		b.left -= min(max(0, units), maxCost+1)
	}
	return b.left >= 0
}

// take spends what a value weighs. One that is beyond counting, because its parts
// share what they hold (aliases of YAML), takes all that is left.
func (b *budget) take(val cty.Value) bool {
	size := valueSize(val)
	if size > maxValues {
		size = maxCost + 1
	}
	return b.spend(size)
}

// errCost is the one message for a file that costs too much.
var errCost = errors.New("the expressions of the file make too much: more than 64 MiB in all")

func costDiagnostic(at hcl.Range) hcl.Diagnostics {
	return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: errCost.Error(), Subject: &at}}
}

// countedFor is a for expression that pays for its rounds: three of them inside one
// another make a billion of a thousand.
type countedFor struct {
	*hclsyntax.ForExpr
	cost *budget
}

// Value evaluates the collection once, to pay before the rounds begin.
func (e countedFor) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	if !e.cost.spend(roundCost) {
		return cty.DynamicVal, costDiagnostic(e.SrcRange)
	}
	list, diags := e.CollExpr.Value(ctx)
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	if bare, _ := list.Unmark(); bare.IsKnown() && !bare.IsNull() && bare.CanIterateElements() {
		body := e.SrcRange.End.Byte - e.SrcRange.Start.Byte
		if !e.cost.spend(bare.LengthInt() * (roundCost + 4*max(0, body))) {
			return cty.DynamicVal, costDiagnostic(e.SrcRange)
		}
	}
	counted := *e.ForExpr
	counted.CollExpr = &hclsyntax.LiteralValueExpr{Val: list, SrcRange: e.CollExpr.Range()}
	return counted.Value(ctx)
}

// countedTemplate is a template of several parts that pays for the text before it
// joins them.
type countedTemplate struct {
	*hclsyntax.TemplateExpr
	cost *budget
}

// Value evaluates the parts once and joins what they yield.
func (e countedTemplate) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	counted := *e.TemplateExpr
	counted.Parts = make([]hclsyntax.Expression, len(e.Parts))
	var all hcl.Diagnostics
	for i, part := range e.Parts {
		val, diags := part.Value(ctx)
		all = append(all, diags...)
		bare, _ := val.Unmark()
		if !e.cost.spend(1 + textLength(bare)) {
			return cty.DynamicVal, append(all, costDiagnostic(e.SrcRange)...)
		}
		counted.Parts[i] = &hclsyntax.LiteralValueExpr{Val: val, SrcRange: part.Range()}
	}
	if all.HasErrors() {
		return cty.DynamicVal, all
	}
	val, diags := counted.Value(ctx)
	return val, append(all, diags...)
}

// countedJoin is the loop of a template, whose rounds were paid and whose text was not.
type countedJoin struct {
	*hclsyntax.TemplateJoinExpr
	cost *budget
}

// Value evaluates the rounds once and joins what they yield.
func (e countedJoin) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	list, diags := e.Tuple.Value(ctx)
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	if !e.cost.take(list) {
		return cty.DynamicVal, costDiagnostic(e.Range())
	}
	counted := hclsyntax.TemplateJoinExpr{Tuple: &hclsyntax.LiteralValueExpr{Val: list, SrcRange: e.Tuple.Range()}}
	return counted.Value(ctx)
}

// counted wraps an expression that can make much of little.
func counted(e hclsyntax.Expression, cost *budget) hclsyntax.Expression {
	switch e := e.(type) {
	case *hclsyntax.ForExpr:
		return countedFor{e, cost}
	case *hclsyntax.TemplateExpr:
		if len(e.Parts) > 1 {
			return countedTemplate{e, cost}
		}
	case *hclsyntax.TemplateJoinExpr:
		return countedJoin{e, cost}
	}
	return e
}

// metered is f, paid by the size of what it yields.
func metered(f function.Function, cost *budget) function.Function {
	return function.New(&function.Spec{
		Params:   f.Params(),
		VarParam: f.VarParam(),
		Type:     f.ReturnTypeForValues,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if !cost.spend(evaluationCost) {
				return cty.DynamicVal, errCost
			}
			val, err := f.Call(args)
			if err == nil && !cost.take(val) {
				return cty.DynamicVal, errCost
			}
			return val, err
		},
	})
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

// yamlAnchor and yamlAlias are how a text of YAML names a part of it, and refers to it.
var (
	yamlAnchor = regexp.MustCompile(`&([^\s,\[\]{}]+)`)
	yamlAlias  = regexp.MustCompile(`\*([^\s,\[\]{}]+)`)
)

// checkYAML bounds what anchors and aliases may make of a text: n aliases, shared out
// as well as can be, multiply it by e^(n/e), about 1.45 to the power of n.
func checkYAML(args []cty.Value) error {
	if len(args) != 1 || textLength(args[0]) == 0 {
		return nil
	}
	text := args[0].AsString()
	anchors := map[string]bool{}
	for _, m := range yamlAnchor.FindAllStringSubmatch(text, -1) {
		anchors[m[1]] = true
	}
	size := float64(len(text))
	for _, m := range yamlAlias.FindAllStringSubmatch(text, -1) {
		if !anchors[m[1]] {
			continue // a star in the text
		}
		if size *= 1.45; size > maxText {
			return errors.New("its aliases could make more than 8 MiB")
		}
	}
	return nil
}
