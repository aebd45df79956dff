package jobspec

import (
	"errors"
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

	// The documentation calls these two with { a = 1 }, which is an object and not a map.
	length = objectsToo(stdlib.LengthFunc, func(object cty.Value, _ []cty.Value) (cty.Value, error) {
		return cty.NumberIntVal(int64(object.LengthInt())), nil
	})
	indexOf = objectsToo(stdlib.IndexFunc, attributeOf)

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

// objectsToo is f, which takes collections, with an answer for objects.
func objectsToo(f function.Function, ofObject func(object cty.Value, args []cty.Value) (cty.Value, error)) function.Function {
	return function.New(&function.Spec{
		VarParam: &function.Parameter{Name: "args", Type: cty.DynamicPseudoType},
		Type: func(args []cty.Value) (cty.Type, error) {
			if len(args) != len(f.Params()) || !args[0].Type().IsObjectType() {
				return f.ReturnTypeForValues(args)
			}
			val, err := ofObject(args[0], args[1:])
			if err != nil {
				return cty.NilType, err
			}
			return val.Type(), nil
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if !args[0].Type().IsObjectType() {
				return f.Call(args)
			}
			return ofObject(args[0], args[1:])
		},
	})
}

// attributeOf is what index({ a = 1 }, "a") yields.
func attributeOf(object cty.Value, args []cty.Value) (cty.Value, error) {
	key := args[0]
	if key.Type() != cty.String {
		return cty.NilVal, errors.New("the key of an object is a string")
	}
	if !key.IsKnown() || !object.IsKnown() {
		return cty.DynamicVal, nil
	}
	if !object.Type().HasAttribute(key.AsString()) {
		return cty.NilVal, fmt.Errorf("the object has no attribute %q", key.AsString())
	}
	return object.GetAttr(key.AsString()), nil
}

// bounded is f behind a check of its arguments.
func bounded(f function.Function, check func(args []cty.Value) error) function.Function {
	return function.New(&function.Spec{
		Params:   f.Params(),
		VarParam: f.VarParam(),
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
