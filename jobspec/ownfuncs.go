package jobspec

import (
	"fmt"
	"strings"

	"github.com/hashicorp/go-cty-funcs/crypto"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// Functions that the libraries lack, or that need a bound: a job file is parsed
// on servers too, where an expression must not cost minutes or gigabytes.
var (
	startsWith  = textTest(strings.HasPrefix)
	endsWith    = textTest(strings.HasSuffix)
	strContains = textTest(strings.Contains)

	boundedSetProduct = bounded(stdlib.SetProductFunc, checkSetProduct)
	boundedBcrypt     = bounded(crypto.BcryptFunc, checkBcrypt)
)

// maxSetProduct and maxBcryptCost bound the two functions whose work explodes.
// A cost of 12 takes about a quarter of a second.
const (
	maxSetProduct = 100_000
	maxBcryptCost = 12
)

// textTest makes a function of a predicate over two strings.
func textTest(test func(text, part string) bool) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "text", Type: cty.String}, {Name: "part", Type: cty.String}},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return cty.BoolVal(test(args[0].AsString(), args[1].AsString())), nil
		},
	})
}

// bounded is f behind a check of its arguments.
func bounded(f function.Function, check func(args []cty.Value) error) function.Function {
	return function.New(&function.Spec{
		VarParam: &function.Parameter{Name: "args", Type: cty.DynamicPseudoType},
		Type: func(args []cty.Value) (cty.Type, error) {
			if err := check(args); err != nil {
				return cty.NilType, err
			}
			return f.ReturnTypeForValues(args)
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return f.Call(args) },
	})
}

func checkSetProduct(args []cty.Value) error {
	total := 1
	for _, arg := range args {
		if arg.IsKnown() && arg.CanIterateElements() {
			total *= max(1, arg.LengthInt())
		}
		if total > maxSetProduct {
			return fmt.Errorf("the product has more than %d elements", maxSetProduct)
		}
	}
	return nil
}

func checkBcrypt(args []cty.Value) error {
	if len(args) < 2 || !args[1].IsKnown() || args[1].Type() != cty.Number {
		return nil
	}
	if cost, _ := args[1].AsBigFloat().Int64(); cost > maxBcryptCost {
		return fmt.Errorf("the cost may be at most %d", maxBcryptCost)
	}
	return nil
}
