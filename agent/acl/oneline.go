package acl

import (
	"bytes"
	"sort"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// spread gives every attribute and block of a text a line of its own, because policies
// written for the first version of HCL may put several on one, which the second refuses.
// added are the places in the new text where a line break was put in, in order.
func spread(text []byte) (out []byte, added []int) {
	tokens, diags := hclsyntax.LexConfig(text, "rules", hcl.InitialPos)
	if diags.HasErrors() {
		return text, nil
	}
	nest, end := 0, 0 // brackets and parentheses that are open; where the last token ended
	for i, t := range tokens {
		if i > 0 && nest == 0 && apart(tokens, i) {
			added = append(added, len(out))
			out = append(out, '\n')
		}
		out = append(append(out, text[end:t.Range.Start.Byte]...), t.Bytes...)
		end = t.Range.End.Byte
		switch t.Type {
		case hclsyntax.TokenOBrack, hclsyntax.TokenOParen:
			nest++
		case hclsyntax.TokenCBrack, hclsyntax.TokenCParen:
			nest--
		}
	}
	return out, added
}

// apart reports whether token i has to begin a line.
func apart(tokens hclsyntax.Tokens, i int) bool {
	before, t := tokens[i-1].Type, tokens[i].Type
	switch {
	case before == hclsyntax.TokenNewline || t == hclsyntax.TokenNewline || t == hclsyntax.TokenEOF || t == hclsyntax.TokenComment:
		return false
	case before == hclsyntax.TokenOBrace || before == hclsyntax.TokenCBrace || t == hclsyntax.TokenCBrace:
		return true
	case t != hclsyntax.TokenIdent || i+1 == len(tokens):
		return false
	}
	next := tokens[i+1].Type
	return (before == hclsyntax.TokenCQuote || before == hclsyntax.TokenCBrack) &&
		(next == hclsyntax.TokenEqual || next == hclsyntax.TokenOBrace || next == hclsyntax.TokenOQuote)
}

// unspread moves the places that diagnostics name back to the text before spread.
func unspread(diags hcl.Diagnostics, text []byte, added []int) {
	for _, d := range diags {
		if d.Subject == nil {
			continue
		}
		at := d.Subject.Start.Byte
		at -= sort.SearchInts(added, at)
		at = max(0, min(at, len(text)))
		line := bytes.LastIndexByte(text[:at], '\n')
		d.Subject = &hcl.Range{Start: hcl.Pos{
			Line: bytes.Count(text[:at], []byte{'\n'}) + 1, Column: at - line, Byte: at,
		}}
	}
}
