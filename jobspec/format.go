package jobspec

import (
	"bytes"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
)

// Format lays out HCL text in the one canonical way: two spaces a level, equals
// signs of neighbouring lines aligned, one newline at the end. Comments stay.
// Formatting twice changes nothing more. Text that does not parse comes back as
// it was, with the reasons.
func Format(src []byte) ([]byte, Diagnostics) {
	if diags := checkNesting("", src); diags.HasErrors() {
		return src, diags
	}
	if _, diags := hclsyntax.ParseConfig(src, "", hcl.InitialPos); diags.HasErrors() {
		return src, fromHCL(diags)
	}
	out := hclwrite.Format(src)
	if trimmed := bytes.TrimRight(out, " \t\r\n"); len(trimmed) > 0 {
		return append(trimmed, '\n'), nil
	}
	return out, nil
}
