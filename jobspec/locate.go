package jobspec

import (
	"regexp"
	"strconv"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
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
// attribute, or of a block with a label.
var subject = regexp.MustCompile(`^(\w+)(?: ("(?:[^"\\]|\\.)*"))?`)

func locate(in *hclsyntax.Block, problem string) hcl.Range {
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
		} else if attr := in.Body.Attributes[step[1]]; attr != nil {
			return attr.Expr.Range()
		}
		problem = problem[len(step[0]):]
	}
	if s := subject.FindStringSubmatch(problem); s != nil {
		if attr := in.Body.Attributes[s[1]]; attr != nil {
			return attr.Expr.Range()
		}
		if b := find(in.Body, s[1], unquote(s[2]), last); b != nil {
			return b.DefRange()
		}
	}
	return in.DefRange()
}

// last asks find for the last match: of what exists twice, the second is one too many.
const last = -1

// find is the block of a type and, where these are given, of a label or the number
// in order, from 1. What a dynamic block makes stands for all that it makes.
func find(in *hclsyntax.Body, blockType, label string, number int) *hclsyntax.Block {
	var match, made *hclsyntax.Block
	count := 0
	for _, b := range in.Blocks {
		if b.Type == "dynamic" && len(b.Labels) == 1 && b.Labels[0] == blockType {
			made = find(b.Body, "content", "", 0)
		}
		if b.Type != blockType || label != "" && len(b.Labels) > 0 && b.Labels[0] != label {
			continue
		}
		count++
		if match = b; number != last && count >= number {
			return match
		}
	}
	if match == nil || count < number {
		return made
	}
	return match
}

func unquote(s string) string {
	if text, err := strconv.Unquote(s); err == nil {
		return text
	}
	return s
}
