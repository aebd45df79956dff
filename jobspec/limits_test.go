package jobspec

import (
	"fmt"
	"strings"
	"testing"
)

// TestCosts puts files through the parser that would make gigabytes, or run for
// hours, of a few lines. A bound that is missing shows as a test that does not end.
func TestCosts(t *testing.T) {
	big := `join("", [for i in range(1000) : "` + strings.Repeat("x", 1000) + `"])`
	many := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			if strings.Contains(format, "%d") {
				fmt.Fprintf(&b, format, i)
			} else {
				b.WriteString(format)
			}
		}
		return b.String()
	}
	for name, file := range map[string]string{
		"nested loops":       "locals {\n  x = [for a in range(1000) : [for b in range(1000) : [for c in range(1000) : 1]]]\n}\njob \"x\" {}\n",
		"a loop of a list":   "locals {\n  x = [for a in range(1000) : [for b in range(1000) : [" + many(5000, "1,") + "]]]\n}\njob \"x\" {}\n",
		"one large template": "locals {\n  big = " + big + "\n}\njob \"x\" {\n  meta {\n    a = \"" + many(1000, "${local.big}") + "\"\n  }\n}\n",
		"many calls":         "locals {\n  big = " + big + "\n}\njob \"x\" {\n  meta {\n" + many(1000, "    a%d = upper(local.big)\n") + "  }\n}\n",
		"a list of calls":    "locals {\n  big = " + big + "\n}\njob \"x\" {\n  datacenters = [" + many(1000, "upper(local.big),") + "]\n}\n",
		"a loop of text":     "locals {\n  big = " + big + "\n}\njob \"x\" {\n  meta {\n    a = \"%{ for i in range(1000) }${local.big}%{ endfor }\"\n  }\n}\n",
		"many blocks":        "job \"x\" {\n  dynamic \"group\" {\n    for_each = range(1000)\n    labels = [group.value]\n    content {\n      meta {\n" + many(2000, "        a%d = \"x\"\n") + "      }\n    }\n  }\n}\n",
		"copies of a value":  "locals {\n  big = " + big + "\n}\njob \"x\" {\n  meta {\n" + many(1000, "    a%d = local.big\n") + "  }\n}\n",
	} {
		t.Run(name, func(t *testing.T) {
			_, diags := Parse(Input{Path: "x.hcl", Body: []byte(file)})
			if !strings.Contains(diags.Error(), errCost.Error()) {
				t.Errorf("got %.300s", diags.Error())
			}
		})
	}
	ordinary := "locals {\n  big = " + big + "\n}\njob \"x\" {\n  meta {\n    a = \"${local.big}${local.big}\"\n  }\n}\n"
	if _, diags := Parse(Input{Path: "x.hcl", Body: []byte(ordinary)}); diags.HasErrors() {
		t.Errorf("two megabytes of meta: %s", diags)
	}
}
