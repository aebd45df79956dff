package config

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/json"
	"github.com/zclconf/go-cty/cty"
)

// Bounds of a file. The parsers recurse on nesting, and a stack that overflows cannot be
// recovered from: no configuration comes near these.
const (
	maxFileSize  = 1 << 20
	maxNesting   = 100
	maxOperators = 2_000
	maxDigits    = 100
)

// node is one value of a file with its place. Exactly one of fields, items and scalar
// counts, as kind says.
type node struct {
	kind   kind
	rng    hcl.Range
	fields []field
	items  []node
	scalar cty.Value
}

// kind is what a node holds.
type kind int

const (
	null kind = iota // JSON null: as if the key were absent
	scalar
	list
	object
)

// String is the word for error messages.
func (k kind) String() string { return [...]string{"null", "a value", "a list", "a block"}[k] }

// field is one key of an object. A labelled block is an object within an object, so that
// HCL's `plugin "x" {}` and JSON's {"plugin": {"x": {}}} are the same tree.
type field struct {
	name  string
	rng   hcl.Range
	value node
}

// parse reads one file as HCL or JSON. It never panics, whatever src is.
func parse(name string, src []byte) (node, Problems) {
	src = bytes.TrimPrefix(src, []byte("\xef\xbb\xbf"))
	if len(src) > maxFileSize {
		return node{}, Problems{{Pos: name, Text: fmt.Sprintf("file has %d bytes; at most %d are read", len(src), maxFileSize)}}
	}
	if isJSON(name, src) {
		return parseJSON(name, src)
	}
	return parseHCL(name, src)
}

// isJSON goes by the extension, and without a known one by the first character.
func isJSON(name string, src []byte) bool {
	switch filepath.Ext(name) {
	case ".json":
		return true
	case ".hcl":
		return false
	}
	src = bytes.TrimSpace(src)
	return len(src) > 0 && (src[0] == '{' || src[0] == '[')
}

func parseJSON(name string, src []byte) (node, Problems) {
	if line, col, deep := jsonTooDeep(src); deep {
		return node{}, tooDeep(fmt.Sprintf("%s:%d:%d", name, line, col))
	}
	expr, diags := json.ParseExpression(src, name)
	if diags.HasErrors() {
		return node{}, fromDiags(diags)
	}
	r := reader{}
	root := r.expr(expr)
	return root, r.problems
}

// jsonTooDeep finds the bracket that exceeds maxNesting, outside of strings.
func jsonTooDeep(src []byte) (line, col int, deep bool) {
	depth, inString := 0, false
	line = 1
	for i := 0; i < len(src); i++ {
		col++
		switch c := src[i]; {
		case c == '\n':
			line, col = line+1, 0
		case inString && c == '\\':
			i, col = i+1, col+1
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			if depth++; depth > maxNesting {
				return line, col, true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return 0, 0, false
}

func tooDeep(pos string) Problems {
	return Problems{{Pos: pos, Text: "nested too deep"}}
}

func parseHCL(name string, src []byte) (node, Problems) {
	// Errors of the lexer are found again by the parser, in context.
	tokens, _ := hclsyntax.LexConfig(src, name, hcl.InitialPos)
	if pos, deep := hclTooDeep(tokens); deep {
		return node{}, tooDeep(pos)
	}
	for _, t := range tokens {
		if t.Type == hclsyntax.TokenNumberLit && hugeNumber(string(t.Bytes)) {
			return node{}, Problems{{Pos: position(t.Range), Text: "number too large"}}
		}
	}
	src = olderBlocks(src, tokens)
	f, diags := hclsyntax.ParseConfig(src, name, hcl.InitialPos)
	if diags.HasErrors() {
		return node{}, fromDiags(diags)
	}
	r := reader{}
	root := r.body(f.Body.(*hclsyntax.Body))
	return root, r.problems
}

// hclTooDeep counts what makes the parser or the evaluator recurse: brackets and
// templates by their depth; operators, indexes and dots, which nest without a bracket, by
// their number.
func hclTooDeep(tokens hclsyntax.Tokens) (pos string, deep bool) {
	depth, operators := 0, 0
	for _, t := range tokens {
		switch t.Type {
		case hclsyntax.TokenOBrack:
			depth++
			operators++
		case hclsyntax.TokenOBrace, hclsyntax.TokenOParen, hclsyntax.TokenTemplateInterp,
			hclsyntax.TokenTemplateControl, hclsyntax.TokenOQuote, hclsyntax.TokenOHeredoc:
			depth++
		case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen,
			hclsyntax.TokenTemplateSeqEnd, hclsyntax.TokenCQuote, hclsyntax.TokenCHeredoc:
			depth--
		case hclsyntax.TokenIdent, hclsyntax.TokenNumberLit, hclsyntax.TokenStringLit, hclsyntax.TokenQuotedLit,
			hclsyntax.TokenNewline, hclsyntax.TokenComment, hclsyntax.TokenComma, hclsyntax.TokenEqual, hclsyntax.TokenEOF:
		default:
			operators++
		}
		if depth > maxNesting || operators > maxOperators {
			return position(t.Range), true
		}
	}
	return "", false
}

// hugeNumber finds literals that only a mistake or malice writes: an exponent of three
// digits or more. Arithmetic on those, written out as text, takes minutes.
func hugeNumber(lit string) bool {
	_, exp, _ := strings.Cut(strings.ToLower(lit), "e")
	return len(lit) > maxDigits || len(strings.TrimLeft(exp, "+-0")) > 2
}

// olderBlocks puts an equals sign where older HCL, in which Nomad's examples are written,
// did without: `meta { "a.b" = "x" }`, since a block of today has no quoted keys, and any
// `name {` inside `client = { ... }`, since a value of today has no blocks. The sign
// replaces the space before the brace, so that positions stay.
func olderBlocks(src []byte, tokens hclsyntax.Tokens) []byte {
	out := bytes.Clone(src)
	var inValue []bool // for each open brace: does it hold a value, not a block?
	for i, t := range tokens {
		switch t.Type {
		case hclsyntax.TokenCBrace:
			inValue = inValue[:max(0, len(inValue)-1)]
		case hclsyntax.TokenOBrace:
			isValue := i > 0 && tokens[i-1].Type == hclsyntax.TokenEqual
			within := len(inValue) > 0 && inValue[len(inValue)-1]
			if gap := t.Range.Start.Byte - 1; !isValue && (within || quotedKeyNext(tokens[i+1:])) && namedBrace(tokens[:i], gap) {
				out[gap] = '='
				isValue = true
			}
			inValue = append(inValue, isValue)
		}
	}
	return out
}

// namedBrace reports whether before ends with a line's first name and a space at gap.
func namedBrace(before hclsyntax.Tokens, gap int) bool {
	n := len(before)
	if n == 0 || before[n-1].Type != hclsyntax.TokenIdent || before[n-1].Range.End.Byte > gap {
		return false
	}
	if n == 1 {
		return true
	}
	t := before[n-2].Type
	return t == hclsyntax.TokenNewline || t == hclsyntax.TokenOBrace || t == hclsyntax.TokenComment
}

func quotedKeyNext(after hclsyntax.Tokens) bool {
	for _, t := range after {
		if t.Type != hclsyntax.TokenNewline && t.Type != hclsyntax.TokenComment {
			return t.Type == hclsyntax.TokenOQuote
		}
	}
	return false
}
