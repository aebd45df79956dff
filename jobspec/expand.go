package jobspec

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// maxBlocks bounds the blocks that dynamic blocks of one file may make.
const maxBlocks = 20_000

// block is a block together with the names that its expressions see: those of
// the file, and the iterators of the dynamic blocks around it.
type block struct {
	*hclsyntax.Block
	ctx *hcl.EvalContext
}

// expand lists the blocks inside b, with dynamic blocks replaced by what they make.
func (d *decoder) expand(b block) []block {
	var out []block
	for _, inner := range b.Body.Blocks {
		if inner.Type == "dynamic" {
			out = append(out, d.dynamic(block{inner, b.ctx})...)
			continue
		}
		out = append(out, block{inner, b.ctx})
	}
	return out
}

// dynamicAttributes are what a dynamic block may hold beside its content.
var dynamicAttributes = []string{"for_each", "iterator", "labels"}

// dynamic makes one block for each element of for_each.
func (d *decoder) dynamic(b block) []block {
	content, ok := d.checkDynamic(b)
	if !ok || d.made > maxBlocks {
		return nil
	}
	list, ok := d.value(b.Body.Attributes["for_each"].Expr, b.ctx)
	if !ok || !list.IsKnown() {
		return nil
	}
	at := b.Body.Attributes["for_each"].Expr.Range()
	if list.IsNull() || !list.CanIterateElements() {
		d.fail(at, "for_each needs a list, a set or a map", "")
		return nil
	}
	var out []block
	for it := list.ElementIterator(); it.Next(); {
		if d.made++; d.made > maxBlocks {
			d.fail(at, fmt.Sprintf("dynamic blocks make more than %d blocks", maxBlocks), "")
			return out
		}
		key, val := it.Element()
		if list.Type().IsSetType() {
			key = val
		}
		ctx := b.ctx.NewChild()
		ctx.Variables = map[string]cty.Value{
			iteratorName(b.Block): cty.ObjectVal(map[string]cty.Value{"key": key, "value": val}),
		}
		made := *content
		made.Type, made.TypeRange = b.Labels[0], b.LabelRanges[0]
		made.Labels, made.LabelRanges = d.dynamicLabels(b, ctx)
		out = append(out, block{&made, ctx})
	}
	return out
}

// checkDynamic reports what is wrong with the form of a dynamic block.
func (d *decoder) checkDynamic(b block) (content *hclsyntax.Block, ok bool) {
	before := len(d.diags)
	if len(b.Labels) != 1 {
		d.fail(b.TypeRange, "dynamic takes one label: the type of the blocks to make", "")
		return nil, false
	}
	if b.Labels[0] == "dynamic" {
		d.fail(b.LabelRanges[0], "a dynamic block cannot make dynamic blocks", "write the inner dynamic block inside content { }")
	}
	for _, a := range sortedAttributes(b.Body) {
		if !slices.Contains(dynamicAttributes, a.Name) {
			d.fail(a.NameRange, fmt.Sprintf("unknown attribute %q in dynamic", a.Name), didYouMean(a.Name, dynamicAttributes))
		}
	}
	for _, inner := range b.Body.Blocks {
		if inner.Type != "content" || content != nil {
			d.fail(inner.TypeRange, "dynamic holds one content block", "")
			continue
		}
		content = inner
	}
	if b.Body.Attributes["for_each"] == nil {
		d.fail(b.TypeRange, "dynamic needs for_each", "give it a list, a set or a map")
	}
	if content == nil {
		d.fail(b.TypeRange, "dynamic needs a content block", "")
	}
	if iteratorName(b.Block) == "" {
		d.fail(b.Body.Attributes["iterator"].Expr.Range(), "iterator is a name without quotes", "")
	}
	return content, len(d.diags) == before
}

// dynamicLabels evaluates the labels of a block that is being made.
func (d *decoder) dynamicLabels(b block, ctx *hcl.EvalContext) (labels []string, ranges []hcl.Range) {
	attr := b.Body.Attributes["labels"]
	if attr == nil {
		return nil, nil
	}
	list, ok := d.value(attr.Expr, ctx)
	if !ok || !list.IsWhollyKnown() {
		return nil, nil
	}
	list, err := convert.Convert(list, cty.List(cty.String))
	if err != nil || list.IsNull() {
		d.fail(attr.Expr.Range(), "labels needs a list of strings", "")
		return nil, nil
	}
	for _, label := range list.AsValueSlice() {
		if label.IsNull() {
			d.fail(attr.Expr.Range(), "labels needs a list of strings", "one of them is null")
			return nil, nil
		}
		labels = append(labels, label.AsString())
		ranges = append(ranges, attr.Expr.Range())
	}
	return labels, ranges
}
