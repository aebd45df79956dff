package jobspec

import (
	"regexp"
	"slices"
	"strconv"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// Locate makes diagnostics of what Validate, here or on a server, has to say about
// the job that was made from a file: it follows the place that each problem names
//
//	group "web": task "app": resources: cpu must be at least 1 (is -5)
//
// through the blocks of the text, to the attribute if there is one of that name. A
// block that is not in the text, because a dynamic block or a default made it, leaves
// the diagnostic at the block around it. A file in JSON, or without a job, has no
// places: its diagnostics carry the name of the file only.
func Locate(path string, body []byte, problems []string) Diagnostics {
	var job *hclsyntax.Block
	if file, diags := hclsyntax.ParseConfig(body, path, hcl.InitialPos); !diags.HasErrors() {
		job = find(file.Body.(*hclsyntax.Body), "job", "", 0)
	}
	var out Diagnostics
	for _, problem := range problems {
		d := Diagnostic{File: path, Summary: problem}
		if job != nil {
			d = d.at(locate(job, problem))
		}
		out = append(out, d)
	}
	return out.sorted()
}

// place is one step of a problem's place: a name, and a label or a number.
var place = regexp.MustCompile(`^(\w+)(?: ("(?:[^"\\]|\\.)*")| (\d+))?: `)

// subject is what a problem begins with once its place is off: the name of an
// attribute, or of a block, perhaps with a label or a name inside of it.
var subject = regexp.MustCompile(`^(\w+)(?: ("(?:[^"\\]|\\.)*"))?(?: (\w+))?`)

func locate(job *hclsyntax.Block, problem string) hcl.Range {
	in := job
	around := []*hclsyntax.Block{job} // in and the blocks that it is in, outermost first
	for {
		step := place.FindStringSubmatch(problem)
		if step == nil {
			break
		}
		label := unquote(step[2])
		number, _ := strconv.Atoi(step[3])
		if b := find(in.Body, step[1], label, number); b != nil {
			if attr := b.Body.Attributes[label]; attr != nil && len(b.Labels) == 0 { // env "KEY"
				return attr.Range()
			}
			in = b
			around = append(around, b)
		} else if attr := in.Body.Attributes[step[1]]; attr != nil {
			return attr.Expr.Range()
		}
		problem = problem[len(step[0]):]
	}
	s := subject.FindStringSubmatch(problem)
	if s == nil {
		return in.DefRange()
	}
	if s[1] == in.Type && s[3] != "" { // service "x": service kind is ...
		s[1], s[2], s[3] = s[3], "", ""
	}
	if attr := in.Body.Attributes[s[1]]; attr != nil {
		return attr.Expr.Range()
	}
	for _, outer := range slices.Backward(around) {
		b := find(outer.Body, s[1], unquote(s[2]), last)
		if b == nil {
			continue // what all tasks take from the job, such as vault, is there
		}
		return within(b, s[3])
	}
	return in.DefRange()
}

// within is the place of a name inside a block, or the block itself.
func within(b *hclsyntax.Block, name string) hcl.Range {
	if attr := b.Body.Attributes[name]; attr != nil {
		return attr.Expr.Range()
	}
	if inner := find(b.Body, name, "", 0); inner != nil && name != "" {
		return inner.DefRange()
	}
	return b.DefRange()
}

// last asks find for the last match: of what exists twice, the second is one too many.
const last = -1

// find is the block of a type and, where these are given, of a label or the number
// in order, from 1. What a dynamic block makes stands for all that it makes. A block
// without labels answers to its attribute name, or to its number.
func find(in *hclsyntax.Body, blockType, label string, number int) *hclsyntax.Block {
	var all []*hclsyntax.Block
	var made, named *hclsyntax.Block
	for _, b := range in.Blocks {
		if b.Type == "dynamic" && len(b.Labels) == 1 && b.Labels[0] == blockType {
			made = find(b.Body, "content", "", 0)
		}
		if b.Type != blockType || label != "" && len(b.Labels) > 0 && b.Labels[0] != label {
			continue
		}
		if all = append(all, b); label != "" && nameOf(b) == label && (named == nil || number == last) {
			named = b
		}
	}
	if n, err := strconv.Atoi(label); err == nil && number == 0 {
		number = n
	}
	switch {
	case named != nil:
		return named
	case number == last && len(all) > 0:
		return all[len(all)-1]
	case max(number, 1) <= len(all):
		return all[max(number, 1)-1]
	case len(all) > 0 && number > 0 && label != "":
		return all[0]
	}
	return made
}

// nameOf is the label of a block, or its attribute name where that is plain text.
func nameOf(b *hclsyntax.Block) string {
	if len(b.Labels) > 0 {
		return b.Labels[0]
	}
	if attr := b.Body.Attributes["name"]; attr != nil {
		if val, diags := attr.Expr.Value(nil); !diags.HasErrors() && val.IsKnown() && !val.IsNull() && val.Type() == cty.String {
			return val.AsString()
		}
	}
	return ""
}

func unquote(s string) string {
	if text, err := strconv.Unquote(s); err == nil {
		return text
	}
	return s
}
